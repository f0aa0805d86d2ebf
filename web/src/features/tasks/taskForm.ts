import { newPolicies, policyDraftOf, toPolicyFields, type PolicyDraft } from './policyForm'
import type { Task, TaskFields } from './taskApi'
import { draftOf, toWish, type TriggerDraft } from './triggerForm'

/** A task as it stands in the form. */
export interface TaskDraft extends PolicyDraft {
  name: string
  description: string
  projectId: number | undefined
  /** Null: what the project itself declares. */
  environmentId: number | null
  tags: string[]
  command: string
  shell: boolean
  triggers: TriggerDraft[]
  overlap: Task['overlap']
  maxParallel: number
  catchUp: Task['catch_up']
  catchUpWindowSeconds: number | null
  /** The name of one; null: no pool. */
  pool: string | null
  priority: number
  /** Null: the run may take as long as it likes. */
  timeoutSeconds: number | null
  stopGraceSeconds: number
}

/** The parts of the form that are folded while they say nothing unusual, with the fields of the server in each. */
export const SECTIONS = {
  concurrency: ['overlap', 'max_parallel', 'pool', 'priority'],
  retries: ['retry.max_attempts', 'retry.delay_seconds', 'retry.backoff', 'retry.max_delay_seconds', 'retry.exit_codes'],
  failures: ['failure_threshold'],
  limits: ['limits.cpu_percent', 'limits.memory_bytes', 'limits.processes', 'limits.log_bytes'],
  crawler: ['rate_limit.request_interval_ms', 'rate_limit.max_requests_per_second', 'proxy'],
  blackouts: ['blackouts'],
} as const
export type Section = keyof typeof SECTIONS

const OPEN_FIELDS = [
  'name',
  'description',
  'project_id',
  'environment_id',
  'tags',
  'command',
  'shell',
  'catch_up',
  'catch_up_window_seconds',
  'timeout_seconds',
  'stop_grace_seconds',
]
const TRIGGER_FIELDS = ['id', 'type', 'expression', 'timezone', 'seconds', 'start_at', 'end_at', 'jitter_seconds', 'at', 'task_id', 'on', 'secret']
const BLACKOUT_FIELDS = ['start', 'end', 'days', 'timezone']

/** Every field of the server that has a place in the form; what it says of others is shown above the form. */
export function fieldsOf(draft: TaskDraft): string[] {
  const folded = Object.values(SECTIONS).flat().filter((name) => name !== 'blackouts')
  const inTriggers = draft.triggers.flatMap((_, index) => TRIGGER_FIELDS.map((name) => `triggers.${index}.${name}`))
  const inBlackouts = draft.blackouts.flatMap((_, index) => BLACKOUT_FIELDS.map((name) => `blackouts.${index}.${name}`))
  return [...OPEN_FIELDS, ...folded, ...inTriggers, ...inBlackouts]
}

/** Whether something in a part of the form is not as it is in a new task. */
export function differs(draft: TaskDraft, section: Section): boolean {
  const said: Record<string, unknown> = { ...toFields(draft) }
  const usual: Record<string, unknown> = { ...toFields(newTask()) }
  const names = new Set(SECTIONS[section].map((path) => path.split('.', 1)[0] ?? path))
  return [...names].some((name) => JSON.stringify(said[name]) !== JSON.stringify(usual[name]))
}

/** With the server's own defaults. */
export function newTask(projectId?: number): TaskDraft {
  return {
    name: '',
    description: '',
    projectId,
    environmentId: null,
    tags: [],
    command: '',
    shell: false,
    triggers: [],
    overlap: 'skip',
    maxParallel: 1,
    catchUp: 'latest',
    catchUpWindowSeconds: 3_600,
    pool: null,
    priority: 0,
    timeoutSeconds: 3_600,
    stopGraceSeconds: 10,
    ...newPolicies(),
  }
}

export function taskDraftOf(task: Task): TaskDraft {
  return {
    name: task.name,
    description: task.description,
    projectId: task.project_id,
    environmentId: task.environment_id,
    tags: [...task.tags],
    command: task.command,
    shell: task.shell,
    triggers: task.triggers.map(draftOf),
    overlap: task.overlap,
    maxParallel: task.max_parallel,
    catchUp: task.catch_up,
    catchUpWindowSeconds: task.catch_up_window_seconds,
    pool: task.pool,
    priority: task.priority,
    timeoutSeconds: task.timeout_seconds,
    stopGraceSeconds: task.stop_grace_seconds,
    ...policyDraftOf(task),
  }
}

export function toFields(draft: TaskDraft): TaskFields {
  return {
    name: draft.name.trim(),
    description: draft.description,
    // No project is number 0: the server says that one must be chosen.
    project_id: draft.projectId ?? 0,
    environment_id: draft.environmentId,
    tags: draft.tags,
    command: draft.command.trim(),
    shell: draft.shell,
    triggers: draft.triggers.map(toWish),
    overlap: draft.overlap,
    max_parallel: draft.maxParallel,
    catch_up: draft.catchUp,
    catch_up_window_seconds: draft.catchUpWindowSeconds ?? 0,
    pool: draft.pool,
    priority: draft.priority,
    timeout_seconds: draft.timeoutSeconds,
    stop_grace_seconds: draft.stopGraceSeconds,
    ...toPolicyFields(draft),
  }
}
