export const UNIT_SECONDS = { seconds: 1, minutes: 60, hours: 3_600, days: 86_400 } as const
export type Unit = keyof typeof UNIT_SECONDS

const LARGEST_FIRST: readonly Unit[] = ['days', 'hours', 'minutes', 'seconds']

/** 5,400 seconds are 90 minutes: the largest unit of which it is a whole number. */
export function splitSeconds(seconds: number | null): { amount: number | null; unit: Unit } {
  if (seconds === null) return { amount: null, unit: 'minutes' }
  const unit = LARGEST_FIRST.find((name) => seconds >= UNIT_SECONDS[name] && seconds % UNIT_SECONDS[name] === 0) ?? 'seconds'
  return { amount: seconds / UNIT_SECONDS[unit], unit }
}
