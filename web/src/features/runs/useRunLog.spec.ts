import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { effectScope, type EffectScope } from 'vue'

import type { LogListener, LogSource } from './logSource'
import { LogWindow } from './logWindow'
import { useRunLog, type RunLogOptions } from './useRunLog'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** A log file that grows, and a server in front of it whose streams can be broken. */
class FakeLog implements Pick<LogSource, 'read' | 'follow'> {
  bytes = new Uint8Array(0)
  isFinal = false
  streams: { offset: number; listener: LogListener; isClosed: boolean }[] = []
  readonly read = vi.fn(async (part: { offset: number; limit: number } | { tail: number }) => {
    const offset = 'tail' in part ? this.tailOffset(part.tail) : part.offset
    const bytes = this.bytes.slice(offset, 'tail' in part ? undefined : offset + part.limit)
    return { offset, bytes, size: this.bytes.length, isFinal: this.isFinal }
  })

  constructor(lines = 0) {
    this.bytes = encoder.encode(linesOf(0, lines))
  }

  follow(offset: number, listener: LogListener) {
    const stream = { offset, listener, isClosed: false }
    this.streams.push(stream)
    listener.onOpen()
    return { close: () => (stream.isClosed = true) }
  }

  get stream() {
    const found = this.streams.findLast((stream) => !stream.isClosed)
    if (!found) throw new Error('nobody follows')
    return found
  }

  /** The script prints; who follows hears of it, from where they are, or from further back when `again` says so. */
  print(text: string, again = 0): void {
    this.bytes = new Uint8Array([...this.bytes, ...encoder.encode(text)])
    const open = this.streams.findLast((stream) => !stream.isClosed)
    if (!open) return
    const from = Math.max(0, open.offset - again)
    open.listener.onText(from, this.bytes.length, decoder.decode(this.bytes.slice(from)))
    open.offset = this.bytes.length
  }

  break(): void {
    const { stream } = this
    stream.isClosed = true
    stream.listener.onBroken()
  }

  end(): void {
    this.isFinal = true
    const { stream } = this
    stream.isClosed = true
    stream.listener.onEnd('succeeded')
  }

  private tailOffset(lines: number): number {
    const rows = decoder.decode(this.bytes).split('\n')
    return encoder.encode(rows.slice(0, Math.max(0, rows.length - 1 - lines)).map((row) => `${row}\n`).join('')).length
  }
}

function linesOf(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, index) => `line ${String(from + index).padStart(6, '0')}\n`).join('')
}

const LINE_BYTES = 12
let scope: EffectScope

function open(source: FakeLog, options: RunLogOptions = {}) {
  const log = scope.run(() => useRunLog(source, options))
  if (!log) throw new Error('the scope is gone')
  return log
}

async function shown(log: ReturnType<typeof useRunLog>): Promise<string[]> {
  await vi.advanceTimersByTimeAsync(50)
  return log.lines.value.map((line) => line.text)
}

beforeEach(() => {
  vi.useFakeTimers()
  scope = effectScope()
})
afterEach(() => {
  scope.stop()
  vi.useRealTimers()
})

it('reads the end first and follows from the byte after it', async () => {
  const file = new FakeLog(5_000)
  const log = open(file)
  await log.open()
  expect(file.read).toHaveBeenCalledWith({ tail: 1_000 })
  expect(file.stream.offset).toBe(5_000 * LINE_BYTES)
  file.print('new\n')
  const lines = await shown(log)
  expect(lines).toHaveLength(1_001)
  expect(lines.at(-1)).toBe('new')
  expect(log.hasOlder.value).toBe(true)
})

describe('a broken stream', () => {
  it('is opened again at the last byte, later and later, and nothing is doubled or lost', async () => {
    const file = new FakeLog(3)
    const log = open(file, { firstDelayMs: 100 })
    await log.open()
    file.print('half')
    file.break()
    expect(log.isConnected.value).toBe(false)
    file.print(' and half\nmissed\n')
    await vi.advanceTimersByTimeAsync(100)
    expect(log.isConnected.value).toBe(true)
    expect(file.stream.offset).toBe(3 * LINE_BYTES + 4)
    file.print('last\n', 10)
    expect(await shown(log)).toEqual(['line 000000', 'line 000001', 'line 000002', 'half and half', 'missed', 'last'])
  })

  it('is not opened again after the end', async () => {
    const onEnd = vi.fn()
    const file = new FakeLog(1)
    const log = open(file, { onEnd })
    await log.open()
    file.end()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(onEnd).toHaveBeenCalledWith('succeeded')
    expect(file.streams).toHaveLength(1)
    expect(log.isEnded.value).toBe(true)
  })

  it('is let go with the page', async () => {
    const file = new FakeLog(1)
    await open(file).open()
    const { stream } = file
    scope.stop()
    expect(stream.isClosed).toBe(true)
  })
})

it('does not follow a log that is complete', async () => {
  const file = new FakeLog(3)
  file.isFinal = true
  const log = open(file)
  await log.open()
  expect(log.isEnded.value).toBe(true)
  expect(file.streams).toHaveLength(0)
})

it('says when the log cannot be read, and reads it when asked again', async () => {
  const file = new FakeLog(3)
  file.read.mockRejectedValueOnce(new Error('It broke.'))
  const log = open(file)
  await log.open()
  expect(log.state.value).toBe('failed')
  await log.open()
  expect(log.state.value).toBe('ready')
})

describe('the window', () => {
  it('keeps its bound while following', async () => {
    const file = new FakeLog(0)
    const log = open(file, { window: new LogWindow(100) })
    await log.open()
    for (let from = 0; from < 1_000; from += 50) file.print(linesOf(from, from + 50))
    const lines = await shown(log)
    expect(lines).toHaveLength(100)
    expect(lines.at(-1)).toBe('line 000999')
  })

  it('lets the stream go when it is full and the person reads further up, and takes it up again at the end', async () => {
    const file = new FakeLog(50)
    const log = open(file, { window: new LogWindow(100) })
    await log.open()
    await log.setFollow(false)
    for (let from = 50; from < 300; from += 50) file.print(linesOf(from, from + 50))
    const first = await shown(log)
    expect(first[0]).toBe('line 000000')
    expect(file.streams.every((stream) => stream.isClosed)).toBe(true)

    while (!log.isFollowing()) await log.loadNewer()
    const later = await shown(log)
    expect(later.at(-1)).toBe('line 000299')
    expect(later.length).toBeLessThanOrEqual(100)
    expect(new Set(later).size).toBe(later.length)
  })

  it('reads older parts without a gap until the beginning', async () => {
    const file = new FakeLog(60_000)
    const log = open(file, { window: new LogWindow(100_000) })
    await log.open()
    while (log.hasOlder.value) await log.loadOlder()
    expect(await shown(log)).toEqual(linesOf(0, 60_000).trimEnd().split('\n'))
  })

  it('drops its end for older parts, and brings it back with following', async () => {
    const file = new FakeLog(60_000)
    const log = open(file, { window: new LogWindow(2_000) })
    await log.open()
    await log.loadOlder()
    expect(log.hasNewer.value).toBe(true)
    expect(log.follow.value).toBe(false)
    expect(log.isFollowing()).toBe(false)
    await log.setFollow(true)
    expect((await shown(log)).at(-1)).toBe('line 059999')
    expect(log.isFollowing()).toBe(true)
  })

  it('goes to any byte', async () => {
    const file = new FakeLog(60_000)
    const log = open(file)
    await log.open()
    const row = await log.goTo(30_000 * LINE_BYTES)
    expect(log.lines.value[row]?.text).toBe('line 030000')
    expect(log.follow.value).toBe(false)
    const near = await log.goTo(30_001 * LINE_BYTES)
    expect(near).toBe(row + 1)
  })
})
