import { momentDraftOf, NO_MOMENT, toMoment, type MomentDraft } from '@/ui/moment'
import type { Trigger, TriggerWish } from './taskApi'

export type TriggerType = TriggerWish['type']
export type Outcome = NonNullable<TriggerWish['on']>
export const TRIGGER_TYPES: readonly TriggerType[] = ['cron', 'interval', 'date', 'after', 'webhook']

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
  /** Of cron and interval: nothing is due before and after these; an interval counts from its start. */
  startAt: MomentDraft
  endAt: MomentDraft
  /** Of cron and interval: each moment comes up to so much later. */
  jitterSeconds: number | null
  at: MomentDraft
  /** Of after: the task that is followed, and which of its ends count. */
  upstreamId: number | undefined
  on: Outcome
  /** Of webhook: what is typed; the one that there is stays, as long as nothing is typed and it is not taken away. */
  secret: string
  hasSecret: boolean
  takesSecretAway: boolean
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
    startAt: { ...NO_MOMENT },
    endAt: { ...NO_MOMENT },
    jitterSeconds: null,
    at: { ...NO_MOMENT },
    upstreamId: undefined,
    on: 'success',
    secret: '',
    hasSecret: false,
    takesSecretAway: false,
  }
}

export function draftOf(trigger: Trigger): TriggerDraft {
  return {
    ...newTrigger(trigger.type),
    id: trigger.id,
    ...(trigger.type === 'cron' && { expression: trigger.expression ?? '', timezone: trigger.timezone ?? 'UTC' }),
    ...(trigger.type === 'interval' && { seconds: trigger.seconds ?? null }),
    startAt: momentDraftOf(trigger.start_at),
    endAt: momentDraftOf(trigger.end_at),
    jitterSeconds: trigger.jitter_seconds || null,
    at: momentDraftOf(trigger.at),
    upstreamId: trigger.task_id ?? undefined,
    on: trigger.on ?? 'success',
    hasSecret: trigger.has_secret ?? false,
  }
}

/** As the server takes it. What is missing is left out: the server says what it wants in its place. */
export function toWish(draft: TriggerDraft): TriggerWish {
  const known = draft.id === undefined ? {} : { id: draft.id }
  switch (draft.type) {
    case 'cron':
      return { ...known, type: 'cron', expression: draft.expression.trim(), timezone: draft.timezone, ...spread(draft) }
    case 'interval':
      return { ...known, type: 'interval', seconds: draft.seconds, ...spread(draft) }
    case 'date':
      return { ...known, type: 'date', at: toMoment(draft.at) }
    case 'after':
      return { ...known, type: 'after', task_id: draft.upstreamId, on: draft.on }
    case 'webhook':
      return { ...known, type: 'webhook', ...secretOf(draft) }
  }
}

/** Whether it comes due by the clock, so that its next moments can be told. */
export function isClocked(type: TriggerType): boolean {
  return type === 'cron' || type === 'interval' || type === 'date'
}

/** Whether there is enough to ask for a preview; half a field is no mistake yet. */
export function isComplete(draft: TriggerDraft): boolean {
  switch (draft.type) {
    case 'cron':
      return draft.expression.trim() !== ''
    case 'interval':
      return draft.seconds !== null
    case 'date':
      return toMoment(draft.at) !== null
    case 'after':
    case 'webhook':
      return false
  }
}

/** Whether the trigger begins, ends or is spread, which its form folds away otherwise. */
export function hasBounds(draft: TriggerDraft): boolean {
  return draft.startAt.local !== '' || draft.endAt.local !== '' || draft.jitterSeconds !== null
}

function spread(draft: TriggerDraft): Pick<TriggerWish, 'start_at' | 'end_at' | 'jitter_seconds'> {
  const [start, end] = [toMoment(draft.startAt), toMoment(draft.endAt)]
  return { ...(start && { start_at: start }), ...(end && { end_at: end }), ...(draft.jitterSeconds && { jitter_seconds: draft.jitterSeconds }) }
}

function secretOf(draft: TriggerDraft): Pick<TriggerWish, 'secret'> {
  if (draft.secret !== '') return { secret: draft.secret }
  return draft.takesSecretAway ? { secret: null } : {}
}
