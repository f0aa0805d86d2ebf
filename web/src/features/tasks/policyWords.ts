import { useI18n } from 'vue-i18n'

import { formatBytes } from '@/ui/format'
import { useDurationText } from '@/ui/useDurationText'
import { retryDelays, USUAL_LOG_BYTES, WEEKDAYS, type Weekday } from './policyForm'
import type { Blackout, Limits, RateLimit, Retry } from './taskApi'

const MOST_DELAYS = 5

/** What a task says about retries, limits, pace and blackouts, in a sentence each. */
export function usePolicyWords() {
  const { t, n, locale } = useI18n()
  const durationText = useDurationText()
  const list = (parts: string[]): string => parts.join(t('ui.comma'))

  function retryPlan(retry: Retry): string {
    const delays = retryDelays(retry, MOST_DELAYS)
    const [first = 0] = delays
    const attempts = n(retry.max_attempts)
    if (retry.delay_seconds === 0 || retry.max_delay_seconds === 0) return t('tasks.retry.planAtOnce', { n: attempts })
    if (delays.length > 1 && delays.every((delay) => delay === first)) return t('tasks.retry.planEqual', { delay: durationText(first), n: attempts })
    const words = { delays: list(delays.map(durationText)), n: attempts }
    const isLong = retry.max_attempts - 1 > MOST_DELAYS
    return isLong ? t('tasks.retry.planLong', { ...words, most: durationText(retry.max_delay_seconds) }) : t('tasks.retry.plan', words)
  }

  function retryWords(retry: Retry): string {
    if (retry.max_attempts <= 1) return t('tasks.retry.never')
    const plan = retryPlan(retry)
    const codes = retry.exit_codes?.length ? t('tasks.retry.only', { codes: list(retry.exit_codes.map(String)) }) : ''
    return `${plan}${codes}`
  }

  /** Empty when nothing is limited more than usually. */
  function limitWords(limits: Limits): string {
    const parts = [
      ...(limits.memory_bytes ? [t('tasks.limit.memoryOf', { size: formatBytes(limits.memory_bytes, locale.value) })] : []),
      ...(limits.cpu_percent ? [t('tasks.limit.cpuOf', { n: n(limits.cpu_percent) })] : []),
      ...(limits.processes ? [t('tasks.limit.processesOf', { n: n(limits.processes) })] : []),
    ]
    const log = limits.log_bytes ?? null
    if (log !== USUAL_LOG_BYTES) parts.push(log === null ? t('tasks.limit.logAny') : t('tasks.limit.logOf', { size: formatBytes(log, locale.value) }))
    return list(parts)
  }

  /** Empty when it goes at its own pace. */
  function paceWords(rate: RateLimit, proxy: string | null): string {
    const parts = [
      ...(rate.request_interval_ms ? [t('tasks.crawler.intervalOf', { n: n(rate.request_interval_ms) })] : []),
      ...(rate.max_requests_per_second ? [t('tasks.crawler.perSecondOf', { n: n(rate.max_requests_per_second) })] : []),
      ...(proxy ? [t('tasks.crawler.proxyOf', { proxy })] : []),
    ]
    return list(parts)
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
