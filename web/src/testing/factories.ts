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
    created_at: '2026-01-05T12:00:00Z',
    updated_at: '2026-01-06T08:30:00Z',
    task_count: 0,
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
    attempts: [
      {
        number: 1,
        state: 'succeeded',
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
      },
    ],
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
    next_due_at: '2027-01-06T01:30:00Z',
    last_run: { id: 99, state: 'succeeded', ended_at: '2026-01-05T12:00:02Z' },
    created_at: '2026-01-05T12:00:00Z',
    updated_at: '2026-01-05T12:00:00Z',
    ...changes,
  }
}

export function makePool(changes: Partial<Schemas['PoolOut']> = {}): Schemas['PoolOut'] {
  return { id: 5, version: 1, name: 'database', slots: 2, created_at: '2026-01-05T12:00:00Z', ...changes }
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
