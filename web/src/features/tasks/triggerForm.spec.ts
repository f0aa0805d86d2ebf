import { describe, expect, it } from 'vitest'

import { makeTask } from '@/testing/factories'
import { toLocalInput } from '@/ui/moment'
import { splitSeconds } from './durationUnits'
import { retryDelays } from './policyForm'
import { differs, fieldsOf, newTask, SECTIONS, taskDraftOf, toFields, type Section } from './taskForm'
import { draftOf, hasBounds, isComplete, newTrigger, toWish } from './triggerForm'

const EMPTY = { expression: null, timezone: null, seconds: null, start_at: null, end_at: null, jitter_seconds: null, at: null }

describe('a trigger in the form', () => {
  it('comes back as it went in', () => {
    const triggers = [
      { ...EMPTY, id: 11, type: 'cron' as const, expression: '30 2 * * *', timezone: 'Europe/Berlin' },
      { ...EMPTY, id: 12, type: 'interval' as const, seconds: 90, start_at: '2026-01-05T12:00:00.123Z', end_at: '2027-01-05T12:00:00Z' },
      { ...EMPTY, id: 14, type: 'cron' as const, expression: '0 9 * * *', timezone: 'UTC', start_at: '2026-01-05T12:00:00.5Z', jitter_seconds: 300 },
      { ...EMPTY, id: 13, type: 'date' as const, at: '2027-01-01T00:00:00.789Z' },
    ]
    expect(triggers.map((trigger) => toWish(draftOf(trigger)))).toEqual([
      { id: 11, type: 'cron', expression: '30 2 * * *', timezone: 'Europe/Berlin' },
      { id: 12, type: 'interval', seconds: 90, start_at: '2026-01-05T12:00:00.123Z', end_at: '2027-01-05T12:00:00Z' },
      { id: 14, type: 'cron', expression: '0 9 * * *', timezone: 'UTC', start_at: '2026-01-05T12:00:00.5Z', jitter_seconds: 300 },
      // Finer than the field can show, and yet not changed by it.
      { id: 13, type: 'date', at: '2027-01-01T00:00:00.789Z' },
    ])
  })

  it('names only the fields of its own type', () => {
    const draft = { ...newTrigger('interval'), expression: '* * * * *', at: { local: '2027-01-01T00:00', exact: null } }
    expect(toWish(draft)).toEqual({ type: 'interval', seconds: 3_600 })
  })

  it('means the time of the clock on the wall', () => {
    const local = '2027-03-01T09:30:00'
    expect(toWish({ ...newTrigger('date'), at: { local, exact: null } })).toEqual({ type: 'date', at: new Date(local).toISOString() })
    expect(toLocalInput(new Date(local).toISOString())).toBe(local)
    expect(toLocalInput('nonsense')).toBe('')
  })

  it('begins and ends where the form says', () => {
    const draft = { ...newTrigger('cron'), startAt: { local: '2027-03-01T09:30', exact: null }, endAt: { local: '2027-04', exact: null } }
    expect(toWish(draft).start_at).toBe(new Date('2027-03-01T09:30').toISOString())
    expect(hasBounds(newTrigger('cron'))).toBe(false)
    expect(hasBounds(draft)).toBe(true)
    expect(toWish({ ...draftOf({ ...EMPTY, id: 1, type: 'interval', seconds: 60, start_at: '2026-01-05T12:00:00.123Z' }), startAt: { local: '', exact: null } })).toEqual({ id: 1, type: 'interval', seconds: 60 })
  })

  it('follows a task, or is called', () => {
    const after = { ...EMPTY, id: 15, type: 'after' as const, task_id: 4, on: 'failure' as const }
    expect(toWish(draftOf(after))).toEqual({ id: 15, type: 'after', task_id: 4, on: 'failure' })
    expect(toWish(newTrigger('webhook'))).toEqual({ type: 'webhook' })
  })

  it('keeps the secret of a webhook unless another is typed or it is taken away', () => {
    const draft = draftOf({ ...EMPTY, id: 16, type: 'webhook', has_secret: true })
    expect(toWish(draft)).toEqual({ id: 16, type: 'webhook' })
    expect(toWish({ ...draft, takesSecretAway: true })).toEqual({ id: 16, type: 'webhook', secret: null })
    expect(toWish({ ...draft, secret: 'new', takesSecretAway: true })).toEqual({ id: 16, type: 'webhook', secret: 'new' })
  })

  it('is complete when there is something to preview', () => {
    expect(isComplete(newTrigger('cron'))).toBe(true)
    expect(isComplete({ ...newTrigger('cron'), expression: '  ' })).toBe(false)
    expect(isComplete({ ...newTrigger('interval'), seconds: null })).toBe(false)
    expect(isComplete(newTrigger('date'))).toBe(false)
  })
})

describe('a task in the form', () => {
  it('comes back as it went in', () => {
    const task = makeTask({ timeout_seconds: null })
    expect(toFields(taskDraftOf(task))).toEqual({
      name: 'nightly',
      description: '',
      project_id: 2,
      environment_id: null,
      tags: ['etl'],
      command: 'python main.py --full',
      shell: false,
      triggers: [{ id: 11, type: 'cron', expression: '30 2 * * *', timezone: 'Europe/Berlin' }],
      overlap: 'skip',
      max_parallel: 1,
      catch_up: 'latest',
      catch_up_window_seconds: 3_600,
      pool: null,
      priority: 0,
      timeout_seconds: null,
      stop_grace_seconds: 10,
      retry: task.retry,
      failure_threshold: null,
      limits: task.limits,
      rate_limit: task.rate_limit,
      proxy: null,
      blackouts: [],
    })
  })

  it('keeps every policy that it was given', () => {
    const policies = {
      pool: 'database',
      retry: { max_attempts: 4, delay_seconds: 1.5, backoff: 3, max_delay_seconds: 90, exit_codes: [1, 75] },
      failure_threshold: 5,
      limits: { cpu_percent: 150, memory_bytes: 300 * 2 ** 20, processes: 8, log_bytes: null },
      rate_limit: { request_interval_ms: 500, max_requests_per_second: 2.5 },
      proxy: 'socks5://proxy.example:1080',
      blackouts: [
        { start: '22:00', end: '06:00', days: ['mon' as const, 'sun' as const], timezone: 'Europe/Berlin' },
        { start: '12:00', end: '13:00', days: null, timezone: 'UTC' },
      ],
    }
    expect(toFields(taskDraftOf(makeTask(policies)))).toMatchObject(policies)
  })

  it('knows which of its parts are unusual', () => {
    const sections = (task: ReturnType<typeof makeTask>) => (Object.keys(SECTIONS) as Section[]).filter((section) => differs(taskDraftOf(task), section))
    expect(sections(makeTask())).toEqual([])
    expect(sections(makeTask({ overlap: 'replace', failure_threshold: 3, proxy: 'http://proxy.example' }))).toEqual(['concurrency', 'failures', 'crawler'])
    expect(sections(makeTask({ limits: { ...makeTask().limits, log_bytes: null } }))).toEqual(['limits'])
  })

  it('claims the errors of the rows that it has, and no others', () => {
    const draft = taskDraftOf(makeTask({ blackouts: [{ start: '12:00', end: '13:00', days: null, timezone: 'UTC' }] }))
    expect(fieldsOf(draft)).toContain('blackouts.0.start')
    expect(fieldsOf(draft)).toContain('triggers.0.expression')
    expect(fieldsOf(draft)).not.toContain('blackouts')
    expect(fieldsOf(newTask())).not.toContain('triggers.0.expression')
  })

  it('begins with nothing that makes it due', () => {
    expect(toFields(newTask(2))).toMatchObject({ project_id: 2, triggers: [], timeout_seconds: 3_600 })
  })
})

it('the delays of retries grow up to their bound', () => {
  const retry = { max_attempts: 6, delay_seconds: 60, backoff: 2, max_delay_seconds: 300, exit_codes: null }
  expect(retryDelays(retry, 10)).toEqual([60, 120, 240, 300, 300])
  expect(retryDelays(retry, 2)).toEqual([60, 120])
  expect(retryDelays({ ...retry, max_attempts: 1 }, 10)).toEqual([])
})

it('a length of time is shown in the largest unit that fits', () => {
  expect([90, 5_400, 7_200, 172_800, 0.5, 0].map((seconds) => splitSeconds(seconds))).toEqual([
    { amount: 90, unit: 'seconds' },
    { amount: 90, unit: 'minutes' },
    { amount: 2, unit: 'hours' },
    { amount: 2, unit: 'days' },
    { amount: 0.5, unit: 'seconds' },
    { amount: 0, unit: 'seconds' },
  ])
  expect(splitSeconds(null).amount).toBeNull()
})
