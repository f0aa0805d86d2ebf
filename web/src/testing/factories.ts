import type { components } from '@/api'

type Schemas = components['schemas']

/** One function for each type of the API: a valid value, in which a test names only what it is about. */
export function makeMe(changes: Partial<Schemas['Me']> = {}): Schemas['Me'] {
  return { id: 1, username: 'mika', role: 'admin', ...changes }
}

export function makeBuild(changes: Partial<Schemas['BuildOut']> = {}): Schemas['BuildOut'] {
  return {
    id: 17,
    environment_id: 4,
    project_id: null,
    generation: 3,
    state: 'ready',
    queue_position: null,
    is_being_cancelled: false,
    python_version: '3.12.1',
    interpreter_path: '/usr/bin/python3.12',
    lock_hash: '3f0c',
    size_bytes: 5_767_168,
    error: null,
    error_output: null,
    log_bytes: 1342,
    created_at: '2026-01-05T12:00:00Z',
    started_at: '2026-01-05T12:00:00Z',
    ended_at: '2026-01-05T12:00:01Z',
    duration_seconds: 0.6,
    ...changes,
  }
}

export function makeEnvironment(changes: Partial<Schemas['EnvironmentOut']> = {}): Schemas['EnvironmentOut'] {
  return {
    id: 4,
    version: 1,
    name: 'etl',
    backend: 'uv',
    python: '3.12',
    source: 'packages',
    packages: ['requests>=2.31', 'rich'],
    requirements: null,
    environment_yml: null,
    project_id: null,
    interpreter_id: null,
    index_url: null,
    extra_index_urls: [],
    index_credentials: [],
    proxy: null,
    wheel_folder: null,
    use_index: true,
    import_check: true,
    task_count: 0,
    active_build: makeBuild(),
    latest_build: makeBuild(),
    wanted_build: null,
    created_at: '2026-01-05T12:00:00Z',
    updated_at: '2026-01-05T12:00:00Z',
    ...changes,
  }
}

export function makePackage(changes: Partial<Schemas['PackageOut']> = {}): Schemas['PackageOut'] {
  return { name: 'rich', version: '14.1.0', size_bytes: 421_888, is_direct: true, requires: [], required_by: [], ...changes }
}

export function makeInterpreter(changes: Partial<Schemas['InterpreterOut']> = {}): Schemas['InterpreterOut'] {
  return {
    id: 3,
    path: '/usr/bin/python3.12',
    version: '3.12.1',
    implementation: 'CPython',
    architecture: 'x86_64',
    source: 'system',
    supported: true,
    is_default: true,
    problem: null,
    environments: [],
    task_count: 0,
    ...changes,
  }
}

export function makeProject(changes: Partial<Schemas['ProjectOut']> = {}): Schemas['ProjectOut'] {
  return {
    id: 2,
    version: 1,
    name: 'quotes',
    description: '',
    snapshot_id: 41,
    file_count: 3,
    size_bytes: 2_560,
    output_dir: '/srv/kumo/outputs/2',
    own_output_dir: null,
    created_at: '2026-01-05T12:00:00Z',
    updated_at: '2026-01-06T08:30:00Z',
    task_count: 0,
    git: null,
    ...changes,
  }
}

export function makeDetection(changes: Partial<Schemas['DetectionOut']> = {}): Schemas['DetectionOut'] {
  return {
    environment: { source: 'requirements.txt', python: null },
    commands: ['python main.py'],
    kinds: [{ name: 'script', files: ['main.py'] }],
    spiders: [],
    ...changes,
  }
}

export function makePull(changes: Partial<Schemas['PullOut']> = {}): Schemas['PullOut'] {
  return {
    id: 12,
    state: 'succeeded',
    cause: 'person',
    overwrite: false,
    queued_at: '2026-01-06T08:30:00Z',
    started_at: '2026-01-06T08:30:00Z',
    ended_at: '2026-01-06T08:30:01Z',
    changed: true,
    commit: { id: '5f0c6f6e2d5b4b6e9c1d4a7b8e2f3a4b5c6d7e8f', author: 'Ada', subject: 'Read page by page', committed_at: '2026-01-06T08:29:30+00:00' },
    snapshot_id: 41,
    problem: null,
    message: 'Pulled 5f0c6f6e2d “Read page by page”.',
    ...changes,
  }
}

export function makeGit(changes: Partial<Schemas['GitOut']> = {}): Schemas['GitOut'] {
  return {
    url: 'https://git.example.org/team/quotes.git',
    branch: 'main',
    tag: null,
    commit: null,
    subdirectory: '',
    submodules: false,
    credential: null,
    pull_every_seconds: null,
    next_pull_at: null,
    main_branch: 'main',
    pulled: makePull().commit,
    local_changes: false,
    webhook: false,
    webhook_secret: false,
    last_pull: makePull(),
    ...changes,
  }
}

export function makeAttempt(changes: Partial<Schemas['AttemptOut']> = {}): Schemas['AttemptOut'] {
  return {
    number: 1,
    state: 'succeeded',
    outcome: 'exited',
    exit_code: 0,
    started_at: '2026-01-05T12:00:00Z',
    ended_at: '2026-01-05T12:00:02Z',
    peak_memory_bytes: 52_428_800,
    peak_cpu_percent: 97.1,
    cpu_seconds: 1.9,
    log_bytes: 10_240,
    log_dropped_bytes: null,
    limits_by: null,
    reason: null,
    worker: 'local',
    ...changes,
  }
}

export function makeRun(changes: Partial<Schemas['RunOut']> = {}): Schemas['RunOut'] {
  return {
    id: 99,
    task_id: 7,
    task_name: 'nightly',
    project_id: 2,
    state: 'succeeded',
    reason: null,
    cause: { type: 'manual', trigger_id: null, due_at: null, actor: 'mika' },
    attempt: 1,
    max_attempts: 1,
    attempts: [makeAttempt()],
    snapshot_id: 41,
    environment_id: null,
    build_id: 17,
    command: 'python main.py --full',
    shell: false,
    priority: 0,
    timeout_seconds: 3_600,
    stop_grace_seconds: 10,
    parameters: {},
    limits: {},
    interpreter: '/usr/bin/python3.12',
    variable_versions: {},
    own_variables: [],
    scratch: false,
    exact_of: null,
    retry_at: null,
    stop_requested_at: null,
    queued_at: '2026-01-05T12:00:00Z',
    started_at: '2026-01-05T12:00:00Z',
    ended_at: '2026-01-05T12:00:02Z',
    duration_seconds: 2.1,
    exit_code: 0,
    ...changes,
  }
}

export function makeTask(changes: Partial<Schemas['TaskOut']> = {}): Schemas['TaskOut'] {
  return {
    id: 7,
    version: 3,
    name: 'nightly',
    description: '',
    project_id: 2,
    project_name: 'quotes',
    environment_id: null,
    tags: ['etl'],
    command: 'python main.py --full',
    shell: false,
    active: true,
    triggers: [{ id: 11, type: 'cron', expression: '30 2 * * *', timezone: 'Europe/Berlin', seconds: null, start_at: null, end_at: null, at: null }],
    overlap: 'skip',
    max_parallel: 1,
    catch_up: 'latest',
    catch_up_window_seconds: 3_600,
    priority: 0,
    timeout_seconds: 3_600,
    stop_grace_seconds: 10,
    pool: null,
    retry: { max_attempts: 1, delay_seconds: 60, backoff: 2, max_delay_seconds: 3_600, exit_codes: null },
    failure_threshold: null,
    consecutive_failures: 0,
    paused_reason: null,
    limits: { cpu_percent: null, memory_bytes: null, processes: null, log_bytes: 1_073_741_824 },
    rate_limit: { request_interval_ms: null, max_requests_per_second: null },
    blackouts: [],
    proxy: null,
    declared: false,
    drift: [],
    next_due_at: '2027-01-06T01:30:00Z',
    last_run: { id: 99, state: 'succeeded', ended_at: '2026-01-05T12:00:02Z' },
    created_at: '2026-01-05T12:00:00Z',
    updated_at: '2026-01-05T12:00:00Z',
    ...changes,
  }
}

export function makeSlot(changes: Partial<Schemas['SlotOut']> = {}): Schemas['SlotOut'] {
  return {
    id: 1,
    trigger_id: 11,
    due_at: '2026-01-05T01:30:00Z',
    first_due_at: '2026-01-05T01:30:00Z',
    count: 1,
    outcome: 'run',
    reason: null,
    run_id: 99,
    down: [],
    ...changes,
  }
}

export function makeSlotSummary(changes: Partial<Schemas['SummaryOut']> = {}): Schemas['SummaryOut'] {
  return {
    from: '2026-01-04T12:00:00Z',
    to: '2026-01-05T12:00:00Z',
    expected: 1,
    ran: 1,
    skipped: {},
    down: [],
    cadence: { configured_seconds: null, real_seconds: null, warning: null },
    sentence: 'expected 1, ran 1',
    ...changes,
  }
}

export function makeBootReport(changes: Partial<Schemas['BootReportOut']> = {}): Schemas['BootReportOut'] {
  return {
    down: { from: '2026-01-05T01:00:00Z', to: '2026-01-05T02:00:00Z' },
    missed: 14,
    caught_up: 3,
    queued: 1,
    task_count: 2,
    tasks: [
      { task_id: 7, task_name: 'often', missed: 13, caught_up: 0, run_ids: [], queued_run_ids: [] },
      { task_id: 8, task_name: 'nightly', missed: 1, caught_up: 3, run_ids: [10, 11, 12], queued_run_ids: [12] },
    ],
    ...changes,
  }
}

export function makeFoundRun(changes: Partial<Schemas['FoundRunOut']> = {}): Schemas['FoundRunOut'] {
  return {
    run_id: 99,
    attempt: 1,
    task_id: 7,
    task_name: 'nightly',
    project_id: 2,
    scratch: false,
    state: 'failed',
    queued_at: '2026-01-05T12:00:00Z',
    matches: [makeMatch()],
    has_more: false,
    ...changes,
  }
}

export function makeMatch(changes: Partial<Schemas['MatchOut']> = {}): Schemas['MatchOut'] {
  return { offset: 640, line: 12, at: '2026-01-05T12:00:01Z', text: 'an ERROR came up', match_offset: 643, match_start: 3, match_end: 8, ...changes }
}

export function makePool(changes: Partial<Schemas['PoolOut']> = {}): Schemas['PoolOut'] {
  return { id: 5, version: 1, name: 'database', slots: 2, created_at: '2026-01-05T12:00:00Z', ...changes }
}

export function makeVariable(changes: Partial<Schemas['VariableOut']> = {}): Schemas['VariableOut'] {
  return {
    id: 3,
    version: 2,
    name: 'API_URL',
    scope: 'global',
    scope_id: null,
    scope_name: null,
    description: '',
    secret: false,
    value: 'https://example.com/api',
    size_bytes: 23,
    as_file: false,
    given_as: 'environment',
    value_number: 2,
    readable: true,
    hides: [],
    warnings: [],
    created_at: '2026-01-05T12:00:00Z',
    updated_at: '2026-01-06T08:30:00Z',
    updated_by: 'mika',
    ...changes,
  }
}

export function makeDashboard(changes: Partial<Schemas['Dashboard']> = {}): Schemas['Dashboard'] {
  return {
    counts: { projects: 1, environments: 0, tasks: 1, active_tasks: 1 },
    running: 0,
    queued: 0,
    success_rate_7d: 0.9871,
    days: Array.from({ length: 14 }, (_, day) => ({ date: `2026-01-${String(day + 1).padStart(2, '0')}`, succeeded: day, failed: 1, other: 0 })),
    recent_runs: [makeRun()],
    next_due: [{ task_id: 7, task_name: 'nightly', due_at: '2027-01-06T01:30:00Z' }],
    top_failures: [{ task_id: 7, task_name: 'nightly', count: 3 }],
    ...changes,
  }
}

/** One page, the last, of a list. */
export function makeList<Item>(...items: Item[]): { items: Item[]; next_cursor: null } {
  return { items, next_cursor: null }
}

export function makeDeclaration(changes: Partial<Schemas['DeclarationOut']> = {}): Schemas['DeclarationOut'] {
  return {
    state: 'valid',
    path: 'kumo.toml',
    snapshot_id: 41,
    problems: [],
    plan: {
      hash: '9f1c2a',
      nothing_to_do: false,
      environment: null,
      tasks: [
        { action: 'change', name: 'nightly', task_id: 7, fields: [{ field: 'timeout_seconds', before: 3_600, after: 600 }] },
        { action: 'create', name: 'report', task_id: null, fields: [{ field: 'command', before: null, after: 'python report.py' }] },
        { action: 'unchanged', name: 'weekly', task_id: 8, fields: [] },
      ],
    },
    drift: [],
    apply_declaration: false,
    applied: { at: '2026-01-05T12:00:00Z', by: 'mika', snapshot_id: 40 },
    failure: null,
    ...changes,
  }
}
