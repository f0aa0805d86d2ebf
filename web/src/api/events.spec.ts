import { afterEach, beforeEach, expect, it, vi } from 'vitest'

import { openEvents, type EventsConnection, type EventStream, type LiveEvent } from './events'

class FakeStream implements EventStream {
  readyState = 0
  onopen: ((event: Event) => void) | null = null
  onerror: ((event: Event) => void) | null = null
  closed = false
  private readonly listeners = new Map<string, (event: MessageEvent<string>) => void>()

  constructor(readonly url: string) {}

  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void {
    this.listeners.set(type, listener)
  }

  close(): void {
    this.closed = true
    this.readyState = 2
  }

  opens(): void {
    this.readyState = 1
    this.onopen?.(new Event('open'))
  }

  says(type: string, data: string, lastEventId = ''): void {
    this.listeners.get(type)?.(new MessageEvent(type, { data, lastEventId }))
  }

  drops(state: 'connecting' | 'closed'): void {
    this.readyState = state === 'closed' ? 2 : 0
    this.onerror?.(new Event('error'))
  }
}

let streams: FakeStream[]
let events: LiveEvent[]
let connection: EventsConnection
const onGap = vi.fn()
const onConnectedChange = vi.fn()

function latest(): FakeStream {
  const stream = streams.at(-1)
  if (!stream) throw new Error('no stream was opened')
  return stream
}

beforeEach(() => {
  vi.useFakeTimers()
  vi.clearAllMocks()
  streams = []
  events = []
  connection = openEvents({
    url: '/events',
    onEvent: (event) => events.push(event),
    onGap,
    onConnectedChange,
    open(url) {
      streams.push(new FakeStream(url))
      return latest()
    },
  })
})

afterEach(() => {
  connection.close()
  vi.useRealTimers()
})

it('hands on what it understands and passes over the rest', () => {
  latest().says('run', '{"id": 9, "state": "running"}', '1')
  latest().says('run', 'not json')
  latest().says('task', '{"no": "id"}')
  expect(events).toEqual([{ type: 'run', id: 9, data: { id: 9, state: 'running' } }])
})

it('leaves a dropped connection to the browser, which resumes without a gap', () => {
  latest().opens()
  latest().drops('connecting')
  expect(onConnectedChange).toHaveBeenLastCalledWith(false)
  latest().opens()
  vi.advanceTimersByTime(60_000)
  expect(streams).toHaveLength(1)
  expect(onGap).not.toHaveBeenCalled()
})

it('opens a new stream after the last event, when the browser has given up, and says that changes may be missing', () => {
  latest().opens()
  latest().says('run', '{"id": 1}', '4/2')
  latest().drops('closed')
  vi.advanceTimersByTime(1_000)
  expect(streams.map((stream) => stream.url)).toEqual(['/events', '/events?last_event_id=4%2F2'])
  expect(onGap).not.toHaveBeenCalled()
  latest().opens()
  expect(onGap).toHaveBeenCalledOnce()
})

it('waits longer after each failure, and never longer than half a minute', () => {
  for (const longest of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
    const before = streams.length
    latest().drops('closed')
    vi.advanceTimersByTime(longest / 2 - 1)
    expect(streams).toHaveLength(before)
    vi.advanceTimersByTime(longest / 2 + 1)
    expect(streams).toHaveLength(before + 1)
  }
})

it('closes when the page goes away, and stays closed after close()', () => {
  globalThis.dispatchEvent(new Event('pagehide'))
  expect(latest().closed).toBe(true)
  const shown = Object.assign(new Event('pageshow'), { persisted: true })
  globalThis.dispatchEvent(shown)
  expect(streams).toHaveLength(2)
  connection.close()
  globalThis.dispatchEvent(shown)
  expect(streams).toHaveLength(2)
})
