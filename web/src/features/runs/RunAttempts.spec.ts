import { flushPromises, type VueWrapper } from '@vue/test-utils'
import { beforeEach, expect, it, vi } from 'vitest'

import { makeAttempt, makeMe, makeRun } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { fakeServer } from '@/testing/server'
import RunPage from './RunPage.vue'
import type { Run } from './runState'

/** The streams that the page has opened; `end` says that an attempt is over, as the server does. */
class Streams {
  static opened: Streams[] = []
  private readonly listeners = new Map<string, (event: { data: string }) => void>()

  constructor(readonly url: string) {
    Streams.opened.push(this)
  }

  addEventListener(kind: string, listener: (event: { data: string }) => void): void {
    this.listeners.set(kind, listener)
  }

  end(state: string): void {
    this.listeners.get('end')?.({ data: JSON.stringify({ state }) })
  }

  close(): void {}
}

beforeEach(() => {
  Streams.opened = []
  vi.stubGlobal('EventSource', Streams)
})

const first = makeAttempt({ state: 'failed', exit_code: 3 })
const second = makeAttempt({ number: 2, state: 'running', exit_code: null, ended_at: null })
const third = makeAttempt({ number: 3, state: 'running', exit_code: null, ended_at: null })
const running: Partial<Run> = { state: 'running', max_attempts: 3, ended_at: null, exit_code: null }

/** The page of a run that the server tells of as `run` says at that time. */
async function open(run: () => Partial<Run>, path: string): Promise<{ page: VueWrapper; requests: Request[] }> {
  const requests = fakeServer({
    'GET /auth/me': { body: makeMe() },
    'GET /runs/99': () => ({ body: makeRun(run()) }),
    'GET /runs/99/log': { text: '', headers: { 'X-Log-Offset': '0', 'X-Log-Size': '0', 'X-Log-Final': 'false' } },
  })
  return { page: await mountPage(RunPage, { props: { id: 99 }, path }), requests }
}

const logsAsked = (requests: Request[]) => requests.filter(({ url }) => url.includes('/log?')).map(({ url }) => new URL(url).searchParams.get('attempt'))
const shown = (page: VueWrapper) => page.get('[data-testid="run-attempts"] [aria-current]').text()

it('shows the last of several attempts, and opens the log of another one', async () => {
  const { page, requests } = await open(() => ({ ...running, attempt: 2, attempts: [first, second] }), '/runs/99')
  expect(shown(page)).toBe('Attempt 2')
  expect(page.get('[data-testid="run-attempts"]').text()).toContain('It ended with exit code 3.')
  expect(page.text()).toContain('2 of at most 3')
  await page.findAll('[data-testid="run-attempts"] a')[0]?.trigger('click')
  await flushPromises()
  expect(shown(page)).toBe('Attempt 1')
  expect(page.text()).toContain('Log of attempt 1')
  expect(logsAsked(requests)).toEqual(['2', '1'])
})

it('opens the attempt that the address names', async () => {
  const { page, requests } = await open(() => ({ ...running, attempt: 2, attempts: [first, second] }), '/runs/99?attempt=1')
  expect(shown(page)).toBe('Attempt 1')
  expect(logsAsked(requests)).toEqual(['1'])
})

it('goes on to an attempt that begins', async () => {
  let run: Partial<Run> = { ...running, attempt: 2, attempts: [first, second] }
  const { page, requests } = await open(() => run, '/runs/99')
  run = { ...running, attempt: 3, attempts: [first, makeAttempt({ number: 2, state: 'failed' }), third] }
  Streams.opened.at(-1)?.end('failed')
  await flushPromises()
  expect(shown(page)).toBe('Attempt 3')
  expect(logsAsked(requests)).toEqual(['2', '3'])
})

it('stays with an earlier attempt that somebody has chosen', async () => {
  let run: Partial<Run> = { ...running, attempt: 2, attempts: [first, second] }
  const { page, requests } = await open(() => run, '/runs/99?attempt=1')
  run = { ...running, attempt: 3, attempts: [first, makeAttempt({ number: 2, state: 'failed' }), third] }
  Streams.opened.at(-1)?.end('failed')
  await flushPromises()
  expect(shown(page)).toBe('Attempt 1')
  expect(logsAsked(requests)).toEqual(['1'])
})

it('does not list the only attempt of a run', async () => {
  const { page } = await open(() => ({}), '/runs/99')
  expect(page.find('[data-testid="run-attempts"]').exists()).toBe(false)
})

it('opens the log of a run that is about to start, not of one that waits', async () => {
  const queued: Partial<Run> = { state: 'queued', attempt: 1, attempts: [], started_at: null, ended_at: null }
  expect(logsAsked((await open(() => queued, '/runs/99')).requests)).toEqual(['1'])
  const waits = await open(() => ({ ...queued, reason: 'Waits for its environment to be built.' }), '/runs/99')
  expect(logsAsked(waits.requests)).toEqual([])
  expect(waits.page.text()).toContain('Not started yet')
})
