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
    state: 'ready',
    python_version: '3.12.1',
    lock_hash: '3f0c',
    error: null,
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
    index_url: null,
    task_count: 0,
    active_build: makeBuild(),
    latest_build: makeBuild(),
    created_at: '2026-01-05T12:00:00Z',
    updated_at: '2026-01-05T12:00:00Z',
    ...changes,
  }
}

export function makeInterpreter(changes: Partial<Schemas['InterpreterOut']> = {}): Schemas['InterpreterOut'] {
  return {
    path: '/usr/bin/python3.12',
    version: '3.12.1',
    implementation: 'CPython',
    architecture: 'x86_64',
    source: 'system',
    supported: true,
    is_default: true,
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
