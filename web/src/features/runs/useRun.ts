import { useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'

import { api, unwrap } from '@/api'
import { detailKey } from '@/composables/queryKeys'
import { isOpen, type Run } from './runState'

// Live events come first; this is for the time in which they do not come through.
const FALLBACK_MS = 10_000
// A place in the queue changes when others start or end, and there is no word of that for this run.
const QUEUE_MS = 3_000

function intervalOf(run: Run | undefined): number | false {
  if (!run || !isOpen(run.state)) return false
  return run.state === 'queued' ? QUEUE_MS : FALLBACK_MS
}

/** One run, kept fresh as long as it is open. */
export function useRun(id: MaybeRefOrGetter<number>) {
  const queryClient = useQueryClient()
  const key = computed(() => detailKey('runs', toValue(id)))
  const query = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => unwrap(api.GET('/runs/{run_id}', { params: { path: { run_id: toValue(id) } }, signal })),
    refetchInterval: ({ state }) => intervalOf(state.data),
  })

  /** Take what the answer to a change says; what only the question for one run is told stays. */
  function note(changed: Run): void {
    queryClient.setQueryData<Run>(key.value, (known) => ({ ...changed, variables: known?.variables, queue_position: known?.queue_position }))
  }

  return { query, run: query.data, note }
}
