import { computed } from 'vue'
import { useRoute, useRouter } from 'vue-router'

import { useTimeRange } from '@/composables/useTimeRange'
import { RUN_STATES, type RunState } from './runState'

export const SCRATCH_CHOICES = ['all', 'without', 'only'] as const
export type ScratchChoice = (typeof SCRATCH_CHOICES)[number]
type Changes = Record<string, string | undefined>
const NONE: Changes = { state: undefined, task: undefined, project: undefined, range: undefined, from: undefined, to: undefined, scratch: undefined }

function idOf(value: unknown): number | undefined {
  return /^[1-9]\d{0,14}$/.test(String(value)) ? Number(value) : undefined
}

/** What the list of runs is filtered by. It lives in the address: a list can be sent to somebody, and one finds back. */
export function useRunFilters() {
  const route = useRoute()
  const router = useRouter()
  const range = useTimeRange(['any', '24h', '7d', '31d', 'custom'])

  function change(changes: Changes): void {
    void router.replace({ query: { ...route.query, ...changes } })
  }

  const states = computed<RunState[]>({
    get: () => {
      const wanted = String(route.query.state ?? '').split(',')
      return RUN_STATES.filter((state) => wanted.includes(state))
    },
    set: (chosen) => change({ state: chosen.length > 0 ? chosen.join(',') : undefined }),
  })
  const taskId = computed<number | undefined>({
    get: () => idOf(route.query.task),
    set: (chosen) => change({ task: chosen?.toString() }),
  })
  const projectId = computed<number | undefined>({
    get: () => idOf(route.query.project),
    set: (chosen) => change({ project: chosen?.toString() }),
  })

  /** What people tried out without a task: with the others, without them, or alone. */
  const scratch = computed<ScratchChoice>({
    get: () => SCRATCH_CHOICES.find((choice) => choice === route.query.scratch) ?? 'all',
    set: (chosen) => change({ scratch: chosen === 'all' ? undefined : chosen }),
  })

  return {
    states,
    taskId,
    projectId,
    scratch,
    range,
    isFiltered: computed(() => scratch.value !== 'all' || states.value.length > 0 || taskId.value !== undefined || projectId.value !== undefined || range.choice.value !== 'any'),
    clear: () => change(NONE),
    /** What stands for the filters in a query's key; see `useTimeRange`. */
    key: computed(() => [states.value, taskId.value, projectId.value, scratch.value, ...range.key.value]),
    /** As the server is asked, counted from now. */
    asked: () => ({
      task_id: taskId.value,
      project_id: projectId.value,
      scratch: scratch.value === 'all' ? undefined : scratch.value === 'only',
      state: states.value.length > 0 ? states.value : undefined,
      ...range.bounds(),
    }),
  }
}
