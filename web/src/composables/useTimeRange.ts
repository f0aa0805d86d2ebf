import { computed } from 'vue'
import { useRoute, useRouter } from 'vue-router'

/** How long a range that ends now is; `any` is without a beginning, `custom` is from one moment to another. */
export type RangeChoice = 'any' | '24h' | '7d' | '31d' | 'custom'

const HOUR_MS = 3_600_000
const LENGTHS: Partial<Record<RangeChoice, number>> = { '24h': 24 * HOUR_MS, '7d': 7 * 24 * HOUR_MS, '31d': 31 * 24 * HOUR_MS }

/**
 * The time that a page shows, in the page's address: `?range=7d`, or `?range=custom&from=…&to=…`. `choices` are those
 * that the page offers; the first of them needs no word in the address.
 */
export function useTimeRange(choices: readonly [RangeChoice, ...RangeChoice[]]) {
  const route = useRoute()
  const router = useRouter()
  const usual = choices[0]

  const momentIn = (name: 'from' | 'to'): string | undefined => {
    const given = route.query[name]
    return typeof given === 'string' && !Number.isNaN(Date.parse(given)) ? given : undefined
  }
  const from = computed(() => momentIn('from'))
  const to = computed(() => momentIn('to'))
  const choice = computed(() => choices.find((known) => known === route.query.range) ?? usual)

  function set(changes: { range?: RangeChoice; from?: string; to?: string }): void {
    const { range = choice.value } = changes
    void router.replace({ query: { ...route.query, ...changes, range: range === usual ? undefined : range } })
  }

  /** From one moment to another starts as what was shown before, to be narrowed. */
  function choose(next: RangeChoice): void {
    set(next === 'custom' ? { range: next, ...boundsOf(choice.value), to: new Date().toISOString() } : { range: next, from: undefined, to: undefined })
  }

  function boundsOf(of: RangeChoice): { from?: string; to?: string } {
    if (of === 'custom') return { from: from.value, to: to.value }
    const length = LENGTHS[of]
    return length === undefined ? {} : { from: new Date(Date.now() - length).toISOString() }
  }

  return {
    choices,
    choice,
    from,
    to,
    /** The end comes before the beginning: nothing lies between. */
    isBackwards: computed(() => choice.value === 'custom' && from.value !== undefined && to.value !== undefined && Date.parse(to.value) <= Date.parse(from.value)),
    /** What stands for the range in a query's key. A range that ends now moves on; its key stays. */
    key: computed(() => (choice.value === 'custom' ? [choice.value, from.value, to.value] : [choice.value])),
    /** `from` and `to` as a request takes them, counted from now. */
    bounds: () => boundsOf(choice.value),
    choose,
    setFrom: (moment: string | null) => set({ from: moment ?? undefined }),
    setTo: (moment: string | null) => set({ to: moment ?? undefined }),
  }
}

export type TimeRange = ReturnType<typeof useTimeRange>
