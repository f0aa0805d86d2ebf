import { queryOptions } from '@tanstack/vue-query'

import { api, ApiError, unwrap, type components } from '@/api'
import { listKey } from '@/composables/queryKeys'

export type Pool = components['schemas']['PoolOut']
export type PoolFields = components['schemas']['PoolCreate']

export const POOLS = ['pools'] as const

const MOST_OPTIONS = 500

/** The pools to choose from in a form. */
export const poolOptionsQuery = queryOptions({
  queryKey: listKey('pools', { options: true }),
  queryFn: async ({ signal }) => (await unwrap(api.GET('/pools', { params: { query: { limit: MOST_OPTIONS } }, signal }))).items,
})

export const createPool = (fields: PoolFields): Promise<Pool> => unwrap(api.POST('/pools', { body: fields }))

/** Change a pool as it was when it was seen; a conflict when somebody else changed it since. */
export function changePool(pool: Pool, fields: PoolFields): Promise<Pool> {
  return unwrap(api.PATCH('/pools/{pool_id}', { params: { path: { pool_id: pool.id }, header: { 'If-Match': pool.version } }, body: fields }))
}

export async function deletePool(id: number): Promise<void> {
  await api.DELETE('/pools/{pool_id}', { params: { path: { pool_id: id } } })
}

/** The names of the tasks that keep a pool from being deleted; empty when something else is wrong. */
export function tasksInTheWay(error: unknown): string[] {
  if (!(error instanceof ApiError) || error.code !== 'conflict') return []
  return error.details.filter(({ field }) => field === 'task').map(({ message }) => message)
}
