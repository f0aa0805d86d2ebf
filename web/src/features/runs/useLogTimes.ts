import { onScopeDispose, shallowRef } from 'vue'

import type { LogSource, LogTime } from './logSource'

// Who scrolls, and a script that prints all the time, ask a few times a second at most.
const DELAY_MS = 200
// Then what is out of sight is forgotten.
const MOST_ENTRIES = 10_000

/**
 * When lines were written, for those in sight: `need` says which bytes these cover, `at` gives the time of the line that
 * begins at a byte, in milliseconds, once it is known.
 *
 * What is known covers one range without gaps, which grows with what is needed beside it, and begins anew elsewhere.
 */
export function useLogTimes(source: Pick<LogSource, 'times'>, onError: (error: unknown) => void) {
  const entries = shallowRef<LogTime[]>([])
  let known: { from: number; to: number } | null = null
  let needed: { from: number; to: number } | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  let isAsking = false

  function need(from: number, to: number): void {
    needed = { from, to }
    if (!isAsking) timer ??= setTimeout(() => void ask(), DELAY_MS)
  }

  /** The part of what is needed that is not known yet. */
  function missing(): { from: number; to: number } | null {
    if (!needed) return null
    if (!known || needed.to < known.from || needed.from > known.to) return needed
    if (needed.from < known.from) return { from: needed.from, to: known.from }
    return needed.to > known.to ? { from: known.to, to: needed.to } : null
  }

  async function ask(): Promise<void> {
    timer = undefined
    const part = missing()
    if (!part) return
    isAsking = true
    try {
      take(part, await source.times(part.from, part.to))
    } catch (error) {
      needed = null
      onError(error)
    } finally {
      isAsking = false
    }
    if (missing()) timer ??= setTimeout(() => void ask(), DELAY_MS)
  }

  function take(part: { from: number; to: number }, found: LogTime[]): void {
    const isBeside = known && part.from <= known.to && part.to >= known.from && entries.value.length < MOST_ENTRIES
    if (!known || !isBeside) {
      known = { ...part }
      entries.value = found
      return
    }
    known = { from: Math.min(known.from, part.from), to: Math.max(known.to, part.to) }
    const own = new Set(entries.value.map(({ offset }) => offset))
    // The first entry found lies before what was asked for, and may be known.
    const fresh = found.filter(({ offset }) => !own.has(offset))
    entries.value = [...entries.value, ...fresh].sort((one, other) => one.offset - other.offset)
  }

  function at(offset: number): number | null {
    const list = entries.value // read first: who asks is to hear when something becomes known
    if (!known || offset < known.from || offset > known.to) return null
    let low = 0
    let high = list.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((list[middle]?.offset ?? 0) <= offset) low = middle + 1
      else high = middle
    }
    return list[low - 1]?.at ?? null
  }

  onScopeDispose(() => clearTimeout(timer))
  return { need, at }
}
