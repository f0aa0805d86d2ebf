import { queryOptions } from '@tanstack/vue-query'

import { api, unwrap, type components } from '@/api'
import { detailKey, listKey } from '@/composables/queryKeys'

type Schemas = components['schemas']
export type Environment = Schemas['EnvironmentOut']
export type Build = Schemas['BuildOut']
export type Interpreter = Schemas['InterpreterOut']
export type Package = Schemas['PackageOut']
export type Install = Schemas['InstallOut']

export const ENVIRONMENTS = ['environments'] as const

export const interpretersQuery = queryOptions({
  queryKey: listKey('interpreters'),
  queryFn: () => unwrap(api.GET('/interpreters')).then((answer) => answer.items),
})

/** Installations of Pythons since the server was started. */
export const installsQuery = queryOptions({
  queryKey: listKey('interpreters', { installs: true }),
  queryFn: ({ signal }) => unwrap(api.GET('/interpreters/installs', { signal })).then((answer) => answer.items),
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

export function outdatedQuery(id: number) {
  return queryOptions({
    queryKey: detailKey('environments', id, 'outdated'),
    queryFn: ({ signal }) => unwrap(api.GET('/environments/{environment_id}/packages/outdated', { params: { path: { environment_id: id } }, signal })),
  })
}

export function usageQuery(id: number) {
  return queryOptions({
    queryKey: detailKey('environments', id, 'usage'),
    queryFn: ({ signal }) => unwrap(api.GET('/environments/{environment_id}/usage', { params: { path: { environment_id: id } }, signal })),
  })
}

/** What changed from the build `against`, or from the one before, to `buildId`. */
export function changesQuery(id: number, buildId: number, against?: number) {
  return queryOptions({
    queryKey: detailKey('environments', id, 'changes', buildId, against),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET('/environments/{environment_id}/builds/{build_id}/changes', {
          params: { path: { environment_id: id, build_id: buildId }, query: { against } },
          signal,
        }),
      ),
  })
}

export function lockQuery(id: number, buildId: number) {
  return queryOptions({
    queryKey: detailKey('environments', id, 'lock', buildId),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET('/environments/{environment_id}/builds/{build_id}/lock', {
          params: { path: { environment_id: id, build_id: buildId } },
          parseAs: 'text',
          signal,
        }),
      ),
    // A lock never changes.
    staleTime: Infinity,
  })
}

export function lockUrl(id: number, buildId: number): string {
  return `/api/v1/environments/${id}/builds/${buildId}/lock`
}

/** The builds of an environment, newest first, one page of them. */
export function loadBuilds(id: number, cursor: string | undefined, signal: AbortSignal) {
  return unwrap(api.GET('/environments/{environment_id}/builds', { params: { path: { environment_id: id }, query: { cursor } }, signal }))
}

export function packageSearchQuery(environmentId: number, q: string) {
  return queryOptions({
    queryKey: listKey('packages', { environmentId, q }),
    queryFn: ({ signal }) => unwrap(api.GET('/packages/search', { params: { query: { q, environment_id: environmentId } }, signal })),
  })
}
