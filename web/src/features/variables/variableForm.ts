import type { Owner, Variable, VariableChange, VariableCreate, VariableScope } from './variables'

/** A variable while it is written. */
export interface VariableDraft {
  name: string
  value: string
  secret: boolean
  asFile: boolean
  scope: VariableScope
  projectId: number | undefined
  taskId: number | undefined
  description: string
}

export function newDraft(owner: Owner): VariableDraft {
  return { name: '', value: '', secret: false, asFile: false, description: '', ...draftOwner(owner.scope, owner.scope === 'global' ? null : owner.id) }
}

export function draftOf(variable: Variable): VariableDraft {
  const { name, value, secret, as_file: asFile, description, scope, scope_id: ownerId } = variable
  return { name, value: value ?? '', secret, asFile, description, ...draftOwner(scope, ownerId) }
}

function draftOwner(scope: VariableScope, id: number | null): Pick<VariableDraft, 'scope' | 'projectId' | 'taskId'> {
  return { scope, projectId: scope === 'project' ? (id ?? undefined) : undefined, taskId: scope === 'task' ? (id ?? undefined) : undefined }
}

/** Whether a new value was written; where the present one is not told (a secret), an empty field keeps it. */
export function hasNewValue(draft: VariableDraft, stored: Variable): boolean {
  return stored.value === null ? draft.value !== '' : draft.value !== stored.value
}

export function toCreate(draft: VariableDraft): VariableCreate {
  return { ...definitionOf(draft), value: draft.value }
}

/** The value is sent only if it is another one: each that is sent counts as one more that the variable has had. */
export function toChange(draft: VariableDraft, stored: Variable): VariableChange {
  return hasNewValue(draft, stored) ? { ...definitionOf(draft), value: draft.value } : definitionOf(draft)
}

function definitionOf({ name, secret, asFile, description, scope, projectId, taskId }: VariableDraft) {
  return { name: name.trim(), secret, as_file: asFile, description, scope, scope_id: { global: undefined, project: projectId, task: taskId }[scope] }
}
