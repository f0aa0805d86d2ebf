import { queryOptions } from '@tanstack/vue-query'

import { api, unwrap, type components } from '@/api'
import { detailKey } from '@/composables/queryKeys'

type Schemas = components['schemas']
export type Variable = Schemas['VariableOut']
export type VariableScope = Schemas['VariableScope']
export type VariableVersion = Schemas['VariableVersionOut']
export type VariableCreate = Schemas['VariableCreate']
export type VariableChange = Schemas['VariableChange']

export interface RunsOf {
  scope: 'project' | 'task'
  id: number
}
/** Whose runs a variable is for. */
export type Owner = { scope: 'global' } | RunsOf

export const SCOPES: readonly VariableScope[] = ['global', 'project', 'task']

export const VARIABLES = ['variables'] as const

/** One variable as it is now, with its whole value; kept nowhere once nobody looks at it. */
export function variableQuery(id: number) {
  return queryOptions({
    queryKey: detailKey('variables', id),
    queryFn: ({ signal }) => unwrap(api.GET('/variables/{variable_id}', { params: { path: { variable_id: id } }, signal })),
    staleTime: 0,
    gcTime: 0,
  })
}

/** What the runs of a task are given, or, but for their tasks' own, all runs of a project. */
export function effectiveQuery({ scope, id }: RunsOf) {
  const query = scope === 'task' ? { task_id: id } : { project_id: id }
  return queryOptions({
    queryKey: [...VARIABLES, 'effective', query] as const,
    queryFn: async ({ signal }) => (await unwrap(api.GET('/variables/effective', { params: { query }, signal }))).items,
  })
}

export const createVariable = (fields: VariableCreate): Promise<Variable> => unwrap(api.POST('/variables', { body: fields }))

/** Change a variable as it was when it was seen; a conflict when somebody else changed it since. */
export function changeVariable(seen: Variable, change: VariableChange): Promise<Variable> {
  return unwrap(api.PATCH('/variables/{variable_id}', { params: { path: { variable_id: seen.id }, header: { 'If-Match': seen.version } }, body: change }))
}

export async function deleteVariable(seen: Variable): Promise<void> {
  await api.DELETE('/variables/{variable_id}', { params: { path: { variable_id: seen.id }, header: { 'If-Match': seen.version } } })
}
