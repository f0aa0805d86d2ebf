import { describe, expect, it } from 'vitest'

import { makeTask } from '@/testing/factories'
import { splitSeconds } from './durationUnits'
import { newTask, taskDraftOf, toFields } from './taskForm'
import { draftOf, isComplete, newTrigger, toLocalInput, toPreview, toWish } from './triggerForm'

const EMPTY = { expression: null, timezone: null, seconds: null, start_at: null, end_at: null, at: null }

describe('a trigger in the form', () => {
  it('comes back as it went in', () => {
    const triggers = [
      { ...EMPTY, id: 11, type: 'cron' as const, expression: '30 2 * * *', timezone: 'Europe/Berlin' },
      { ...EMPTY, id: 12, type: 'interval' as const, seconds: 90, start_at: '2026-01-05T12:00:00.123Z', end_at: '2027-01-05T12:00:00Z' },
      { ...EMPTY, id: 13, type: 'date' as const, at: '2027-01-01T00:00:00.789Z' },
    ]
    expect(triggers.map((trigger) => toWish(draftOf(trigger)))).toEqual([
      { id: 11, type: 'cron', expression: '30 2 * * *', timezone: 'Europe/Berlin' },
      { id: 12, type: 'interval', seconds: 90, start_at: '2026-01-05T12:00:00.123Z', end_at: '2027-01-05T12:00:00Z' },
      // Finer than the field can show, and yet not changed by it.
      { id: 13, type: 'date', at: '2027-01-01T00:00:00.789Z' },
    ])
  })

  it('names only the fields of its own type', () => {
    const draft = { ...newTrigger('interval'), expression: '* * * * *', at: '2027-01-01T00:00' }
    expect(toWish(draft)).toEqual({ type: 'interval', seconds: 3_600 })
    expect(toPreview({ ...draft, id: 5 })).not.toHaveProperty('id')
  })

  it('means the time of the clock on the wall', () => {
    const local = '2027-03-01T09:30:00'
    expect(toWish({ ...newTrigger('date'), at: local })).toEqual({ type: 'date', at: new Date(local).toISOString() })
    expect(toLocalInput(new Date(local).toISOString())).toBe(local)
    expect(toLocalInput('nonsense')).toBe('')
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
      priority: 0,
      timeout_seconds: null,
      stop_grace_seconds: 10,
    })
  })

  it('begins with nothing that makes it due', () => {
    expect(toFields(newTask(2))).toMatchObject({ project_id: 2, triggers: [], timeout_seconds: 3_600 })
  })
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
