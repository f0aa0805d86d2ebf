import { useVirtualizer } from '@tanstack/vue-virtual'
import { computed, nextTick, watch, type Ref } from 'vue'

import type { useRunLog } from './useRunLog'

const ROW_HEIGHT = 20
const NEAR_EDGE = 600

/**
 * The scrolling of a log's rows, of which only those in sight are in the page: it stays at the end while that is
 * followed, stops following when somebody scrolls up, and asks for older and newer rows near the edges.
 *
 * `reflow` is whatever changes the heights of rows.
 */
export function useLogScroll(log: ReturnType<typeof useRunLog>, scroller: Readonly<Ref<HTMLElement | null>>, reflow: () => unknown, onError: (error: unknown) => void) {
  let lastTop = 0

  const virtualizer = useVirtualizer(
    computed(() => {
      const rows = log.lines.value
      return {
        count: rows.length,
        getScrollElement: () => scroller.value,
        estimateSize: () => ROW_HEIGHT,
        getItemKey: (index: number) => rows[index]?.offset ?? index,
        overscan: 25,
      }
    }),
  )

  function toEnd(): void {
    if (scroller.value) scroller.value.scrollTop = scroller.value.scrollHeight
  }

  watch(
    log.lines,
    () => {
      if (!log.follow.value) return
      toEnd()
      // Once more when the rows that came have been measured.
      requestAnimationFrame(() => log.follow.value && toEnd())
    },
    { flush: 'post' },
  )
  watch(reflow, async () => {
    await nextTick()
    virtualizer.value.measure()
    if (log.follow.value) requestAnimationFrame(toEnd)
  })

  function onScroll(): void {
    const element = scroller.value
    if (!element) return
    const isUpwards = element.scrollTop < lastTop - 1
    lastTop = element.scrollTop
    const rest = element.scrollHeight - element.scrollTop - element.clientHeight
    if (isUpwards && rest > ROW_HEIGHT) void log.setFollow(false)
    else if (!isUpwards && rest <= 2 && !log.hasNewer.value && (log.isEnded.value || log.isFollowing())) void log.setFollow(true)
    if (isUpwards && element.scrollTop < NEAR_EDGE && log.hasOlder.value) void keepPlace(log.loadOlder)
    else if (!isUpwards && rest < NEAR_EDGE && !log.follow.value) void keepPlace(log.loadNewer)
  }

  /** Load rows before or after those in sight, and leave those in sight where they are. */
  async function keepPlace(load: () => Promise<number>): Promise<void> {
    const element = scroller.value
    const first = virtualizer.value.getVirtualItems().find((item) => element && item.end > element.scrollTop)
    const into = element && first ? element.scrollTop - first.start : 0
    try {
      const moved = await load()
      if (!moved || !element || !first) return
      await nextTick()
      virtualizer.value.getTotalSize()
      const start = virtualizer.value.measurementsCache[first.index + moved]?.start
      if (start !== undefined) lastTop = element.scrollTop = start + into
    } catch (error) {
      onError(error)
    }
  }

  /** Bring the row at a byte into sight; says where that row begins, or -1. */
  async function show(offset: number): Promise<number> {
    try {
      const row = await log.goTo(offset)
      if (row < 0) return -1
      const begin = log.lines.value[row]?.offset ?? -1
      await nextTick()
      virtualizer.value.scrollToIndex(row, { align: 'center' })
      return begin
    } catch (error) {
      onError(error)
      return -1
    }
  }

  function measure(element: unknown): void {
    if (element instanceof HTMLElement) virtualizer.value.measureElement(element)
  }

  return { virtualizer, onScroll, toEnd, show, measure }
}
