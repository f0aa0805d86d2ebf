import { computed, ref, shallowRef, watch } from 'vue'

import type { LogMatch, LogSource } from './logSource'

/** Search a log on the server, and step through what it found. `show` brings a match into view. */
export function useLogSearch(source: LogSource, show: (match: LogMatch) => void, onError: (error: unknown) => void) {
  const words = ref('')
  const matches = shallowRef<LogMatch[]>([])
  const current = ref(-1)
  const pending = ref(false)
  /** The words that the matches belong to; empty before the first search. */
  const searched = ref('')
  let nextOffset: number | null = null
  let generation = 0

  const match = computed(() => matches.value[current.value])
  const hasMore = ref(false)

  function select(index: number): void {
    current.value = index
    const found = matches.value[index]
    if (found) show(found)
  }

  /** Search on from an offset until something is found or the log is at its end; false when it was replaced. */
  async function searchFrom(offset: number): Promise<boolean> {
    const mine = generation
    pending.value = true
    try {
      let from: number | null = offset
      do {
        const answer = await source.search(searched.value, from)
        if (mine !== generation) return false
        matches.value = [...matches.value, ...answer.items]
        nextOffset = from = answer.next
        hasMore.value = nextOffset !== null
        if (answer.items.length > 0) break
      } while (from !== null)
      return true
    } catch (error) {
      if (mine === generation) onError(error)
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
    searched.value = words.value
    if (searched.value && (await searchFrom(0)) && matches.value.length > 0) select(0)
  }

  async function next(): Promise<void> {
    if (words.value !== searched.value) return start()
    if (current.value + 1 < matches.value.length) return select(current.value + 1)
    const known = matches.value.length
    if (nextOffset !== null && !pending.value) await searchFrom(nextOffset)
    if (matches.value.length > 0) select(matches.value.length > known ? known : 0)
  }

  function previous(): void {
    if (matches.value.length > 0) select((current.value - 1 + matches.value.length) % matches.value.length)
  }

  watch(words, (now) => {
    if (now === '') void start()
  })

  return { words, searched, matches, current, match, pending, hasMore, start, next, previous }
}
