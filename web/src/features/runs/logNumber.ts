import { isOpen, type Run } from './runState'

/** The attempt whose log is shown of a run; one that is about to begin has its log opened before, so that no line comes late. */
export function logNumberOf(run: Run): number | undefined {
  const last = run.attempts.at(-1)
  if (last) return last.number
  return isOpen(run.state) && !run.reason ? run.attempt : undefined
}
