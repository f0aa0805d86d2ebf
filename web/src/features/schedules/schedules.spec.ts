import { flushPromises } from '@vue/test-utils'
import { describe, expect, it } from 'vitest'

import { openQuestion } from '@/composables/useConfirm'
import DashboardPage from '@/features/dashboard/DashboardPage.vue'
import { makeBootReport, makeDashboard, makeMe } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { fakeServer, type Handler } from '@/testing/server'
import BootReportPage from './BootReportPage.vue'

const REPORT = makeBootReport({ down: { from: '2026-01-05T01:00:00Z', to: new Date().toISOString() } })

function serve(report: Handler, me: unknown = makeMe()): Request[] {
  return fakeServer({
    'GET /auth/me': { body: me },
    'GET /dashboard': { body: makeDashboard() },
    'GET /schedule/boot-report': report,
    'POST /schedule/boot-report/purge': { body: { stopped_run_ids: [12] } },
  })
}

describe('the dashboard after a down time', () => {
  const banner = '[data-testid="boot-report"]'

  it('says since when Kumo was down, and what came of it', async () => {
    serve({ body: REPORT })
    const page = await mountPage(DashboardPage)
    expect(page.get(banner).text()).toContain('Kumo was down for')
    expect(page.get(banner).text()).toContain('Jan 5, 2026')
    expect(page.get(banner).text()).toContain('14 missed, 3 caught up, 1 of these still waiting')
    expect(page.get('[data-testid="boot-report-see"]').attributes('href')).toBe('/schedule/boot-report')
  })

  it('says nothing where nothing came due, or Kumo never was down', async () => {
    serve({ body: makeBootReport({ ...REPORT, missed: 0, caught_up: 0, queued: 0, tasks: [] }) })
    expect((await mountPage(DashboardPage)).find(banner).exists()).toBe(false)
    serve({ body: makeBootReport({ down: null, missed: 0, caught_up: 0, queued: 0, tasks: [] }) })
    const page = await mountPage(DashboardPage)
    expect(page.find(banner).exists()).toBe(false)
    expect(page.find('[data-testid="dashboard-down"]').exists()).toBe(false)
  })

  it('says nothing of what is long ago, unless something of it still waits', async () => {
    const down = { from: '2026-01-05T01:00:00Z', to: '2026-01-05T02:00:00Z' }
    serve({ body: makeBootReport({ down, queued: 0 }) })
    expect((await mountPage(DashboardPage)).find(banner).exists()).toBe(false)
    serve({ body: makeBootReport({ down, queued: 1 }) })
    expect((await mountPage(DashboardPage)).find(banner).exists()).toBe(true)
  })

  it('keeps silent about a down time once it is told to, and speaks of the next', async () => {
    serve({ body: REPORT })
    const page = await mountPage(DashboardPage)
    await page.get('[data-testid="boot-report-close"]').trigger('click')
    expect(page.find(banner).exists()).toBe(false)
    expect((await mountPage(DashboardPage)).find(banner).exists()).toBe(false)
    serve({ body: makeBootReport({ down: { from: '2026-02-05T01:00:00Z', to: new Date().toISOString() } }) })
    expect((await mountPage(DashboardPage)).find(banner).exists()).toBe(true)
  })
})

describe('the report of a down time', () => {
  const purged = (requests: Request[]) => requests.find((request) => request.url.endsWith('/purge'))

  it('lists the tasks with their moments and runs', async () => {
    serve({ body: REPORT })
    const page = await mountPage(BootReportPage)
    const cells = page.findAll('tbody tr').map((row) => row.findAll('td').map((cell) => cell.text()).slice(0, 5))
    expect(cells).toEqual([
      ['often', '13', '0', '0', ''],
      ['nightly', '1', '3', '1', '#10#11#12'],
    ])
    const links = page.findAll('tbody a').map((link) => link.attributes('href') ?? '')
    expect(links).toContain('/runs/11')
    expect(links.find((link) => link.includes('show=missed'))).toMatch(/^\/tasks\/7\?tab=slots&range=custom&from=2026-01-05T01:00:00Z&to=/)
  })

  it('takes what waits out of the queue, of one task or of all, once that is confirmed', async () => {
    const requests = serve({ body: REPORT })
    const page = await mountPage(BootReportPage)
    await page.get('[data-testid="purge-task"]').trigger('click')
    expect(openQuestion.value?.description).toContain('Runs of nightly that are taken out of the queue: 1')
    openQuestion.value?.answer(false)
    await flushPromises()
    expect(purged(requests)).toBeUndefined()
    await page.get('[data-testid="purge-task"]').trigger('click')
    openQuestion.value?.answer(true)
    await flushPromises()
    expect(await purged(requests)?.clone().json()).toEqual({ task_ids: [8] })
    expect(document.body.textContent).toContain('Runs taken out of the queue: 1')
  })

  it('offers that only where something waits, and to whom it is allowed', async () => {
    serve({ body: makeBootReport({ queued: 0, tasks: [] }) })
    expect((await mountPage(BootReportPage)).find('[data-testid="purge-all"]').exists()).toBe(false)
    serve({ body: REPORT }, { ...makeMe(), role: 'viewer' })
    expect((await mountPage(BootReportPage)).find('[data-testid^="purge-"]').exists()).toBe(false)
    serve({ body: REPORT })
    expect((await mountPage(BootReportPage)).find('[data-testid="purge-all"]').exists()).toBe(true)
  })

  it('says that nothing came due, or that there was no down time', async () => {
    serve({ body: makeBootReport({ missed: 0, caught_up: 0, queued: 0, task_count: 0, tasks: [] }) })
    expect((await mountPage(BootReportPage)).text()).toContain('Nothing came due while Kumo was down')
    serve({ body: makeBootReport({ down: null, missed: 0, caught_up: 0, queued: 0, task_count: 0, tasks: [] }) })
    expect((await mountPage(BootReportPage)).text()).toContain('Kumo has not been down so far')
  })
})
