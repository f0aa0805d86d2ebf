import { useQuery } from '@tanstack/vue-query'
import { computed, type Ref } from 'vue'

import { api, unwrap, type components } from '@/api'
import { detailKey } from '@/composables/queryKeys'
import { secondsOf, type Attempt } from './runState'

export type Sample = components['schemas']['SampleOut']

// The runner measures once a second, and the curve of a long attempt has wider steps anyway.
const LIVE_MS = 5_000
/** Of a shorter attempt there are no two samples, and one makes no curve. */
const SHORTEST_SECONDS = 2

/** What an attempt used over time, the earliest first; kept up to date while it goes on. */
export function useSamples(runId: Ref<number>, attempt: Ref<Attempt>) {
  const isGoing = computed(() => attempt.value.started_at !== null && attempt.value.ended_at === null)
  const query = useQuery({
    queryKey: computed(() => detailKey('runs', runId.value, 'samples', attempt.value.number)),
    queryFn: ({ signal }) =>
      unwrap(api.GET('/runs/{run_id}/samples', { params: { path: { run_id: runId.value }, query: { attempt: attempt.value.number } }, signal })),
    enabled: () => isGoing.value || (secondsOf(attempt.value) ?? 0) >= SHORTEST_SECONDS,
    refetchInterval: () => (isGoing.value ? LIVE_MS : false),
  })
  return computed<Sample[]>(() => query.data.value?.items ?? [])
}

/** The most of each: over all samples, and as the attempt says at its end. */
export function peaksOf(samples: readonly Sample[], attempt: Attempt): { cpuPercent: number; memoryBytes: number; processes: number } {
  const most = (of: (sample: Sample) => number, known = 0): number => samples.reduce((highest, sample) => Math.max(highest, of(sample)), known)
  return {
    cpuPercent: most((sample) => sample.cpu_percent, attempt.peak_cpu_percent ?? 0),
    memoryBytes: most((sample) => sample.memory_bytes, attempt.peak_memory_bytes ?? 0),
    processes: most((sample) => sample.processes),
  }
}
