import { expect, it } from 'vitest'

import { makeAttempt, makeRun } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import RunFacts from './RunFacts.vue'
import type { Attempt, Run } from './runState'

const LIMITS = { memory_bytes: 150_000_000, cpu_percent: null, processes: 20, log_bytes: 1_000_000 }
const facts = (attempt: Partial<Attempt>, run: Partial<Run> = {}) => mountPage(RunFacts, { props: { run: makeRun(run), attempt: makeAttempt(attempt) } })

it('says which limits an attempt had, and what held it to them', async () => {
  const byKernel = (await facts({ limits_by: 'cgroup' }, { limits: LIMITS })).text()
  expect(byKernel).toContain('143 MiB of memory, 20 processes, log of 977 KiB')
  expect(byKernel).toContain('By the kernel (control group)')
  expect((await facts({ limits_by: 'sampling' }, { limits: LIMITS })).text()).toContain('Kumo looks ten times a second')
})

it('says when there were none', async () => {
  const text = (await facts({ limits_by: null }, { limits: { log_bytes: 1 << 30 }, timeout_seconds: null })).text()
  expect(text).toContain('No limits')
  expect(text).not.toContain('Held to them')
  expect(text).not.toContain('Timeout')
})

it('says how much of the log was not kept', async () => {
  expect((await facts({ log_bytes: 1_000_000, log_dropped_bytes: 4_000_000 })).text()).toContain('3.8 MiB left out')
  expect((await facts({})).text()).not.toContain('left out')
})
