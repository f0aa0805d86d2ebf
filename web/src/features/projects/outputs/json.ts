import type { OutputPart } from './outputs'

/** What can be shown of JSON: everything below an object or a list, or a word for a single value. */
export type Json = string | number | boolean | null | Json[] | { [name: string]: Json }

const MOST_LINES = 200

/** The value that a text says; nothing where it is no JSON after all. */
export function parsedJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

/** The values of the lines that are JSON, of those at the end the last ones; the line that was cut is none. */
export function parsedLines(text: string, part: OutputPart): Json[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const some = part === 'start' ? lines.slice(0, MOST_LINES) : lines.slice(-MOST_LINES)
  return some.map(parsedJson).filter((value) => value !== undefined)
}

export function entriesOf(value: Json): [string, Json][] | null {
  return typeof value === 'object' && value !== null ? Object.entries(value) : null
}
