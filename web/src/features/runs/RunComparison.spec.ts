import { flushPromises, type VueWrapper } from '@vue/test-utils'
import { beforeEach, describe, expect, it, vi } from 'vitest'

import { makeAttempt, makeList, makeMe, makeRun } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { errorAnswer, fakeServer, type Handler } from '@/testing/server'
import RunPage from './RunPage.vue'
import type { Run } from './runState'

class SilentStream {
  addEventListener(): void {}
  close(): void {}
}

beforeEach(() => {
  vi.stubGlobal('EventSource', SilentStream)
})

const failed = makeRun({
  state: 'failed',
  exit_code: 2,
  attempts: [makeAttempt({ state: 'failed', exit_code: 2 })],
  variables: [{ name: 'TOKEN', scope: 'project', number: 2 }],
})
const good = makeRun({ id: 95, variables: [{ name: 'TOKEN', scope: 'project', number: 1 }] })
const differences = [
  { field: 'snapshot_id', this: 43, other: 41 },
  { field: 'parameters.since', this: '2026-02-01', other: null },
  { field: 'variable_versions.TOKEN', this: 17, other: 12 },
  { field: 'own_variables.PASSWORD', this: 1, other: 2 },
  { field: 'timeout_seconds', this: 30, other: 60 },
  { field: 'limits.memory_bytes', this: 500_000_000, other: null },
  { field: 'state', this: 'failed', other: 'succeeded' },
  { field: 'of_a_newer_server', this: { a: 1 }, other: null },
]

/** What the list of runs is asked, and how it answers: by state where one is asked for, else by all. */
const listOf = (byState: Record<string, Run[]>): Handler => ({ url }) => {
  const asked = new URL(url).searchParams
  return { body: makeList(...(byState[asked.get('to') ? (asked.get('state') ?? 'before') : 'all'] ?? [])) }
}

async function open(path: string, run: Run, list: Handler, more: Record<string, Handler> = {}): Promise<{ page: VueWrapper; requests: Request[] }> {
  const requests = fakeServer({
    'GET /auth/me': { body: makeMe() },
    'GET /runs': list,
    'GET /runs/99': { body: run },
    'GET /runs/95': { body: good },
    'GET /runs/98': { body: makeRun({ id: 98 }) },
    'GET /runs/99/compare': ({ url }) => ({ body: { run_id: 99, other_id: Number(new URL(url).searchParams.get('with')), differences, same: ['command', 'shell', 'interpreter'] } }),
    ...more,
  })
  const page = await mountPage(RunPage, { props: { id: 99 }, path })
  await flushPromises()
  return { page, requests }
}

const panel = (page: VueWrapper) => page.get('[data-testid="run-comparison"]')
const comparedWith = (requests: Request[]) => requests.filter(({ url }) => url.includes('/compare?')).map(({ url }) => new URL(url).searchParams.get('with'))

describe('the comparison of two runs', () => {
  it('says in words what differs, side by side', async () => {
    const { page } = await open('/runs/99?compare=95', failed, { body: makeList() })
    const rows = panel(page).findAll('tbody tr').map((row) => row.findAll('th, td').map((cell) => cell.text()))
    expect(rows).toEqual([
      ['Files', 'snapshot #43', 'snapshot #41'],
      ['Parameter since', '"2026-02-01"', 'none'],
      ['Variable TOKEN', 'version 2, of the project', 'version 1, of the project'],
      ['Variable PASSWORD, for this run alone', 'a value of its own', 'another value of its own'],
      ['Timeout', '30s', '1m'],
      ['Memory limit', '477 MiB', 'none'],
      ['State', 'Failed', 'Succeeded'],
      ['of_a_newer_server', '{"a":1}', 'none'],
    ])
  })

  it('folds what is the same', async () => {
    const { page } = await open('/runs/99?compare=95', failed, { body: makeList() })
    expect(panel(page).get('summary').text()).toBe('3 things are the same in both')
    expect(panel(page).get('details').attributes('open')).toBeUndefined()
    expect(panel(page).get('details p').text()).toBe('Command, Run in a shell, Interpreter')
  })

  it('says so when nothing differs', async () => {
    const { page } = await open('/runs/99?compare=95', failed, { body: makeList() }, { 'GET /runs/99/compare': { body: { run_id: 99, other_id: 95, differences: [], same: ['command'] } } })
    expect(panel(page).text()).toContain('Nothing differs')
  })
})

describe('the run to compare with', () => {
  it('is the last one that went well, for a run that failed', async () => {
    const { page, requests } = await open('/runs/99', failed, listOf({ succeeded: [good], before: [makeRun({ id: 98 })] }))
    await page.get('[data-testid="run-compare"]').trigger('click')
    await flushPromises()
    expect(comparedWith(requests)).toEqual(['95'])
    expect(panel(page).text()).toContain('Run #95')
  })

  it('is the one before, for a run that went well, or when none did', async () => {
    const list = listOf({ succeeded: [], before: [makeRun({ id: 98 })] })
    expect(comparedWith((await open('/runs/99?compare', makeRun(), list)).requests)).toEqual(['98'])
    expect(comparedWith((await open('/runs/99?compare', failed, list)).requests)).toEqual(['98'])
  })

  it('is the one that the address names', async () => {
    const { requests } = await open('/runs/99?compare=95', makeRun(), listOf({ before: [makeRun({ id: 98 })] }))
    expect(comparedWith(requests)).toEqual(['95'])
  })

  it('is left to the person when there is none before', async () => {
    const { page, requests } = await open('/runs/99?compare', makeRun(), listOf({}))
    expect(panel(page).text()).toContain('There is no earlier run of this task')
    expect(comparedWith(requests)).toEqual([])
  })

  it('may not exist', async () => {
    const missing = errorAnswer(404, 'not_found', 'Run 95 does not exist.')
    const { page } = await open('/runs/99?compare=95', makeRun(), listOf({}), { 'GET /runs/95': missing, 'GET /runs/99/compare': missing })
    expect(panel(page).text()).toContain('Run 95 does not exist.')
  })
})
