import { queryOptions } from '@tanstack/vue-query'

import { api, unwrap, type components } from '@/api'
import { detailKey } from '@/composables/queryKeys'

type Schemas = components['schemas']
export type Output = Schemas['OutputOut']
export type OutputPreview = Schemas['OutputPreviewOut']
export type OutputStatistics = Schemas['OutputStatisticsOut']
export type OutputPart = 'start' | 'end'
export type OutputOrder = 'name' | 'newest' | 'largest'
export type OutputRange = '24h' | '7d' | '31d'

const BASE = '/api/v1/projects'
const HOUR_MS = 3_600_000
// Adding up a large folder takes the server seconds, and its sum seldom changes by much.
const SIZES_FRESH_MS = 30_000
/** How long each range is, and in what it is counted. */
const RANGES: Record<OutputRange, { hours: number; bucket: 'hour' | 'day' }> = {
  '24h': { hours: 24, bucket: 'hour' },
  '7d': { hours: 7 * 24, bucket: 'hour' },
  '31d': { hours: 31 * 24, bucket: 'day' },
}

export function outputsQuery(id: number, path: string) {
  return queryOptions({
    queryKey: detailKey('projects', id, 'outputs', path),
    queryFn: ({ signal }) => unwrap(api.GET('/projects/{project_id}/outputs', { params: { path: { project_id: id }, query: { path } }, signal })),
  })
}

export function sizesQuery(id: number, path: string) {
  return queryOptions({
    queryKey: detailKey('projects', id, 'outputs', path, 'sizes'),
    queryFn: ({ signal }) => unwrap(api.GET('/projects/{project_id}/outputs/sizes', { params: { path: { project_id: id }, query: { path } }, signal })),
    staleTime: SIZES_FRESH_MS,
  })
}

export function previewQuery(id: number, path: string, part: OutputPart) {
  return queryOptions({
    queryKey: ['output-preview', id, path, part] as const,
    queryFn: ({ signal }) => unwrap(api.GET('/projects/{project_id}/outputs/preview', { params: { path: { project_id: id }, query: { path, part } }, signal })),
    gcTime: 0,
  })
}

export function statisticsQuery(id: number, range: OutputRange) {
  return queryOptions({
    queryKey: detailKey('projects', id, 'output-statistics', range),
    queryFn: ({ signal }) => {
      const query = { from: beginOf(range), bucket: RANGES[range].bucket }
      return unwrap(api.GET('/projects/{project_id}/outputs/statistics', { params: { path: { project_id: id }, query }, signal })) as Promise<OutputStatistics>
    },
  })
}

export function statisticsUrl(id: number, range: OutputRange, format: 'json' | 'csv'): string {
  const query = new URLSearchParams({ from: beginOf(range), bucket: RANGES[range].bucket, format })
  return `${BASE}/${id}/outputs/statistics?${query}`
}

export function outputUrl(id: number, path: string): string {
  return `${BASE}/${id}/outputs/file?path=${encodeURIComponent(path)}`
}

export function outputImageUrl(id: number, path: string): string {
  return `${BASE}/${id}/outputs/image?path=${encodeURIComponent(path)}`
}

export function outputArchiveUrl(id: number, path: string): string {
  return `${BASE}/${id}/outputs/archive${path ? `?path=${encodeURIComponent(path)}` : ''}`
}

/** A name in a folder, as a path below the output directory. */
export function below(folder: string, name: string): string {
  return folder ? `${folder}/${name}` : name
}

/** Folders first, then as asked for; of two that are alike the name decides. */
export function inOrder(entries: readonly Output[], order: OutputOrder): Output[] {
  const rank = (entry: Output): number => (entry.type === 'directory' ? 0 : 1)
  const by: Record<OutputOrder, (one: Output, other: Output) => number> = {
    name: () => 0,
    newest: (one, other) => Date.parse(other.modified_at) - Date.parse(one.modified_at),
    largest: (one, other) => other.size_bytes - one.size_bytes,
  }
  // The server sends them by name, and sorting keeps the order of what is alike.
  return [...entries].sort((one, other) => rank(one) - rank(other) || by[order](one, other))
}

function beginOf(range: OutputRange): string {
  return new Date(Date.now() - RANGES[range].hours * HOUR_MS).toISOString()
}
