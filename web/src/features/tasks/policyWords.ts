import { useI18n } from 'vue-i18n'

import { formatBytes } from '@/ui/format'
import { useDurationText } from '@/ui/useDurationText'
import { retryDelays, WEEKDAYS, type Weekday } from './policyForm'
import type { Blackout, Limits, RateLimit, Retry } from './taskApi'

const MOST_DELAYS = 5

/** What a task says about retries, limits, pace and blackouts, in a sentence each. */
export function usePolicyWords() {
  const { t, n, locale } = useI18n()
  const durationText = useDurationText()
  const list = (parts: string[]): string => parts.join(t('ui.comma'))

  function retryWords(retry: Retry): string {
    if (retry.max_attempts <= 1) return t('tasks.retry.never')
    const delays = list(retryDelays(retry, MOST_DELAYS).map((delay) => (delay === 0 ? t('tasks.retry.atOnce') : durationText(delay))))
    const isLong = retry.max_attempts - 1 > MOST_DELAYS
    const plan = isLong
      ? t('tasks.retry.planLong', { delays, n: n(retry.max_attempts), most: durationText(retry.max_delay_seconds) })
      : t('tasks.retry.plan', { delays, n: n(retry.max_attempts) })
    const codes = retry.exit_codes?.length ? t('tasks.retry.only', { codes: list(retry.exit_codes.map(String)) }) : ''
    return `${plan}${codes}`
  }

  function limitWords(limits: Limits, usualLogBytes: number | null = null): string {
    const parts = [
      ...(limits.memory_bytes ? [t('tasks.limit.memoryOf', { size: formatBytes(limits.memory_bytes, locale.value) })] : []),
      ...(limits.cpu_percent ? [t('tasks.limit.cpuOf', { n: n(limits.cpu_percent) })] : []),
      ...(limits.processes ? [t('tasks.limit.processesOf', { n: n(limits.processes) })] : []),
    ]
    const log = limits.log_bytes ?? null
    if (log !== usualLogBytes) parts.push(log === null ? t('tasks.limit.logAny') : t('tasks.limit.logOf', { size: formatBytes(log, locale.value) }))
    return list(parts) || t('tasks.limit.none')
  }

  function paceWords(rate: RateLimit, proxy: string | null): string {
    const parts = [
      ...(rate.request_interval_ms ? [t('tasks.crawler.intervalOf', { n: n(rate.request_interval_ms) })] : []),
      ...(rate.max_requests_per_second ? [t('tasks.crawler.perSecondOf', { n: n(rate.max_requests_per_second) })] : []),
      ...(proxy ? [t('tasks.crawler.proxyOf', { proxy })] : []),
    ]
    return list(parts) || t('tasks.crawler.none')
  }

  /** The day's name in the viewer's language; no words of ours to keep. */
  function dayWord(day: Weekday, style: 'short' | 'long' = 'short'): string {
    // The 5th of January 1970 was a Monday.
    const date = new Date(Date.UTC(1970, 0, 5 + WEEKDAYS.indexOf(day)))
    return new Intl.DateTimeFormat(locale.value, { weekday: style, timeZone: 'UTC' }).format(date)
  }

  function blackoutWords(blackout: Blackout): string {
    const days = blackout.days?.length ? list(blackout.days.map((day) => dayWord(day))) : t('tasks.blackout.everyDay')
    return t('tasks.blackout.one', { days, start: blackout.start, end: blackout.end, zone: blackout.timezone })
  }

  function failureWords(threshold: number | null): string {
    return threshold === null ? t('tasks.failures.never') : t('tasks.failures.after', { n: n(threshold) })
  }

  return { retryWords, limitWords, paceWords, dayWord, blackoutWords, failureWords }
}
