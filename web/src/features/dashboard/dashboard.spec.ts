import { expect, it } from 'vitest'

import { makeDashboard, makeMe } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { errorAnswer, fakeServer } from '@/testing/server'
import DashboardPage from './DashboardPage.vue'

it('sums up what runs, what comes next and what failed', async () => {
  fakeServer({ 'GET /auth/me': { body: makeMe() }, 'GET /dashboard': { body: makeDashboard({ running: 2 }) } })
  const page = await mountPage(DashboardPage)
  expect(page.get('[data-testid="dashboard-running"]').text()).toContain('2')
  expect(page.get('[data-testid="dashboard-rate"]').text()).toContain('98.7 %')
  expect(page.findAll('ol > li')).toHaveLength(14)
  expect(page.get('ol > li:last-child').attributes('title')).toBe('Jan 14, 2026: 13 succeeded, 1 failed, 0 other')
  expect(page.text()).toContain('#99')
  expect(page.text()).toContain('3 ×')
})

it('never rounds a failure away', async () => {
  fakeServer({ 'GET /dashboard': { body: makeDashboard({ success_rate_7d: 0.9999 }) } })
  expect((await mountPage(DashboardPage)).get('[data-testid="dashboard-rate"]').text()).toContain('99.9 %')
})

it('shows the way to the first run where nothing is there yet', async () => {
  const counts = { projects: 0, environments: 0, tasks: 0, active_tasks: 0 }
  fakeServer({
    'GET /auth/me': { body: makeMe() },
    'GET /dashboard': { body: makeDashboard({ counts, recent_runs: [], next_due: [], top_failures: [], success_rate_7d: null }) },
  })
  const page = await mountPage(DashboardPage)
  expect(page.text()).toContain('Nothing has run yet')
})

it('says what is wrong', async () => {
  fakeServer({ 'GET /dashboard': errorAnswer(500, 'internal_error', 'It broke.') })
  expect((await mountPage(DashboardPage)).text()).toContain('It broke.')
})
