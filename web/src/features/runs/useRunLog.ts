import { computed, onScopeDispose, readonly, ref, shallowRef, triggerRef } from 'vue'

import type { LogSource } from './logSource'
import { LogWindow, type LogLine } from './logWindow'

const TAIL_LINES = 1_000
const PART_BYTES = 256 * 1024
const FIRST_DELAY_MS = 500
const LONGEST_DELAY_MS = 10_000

export interface RunLogOptions {
  onEnd?: (state: string) => void
  window?: LogWindow
  firstDelayMs?: number
}

/**
 * The log of one attempt: its end first, then what comes, and older or newer parts when they are asked for.
 *
 * 1. `open` reads the tail and follows the stream from the byte after it.
 * 2. A broken stream is opened again at the window's end; pieces that overlap it are taken once.
 * 3. While the person reads further up (`follow` is off) and the window is full, the stream is let go: the rest is read
 *    as parts when they scroll down, and the stream is taken up again at the end of the file.
 */
export function useRunLog(source: Pick<LogSource, 'read' | 'follow'>, options: RunLogOptions = {}) {
  const window = options.window ?? new LogWindow()
  const lines = shallowRef<LogLine[]>([])
  /** The bytes that the rows cover. */
  const start = ref(0)
  const end = ref(0)
  const state = ref<'loading' | 'ready' | 'failed'>('loading')
  const error = shallowRef<unknown>(null)
  const follow = ref(true)
  const isConnected = ref(true)
  const isEnded = ref(false)
  /** Bytes of the file, as far as is known. */
  const size = ref(0)
  const busy = ref<'older' | 'newer' | null>(null)

  let stream: { close: () => void } | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  let frame = 0
  let failures = 0
  // Answers to a question that another one has replaced are dropped.
  let generation = 0

  const hasOlder = computed(() => start.value > 0)
  const hasNewer = computed(() => end.value < size.value)

  /** Many pieces within one picture of the screen are one change. */
  function showSoon(): void {
    frame ||= requestAnimationFrame(showNow)
  }

  function showNow(): void {
    cancelAnimationFrame(frame)
    frame = 0
    lines.value = window.lines
    start.value = window.start
    end.value = window.end
    triggerRef(lines)
  }

  function detach(): void {
    clearTimeout(timer)
    stream?.close()
    stream = null
  }

  /** Follow the file from where the window ends, unless that is done or there is nothing to follow. */
  function attach(): void {
    if (stream || isEnded.value || window.end < size.value) return
    clearTimeout(timer)
    stream = source.follow(window.end, {
      onOpen() {
        failures = 0
        isConnected.value = true
      },
      onText: take,
      onEnd(finalState) {
        stream = null
        isEnded.value = true
        isConnected.value = true
        options.onEnd?.(finalState)
      },
      onBroken() {
        stream = null
        isConnected.value = false
        const delay = Math.min(LONGEST_DELAY_MS, (options.firstDelayMs ?? FIRST_DELAY_MS) * 2 ** failures)
        failures += 1
        timer = setTimeout(attach, delay)
      },
    })
  }

  function take(offset: number, next: number, text: string): void {
    size.value = Math.max(size.value, next)
    if (!window.append(offset, next, text)) {
      // A gap cannot come from this server; should it, the end of the file is read afresh.
      void open()
      return
    }
    if (window.isFull) {
      if (follow.value) window.trimStart()
      else detach()
    }
    showSoon()
  }

  /** Read the end of the log, and follow it from there. */
  async function open(): Promise<void> {
    detach()
    generation += 1
    const mine = generation
    try {
      const part = await source.read({ tail: TAIL_LINES })
      if (mine !== generation) return
      window.reset(part.offset)
      window.appendBytes(part)
      size.value = window.end
      isEnded.value = part.isFinal && part.offset + part.bytes.length >= part.size
      if (isEnded.value) window.end = part.offset + part.bytes.length
      state.value = 'ready'
      error.value = null
      showNow()
      attach()
    } catch (thrown) {
      if (mine !== generation) return
      state.value = 'failed'
      error.value = thrown
    }
  }

  async function readPart(which: 'older' | 'newer', offset: number, limit: number): Promise<number> {
    if (busy.value) return 0
    busy.value = which
    const mine = generation
    try {
      const part = await source.read({ offset, limit })
      if (mine !== generation) return 0
      let moved: number
      if (which === 'older') {
        moved = window.prepend(part)
        if (window.trimEnd() > 0) {
          follow.value = false
          detach()
        }
      } else {
        window.appendBytes(part)
        moved = -window.trimStart()
        isEnded.value = part.isFinal && part.offset + part.bytes.length >= part.size
        if (isEnded.value) window.end = part.size
      }
      // A stream knows better how much there is than a part that was asked for before.
      if (!stream) size.value = Math.max(size.value, part.size)
      showNow()
      return moved
    } finally {
      busy.value = null
    }
  }

  /** Older rows, before the first; says by how much the rows have moved down. */
  async function loadOlder(): Promise<number> {
    const first = window.start
    if (first === 0) return 0
    const offset = Math.max(0, first - PART_BYTES)
    return readPart('older', offset, first - offset)
  }

  /** Newer rows, after the last, until the stream can go on; says by how much the rows have moved (up: negative). */
  async function loadNewer(): Promise<number> {
    if (stream || (isEnded.value && window.end >= size.value)) return 0
    const moved = await readPart('newer', window.end, PART_BYTES)
    attach()
    return moved
  }

  /** Bring the row at a byte into the window; says which it is, or -1. */
  async function goTo(offset: number): Promise<number> {
    follow.value = false
    const here = window.rowOf(offset)
    if (here >= 0) return here
    detach()
    generation += 1
    const mine = generation
    const from = Math.max(0, offset - PART_BYTES / 4)
    const part = await source.read({ offset: from, limit: PART_BYTES })
    if (mine !== generation) return -1
    window.reset(from)
    window.appendBytes(part)
    // The first row is a part of a line; it is left to the next reading further up.
    const first = window.lines[1]
    if (from > 0 && first && first.offset <= offset) {
      window.lines = window.lines.slice(1)
      window.start = first.offset
    }
    size.value = Math.max(size.value, part.size)
    showNow()
    attach()
    return window.rowOf(offset)
  }

  /** Switch following on or off; on brings the end back when it is not in the window. */
  async function setFollow(on: boolean): Promise<void> {
    follow.value = on
    const isAtEnd = window.end >= size.value && (stream !== null || isEnded.value)
    if (on && !isAtEnd) await open()
  }

  onScopeDispose(() => {
    generation += 1
    detach()
    cancelAnimationFrame(frame)
  })

  return {
    lines,
    state: readonly(state),
    error,
    follow: readonly(follow),
    isConnected: readonly(isConnected),
    isEnded: readonly(isEnded),
    size: readonly(size),
    busy: readonly(busy),
    hasOlder,
    hasNewer,
    open,
    loadOlder,
    loadNewer,
    isFollowing: () => stream !== null,
    goTo,
    setFollow,
  }
}
