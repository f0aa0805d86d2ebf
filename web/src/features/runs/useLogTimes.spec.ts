import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { effectScope, type EffectScope } from 'vue'

import type { LogTime } from './logSource'
import { useLogTimes } from './useLogTimes'

let scope: EffectScope

beforeEach(() => {
  vi.useFakeTimers()
  scope = effectScope()
})
afterEach(() => {
  scope.stop()
  vi.useRealTimers()
})

// An entry at every hundredth byte: the line at byte 100 was written at the moment 1, and so on.
const ENTRIES = Array.from({ length: 100 }, (_, index): LogTime => ({ offset: index * 100, at: index }))

/** As the server answers: from the entry that covers the begin to the last at or before the end. */
const answer = (from: number, to: number) => Promise.resolve(ENTRIES.filter(({ offset }) => offset > from - 100 && offset <= to))

function open(ask = vi.fn(answer), onError = vi.fn()) {
  const times = scope.run(() => useLogTimes({ times: ask }, onError))
  if (!times) throw new Error('the scope is gone')
  return { times, ask, onError }
}

const settle = () => vi.advanceTimersByTimeAsync(1_000)

it('knows the times of the lines that are needed, and of no others', async () => {
  const { times } = open()
  times.need(250, 550)
  await settle()
  expect([250, 299, 300, 550].map(times.at)).toEqual([2, 2, 3, 5])
  expect([249, 551].map(times.at)).toEqual([null, null])
})

it('asks only for what it does not know yet', async () => {
  const { times, ask } = open()
  for (const [from, to] of [[1_000, 2_000], [1_500, 2_500], [900, 2_400], [1_200, 1_300]] as const) {
    times.need(from, to)
    await settle()
  }
  expect(ask.mock.calls).toEqual([[1_000, 2_000], [2_000, 2_500], [900, 1_000]])
  expect([900, 1_000, 1_999, 2_000, 2_500].map(times.at)).toEqual([9, 10, 19, 20, 25])
})

it('fills in on both sides', async () => {
  const { times, ask } = open()
  times.need(1_000, 2_000)
  await settle()
  times.need(500, 2_500)
  await settle()
  expect(ask.mock.calls.slice(1)).toEqual([[500, 1_000], [2_000, 2_500]])
  expect([500, 2_500].map(times.at)).toEqual([5, 25])
})

it('begins anew after a leap', async () => {
  const { times } = open()
  times.need(0, 500)
  await settle()
  times.need(8_000, 8_500)
  await settle()
  expect([0, 8_000].map(times.at)).toEqual([null, 80])
})

it('asks a few times a second at most while somebody scrolls', async () => {
  const { times, ask } = open()
  for (let step = 0; step < 50; step += 1) {
    times.need(step * 100, step * 100 + 1_000)
    await vi.advanceTimersByTimeAsync(20)
  }
  await settle()
  expect(ask.mock.calls.length).toBeLessThan(8)
  expect(times.at(5_900)).toBe(59)
})

it('says that it could not ask, and asks again when it is needed again', async () => {
  const ask = vi.fn(answer).mockRejectedValueOnce(new Error('gone'))
  const { times, onError } = open(ask)
  times.need(0, 500)
  await settle()
  expect(onError).toHaveBeenCalledOnce()
  times.need(0, 600)
  await settle()
  expect(times.at(600)).toBe(6)
})
