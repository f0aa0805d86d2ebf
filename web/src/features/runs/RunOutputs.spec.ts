import { expect, it } from 'vitest'

import { makeMe, makeRun } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { fakeServer } from '@/testing/server'
import RunOutputs from './RunOutputs.vue'

const file = { path: '2026/a.csv', size_bytes: 10, written_at: '2026-01-05T12:00:00Z', candidates: 1, is_last: true }

async function show(items: object[], changes: object = {}) {
  const run = makeRun()
  fakeServer({
    'GET /auth/me': { body: makeMe() },
    [`GET /runs/${run.id}/outputs`]: { body: { items, next_cursor: null, file_count: items.length, size_bytes: 2_048, settled: true, ...changes } },
  })
  return mountPage(RunOutputs, { props: { run } })
}

it('lists what the run wrote, and leads to it', async () => {
  const panel = await show([file, { ...file, path: 'b', candidates: 2 }, { ...file, path: 'c', is_last: false }], { file_count: 60, settled: false })
  const rows = panel.findAll('[data-testid=run-output]')
  expect(rows[0]?.get('a').attributes('href')).toBe(`/projects/${makeRun().project_id}?tab=outputs&path=2026&file=2026/a.csv`)
  expect(rows[1]?.text()).toContain('maybe')
  expect(rows[2]?.text()).toContain('written again since')
  expect(panel.text()).toContain('60 files, 2 KiB')
  expect(panel.text()).toContain('57 more are not listed here.')
  expect(panel.text()).toContain('More may come.')
})

it('is not there for a run that wrote nothing', async () => {
  expect((await show([])).text()).toBe('')
})
