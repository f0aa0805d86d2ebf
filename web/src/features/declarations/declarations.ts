import { queryOptions } from '@tanstack/vue-query'

import { api, unwrap, type components } from '@/api'
import { detailKey } from '@/composables/queryKeys'

type Schemas = components['schemas']
export type Declaration = Schemas['DeclarationOut']
export type Plan = Schemas['PlanOut']
export type Action = Schemas['TaskStepOut']['action']
export type FieldChange = Schemas['FieldChange']
export type Problem = Schemas['ProblemOut']
export type Applied = Schemas['ApplyOut']
type Asked = Partial<Schemas['ApplyRequest']>

const path = (project_id: number) => ({ params: { path: { project_id } } })

export function declarationQuery(projectId: number) {
  return queryOptions({
    queryKey: detailKey('declarations', projectId),
    queryFn: ({ signal }) => unwrap(api.GET('/projects/{project_id}/declaration', { ...path(projectId), signal })),
  })
}

export function applyDeclaration(projectId: number, asked: Asked): Promise<Applied> {
  return unwrap(api.POST('/projects/{project_id}/apply', { ...path(projectId), body: { dry_run: false, ...asked } }))
}

export function setAppliesItself(projectId: number, on: boolean): Promise<Declaration> {
  return unwrap(api.PATCH('/projects/{project_id}/declaration', { ...path(projectId), body: { apply_declaration: on } }))
}

/** Write the tasks that there are into the project's file, which changes nothing about them when it is applied. */
export async function writeFileOfPresentTasks(projectId: number): Promise<void> {
  const content = await unwrap(api.GET('/projects/{project_id}/export', { ...path(projectId), parseAs: 'text' }))
  await unwrap(api.PUT('/projects/{project_id}/files/{path}', { params: { path: { project_id: projectId, path: 'kumo.toml' } }, body: { content } }))
}

export const exportProjectUrl = (projectId: number): string => `/api/v1/projects/${projectId}/export`
export const exportTaskUrl = (taskId: number): string => `/api/v1/tasks/${taskId}/export`

/** A value as the file would have it, on one line; null where there is none. */
export function valueText(value: FieldChange['before']): string | null {
  if (value === null || value === undefined) return null
  if (Array.isArray(value)) return `[${value.map((each) => valueText(each) ?? '–').join(', ')}]`
  if (typeof value === 'object') {
    const said = Object.entries(value).filter(([, each]) => each !== null && each !== 0)
    return said.map(([name, each]) => `${name} = ${valueText(each)}`).join(', ')
  }
  return typeof value === 'string' ? value : JSON.stringify(value)
}
