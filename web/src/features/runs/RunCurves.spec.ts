import { flushPromises } from '@vue/test-utils'
import { beforeEach, describe, expect, it, vi } from 'vitest'

import { makeAttempt, makeRun } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { fakeServer } from '@/testing/server'
import { timeChartOption } from '@/ui/timeChart'
import RunCurves from './RunCurves.vue'
import type { Attempt, Run } from './runState'

const MIB = 1 << 20
const samples = [
  { at: '2026-01-05T12:00:01Z', cpu_percent: 20, memory_bytes: 30 * MIB, processes: 1 },
  { at: '2026-01-05T12:00:02Z', cpu_percent: 75.5, memory_bytes: 60 * MIB, processes: 3 },
]
const long = makeAttempt({ ended_at: '2026-01-05T12:00:10Z', peak_cpu_percent: 97.1, peak_memory_bytes: 64 * MIB })

beforeEach(() => {
  vi.spyOn(HTMLElement.prototype, 'clientHeight', 'get').mockReturnValue(144)
  vi.spyOn(HTMLElement.prototype, 'clientWidth', 'get').mockReturnValue(480)
})

async function show(attempt: Attempt, items: unknown[], run: Partial<Run> = {}) {
  const requests = fakeServer({ 'GET /runs/99/samples': { body: { interval_seconds: 1, items } } })
  return { curves: await mountPage(RunCurves, { props: { run: makeRun(run), attempt } }), requests }
}

describe('the curves of an attempt', () => {
  it('are drawn with the limits, and said in words', async () => {
    const { curves } = await show(long, samples, { limits: { cpu_percent: 150, memory_bytes: 128 * MIB } })
    await vi.waitFor(() => expect(curves.findAll('svg')).toHaveLength(2), { timeout: 20_000 })
    const [cpu, memory] = curves.findAll('[role="img"]').map((chart) => chart.attributes('aria-label'))
    expect(cpu).toBe('CPU: at most 97.1 %; the limit is 150 %')
    expect(memory).toBe('Memory: at most 64 MiB; the limit is 128 MiB')
    expect(curves.text()).toContain('3 processes at the most')
    // The labels of the lines of the limits.
    expect(curves.findAll('svg')[0]?.text()).toContain('150 %')
    expect(curves.findAll('svg')[1]?.text()).toContain('128 MiB')
  })

  it('are left out where nothing was measured', async () => {
    expect((await show(long, [])).curves.text()).toBe('')
    expect((await show(long, samples.slice(0, 1))).curves.text()).toBe('')
  })

  it('are not asked for when the attempt was too short for any', async () => {
    expect((await show(makeAttempt({ ended_at: '2026-01-05T12:00:01Z' }), samples)).requests).toEqual([])
    expect((await show(makeAttempt({ started_at: null, ended_at: null }), samples)).requests).toEqual([])
  })

  it('grow while the attempt goes on', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
    try {
      const { requests } = await show(makeAttempt({ state: 'running', ended_at: null }), samples)
      await vi.advanceTimersByTimeAsync(11_000)
      expect(requests).toHaveLength(3)
    } finally {
      vi.useRealTimers()
      await flushPromises()
    }
  })
})

it('keeps the line of a limit in sight, and needs none', () => {
  const look = { font: 'x', line: '#1', limit: '#2', text: '#3', grid: '#4', back: '#5' }
  const words = { time: String, value: String }
  const option = timeChartOption([[0, 1]], 100, words, look)
  expect(option.yAxis.max?.({ max: 10 })).toBeGreaterThan(100)
  expect(option.yAxis.max?.({ max: 400 })).toBe(400)
  expect(option.series[0]?.markLine.data).toEqual([{ yAxis: 100 }])
  expect(timeChartOption([[0, 1]], null, words, look).series[0]?.markLine.data).toEqual([])
})
