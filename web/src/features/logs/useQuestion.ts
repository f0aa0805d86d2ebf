import { computed } from 'vue'
import { useRoute, useRouter } from 'vue-router'

import type { components } from '@/api'
import { useTimeRange } from '@/composables/useTimeRange'

export type RunState = components['schemas']['RunState']

/** The states of runs that may have printed something. */
export const PRINTING_STATES: readonly RunState[] = ['running', 'retrying', 'succeeded', 'failed', 'timed_out', 'stopped', 'lost']

/** What is looked for, as a request takes it. */
export interface Question {
  q: string
  regex?: true
  case?: true
  task_id?: number
  project_id?: number
  state?: RunState[]
  from?: string
  to?: string
}

type Name = 'q' | 'regex' | 'case' | 'task' | 'project' | 'state'

/** What is looked for in the logs of runs, in the page's address: a search can be sent to somebody. */
export function useQuestion() {
  const route = useRoute()
  const router = useRouter()
  const range = useTimeRange(['any', '24h', '7d', '31d', 'custom'])

  const text = (name: Name): string => (typeof route.query[name] === 'string' ? route.query[name] : '')
  const id = (name: Name): number | undefined => (/^\d+$/.test(text(name)) ? Number(text(name)) : undefined)
  const set = (changes: Partial<Record<Name, string | undefined>>) => router.replace({ query: { ...route.query, ...changes } })
  /** A filter as a model: what it is now, and where it is written. */
  const filter = <Value>(name: Name, read: () => Value, write: (value: Value) => string | undefined) =>
    computed<Value>({ get: read, set: (value) => void set({ [name]: write(value) }) })
  const flag = (name: Name) => filter(name, () => text(name) === '1', (on) => (on ? '1' : undefined))
  const reference = (name: Name) => filter(name, () => id(name), (value) => (value ? String(value) : undefined))

  const q = computed(() => text('q'))
  const regex = flag('regex')
  const minding = flag('case')
  const taskId = reference('task')
  const projectId = reference('project')
  const state = filter<RunState | 'all'>('state', () => PRINTING_STATES.find((known) => known === text('state')) ?? 'all', (value) => (value === 'all' ? undefined : value))

  return {
    q,
    regex,
    case: minding,
    taskId,
    projectId,
    state,
    range,
    isFiltered: computed(() => taskId.value !== undefined || projectId.value !== undefined || state.value !== 'all' || range.choice.value !== 'any'),
    /** Another one than before when this has changed. */
    key: computed(() => JSON.stringify([q.value, regex.value, minding.value, taskId.value, projectId.value, state.value, range.key.value])),
    /** Look for other words; the way back leads to those before. */
    ask: (words: string) => router.push({ query: { ...route.query, q: words || undefined } }),
    clear: () => void router.replace({ query: { q: q.value || undefined, regex: regex.value ? '1' : undefined, case: minding.value ? '1' : undefined } }),
    /** As a request takes it; a range that ends now is counted from now. */
    current: (): Question => ({
      q: q.value,
      ...(regex.value && { regex: true }),
      ...(minding.value && { case: true }),
      ...(taskId.value !== undefined && { task_id: taskId.value }),
      ...(projectId.value !== undefined && { project_id: projectId.value }),
      ...(state.value !== 'all' && { state: [state.value] }),
      ...range.bounds(),
    }),
  }
}

export type QuestionInAddress = ReturnType<typeof useQuestion>
