import { queryOptions } from '@tanstack/vue-query'

import { api, unwrap, type components } from '@/api'
import { detailKey, listKey } from '@/composables/queryKeys'

type Schemas = components['schemas']
export type Snapshot = Schemas['ListedSnapshot']
export type ChangedFile = Schemas['ChangedFileOut']
export type TrashedProject = Schemas['TrashedProjectOut']
export type RestoredProject = Schemas['RestoredProjectOut']

/** Below the key of the lists, which each change of a project makes stale. */
export const TRASH = listKey('projects', { trash: true })

export const SOURCES = ['created', 'upload', 'edit', 'restore', 'git', 'apply'] as const

export function diffQuery(projectId: number, snapshotId: number, against: number | undefined, path?: string) {
  return queryOptions({
    queryKey: detailKey('projects', projectId, 'diff', snapshotId, against ?? null, path ?? null),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET('/projects/{project_id}/snapshots/{snapshot_id}/diff', {
          params: { path: { project_id: projectId, snapshot_id: snapshotId }, query: { against, path } },
          signal,
        }),
      ),
  })
}

export function snapshotArchiveUrl(projectId: number, snapshotId: number): string {
  return `/api/v1/projects/${projectId}/snapshots/${snapshotId}/archive`
}
