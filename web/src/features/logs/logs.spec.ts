import { flushPromises } from '@vue/test-utils'
import { describe, expect, it } from 'vitest'

import { makeFoundRun, makeList, makeMatch, makeMe, makeProject, makeTask } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { errorAnswer, fakeServer, type Handler } from '@/testing/server'
import { partsOf } from './foundLine'
import LogSearchPage from './LogSearchPage.vue'

function serve(search: Handler): Request[] {
  return fakeServer({
    'GET /auth/me': { body: makeMe() },
    'GET /tasks': { body: makeList(makeTask()) },
    'GET /tasks/7': { body: makeTask() },
    'GET /projects': { body: makeList(makeProject()) },
    'GET /logs/search': search,
  })
}

const found = (items = [makeFoundRun()], next: string | null = null) => ({
  body: { items, next_cursor: next, scanned_bytes: 1_048_576, searched_back_to: '2026-01-05T12:00:00Z' },
})
const searches = (requests: Request[]) => requests.filter((request) => request.url.includes('/logs/search'))
const asked = (requests: Request[]) => Object.fromEntries(new URL(searches(requests).at(-1)?.url ?? '').searchParams)

/** Answers that come when the test says so. */
function held(): { handler: Handler; answer: (with_: ReturnType<typeof found>) => Promise<void> } {
  const waiting: ((with_: ReturnType<typeof found>) => void)[] = []
  return {
    handler: () => new Promise((resolve) => waiting.push(resolve)),
    answer: async (with_) => {
      waiting.shift()?.(with_)
      await flushPromises()
    },
  }
}

describe('a line that was found', () => {
  it('is cut at its match, counted in characters', () => {
    expect(partsOf({ text: '🌧🌧 ERROR!', match_start: 3, match_end: 8 })).toEqual({ before: '🌧🌧 ', match: 'ERROR', after: '!' })
  })

  it('shows no codes of a terminal, and little of a long beginning', () => {
    expect(partsOf({ text: '\u001B[31mred\u001B[0m ERROR\u0007', match_start: 13, match_end: 18 })).toEqual({ before: 'red ', match: 'ERROR', after: '' })
    const long = partsOf({ text: `${'x'.repeat(1_000)}ERROR`, match_start: 1_000, match_end: 1_005 })
    expect(long.before).toBe(`…${'x'.repeat(120)}`)
  })
})

describe('the search of all logs', () => {
  it('searches nothing before it is asked', async () => {
    const requests = serve(found())
    const page = await mountPage(LogSearchPage, { path: '/logs' })
    expect(searches(requests)).toHaveLength(0)
    expect(page.text()).toContain('What do you look for?')
  })

  it('shows runs with their lines, which lead to the log', async () => {
    serve(found())
    const page = await mountPage(LogSearchPage, { path: '/logs?q=error' })
    const run = page.get('[data-testid="found-run"]')
    expect(run.text()).toContain('nightly')
    expect(run.get('mark').text()).toBe('ERROR')
    expect(run.text()).toContain('line 12')
    expect(run.get('li a').attributes('href')).toBe('/runs/99?attempt=1&q=error')
    expect(page.get('[data-testid="logs-progress"]').text()).toBe('Runs found: 1. Everything is searched, 1 MiB read.')
  })

  it('asks for what the address says', async () => {
    const requests = serve(found())
    await mountPage(LogSearchPage, { path: '/logs?q=a.c&regex=1&case=1&task=7&project=2&state=failed&range=custom&from=2026-01-01T00:00:00Z' })
    expect(asked(requests)).toMatchObject({ q: 'a.c', regex: 'true', case: 'true', task_id: '7', project_id: '2', state: 'failed', from: '2026-01-01T00:00:00Z' })
  })

  it('starts with what is typed, and again when a filter changes', async () => {
    const requests = serve(found())
    const page = await mountPage(LogSearchPage, { path: '/logs' })
    await page.get('input[data-testid="logs-words"], [data-testid="logs-words"] input').setValue('timeout')
    await page.get('form').trigger('submit')
    await flushPromises()
    expect(asked(requests)).toEqual({ q: 'timeout', limit: '20' })
    await page.get('[data-testid="logs-regex"]').trigger('click')
    await flushPromises()
    expect(asked(requests)).toMatchObject({ q: 'timeout', regex: 'true' })
    await page.get('form').trigger('submit')
    await flushPromises()
    expect(searches(requests)).toHaveLength(3)
  })

  it('goes on by itself until it has found enough, and further when it is told to', async () => {
    const full = (next: string) => found(Array.from({ length: 10 }, (_, index) => makeFoundRun({ run_id: Number(next) * 100 + index })), next)
    const answers = [found([], '1'), full('2'), full('3'), found([makeFoundRun({ run_id: 7 })])]
    const requests = serve(() => answers.shift() ?? found([]))
    const page = await mountPage(LogSearchPage, { path: '/logs?q=error' })
    expect(searches(requests).map((request) => new URL(request.url).searchParams.get('cursor'))).toEqual([null, '1', '2'])
    expect(page.findAll('[data-testid="found-run"]')).toHaveLength(20)
    expect(page.get('[data-testid="logs-progress"]').text()).toMatch(/^Runs found: 20\. Searched back to Jan 5, 2026.*, 3 MiB read\.$/)
    await page.get('[data-testid="logs-go-on"]').trigger('click')
    await flushPromises()
    expect(page.findAll('[data-testid="found-run"]')).toHaveLength(21)
    expect(page.find('[data-testid="logs-go-on"]').exists()).toBe(false)
  })

  it('puts the parts of one log together', async () => {
    const answers = [found([makeFoundRun({ has_more: true })], '1'), found([makeFoundRun({ matches: [makeMatch({ offset: 900, line: 20 })] }), makeFoundRun({ attempt: 2 })])]
    serve(() => answers.shift() ?? found([]))
    const page = await mountPage(LogSearchPage, { path: '/logs?q=error' })
    const runs = page.findAll('[data-testid="found-run"]')
    expect(runs.map((run) => run.findAll('li').length)).toEqual([2, 1])
    expect(runs[0]?.text()).not.toContain('may have more')
  })

  it('stops when it is told to, keeps what it has, and goes on from there', async () => {
    const { handler, answer } = held()
    const requests = serve(handler)
    const page = await mountPage(LogSearchPage, { path: '/logs?q=error' })
    await answer(found([makeFoundRun()], '1'))
    await page.get('[data-testid="logs-cancel"]').trigger('click')
    expect(searches(requests)[1]?.signal.aborted).toBe(true)
    await answer(found([makeFoundRun({ run_id: 5 })], '9'))
    expect(page.findAll('[data-testid="found-run"]')).toHaveLength(1)
    await page.get('[data-testid="logs-go-on"]').trigger('click')
    expect(asked(requests)).toMatchObject({ cursor: '1' })
  })

  it('forgets what it looked for before', async () => {
    const { handler, answer } = held()
    const requests = serve(handler)
    const page = await mountPage(LogSearchPage, { path: '/logs?q=error' })
    await page.get('[data-testid="logs-case"]').trigger('click')
    await flushPromises()
    expect(searches(requests).map((request) => request.signal.aborted)).toEqual([true, false])
    await answer(found([makeFoundRun({ run_id: 5 })]))
    expect(page.find('[data-testid="found-run"]').exists()).toBe(false)
    await answer(found([makeFoundRun({ run_id: 6 })]))
    expect(page.get('[data-testid="found-run"]').text()).toContain('#6')
  })

  it('says beside the words what is wrong with them', async () => {
    const message = 'This expression takes too long on a line of the log.'
    const answers: Handler[] = [found([makeFoundRun()], '1'), errorAnswer(422, 'validation_error', message, [{ field: 'q', message }])]
    serve(() => (answers.shift() ?? found()) as ReturnType<typeof found>)
    const page = await mountPage(LogSearchPage, { path: '/logs?q=(a%2B)%2B&regex=1' })
    expect(page.get('form').text()).toContain(message)
    expect(page.find('[data-testid="found-run"]').exists()).toBe(true)
    expect(page.find('[data-testid="logs-go-on"]').exists()).toBe(false)
  })

  it('says what else has failed, and tries it again', async () => {
    const answers = [errorAnswer(503, 'unavailable', 'The search could not be started. Try again in a moment.'), found()]
    serve(() => answers.shift() ?? found())
    const page = await mountPage(LogSearchPage, { path: '/logs?q=error' })
    expect(page.get('[role="alert"]').text()).toContain('could not be started')
    await page.get('[role="alert"] button').trigger('click')
    await flushPromises()
    expect(page.find('[role="alert"]').exists()).toBe(false)
    expect(page.findAll('[data-testid="found-run"]')).toHaveLength(1)
  })

  it('says that nothing was found once everything is searched', async () => {
    serve(found([]))
    expect((await mountPage(LogSearchPage, { path: '/logs?q=error' })).text()).toContain('Nothing found')
  })
})
