import { useI18n } from 'vue-i18n'

import { formatBytes } from '@/ui/format'
import { useDurationText } from '@/ui/useDurationText'
import { useRunWords, type Run } from './runState'

const PARAMETER = 'parameters.'
const VARIABLE = 'variable_versions.'
const OWN_VARIABLE = 'own_variables.'

/** Of a field that is compared: its name, and how its values are written. A field from a newer server has neither. */
interface Field {
  label: string
  value?: (value: unknown, run: Run) => string
  /** Of a machine rather than of a language. */
  isCode?: boolean
}

const asId = (value: unknown): string => `#${String(value)}`
const asText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** The words for what differs between two runs. */
export function useComparisonWords() {
  const { t, n, locale } = useI18n()
  const durationText = useDurationText()
  const { stateWord, percentWords, versionWords } = useRunWords()
  const asNumber = (value: unknown): string => n(Number(value))
  const asBytes = (value: unknown): string => formatBytes(Number(value), locale.value)
  const asPercent = (value: unknown): string => percentWords(Number(value)) ?? ''
  const asDuration = (value: unknown): string => durationText(Number(value))
  const asYesNo = (value: unknown): string => (value ? t('runs.compare.yes') : t('runs.compare.no'))

  const fields: Record<string, () => Field> = {
    task_id: () => ({ label: t('runs.fact.task'), value: (_, run) => run.task_name }),
    command: () => ({ label: t('runs.fact.command'), isCode: true }),
    shell: () => ({ label: t('runs.compare.shell'), value: asYesNo }),
    snapshot_id: () => ({ label: t('runs.compare.files'), value: (value) => t('runs.compare.snapshot', { id: asId(value) }) }),
    build_id: () => ({ label: t('runs.fact.build'), value: asId }),
    environment_id: () => ({ label: t('runs.compare.environment'), value: asId }),
    interpreter: () => ({ label: t('runs.fact.interpreter'), isCode: true }),
    parameters: () => ({ label: t('runs.fact.parameters') }),
    variable_versions: () => ({ label: t('runs.fact.variables') }),
    own_variables: () => ({ label: t('runs.fact.ownVariables') }),
    timeout_seconds: () => ({ label: t('runs.fact.timeout'), value: asDuration }),
    limits: () => ({ label: t('runs.fact.limits') }),
    'limits.memory_bytes': () => ({ label: t('runs.compare.limit.memory'), value: asBytes }),
    'limits.cpu_percent': () => ({ label: t('runs.compare.limit.cpu'), value: asPercent }),
    'limits.processes': () => ({ label: t('runs.compare.limit.processes'), value: asNumber }),
    'limits.log_bytes': () => ({ label: t('runs.compare.limit.log'), value: asBytes }),
    rate_limit: () => ({ label: t('runs.compare.pace') }),
    'rate_limit.request_interval_ms': () => ({ label: t('runs.compare.interval'), value: (value) => asDuration(Number(value) / 1000) }),
    'rate_limit.max_requests_per_second': () => ({ label: t('runs.compare.perSecond'), value: asNumber }),
    proxy: () => ({ label: t('runs.compare.proxy'), isCode: true }),
    retry: () => ({ label: t('runs.compare.retry.title') }),
    'retry.max_attempts': () => ({ label: t('runs.compare.retry.attempts'), value: asNumber }),
    'retry.delay_seconds': () => ({ label: t('runs.compare.retry.delay'), value: asDuration }),
    'retry.backoff': () => ({ label: t('runs.compare.retry.backoff'), value: asNumber }),
    'retry.max_delay_seconds': () => ({ label: t('runs.compare.retry.maxDelay'), value: asDuration }),
    'retry.exit_codes': () => ({ label: t('runs.compare.retry.codes') }),
    state: () => ({ label: t('runs.column.state'), value: (value) => stateWord(String(value)) }),
    exit_code: () => ({ label: t('runs.fact.exitCode'), isCode: true }),
    reason: () => ({ label: t('runs.compare.reason') }),
    attempt: () => ({ label: t('runs.compare.attempt'), value: asNumber }),
  }

  function variableWords(name: string, run: Run): string {
    const given = run.variables?.find((variable) => variable.name === name)
    return given ? versionWords(given) : t('runs.compare.given')
  }

  function fieldOf(name: string): Field {
    const known = fields[name]?.()
    if (known) return known
    if (name.startsWith(PARAMETER)) return { label: t('runs.compare.parameter', { name: name.slice(PARAMETER.length) }), value: (value) => JSON.stringify(value), isCode: true }
    if (name.startsWith(VARIABLE)) {
      const variable = name.slice(VARIABLE.length)
      return { label: t('runs.compare.variable', { name: variable }), value: (_, run) => variableWords(variable, run) }
    }
    if (name.startsWith(OWN_VARIABLE)) {
      // The server says 1, or 2 for another value: what the values are it does not tell.
      const asOwn = (value: unknown): string => (value === 1 ? t('runs.compare.ownValue') : t('runs.compare.otherOwnValue'))
      return { label: t('runs.compare.ownVariable', { name: name.slice(OWN_VARIABLE.length) }), value: asOwn }
    }
    return { label: name, isCode: true }
  }

  return {
    fieldWords: (name: string): string => fieldOf(name).label,
    /** How one side's value of a field is written; null where it has none. */
    valueWords(name: string, value: unknown, run: Run): { text: string; isCode: boolean } | null {
      if (value === null || value === undefined) return null
      const { value: write = asText, isCode = false } = fieldOf(name)
      return { text: write(value, run), isCode }
    },
  }
}
