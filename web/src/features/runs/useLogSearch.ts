import { computed, ref, shallowRef, watch } from 'vue'

import { ApiError } from '@/api'
import type { LogMatch, LogQuery, LogSource } from './logSource'

/** The sentence about what is searched for, when the server has refused it, as an expression that is none. */
function complaintOf(error: unknown): string | undefined {
  return error instanceof ApiError ? error.details.find(({ field }) => field === 'q')?.message : undefined
}

/** Search a log on the server, and step through what it found. `show` brings a match into view. */
export function useLogSearch(source: Pick<LogSource, 'search'>, show: (match: LogMatch) => void, onError: (error: unknown) => void) {
  const words = ref('')
  const isPattern = ref(false)
  const mindsCase = ref(false)
  const matches = shallowRef<LogMatch[]>([])
  const current = ref(-1)
  const pending = ref(false)
  /** What is wrong with what is searched for, in the server's words. */
  const complaint = ref('')
  /** What the matches belong to; null before the first search. */
  const searched = shallowRef<LogQuery | null>(null)
  let nextOffset: number | null = null
  let generation = 0

  const match = computed(() => matches.value[current.value])
  const matchAt = computed(() => new Map(matches.value.map((found) => [found.offset, found])))
  const hasMore = ref(false)

  function isSearched(): boolean {
    const { value } = searched
    return value?.words === words.value && value.isPattern === isPattern.value && value.mindsCase === mindsCase.value
  }

  function select(index: number): void {
    current.value = index
    const found = matches.value[index]
    if (found) show(found)
  }

  /** Search on from an offset until something is found or the log is at its end; false when it was replaced. */
  async function searchFrom(query: LogQuery, offset: number): Promise<boolean> {
    const mine = generation
    pending.value = true
    try {
      let from: number | null = offset
      do {
        const answer = await source.search(query, from)
        if (mine !== generation) return false
        matches.value = [...matches.value, ...answer.items]
        nextOffset = from = answer.next
        hasMore.value = nextOffset !== null
        if (answer.items.length > 0) break
      } while (from !== null)
      return true
    } catch (error) {
      if (mine !== generation) return false
      complaint.value = complaintOf(error) ?? ''
      // Where nothing has been found yet, the next Enter begins again.
      if (matches.value.length === 0) searched.value = null
      if (!complaint.value) onError(error)
      return false
    } finally {
      if (mine === generation) pending.value = false
    }
  }

  async function start(): Promise<void> {
    generation += 1
    matches.value = []
    current.value = -1
    hasMore.value = false
    pending.value = false
    complaint.value = ''
    searched.value = words.value ? { words: words.value, isPattern: isPattern.value, mindsCase: mindsCase.value } : null
    if (searched.value && (await searchFrom(searched.value, 0)) && matches.value.length > 0) select(0)
  }

  async function next(): Promise<void> {
    if (!searched.value || !isSearched()) return start()
    if (current.value + 1 < matches.value.length) return select(current.value + 1)
    const known = matches.value.length
    if (nextOffset !== null && !pending.value) await searchFrom(searched.value, nextOffset)
    if (matches.value.length > 0) select(matches.value.length > known ? known : 0)
  }

  function previous(): void {
    if (matches.value.length > 0) select((current.value - 1 + matches.value.length) % matches.value.length)
  }

  watch(words, (now) => {
    complaint.value = ''
    if (now === '') void start()
  })
  // Somebody who switches an option while there are matches wants to see the others.
  watch([isPattern, mindsCase], () => {
    if ((searched.value || complaint.value) && !isSearched()) void start()
  })

  return { words, isPattern, mindsCase, complaint, searched, matches, matchAt, current, match, pending, hasMore, start, next, previous }
}
