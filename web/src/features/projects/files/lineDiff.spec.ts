import { describe, expect, it } from 'vitest'

import { diffParts, lineDiff } from './lineDiff'

function drawn(theirs: string, mine: string): string[] {
  const sign = { same: ' ', theirs: '-', mine: '+' }
  return lineDiff(theirs, mine).map((row) => sign[row.kind] + row.text)
}

describe('the differences of two texts', () => {
  it('keeps what both have', () => {
    expect(drawn('a\nb\nc\nd', 'a\nx\nc\ny\nd')).toEqual([' a', '-b', '+x', ' c', '+y', ' d'])
    expect(drawn('a\nb', 'a\nb')).toEqual([' a', ' b'])
    expect(drawn('', 'a')).toEqual(['-', '+a'])
    expect(drawn('a\r\nb', 'a\nb')).toEqual([' a', ' b'])
  })

  it('does not compare all lines of two large texts that have nothing in common', () => {
    const many = (sign: string) => Array.from({ length: 30_000 }, (_, index) => `${sign}${index}`).join('\n')
    expect(lineDiff(many('a'), many('b'))).toHaveLength(60_000)
  })

  it('leaves out what is far from any difference', () => {
    const lines = Array.from({ length: 30 }, (_, index) => String(index))
    const changed = lines.map((line) => (line === '15' ? 'x' : line))
    const [part, ...others] = diffParts(lineDiff(lines.join('\n'), changed.join('\n')))
    expect(others).toEqual([])
    expect(part?.skipped).toBe(12)
    expect(part?.rows.map((row) => row.text)).toEqual(['12', '13', '14', '15', 'x', '16', '17', '18'])
  })
})
