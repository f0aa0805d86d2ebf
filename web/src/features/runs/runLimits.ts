import type { Limits } from '@/features/tasks'
import type { Run } from './runState'

/** What a run and all that it starts may use at the most, as its task said when it was asked for; null is no limit. */
export function limitsOf(run: Run): Required<Limits> {
  const limit = (name: keyof Limits): number | null => {
    const value: unknown = run.limits[name]
    return typeof value === 'number' ? value : null
  }
  return { memory_bytes: limit('memory_bytes'), cpu_percent: limit('cpu_percent'), processes: limit('processes'), log_bytes: limit('log_bytes') }
}
