import { useQuery } from '@tanstack/vue-query'
import { computed, toValue, watch, type MaybeRefOrGetter, type Ref } from 'vue'
import { useRoute, useRouter } from 'vue-router'

import { api, unwrap } from '@/api'
import { detailKey, listKey } from '@/composables/queryKeys'
import { isFailure, type Run, type RunState } from './runState'

const MOST_CHOICES = 100

/** Whether the page compares its run, and with which: `?compare=98`, or `?compare` for the one that tells the most. */
export function useComparedRun() {
  const route = useRoute()
  const router = useRouter()
  const isOpen = computed(() => route.query.compare !== undefined)
  const otherId = computed<number | undefined>({
    get: () => (/^[1-9]\d*$/.test(String(route.query.compare)) ? Number(route.query.compare) : undefined),
    set: (id) => void router.replace({ query: { ...route.query, compare: id === undefined ? null : String(id) } }),
  })

  function toggle(): void {
    void router.replace({ query: { ...route.query, compare: isOpen.value ? undefined : null } })
  }

  return { isOpen, otherId, toggle }
}

/** The run of the same task, before this one, that it is best compared with; null when there is none. */
async function bestFor(run: Run, signal: AbortSignal): Promise<number | null> {
  const before = async (state?: RunState): Promise<number | undefined> => {
    const query = { task_id: run.task_id, to: run.queued_at, limit: 1, ...(state && { state: [state] }) }
    return (await unwrap(api.GET('/runs', { params: { query }, signal }))).items[0]?.id
  }
  // What was different when it last went well? For a run that went well: since the run before.
  const lastSuccess = isFailure(run.state) ? await before('succeeded') : undefined
  return lastSuccess ?? (await before()) ?? null
}

/** Two runs side by side. While nobody has chosen the other one, the best one is put into `otherId`. */
export function useComparison(run: MaybeRefOrGetter<Run>, otherId: Ref<number | undefined>) {
  const id = computed(() => toValue(run).id)
  const taskId = computed(() => toValue(run).task_id)

  const best = useQuery({
    queryKey: computed(() => detailKey('runs', id.value, 'best-other')),
    queryFn: ({ signal }) => bestFor(toValue(run), signal),
    enabled: () => otherId.value === undefined,
  })
  watch(
    () => [otherId.value, best.data.value] as const,
    ([chosen, found]) => {
      if (chosen === undefined && found) otherId.value = found
    },
    { immediate: true },
  )

  const choices = useQuery({
    queryKey: computed(() => listKey('runs', { task_id: taskId.value, limit: MOST_CHOICES })),
    queryFn: ({ signal }) => unwrap(api.GET('/runs', { params: { query: { task_id: taskId.value, limit: MOST_CHOICES } }, signal })),
  })
  const other = useQuery({
    queryKey: computed(() => detailKey('runs', otherId.value ?? 0)),
    queryFn: ({ signal }) => unwrap(api.GET('/runs/{run_id}', { params: { path: { run_id: otherId.value ?? 0 } }, signal })),
    enabled: () => otherId.value !== undefined,
  })
  const comparison = useQuery({
    queryKey: computed(() => detailKey('runs', id.value, 'compare', otherId.value)),
    queryFn: ({ signal }) =>
      unwrap(api.GET('/runs/{run_id}/compare', { params: { path: { run_id: id.value }, query: { with: otherId.value ?? 0 } }, signal })),
    enabled: () => otherId.value !== undefined,
  })

  return {
    /** There is nothing before this run to compare it with, and nobody has chosen another one. */
    hasNone: computed(() => otherId.value === undefined && best.data.value === null),
    choices: computed<Run[]>(() => (choices.data.value?.items ?? []).filter((one) => one.id !== id.value)),
    other: other.data,
    comparison: comparison.data,
    error: computed(() => best.error.value ?? other.error.value ?? comparison.error.value),
  }
}
