import { flushPromises } from '@vue/test-utils'
import { beforeEach, describe, expect, it, vi } from 'vitest'

import { makeList, makeMe, makeProject, makeRun, makeTask } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { errorAnswer, fakeServer, type Handler } from '@/testing/server'
import RunListPage from './RunListPage.vue'
import RunPage from './RunPage.vue'

class SilentStream {
  addEventListener(): void {}
  close(): void {}
}

const log = (text: string): Handler => ({ text, headers: { 'X-Log-Offset': '0', 'X-Log-Size': String(text.length), 'X-Log-Final': 'true' } })

beforeEach(() => {
  vi.stubGlobal('EventSource', SilentStream)
  // Without a layout every element would be of no height, and the list would show nothing.
  vi.spyOn(HTMLElement.prototype, 'clientHeight', 'get').mockReturnValue(600)
  vi.spyOn(HTMLElement.prototype, 'clientWidth', 'get').mockReturnValue(800)
})

function serve(run: ReturnType<typeof makeRun>, more: Record<string, Handler> = {}): Request[] {
  return fakeServer({
    'GET /auth/me': { body: makeMe() },
    'GET /runs/99': { body: run },
    'GET /runs/99/log': log('one\n\u001B[31mtwo\u001B[0m\n'),
    ...more,
  })
}

describe('the page of a run', () => {
  it('shows its state, its facts and its log', async () => {
    serve(makeRun({ state: 'failed', exit_code: 3, reason: 'Ended by signal 9.' }))
    const page = await mountPage(RunPage, { props: { id: 99 } })
    await vi.waitFor(() => expect(page.get('[data-testid="run-log"]').text()).toContain('two'))
    expect(page.get('[data-testid="run-state"]').text()).toBe('Failed')
    expect(page.text()).toContain('Ended by signal 9.')
    expect(page.text()).toContain('50 MiB')
    expect(page.text()).toContain('97.1 %')
    expect(page.find('[data-testid="run-stop"]').exists()).toBe(false)
    expect(page.get('.log-colour-1').text()).toBe('two')
  })

  it('keeps a log of a hundred thousand lines out of the page but for those in sight', async () => {
    serve(makeRun(), { 'GET /runs/99/log': log('line\n'.repeat(100_000)) })
    const page = await mountPage(RunPage, { props: { id: 99 } })
    await vi.waitFor(() => expect(page.findAll('[data-index]').length).toBeGreaterThan(0))
    expect(page.findAll('[data-index]').length).toBeLessThan(200)
  })

  it('stops a run that goes on, once', async () => {
    const run = makeRun({ state: 'running', ended_at: null, duration_seconds: null, exit_code: null })
    const requests = serve(run, { 'POST /runs/99/stop': { status: 202, body: { ...run, stop_requested_at: '2026-01-05T12:00:01Z' } } })
    const page = await mountPage(RunPage, { props: { id: 99 } })
    await page.get('[data-testid="run-stop"]').trigger('click')
    await flushPromises()
    expect(requests.filter((request) => request.method === 'POST')).toHaveLength(1)
    expect(page.get('[data-testid="run-stop"]').text()).toBe('Stopping …')
    expect(page.get('[data-testid="run-stop"]').attributes('disabled')).toBeDefined()
  })

  it('says when there is no such run', async () => {
    fakeServer({ 'GET /runs/99': errorAnswer(404, 'not_found', 'Run 99 does not exist.') })
    expect((await mountPage(RunPage, { props: { id: 99 } })).text()).toContain('Run 99 does not exist.')
  })
})

describe('the list of runs', () => {
  const answers = {
    'GET /runs': { body: makeList(makeRun({ state: 'lost' })) },
    'GET /tasks': { body: makeList(makeTask()) },
    'GET /tasks/7': { body: makeTask() },
    'GET /projects': { body: makeList(makeProject()) },
  }
  const open = async (path: string) => {
    const requests = fakeServer(answers)
    const page = await mountPage(RunListPage, { path })
    const asked = (): URLSearchParams => new URL(requests.findLast((request) => new URL(request.url).pathname.endsWith('/runs'))?.url ?? '').searchParams
    return { page, asked }
  }

  it('is filtered by what the address says', async () => {
    const { page, asked } = await open('/runs?state=lost,failed&task=7&project=2&range=custom&from=2026-01-05T12:00:00Z&to=2026-01-06T12:00:00Z')
    expect(page.text()).toContain('Lost')
    expect(asked().getAll('state')).toEqual(['failed', 'lost'])
    expect([asked().get('task_id'), asked().get('project_id')]).toEqual(['7', '2'])
    expect([asked().get('from'), asked().get('to')]).toEqual(['2026-01-05T12:00:00Z', '2026-01-06T12:00:00Z'])
    expect(page.get('[data-testid="runs-project"]').text()).toContain('quotes')
    expect(page.get('[data-testid="runs-task"]').text()).toContain('nightly')
  })

  it('goes back by a period from now', async () => {
    const { asked } = await open('/runs?range=24h')
    const back = Date.now() - new Date(asked().get('from') ?? 0).getTime()
    expect(Math.round(back / 3_600_000)).toBe(24)
    expect(asked().get('to')).toBeNull()
  })

  it('leaves out what is no filter', async () => {
    const { asked } = await open('/runs?state=sleeping&task=x&project=-1&range=custom&from=yesterday')
    expect(['state', 'task_id', 'project_id', 'from', 'to'].filter((name) => asked().has(name))).toEqual([])
  })

  it('shows everything again once its filters are cleared', async () => {
    const { page, asked } = await open('/runs?state=failed&range=7d&project=2')
    await page.findAll('button').find((button) => button.text() === 'Clear the filters')?.trigger('click')
    await flushPromises()
    expect(['state', 'project_id', 'from'].filter((name) => asked().has(name))).toEqual([])
  })

  it('takes a begin and an end', async () => {
    const { page, asked } = await open('/runs?range=custom&from=2026-01-05T12:00:00Z')
    await page.get('[data-testid="range-to"]').setValue('2026-01-06T00:00:00')
    await flushPromises()
    expect(asked().get('to')).toBe(new Date('2026-01-06T00:00:00').toISOString())
    expect(asked().get('from')).toBe('2026-01-05T12:00:00Z')
  })

  it('tells an empty list from one that is filtered to nothing', async () => {
    fakeServer({ ...answers, 'GET /runs': { body: makeList() } })
    expect((await mountPage(RunListPage, { path: '/runs' })).text()).toContain('No runs yet')
    expect((await mountPage(RunListPage, { path: '/runs?state=failed' })).text()).toContain('No run fits the filters')
  })
})
