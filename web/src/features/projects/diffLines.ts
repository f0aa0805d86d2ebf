/** One line of a unified diff, with its numbers in both texts. */
export interface DiffLine {
  kind: 'hunk' | 'same' | 'removed' | 'added' | 'note'
  before?: number
  after?: number
  text: string
}

const HUNK = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/

/** The lines of a diff as the API gives it: from the first `@@` on, each with its mark. */
export function diffLines(diff: string): DiffLine[] {
  const lines: DiffLine[] = []
  let before = 0
  let after = 0
  for (const line of diff.split('\n').slice(0, -1)) {
    const hunk = HUNK.exec(line)
    const text = line.slice(1).replace(/\r$/, '')
    if (hunk) {
      before = Number(hunk[1])
      after = Number(hunk[2])
      lines.push({ kind: 'hunk', text: line })
    } else if (line.startsWith('-')) {
      lines.push({ kind: 'removed', before: before++, text })
    } else if (line.startsWith('+')) {
      lines.push({ kind: 'added', after: after++, text })
    } else if (line.startsWith('\\')) {
      lines.push({ kind: 'note', text: text.trim() })
    } else {
      lines.push({ kind: 'same', before: before++, after: after++, text })
    }
  }
  return lines
}
