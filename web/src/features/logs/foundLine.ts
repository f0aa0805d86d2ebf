import type { FoundLine } from './useRunSearch'

// So much is shown before a match; of a long line the rest of its beginning says little.
const MOST_BEFORE = 120

/* eslint-disable no-control-regex -- control characters are what this is about. */
const CONTROLS = /\u001B\[[0-9:;<=>?]*[ -/]*[@-~]|\u001B[\]PX^_][^\u0007\u001B]*(?:\u0007|\u001B\\)|[\u0000-\u0008\u000B-\u001F\u007F]/g
/* eslint-enable no-control-regex */

export interface LineParts {
  before: string
  match: string
  after: string
}

/** A line that was found, cut where its match begins and ends, without colours and what else steers a terminal. */
export function partsOf(line: Pick<FoundLine, 'text' | 'match_start' | 'match_end'>): LineParts {
  // The server counts characters, of which some are two places long here.
  const characters = Array.from(line.text)
  const part = (start: number, end?: number): string => characters.slice(start, end).join('').replace(CONTROLS, '')
  const before = part(0, line.match_start)
  const shown = Array.from(before)
  return {
    before: shown.length > MOST_BEFORE ? `…${shown.slice(-MOST_BEFORE).join('')}` : before,
    match: part(line.match_start, line.match_end),
    after: part(line.match_end),
  }
}
