import { queryOptions } from '@tanstack/vue-query'

import { api, unwrap, type components } from '@/api'
import { detailKey, listKey } from '@/composables/queryKeys'

type Schemas = components['schemas']
export type Project = Schemas['ProjectOut']
export type TreeEntry = Schemas['TreeEntryOut']
export type Tree = Schemas['TreeOut']
export type ProjectFile = Schemas['FileOut']
export type Snapshot = Schemas['SnapshotOut']
export type Detection = Schemas['DetectionOut']

export const PROJECTS = ['projects'] as const

const MOST_OPTIONS = 500

export function projectQuery(id: number) {
  return queryOptions({
    queryKey: detailKey('projects', id),
    queryFn: ({ signal }) => unwrap(api.GET('/projects/{project_id}', { params: { path: { project_id: id } }, signal })),
  })
}

/** The projects to choose from in a form, as `{ value, label }`. */
export const projectOptionsQuery = queryOptions({
  queryKey: listKey('projects', { options: true }),
  queryFn: async ({ signal }) => {
    const { items } = await unwrap(api.GET('/projects', { params: { query: { limit: MOST_OPTIONS } }, signal }))
    return items.map((project) => ({ value: project.id, label: project.name }))
  },
})

export function treeQuery(id: number) {
  return queryOptions({
    queryKey: detailKey('projects', id, 'tree'),
    queryFn: ({ signal }) => unwrap(api.GET('/projects/{project_id}/tree', { params: { path: { project_id: id } }, signal })),
  })
}

export function fileQuery(id: number, path: string) {
  return queryOptions({
    // Not below the project's own key, which each change of the project makes stale: text that is being edited must not
    // be replaced behind the person's back.
    queryKey: ['project-file', id, path] as const,
    queryFn: ({ signal }) => unwrap(api.GET('/projects/{project_id}/files/{path}', { params: { path: { project_id: id, path } }, signal })) as Promise<ProjectFile>,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchOnReconnect: false,
  })
}

export function detectionQuery(id: number) {
  return queryOptions({
    queryKey: detailKey('projects', id, 'detection'),
    queryFn: ({ signal }) => unwrap(api.GET('/projects/{project_id}/detection', { params: { path: { project_id: id } }, signal })),
  })
}

const BASE = '/api/v1/projects'

/** Where the bytes of a file are downloaded from. */
export function rawFileUrl(id: number, path: string): string {
  return `${BASE}/${id}/files/${path.split('/').map(encodeURIComponent).join('/')}?raw=true`
}

export function archiveUrl(id: number): string {
  return `${BASE}/${id}/archive`
}
