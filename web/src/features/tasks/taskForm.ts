import type { Task, TaskFields } from './taskApi'
import { draftOf, toWish, type TriggerDraft } from './triggerForm'

/** A task as it stands in the form. */
export interface TaskDraft {
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
  priority: number
  /** Null: the run may take as long as it likes. */
  timeoutSeconds: number | null
  stopGraceSeconds: number
}

/** Every field of the server that has a place in the form; what it says of others is shown above the form. */
export const FIELDS = [
  'name',
  'description',
  'project_id',
  'environment_id',
  'tags',
  'command',
  'shell',
  'triggers',
  'overlap',
  'max_parallel',
  'catch_up',
  'catch_up_window_seconds',
  'priority',
  'timeout_seconds',
  'stop_grace_seconds',
] as const

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
    priority: 0,
    timeoutSeconds: 3_600,
    stopGraceSeconds: 10,
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
    priority: task.priority,
    timeoutSeconds: task.timeout_seconds,
    stopGraceSeconds: task.stop_grace_seconds,
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
    priority: draft.priority,
    timeout_seconds: draft.timeoutSeconds,
    stop_grace_seconds: draft.stopGraceSeconds,
  }
}
