import type { Trigger, TriggerWish } from './taskApi'

export type TriggerType = TriggerWish['type']
export const TRIGGER_TYPES: readonly TriggerType[] = ['cron', 'interval', 'date']

/** A trigger as it stands in the form. What belongs to another type is kept, so that trying the types out loses nothing. */
export interface TriggerDraft {
  /** Tells the rows of the form apart; means nothing to the server. */
  key: number
  /** Of a trigger that the task has already: it keeps its place in time unless it is changed. */
  id?: number
  type: TriggerType
  expression: string
  timezone: string
  seconds: number | null
  /** From the server; the form does not change them. */
  startAt: string | null
  endAt: string | null
  /** In the browser's own zone, as `<input type="datetime-local">` writes it. */
  at: string
  /** The moment as the server wrote it, which may be finer than the field. */
  exactAt: string | null
}

const FIRST_EXPRESSION = '0 2 * * *'
const FIRST_SECONDS = 3_600

let lastKey = 0

/** The zone that a person who writes "at nine" means. */
export function ownTimeZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC'
}

export function newTrigger(type: TriggerType = 'cron'): TriggerDraft {
  lastKey += 1
  return {
    key: lastKey,
    type,
    expression: FIRST_EXPRESSION,
    timezone: ownTimeZone(),
    seconds: FIRST_SECONDS,
    startAt: null,
    endAt: null,
    at: '',
    exactAt: null,
  }
}

export function draftOf(trigger: Trigger): TriggerDraft {
  return {
    ...newTrigger(trigger.type),
    id: trigger.id,
    ...(trigger.type === 'cron' && { expression: trigger.expression ?? '', timezone: trigger.timezone ?? 'UTC' }),
    ...(trigger.type === 'interval' && { seconds: trigger.seconds ?? null, startAt: trigger.start_at ?? null, endAt: trigger.end_at ?? null }),
    ...(trigger.type === 'date' && { at: toLocalInput(trigger.at ?? null), exactAt: trigger.at ?? null }),
  }
}

/** As the server takes it. What is missing is left out: the server says what it wants in its place. */
export function toWish(draft: TriggerDraft): TriggerWish {
  const known = draft.id === undefined ? {} : { id: draft.id }
  switch (draft.type) {
    case 'cron':
      return { ...known, type: 'cron', expression: draft.expression.trim(), timezone: draft.timezone }
    case 'interval':
      return { ...known, type: 'interval', seconds: draft.seconds, ...(draft.startAt && { start_at: draft.startAt }), ...(draft.endAt && { end_at: draft.endAt }) }
    case 'date':
      return { ...known, type: 'date', at: momentOf(draft) }
  }
}

/** The trigger by itself, as a preview takes it. */
export function toPreview(draft: TriggerDraft): TriggerWish {
  return toWish({ ...draft, id: undefined })
}

/** Whether there is enough to ask for a preview; half a field is no mistake yet. */
export function isComplete(draft: TriggerDraft): boolean {
  switch (draft.type) {
    case 'cron':
      return draft.expression.trim() !== ''
    case 'interval':
      return draft.seconds !== null
    case 'date':
      return momentOf(draft) !== null
  }
}

function momentOf(draft: TriggerDraft): string | null {
  if (draft.exactAt && toLocalInput(draft.exactAt) === draft.at) return draft.exactAt
  const moment = new Date(draft.at)
  return draft.at === '' || Number.isNaN(moment.getTime()) ? null : moment.toISOString()
}

/** "2027-01-01T09:30:00": the moment in the browser's own zone, for an input of type datetime-local. */
export function toLocalInput(moment: string | null): string {
  if (!moment) return ''
  const date = new Date(moment)
  if (Number.isNaN(date.getTime())) return ''
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}
