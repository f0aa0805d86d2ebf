/** One of the 16 named colours (0–15), or a colour by its parts as CSS understands it. */
export type AnsiColour = number | string

export interface AnsiStyle {
  readonly colour?: AnsiColour
  readonly background?: AnsiColour
  readonly bold?: boolean
  readonly dim?: boolean
  readonly italic?: boolean
  readonly underline?: boolean
  readonly inverse?: boolean
  readonly strike?: boolean
}

export interface AnsiSegment {
  text: string
  style: AnsiStyle
}

export interface ParsedLine {
  segments: AnsiSegment[]
  /** The style in which the next line begins. */
  style: AnsiStyle
}

export const PLAIN: AnsiStyle = Object.freeze({})

const ESCAPE = '\u001B'
const NAMED_COLOURS = 16
const CUBE_STEPS = [0, 95, 135, 175, 215, 255] as const

/* eslint-disable no-control-regex -- control characters are what this file is about. */
// 1. CSI: parameters and a final letter. 2. OSC (titles, links), up to its end or the text's. 3. Two-character escapes.
// 4. An escape that is not finished yet. 5. Moves of the cursor. 6. Other control characters.
const TOKENS = new RegExp(
  [
    '\\u001B\\[([0-9:;<=>?]*)[ -/]*([@-~])',
    '\\u001B[\\]PX^_][^\\u0007\\u001B]*(?:\\u0007|\\u001B\\\\|$)',
    '\\u001B[ -/]*[0-Z\\\\^-~]',
    '\\u001B(?:\\[[0-9:;<=>?]*[ -/]*)?$',
    '[\\r\\b]',
    '[\\u0000-\\u0007\\u000B-\\u001F\\u007F]',
  ].join('|'),
  'g',
)
const MOVES = /[\r\b]|\u001B\[\d*[GKCD]/
const SPECIAL = /[\u0000-\u0008\u000B-\u001F\u007F]/
/* eslint-enable no-control-regex */

/**
 * Read one line (without its newline) as a terminal would: colours become styles, text after a carriage return
 * overwrites what was there, other escapes vanish. An escape that is not complete yet is left out; the caller keeps the
 * raw text and parses it again when more of it has come.
 */
export function parseLine(raw: string, style: AnsiStyle = PLAIN): ParsedLine {
  if (!SPECIAL.test(raw)) return { segments: raw ? [{ text: raw, style }] : [], style }
  const text = raw.endsWith('\r') ? raw.slice(0, -1) : raw
  const line = MOVES.test(text) ? new Cells() : new Segments()
  let current = style
  let last = 0
  for (const token of text.matchAll(TOKENS)) {
    if (token.index > last) line.write(text.slice(last, token.index), current)
    last = token.index + token[0].length
    const [whole, parameters = '', command] = token
    if (command === 'm') current = applySgr(current, parameters)
    else if (command !== undefined) line.control(command, parameters)
    else if (whole === '\r' || whole === '\b') line.control(whole, '')
  }
  if (last < text.length) line.write(text.slice(last), current)
  return { segments: line.segments(), style: current }
}

/** The style after a line; cheaper than parsing it when nothing in it changes the style. */
export function styleAfter(raw: string, style: AnsiStyle): AnsiStyle {
  return raw.includes(ESCAPE) ? parseLine(raw, style).style : style
}

/** The text alone. */
export function plainText(raw: string): string {
  return parseLine(raw)
    .segments.map((segment) => segment.text)
    .join('')
}

interface Line {
  write: (text: string, style: AnsiStyle) => void
  control: (command: string, parameters: string) => void
  segments: () => AnsiSegment[]
}

/** A line that is only written forwards: nearly all of them. */
class Segments implements Line {
  private readonly parts: AnsiSegment[] = []

  write(text: string, style: AnsiStyle): void {
    const previous = this.parts.at(-1)
    if (previous?.style === style) previous.text += text
    else this.parts.push({ text, style })
  }

  control(): void {
    // Nothing here moves the cursor; see MOVES.
  }

  segments(): AnsiSegment[] {
    return this.parts
  }
}

/** A line in which the cursor goes back, as progress bars do: one cell for each character. */
class Cells implements Line {
  private readonly cells: AnsiSegment[] = []
  private column = 0

  write(text: string, style: AnsiStyle): void {
    for (const character of text) {
      while (this.cells.length < this.column) this.cells.push({ text: ' ', style: PLAIN })
      this.cells[this.column] = { text: character, style }
      this.column += 1
    }
  }

  control(command: string, parameters: string): void {
    const count = Math.min(Number.parseInt(parameters, 10) || 0, 10_000)
    if (command === '\r') this.column = 0
    else if (command === '\b') this.column = Math.max(0, this.column - 1)
    else if (command === 'G') this.column = Math.max(0, count - 1)
    else if (command === 'C') this.column += Math.max(1, count)
    else if (command === 'D') this.column = Math.max(0, this.column - Math.max(1, count))
    else if (command === 'K') this.erase(count)
  }

  /** 0: from the cursor to the end; 1: from the beginning to the cursor; 2: all of it. */
  private erase(which: number): void {
    if (which === 0) this.cells.length = Math.min(this.cells.length, this.column)
    else if (which === 2) this.cells.length = 0
    else for (let at = 0; at <= this.column && at < this.cells.length; at += 1) this.cells[at] = { text: ' ', style: PLAIN }
  }

  segments(): AnsiSegment[] {
    const joined = new Segments()
    for (const cell of this.cells) joined.write(cell.text, cell.style)
    return joined.segments()
  }
}

function applySgr(style: AnsiStyle, parameters: string): AnsiStyle {
  // Colons separate parts of one parameter (38:2::255:0:0); scripts mix both forms, and both mean the same.
  const codes = parameters
    .replace(/(^|;)([34]8):2:(?:\d*):(\d+):(\d+):(\d+)/g, '$1$2;2;$3;$4;$5')
    .split(/[;:]/)
    .map((code) => (code === '' ? 0 : Number(code)))
  let next: { -readonly [Key in keyof AnsiStyle]: AnsiStyle[Key] } = { ...style }
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at] ?? 0
    if (code === 0) next = {}
    else if (code === 1) next.bold = true
    else if (code === 2) next.dim = true
    else if (code === 3) next.italic = true
    else if (code === 4) next.underline = true
    else if (code === 7) next.inverse = true
    else if (code === 9) next.strike = true
    else if (code === 22) clear(next, 'bold', 'dim')
    else if (code === 23) clear(next, 'italic')
    else if (code === 24) clear(next, 'underline')
    else if (code === 27) clear(next, 'inverse')
    else if (code === 29) clear(next, 'strike')
    else if (code >= 30 && code <= 37) next.colour = code - 30
    else if (code === 39) clear(next, 'colour')
    else if (code >= 40 && code <= 47) next.background = code - 40
    else if (code === 49) clear(next, 'background')
    else if (code >= 90 && code <= 97) next.colour = code - 90 + 8
    else if (code >= 100 && code <= 107) next.background = code - 100 + 8
    else if (code === 38 || code === 48) {
      const [colour, used] = extendedColour(codes.slice(at + 1))
      at += used
      if (colour !== undefined) next[code === 38 ? 'colour' : 'background'] = colour
    }
  }
  return Object.keys(next).length === 0 ? PLAIN : next
}

function clear(style: Record<string, unknown>, ...names: (keyof AnsiStyle)[]): void {
  for (const name of names) Reflect.deleteProperty(style, name)
}

/** What follows 38 or 48: `5;n` of the 256 colours, or `2;r;g;b`. Also how many codes it took. */
function extendedColour(codes: number[]): [AnsiColour | undefined, number] {
  const [kind, ...values] = codes
  if (kind === 5) return [colourOf256(values[0] ?? 0), 2]
  if (kind === 2) {
    const [red = 0, green = 0, blue = 0] = values
    return [rgb(red, green, blue), 4]
  }
  return [undefined, 1]
}

function colourOf256(index: number): AnsiColour | undefined {
  if (!Number.isInteger(index) || index < 0 || index > 255) return undefined
  if (index < NAMED_COLOURS) return index
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10
    return rgb(grey, grey, grey)
  }
  const step = (value: number): number => CUBE_STEPS[value % 6] ?? 0
  const cube = index - NAMED_COLOURS
  return rgb(step(Math.floor(cube / 36)), step(Math.floor(cube / 6)), step(cube))
}

function rgb(...parts: [number, number, number]): string {
  return `rgb(${parts.map((part) => Math.min(255, Math.max(0, Math.trunc(part) || 0))).join(' ')})`
}
