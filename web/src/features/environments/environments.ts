import { queryOptions } from '@tanstack/vue-query'

import { api, unwrap, type components } from '@/api'
import { detailKey, listKey } from '@/composables/queryKeys'

type Schemas = components['schemas']
export type Environment = Schemas['EnvironmentOut']
export type Build = Schemas['BuildOut']
export type Interpreter = Schemas['InterpreterOut']
export type Package = Schemas['PackageOut']

export const ENVIRONMENTS = ['environments'] as const

export const interpretersQuery = queryOptions({
  queryKey: listKey('interpreters'),
  queryFn: () => unwrap(api.GET('/interpreters')).then((answer) => answer.items),
})

export function environmentQuery(id: number) {
  return queryOptions({
    queryKey: detailKey('environments', id),
    queryFn: ({ signal }) => unwrap(api.GET('/environments/{environment_id}', { params: { path: { environment_id: id } }, signal })),
  })
}

export function packagesQuery(id: number) {
  return queryOptions({
    queryKey: detailKey('environments', id, 'packages'),
    queryFn: ({ signal }) =>
      unwrap(api.GET('/environments/{environment_id}/packages', { params: { path: { environment_id: id } }, signal })).then((answer) => answer.items),
  })
}
