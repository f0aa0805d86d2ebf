import { useI18n } from 'vue-i18n'

import type { components } from '@/api'
import type { StatusTone } from '@/ui/status'

export type Run = components['schemas']['RunOut']
export type RunState = Run['state']
export type GivenVariable = components['schemas']['GivenVariableOut']
export type Attempt = Run['attempts'][number]

export const RUN_STATES: readonly RunState[] = ['queued', 'starting', 'running', 'retrying', 'succeeded', 'failed', 'timed_out', 'stopped', 'lost']

const OPEN: ReadonlySet<string> = new Set<RunState>(['queued', 'starting', 'running', 'retrying'])

const FAILURES: ReadonlySet<string> = new Set<RunState>(['failed', 'timed_out', 'lost'])

const TONES: Record<RunState, StatusTone> = {
  queued: 'waiting',
  starting: 'active',
  running: 'active',
  retrying: 'waiting',
  succeeded: 'success',
  failed: 'error',
  timed_out: 'warning',
  stopped: 'neutral',
  lost: 'unknown',
}

export function isOpen(state: string): boolean {
  return OPEN.has(state)
}

export function isFailure(state: string): boolean {
  return FAILURES.has(state)
}

/** A state that this page does not know yet, from a newer server, is shown by its own name. */
export function toneOf(state: string): StatusTone {
  return state in TONES ? TONES[state as RunState] : 'unknown'
}

/** How long an attempt took; null while it goes on, and when it never began. */
export function secondsOf(attempt: Attempt): number | null {
  if (!attempt.started_at || !attempt.ended_at) return null
  return (new Date(attempt.ended_at).getTime() - new Date(attempt.started_at).getTime()) / 1000
}

export function useRunWords() {
  const { t, n } = useI18n()
  const states: Record<RunState, () => string> = {
    queued: () => t('runs.state.queued'),
    starting: () => t('runs.state.starting'),
    running: () => t('runs.state.running'),
    retrying: () => t('runs.state.retrying'),
    succeeded: () => t('runs.state.succeeded'),
    failed: () => t('runs.state.failed'),
    timed_out: () => t('runs.state.timed_out'),
    stopped: () => t('runs.state.stopped'),
    lost: () => t('runs.state.lost'),
  }
  const causes: Record<string, (run: Run) => string> = {
    slot: () => t('runs.cause.slot'),
    after: () => t('runs.cause.after'),
    webhook: () => t('runs.cause.webhook'),
    manual: (run) => (run.cause.actor ? t('runs.cause.manualBy', { name: run.cause.actor }) : t('runs.cause.manual')),
    rerun: (run) => (run.cause.actor ? t('runs.cause.rerunBy', { name: run.cause.actor }) : t('runs.cause.rerun')),
  }
  const owners: Record<NonNullable<GivenVariable['scope']>, (number: number) => string> = {
    global: (number) => t('runs.variable.global', { n: number }),
    project: (number) => t('runs.variable.project', { n: number }),
    task: (number) => t('runs.variable.task', { n: number }),
  }
  const stateWord = (state: string): string => (state in states ? states[state as RunState]() : state)
  return {
    stateWord,
    /** Why an attempt ended as it did: the server's sentence where it has one. */
    whyWords(attempt: Attempt): string {
      if (attempt.reason) return attempt.reason
      return attempt.exit_code === null ? stateWord(attempt.state) : t('runs.attempt.exited', { code: attempt.exit_code })
    },
    percentWords: (value: number | null | undefined): string | null =>
      typeof value === 'number' ? t('runs.percent', { n: n(value, { maximumFractionDigits: 1 }) }) : null,
    /** Which value of a variable it was, and whose. */
    versionWords({ number, scope }: GivenVariable): string {
      if (number === null || scope === null) return t('runs.variable.gone')
      return owners[scope](number)
    },
    causeWords: (run: Run): string => causes[run.cause.type]?.(run) ?? run.cause.type,
  }
}
