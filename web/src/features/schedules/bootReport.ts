import { useQuery } from '@tanstack/vue-query'

import { api, unwrap, type components } from '@/api'

type Schemas = components['schemas']
export type BootReport = Schemas['BootReportOut']
export type TaskReport = Schemas['TaskReportOut']

export const BOOT_REPORT_KEY = ['schedules', 'boot-report'] as const

// What waits gets fewer by itself; the rest of the report stays as it is until the next down time.
const WAITING_MS = 10_000

/** What the last down time did; looked at again while something of it still waits. */
export function useBootReport() {
  return useQuery({
    queryKey: BOOT_REPORT_KEY,
    queryFn: ({ signal }) => unwrap(api.GET('/schedule/boot-report', { signal })),
    staleTime: WAITING_MS,
    refetchInterval: ({ state }) => (state.data && state.data.queued > 0 ? WAITING_MS : false),
  })
}

/** Take the runs that are caught up and still wait out of the queue, of one task or of all; how many there were. */
export async function purge(taskId?: number): Promise<number> {
  const body = { task_ids: taskId === undefined ? null : [taskId] }
  return (await unwrap(api.POST('/schedule/boot-report/purge', { body }))).stopped_run_ids.length
}
