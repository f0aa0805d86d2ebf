import type { AnsiSegment } from './ansi'

export interface MarkedSegment extends AnsiSegment {
  isMarked: boolean
}

/** Split the segments of a line where the words that are searched for begin and end. */
export function highlight(segments: AnsiSegment[], words: string, mindsCase = false): MarkedSegment[] {
  const needle = mindsCase ? words : words.toLowerCase()
  const line = segments.map((segment) => segment.text).join('')
  const lowered = mindsCase ? line : line.toLowerCase()
  // A letter whose lower case is longer would move all places after it; such a line is shown without marks.
  if (!needle || lowered.length !== line.length || !lowered.includes(needle)) return segments.map((segment) => ({ ...segment, isMarked: false }))

  const borders: number[] = []
  for (let at = lowered.indexOf(needle); at >= 0; at = lowered.indexOf(needle, at + needle.length)) borders.push(at, at + needle.length)
  const found: MarkedSegment[] = []
  let start = 0
  for (const { text, style } of segments) {
    const end = start + text.length
    const cuts = [start, ...borders.filter((border) => border > start && border < end), end]
    for (let index = 0; index + 1 < cuts.length; index += 1) {
      const from = cuts[index] ?? 0
      const isMarked = borders.filter((border) => border <= from).length % 2 === 1
      found.push({ text: line.slice(from, cuts[index + 1]), style, isMarked })
    }
    start = end
  }
  return found
}
