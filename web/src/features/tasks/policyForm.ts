import type { Task, TaskFields } from './taskApi'
import { ownTimeZone } from './triggerForm'

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
export type Weekday = (typeof WEEKDAYS)[number]

/** What a task says about retries, limits, the pace of a crawler and blackouts, as it stands in the form. */
export interface PolicyDraft {
  retry: {
    maxAttempts: number
    delaySeconds: number | null
    backoff: number
    maxDelaySeconds: number | null
    /** As they are typed; none means after every failure. */
    exitCodes: string[]
  }
  /** Null: Kumo never pauses the task by itself. */
  failureThreshold: number | null
  /** Null in each of them: no limit. */
  limits: { cpuPercent: number | null; memoryBytes: number | null; processes: number | null; logBytes: number | null }
  crawler: { intervalMs: number | null; perSecond: number | null; proxy: string }
  blackouts: BlackoutDraft[]
}

export interface BlackoutDraft {
  /** Tells the rows of the form apart; means nothing to the server. */
  key: number
  start: string
  end: string
  /** All of them: every day. */
  days: Weekday[]
  timezone: string
}

/** As the server takes it: each of them said. */
interface PolicyFields {
  retry: NonNullable<TaskFields['retry']>
  failure_threshold: number | null
  limits: NonNullable<TaskFields['limits']>
  rate_limit: NonNullable<TaskFields['rate_limit']>
  proxy: string | null
  blackouts: NonNullable<TaskFields['blackouts']>
}

/** What is kept of a log when a task says nothing of it. */
export const USUAL_LOG_BYTES = 2 ** 30

let lastKey = 0

/** With the server's own defaults. */
export function newPolicies(): PolicyDraft {
  return {
    retry: { maxAttempts: 1, delaySeconds: 60, backoff: 2, maxDelaySeconds: 3_600, exitCodes: [] },
    failureThreshold: null,
    limits: { cpuPercent: null, memoryBytes: null, processes: null, logBytes: USUAL_LOG_BYTES },
    crawler: { intervalMs: null, perSecond: null, proxy: '' },
    blackouts: [],
  }
}

export function newBlackout(): BlackoutDraft {
  lastKey += 1
  return { key: lastKey, start: '22:00', end: '06:00', days: [...WEEKDAYS], timezone: ownTimeZone() }
}

export function policyDraftOf(task: Task): PolicyDraft {
  return {
    retry: {
      maxAttempts: task.retry.max_attempts,
      delaySeconds: task.retry.delay_seconds,
      backoff: task.retry.backoff,
      maxDelaySeconds: task.retry.max_delay_seconds,
      exitCodes: (task.retry.exit_codes ?? []).map(String),
    },
    failureThreshold: task.failure_threshold,
    limits: {
      cpuPercent: task.limits.cpu_percent ?? null,
      memoryBytes: task.limits.memory_bytes ?? null,
      processes: task.limits.processes ?? null,
      logBytes: task.limits.log_bytes ?? null,
    },
    crawler: {
      intervalMs: task.rate_limit.request_interval_ms ?? null,
      perSecond: task.rate_limit.max_requests_per_second ?? null,
      proxy: task.proxy ?? '',
    },
    blackouts: task.blackouts.map((blackout) => ({ ...newBlackout(), ...blackout, days: [...(blackout.days ?? WEEKDAYS)] })),
  }
}

export function toPolicyFields(draft: PolicyDraft): PolicyFields {
  const { retry, limits, crawler } = draft
  return {
    retry: {
      max_attempts: retry.maxAttempts,
      delay_seconds: retry.delaySeconds ?? 0,
      backoff: retry.backoff,
      max_delay_seconds: retry.maxDelaySeconds ?? 0,
      // What is no number becomes null on its way: the server says so at its place.
      exit_codes: retry.exitCodes.length === 0 ? null : retry.exitCodes.map(Number),
    },
    failure_threshold: draft.failureThreshold,
    limits: { cpu_percent: limits.cpuPercent, memory_bytes: limits.memoryBytes, processes: limits.processes, log_bytes: limits.logBytes },
    rate_limit: { request_interval_ms: crawler.intervalMs, max_requests_per_second: crawler.perSecond },
    proxy: crawler.proxy.trim() || null,
    blackouts: draft.blackouts.map(({ start, end, days, timezone }) => ({
      start,
      end,
      days: days.length === WEEKDAYS.length ? null : WEEKDAYS.filter((day) => days.includes(day)),
      timezone,
    })),
  }
}

/** The delays before the second attempt, the third and so on; at most `most` of them. */
export function retryDelays(retry: Task['retry'], most: number): number[] {
  const count = Math.max(0, Math.min(retry.max_attempts - 1, most))
  return Array.from({ length: count }, (_, index) => Math.min(retry.delay_seconds * retry.backoff ** index, retry.max_delay_seconds))
}
