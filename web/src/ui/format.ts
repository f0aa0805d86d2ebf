const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const
const KIBI = 1024

/** "3 minutes ago", "in 2 hours": the largest unit that fits. */
export function formatRelative(at: Date, now: number, locale: string): string {
  const seconds = Math.round((at.getTime() - now) / 1000)
  const size = Math.abs(seconds)
  const format = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'short' })
  if (size < MINUTE) return format.format(seconds, 'second')
  if (size < HOUR) return format.format(Math.trunc(seconds / MINUTE), 'minute')
  if (size < DAY) return format.format(Math.trunc(seconds / HOUR), 'hour')
  if (size < 30 * DAY) return format.format(Math.trunc(seconds / DAY), 'day')
  if (size < 365 * DAY) return format.format(Math.trunc(seconds / (30 * DAY)), 'month')
  return format.format(Math.trunc(seconds / (365 * DAY)), 'year')
}

/** Date, time to the second and time zone: the truth behind "3 minutes ago". */
export function formatAbsolute(at: Date, locale: string, timeZone?: string): string {
  return new Intl.DateTimeFormat(locale, {
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'short',
    timeZone,
  }).format(at)
}

/** A duration as the two largest units that matter: [[2, 'hour'], [5, 'minute']]. Below ten seconds with a decimal. */
export type DurationUnit = 'day' | 'hour' | 'minute' | 'second' | 'millisecond'
export function splitDuration(seconds: number): [number, DurationUnit][] {
  const milliseconds = Math.round(seconds * 1000)
  if (milliseconds > 0 && milliseconds < 1000) return [[milliseconds, 'millisecond']]
  if (seconds < 9.95) return [[Math.round(seconds * 10) / 10, 'second']]
  const whole = Math.round(seconds)
  const sizes: [number, DurationUnit][] = [
    [Math.floor(whole / DAY), 'day'],
    [Math.floor((whole % DAY) / HOUR), 'hour'],
    [Math.floor((whole % HOUR) / MINUTE), 'minute'],
    [whole % MINUTE, 'second'],
  ]
  const first = sizes.findIndex(([count]) => count > 0)
  return sizes.slice(first, first + 2).filter(([count], index) => index === 0 || count > 0)
}

/** "00:42", "1:02:03": what is left of a time, as a clock shows it. */
export function formatCountdown(seconds: number): string {
  const two = (value: number): string => String(value).padStart(2, '0')
  const minutes = Math.floor(seconds / MINUTE)
  const clock = `${two(minutes % 60)}:${two(Math.floor(seconds) % MINUTE)}`
  return minutes < 60 ? clock : `${Math.floor(minutes / 60)}:${clock}`
}

/** How many bytes the unit has in which `formatBytes` writes a size. */
export function byteUnitOf(bytes: number): number {
  let size = 1
  // From 1,023.5 on, rounding would write "1,024": the next unit says it better.
  while (bytes / size >= KIBI - 0.5 && size < KIBI ** (BYTE_UNITS.length - 1)) size *= KIBI
  return size
}

/** "1.5 MiB": binary units, three digits. */
export function formatBytes(bytes: number, locale: string): string {
  const size = byteUnitOf(bytes)
  const value = bytes / size
  const unit = Math.round(Math.log2(size) / 10)
  const digits = unit === 0 || value >= 100 ? 0 : 1
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value)} ${BYTE_UNITS[unit]}`
}
