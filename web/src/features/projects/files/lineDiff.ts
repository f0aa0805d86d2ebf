export interface DiffRow {
  kind: 'same' | 'mine' | 'theirs'
  text: string
}

/** Beyond so many pairs of lines that differ the parts are shown as a whole, one after the other. */
const MOST_PAIRS = 4_000_000

/** The lines that only one of two texts has, among those that both have, in their order. */
export function lineDiff(theirs: string, mine: string): DiffRow[] {
  const old = theirs.split(/\r\n|\n/)
  const now = mine.split(/\r\n|\n/)
  let start = 0
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1
  let end = 0
  while (end < old.length - start && end < now.length - start && old[old.length - 1 - end] === now[now.length - 1 - end]) end += 1
  return [
    ...rows('same', old.slice(0, start)),
    ...middle(old.slice(start, old.length - end), now.slice(start, now.length - end)),
    ...rows('same', old.slice(old.length - end)),
  ]
}

function rows(kind: DiffRow['kind'], lines: string[]): DiffRow[] {
  return lines.map((text) => ({ kind, text }))
}

/** By the longest common subsequence: `lengths[i][j]` is that of what follows line i of the one and line j of the other. */
function middle(old: string[], now: string[]): DiffRow[] {
  if (old.length * now.length > MOST_PAIRS) return [...rows('theirs', old), ...rows('mine', now)]
  const width = now.length + 1
  const lengths = new Uint32Array((old.length + 1) * width)
  const at = (i: number, j: number) => lengths[i * width + j] ?? 0
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] = old[i] === now[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const found: DiffRow[] = []
  let i = 0
  let j = 0
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      found.push({ kind: 'same', text: old[i] ?? '' })
      i += 1
      j += 1
    } else if (i < old.length && (j === now.length || at(i + 1, j) >= at(i, j + 1))) {
      found.push({ kind: 'theirs', text: old[i] ?? '' })
      i += 1
    } else {
      found.push({ kind: 'mine', text: now[j] ?? '' })
      j += 1
    }
  }
  return found
}

export interface DiffPart {
  rows: DiffRow[]
  /** How many equal lines are left out before it. */
  skipped: number
}

/** The differences with a few equal lines around each. */
export function diffParts(all: readonly DiffRow[], around = 3): DiffPart[] {
  const near = all.map((_, index) => all.slice(Math.max(0, index - around), index + around + 1).some((row) => row.kind !== 'same'))
  const parts: DiffPart[] = []
  let skipped = 0
  let current: DiffPart | undefined
  all.forEach((row, index) => {
    if (!near[index]) {
      skipped += 1
      current = undefined
      return
    }
    if (!current) {
      current = { rows: [], skipped }
      parts.push(current)
      skipped = 0
    }
    current.rows.push(row)
  })
  return parts
}
