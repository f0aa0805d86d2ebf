import { useI18n } from 'vue-i18n'

import { splitDuration, type DurationUnit } from './format'

/** A length of time in short words: "2h 5m". */
export function useDurationText(): (seconds: number) => string {
  const { t } = useI18n()
  const words: Record<DurationUnit, (n: number) => string> = {
    day: (n) => t('ui.duration.day', { n }),
    hour: (n) => t('ui.duration.hour', { n }),
    minute: (n) => t('ui.duration.minute', { n }),
    second: (n) => t('ui.duration.second', { n }),
    millisecond: (n) => t('ui.duration.millisecond', { n }),
  }
  return (seconds) =>
    splitDuration(seconds)
      .map(([count, unit]) => words[unit](count))
      .join(' ')
}
