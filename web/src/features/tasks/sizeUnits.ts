export const SIZE_UNITS = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const
export type SizeUnit = keyof typeof SIZE_UNITS

const LARGEST_FIRST: readonly SizeUnit[] = ['GiB', 'MiB', 'KiB']

/** 1,536 MiB are 1.5 GiB, but 300 MiB stay what they are: the largest unit of which there is one, and no long fraction. */
export function splitBytes(bytes: number | null): { amount: number | null; unit: SizeUnit } {
  if (bytes === null) return { amount: null, unit: 'MiB' }
  const unit = LARGEST_FIRST.find((name) => bytes >= SIZE_UNITS[name] && (bytes * 100) % SIZE_UNITS[name] === 0) ?? 'KiB'
  return { amount: bytes / SIZE_UNITS[unit], unit }
}
