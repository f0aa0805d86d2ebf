import { onScopeDispose, readonly, ref, shallowRef } from 'vue'

const MOST_LINES = 5_000
const FIRST_DELAY_MS = 1_000
const LONGEST_DELAY_MS = 15_000
const CLOSED = 2

interface LogPiece {
  offset: number
  text: string
}

/**
 * Follow what a build prints, from its beginning to its end.
 *
 * 1. A dropped connection is resumed by the browser, with the offset after the last piece as Last-Event-ID.
 * 2. When the browser gives up, a new stream is opened at that offset after a growing delay.
 * 3. The last MOST_LINES lines are kept; `dropped` says how many came before them.
 */
export function useBuildLog(url: string, options: { onEnd?: (state: string) => void } = {}) {
  const lines = shallowRef<readonly string[]>([])
  const dropped = ref(0)
  const ended = ref(false)
  const connected = ref(true)
  let offset = 0
  let failures = 0
  let source: EventSource | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  function open(): void {
    const current = new EventSource(offset > 0 ? `${url}?offset=${offset}` : url)
    source = current
    current.addEventListener('open', () => {
      failures = 0
      connected.value = true
    })
    current.addEventListener('log', (event: MessageEvent<string>) => {
      const piece = JSON.parse(event.data) as LogPiece
      // Only what is new: after a reconnection some of it may come twice.
      if (piece.offset < offset) return
      offset = Number(event.lastEventId) || offset
      append(piece.text)
    })
    current.addEventListener('end', (event: MessageEvent<string>) => {
      close()
      ended.value = true
      options.onEnd?.((JSON.parse(event.data) as { state: string }).state)
    })
    current.addEventListener('error', () => {
      connected.value = false
      if (current.readyState !== CLOSED || source !== current) return
      close()
      timer = setTimeout(open, Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** failures))
      failures += 1
    })
  }

  function append(text: string): void {
    const added = text.replaceAll('\r\n', '\n').split('\n')
    const last = lines.value.at(-1) ?? ''
    const all = [...lines.value.slice(0, -1), last + (added[0] ?? ''), ...added.slice(1)]
    const surplus = Math.max(0, all.length - MOST_LINES)
    dropped.value += surplus
    lines.value = surplus > 0 ? all.slice(surplus) : all
  }

  function close(): void {
    clearTimeout(timer)
    source?.close()
    source = undefined
  }

  open()
  onScopeDispose(close)

  return { lines: readonly(lines), dropped: readonly(dropped), ended: readonly(ended), connected: readonly(connected) }
}
