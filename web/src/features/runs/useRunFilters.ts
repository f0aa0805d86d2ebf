import { computed } from 'vue'
import { useRoute, useRouter } from 'vue-router'

import { RUN_STATES, type RunState } from './runState'

const HOUR_MS = 3_600_000

/** How far back a list goes from the moment in which it is opened. */
export const PERIODS = { hour: HOUR_MS, day: 24 * HOUR_MS, week: 7 * 24 * HOUR_MS, month: 30 * 24 * HOUR_MS } as const
export type Period = keyof typeof PERIODS
/** A period, a begin and an end of one's own, or all there is. */
export type Range = Period | 'own' | 'any'

type Changes = Record<string, string | undefined>
const NONE: Changes = { state: undefined, task: undefined, project: undefined, period: undefined, from: undefined, to: undefined }

function idOf(value: unknown): number | undefined {
  return /^[1-9]\d{0,14}$/.test(String(value)) ? Number(value) : undefined
}

function momentOf(value: unknown): string | undefined {
  const moment = new Date(typeof value === 'string' ? value : '')
  return Number.isNaN(moment.getTime()) ? undefined : moment.toISOString()
}

/** What the list of runs is filtered by. It lives in the address: a list can be sent to somebody, and one finds back. */
export function useRunFilters() {
  const route = useRoute()
  const router = useRouter()

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

  const period = computed<Period | undefined>(() => (Object.keys(PERIODS) as Period[]).find((known) => known === route.query.period))
  // Reckoned once for each choice: a list whose beginning moved on all the time would be another list each time.
  const since = computed(() => (period.value ? new Date(Date.now() - PERIODS[period.value]).toISOString() : undefined))
  const ownMoment = (name: 'from' | 'to') =>
    computed<string | null>({
      get: () => momentOf(route.query[name]) ?? null,
      set: (moment) => change({ [name]: moment ?? undefined }),
    })
  const from = ownMoment('from')
  const to = ownMoment('to')
  const range = computed<Range>({
    get: () => period.value ?? (from.value || to.value ? 'own' : 'any'),
    set: (chosen) => {
      if (chosen === 'any') change({ period: undefined, from: undefined, to: undefined })
      else if (chosen === 'own') change({ period: undefined, from: since.value ?? startOfToday(), to: undefined })
      else change({ period: chosen, from: undefined, to: undefined })
    },
  })

  return {
    states,
    taskId,
    projectId,
    range,
    from,
    to,
    isFiltered: computed(() => states.value.length > 0 || taskId.value !== undefined || projectId.value !== undefined || range.value !== 'any'),
    clear: () => change(NONE),
    /** As the server is asked. */
    filters: computed(() => ({
      task_id: taskId.value,
      project_id: projectId.value,
      state: states.value.length > 0 ? states.value : undefined,
      from: since.value ?? from.value ?? undefined,
      to: period.value ? undefined : (to.value ?? undefined),
    })),
  }
}

function startOfToday(): string {
  const today = new Date()
  today.setHours(0, 0, 0, 0)
  return today.toISOString()
}
