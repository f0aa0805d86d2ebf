import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'

import { makeAttempt, makeMe, makeRun } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { fakeServer } from '@/testing/server'
import RunNotice from './RunNotice.vue'
import type { Run } from './runState'

beforeEach(() => {
  fakeServer({ 'GET /auth/me': { body: makeMe() } })
  vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'], now: new Date('2026-01-05T12:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

const show = (run: Partial<Run>) => mountPage(RunNotice, { props: { run: makeRun(run) } })
const waiting: Partial<Run> = { state: 'queued', attempts: [], started_at: null, ended_at: null }
const failed = makeAttempt({ state: 'failed', exit_code: 3 })

it('says what a queued run waits for, and its place', async () => {
  const notice = await show({ ...waiting, reason: "Waits for a free slot of the pool 'database'.", queue_position: 3 })
  expect(notice.text()).toContain('Place 3 in the queue')
  expect(notice.text()).toContain("Waits for a free slot of the pool 'database'.")
  expect((await show({ ...waiting, queue_position: 1 })).text()).toContain('Next in the queue')
  expect((await show(waiting)).text()).toContain('Waits in the queue')
})

it('counts down to the next attempt, and says why the last one failed', async () => {
  const notice = await show({ state: 'retrying', attempt: 1, max_attempts: 3, attempts: [failed], retry_at: '2026-01-05T12:00:42Z', reason: 'Attempt 1 of 3 failed: …' })
  expect(notice.get('[role="timer"]').text()).toBe('Attempt 2 of 3 in 00:42')
  expect(notice.text()).toContain('Attempt 1 failed: It ended with exit code 3.')
  vi.advanceTimersByTime(2_000)
  await nextTick()
  expect(notice.get('[role="timer"]').text()).toBe('Attempt 2 of 3 in 00:40')
  vi.advanceTimersByTime(60_000)
  await nextTick()
  expect(notice.get('[role="timer"]').text()).toBe('Attempt 2 of 3 is about to start')
})

it('gives the sentence of the server where it has one', async () => {
  const lost = makeAttempt({ state: 'lost', exit_code: null, reason: 'The machine was restarted while it ran.' })
  const notice = await show({ state: 'retrying', max_attempts: 2, attempts: [lost], retry_at: '2026-01-05T12:00:42Z' })
  expect(notice.text()).toContain('Attempt 1 failed: The machine was restarted while it ran.')
})

it('says with which exit code a run failed', async () => {
  expect((await show({ state: 'failed', exit_code: 3, attempts: [failed] })).text()).toBe('It ended with exit code 3.')
})

it('says nothing of a run of which there is nothing to say', async () => {
  expect((await show({})).text()).toBe('')
})

it('says before all else that a limit ended the run, and where to change it', async () => {
  const reason = 'Ended because it used 151 MiB of 143 MiB of memory.'
  const attempts = [makeAttempt({ state: 'failed', outcome: 'limit', exit_code: -9, reason })]
  const notice = await show({ state: 'failed', reason, attempts })
  expect(notice.get('[data-testid="run-limit"]').text()).toContain('Ended by a limit')
  expect(notice.text()).toContain(reason)
  expect(notice.get('a').attributes('href')).toBe('/tasks/7/edit')
})

it('tells a timeout from other failures', async () => {
  const attempts = [makeAttempt({ state: 'timed_out', outcome: 'timed_out', exit_code: -15 })]
  const notice = await show({ state: 'timed_out', reason: 'Ran into its timeout of 5 seconds.', attempts })
  expect(notice.text()).toContain('Ended by its timeout')
})
