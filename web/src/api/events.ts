export const LIVE_EVENT_TYPES = ['run', 'task', 'build', 'project', 'environment', 'variable'] as const
export type LiveEventType = (typeof LIVE_EVENT_TYPES)[number]

/** Something changed on the server; `id` says which one of its type. */
export interface LiveEvent {
  type: LiveEventType
  id: number
  data: Record<string, unknown>
}

export interface EventsConnection {
  close: () => void
}

/** The part of EventSource that is used here, so that a test can stand in for it. */
export interface EventStream {
  readonly readyState: number
  onopen: ((event: Event) => void) | null
  onerror: ((event: Event) => void) | null
  addEventListener: (type: string, listener: (event: MessageEvent<string>) => void) => void
  close: () => void
}

export interface EventsOptions {
  onEvent: (event: LiveEvent) => void
  /** Called when the stream is open again after changes may have been missed: reload what is shown. */
  onGap?: () => void
  onConnectedChange?: (connected: boolean) => void
  url?: string
  open?: (url: string) => EventStream
}

const CLOSED = 2
const FIRST_DELAY_MS = 1_000
const LONGEST_DELAY_MS = 30_000

/**
 * Follow the changes on the server until `close()`.
 *
 * 1. A dropped connection is resumed by the browser itself, with the Last-Event-ID header: nothing is missed.
 * 2. When the browser gives up (the server answered with an error), a new stream is opened after a growing delay. A new
 *    EventSource cannot send the header, so the id goes into the address; and as the server may be a new one, the
 *    caller is told to reload.
 * 3. A page that goes away closes the stream, and opens it again when it comes back from the browser's cache:
 *    a browser allows only six connections to one server.
 */
export function openEvents(options: EventsOptions): EventsConnection {
  const { url = '/api/v1/events', open = (address: string): EventStream => new EventSource(address) } = options
  let stream: EventStream | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  let failures = 0
  let lastId = ''
  let reopened = false

  function connect(): void {
    const current = open(lastId ? `${url}?last_event_id=${encodeURIComponent(lastId)}` : url)
    stream = current
    current.onopen = () => {
      failures = 0
      options.onConnectedChange?.(true)
      if (reopened) options.onGap?.()
      reopened = false
    }
    current.onerror = () => {
      options.onConnectedChange?.(false)
      // While it is not CLOSED, the browser reconnects by itself.
      if (current.readyState === CLOSED && stream === current) reconnectLater()
    }
    for (const type of LIVE_EVENT_TYPES) {
      current.addEventListener(type, (message) => {
        if (message.lastEventId) lastId = message.lastEventId
        const event = parse(type, message.data)
        if (event) options.onEvent(event)
      })
    }
  }

  function disconnect(): void {
    clearTimeout(timer)
    stream?.close()
    stream = null
  }

  function reconnectLater(): void {
    disconnect()
    reopened = true
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** failures)
    failures += 1
    // Half of the delay is random, so that all pages do not come back in the same instant after a restart.
    timer = setTimeout(connect, delay / 2 + (Math.random() * delay) / 2)
  }

  function onPageShow(event: PageTransitionEvent): void {
    if (!event.persisted || stream) return
    clearTimeout(timer)
    reopened = true
    connect()
  }

  globalThis.addEventListener('pagehide', disconnect)
  globalThis.addEventListener('pageshow', onPageShow)
  connect()

  return {
    close() {
      globalThis.removeEventListener('pagehide', disconnect)
      globalThis.removeEventListener('pageshow', onPageShow)
      disconnect()
    },
  }
}

/** Null for what is not understood: a newer server may send more than this page knows. */
function parse(type: LiveEventType, json: string): LiveEvent | null {
  try {
    const data: unknown = JSON.parse(json)
    if (typeof data !== 'object' || data === null || !('id' in data) || typeof data.id !== 'number') return null
    return { type, id: data.id, data: { ...data } }
  } catch {
    return null
  }
}
