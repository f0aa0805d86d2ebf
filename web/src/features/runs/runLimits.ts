import type { Run } from './runState'

/** What a run and all that it starts may use at the most; null is no limit. */
export interface RunLimits {
  memoryBytes: number | null
  /** Of one core: 150 is one core and a half. */
  cpuPercent: number | null
  processes: number | null
  logBytes: number | null
}

export function limitsOf(run: Run): RunLimits {
  const limit = (name: string): number | null => {
    const value: unknown = run.limits[name]
    return typeof value === 'number' ? value : null
  }
  return { memoryBytes: limit('memory_bytes'), cpuPercent: limit('cpu_percent'), processes: limit('processes'), logBytes: limit('log_bytes') }
}
