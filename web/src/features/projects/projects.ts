import { queryOptions } from '@tanstack/vue-query'

import { api, unwrap, type components } from '@/api'
import { detailKey, listKey } from '@/composables/queryKeys'

type Schemas = components['schemas']
export type Project = Schemas['ProjectOut']
export type TreeEntry = Schemas['TreeEntryOut']
export type Tree = Schemas['TreeOut']
export type ProjectFile = Schemas['FileOut']
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

/** What is in one folder; "" is the top. */
export function levelQuery(id: number, folder: string) {
  return queryOptions({
    queryKey: detailKey('projects', id, 'tree', folder),
    queryFn: ({ signal }) => unwrap(api.GET('/projects/{project_id}/tree', { params: { path: { project_id: id }, query: { path: folder } }, signal })),
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

export type FoundFile = Schemas['FoundFileOut']

const BASE = '/api/v1/projects'

/** Where the bytes of a file are downloaded from. */
export function rawFileUrl(id: number, path: string): string {
  return `${BASE}/${id}/files/${path.split('/').map(encodeURIComponent).join('/')}?raw=true`
}

/** Where an image is shown from; never as a page, whatever is in it. */
export function imageUrl(id: number, path: string): string {
  return `${BASE}/${id}/images/${path.split('/').map(encodeURIComponent).join('/')}`
}

export function archiveUrl(id: number): string {
  return `${BASE}/${id}/archive`
}
