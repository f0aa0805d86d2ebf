import { PLAIN, styleAfter, type AnsiStyle } from './ansi'

/** One row of the log. Rows are addressed by the byte at which they begin in the file. */
export interface LogLine {
  readonly offset: number
  /** As the script printed it, without the newline. */
  text: string
  /** The style left over from the line before. */
  style: AnsiStyle
}

/** Bytes of a log, and where they lie. */
export interface LogPart {
  offset: number
  bytes: Uint8Array
}

const NEWLINE = 10
// A row longer than this goes on in the next row: nothing is left out, and no row becomes megabytes of text.
const LONGEST_ROW = 8_000
// A progress bar redraws its line for hours; all but its last states have been overwritten.
const REDRAWN_ROW = 4_000
const LONGEST_ESCAPE = 32

const encoder = new TextEncoder()

/**
 * The part of a log that is kept in memory: a row for each line, from the byte `start` to the byte `end` without a gap.
 * It grows at either side and is trimmed at the other, so its size has a bound however long the log is.
 */
export class LogWindow {
  lines: LogLine[] = []
  start = 0
  end = 0
  private characters = 0
  /** The last row has no newline yet: what comes next belongs to it. */
  private isOpen = false

  constructor(
    readonly mostLines = 20_000,
    readonly mostCharacters = 8_000_000,
  ) {}

  get isFull(): boolean {
    return this.isBeyond(this.lines.length)
  }

  reset(offset: number): void {
    this.lines = []
    this.start = offset
    this.end = offset
    this.characters = 0
    this.isOpen = false
  }

  /**
   * Add text that lies at `offset` and ends at `next`. What is already here is left out, so a piece that comes twice
   * after a reconnection appears once. False when there is a gap between the window and the piece.
   */
  append(offset: number, next: number, text: string): boolean {
    if (next <= this.end) return true
    if (offset > this.end) return false
    const fresh = offset === this.end ? text : textFrom(text, this.end - offset)
    let at = this.end
    let from = 0
    for (let newline = fresh.indexOf('\n'); newline >= 0; newline = fresh.indexOf('\n', from)) {
      const piece = fresh.slice(from, newline)
      this.extend(at, piece)
      at += byteLength(piece) + 1
      from = newline + 1
      this.isOpen = false
    }
    if (from < fresh.length) {
      this.extend(at, fresh.slice(from))
      this.isOpen = true
    }
    // The server's own number: bytes that are no text have become a sign of another length.
    this.end = next
    return true
  }

  appendBytes(part: LogPart): boolean {
    const bytes = part.bytes.subarray(0, completeLength(part.bytes))
    return this.append(part.offset, part.offset + bytes.length, decode(bytes))
  }

  /** Put older rows before the others; says how many. The part must end where the window starts. */
  prepend(part: LogPart): number {
    const skipped = part.offset === 0 ? 0 : firstRow(part.bytes)
    const bytes = part.bytes.subarray(skipped)
    const added: LogLine[] = []
    let at = 0
    for (const text of decode(bytes).split('\n')) {
      const newline = bytes.indexOf(NEWLINE, at)
      const next = newline < 0 ? bytes.length : newline + 1
      if (next > at) for (const row of rows(part.offset + skipped + at, text)) added.push({ ...row, style: PLAIN })
      at = next
    }
    this.start = part.offset + skipped
    this.lines = [...added, ...this.lines]
    for (const line of added) this.characters += line.text.length
    this.restyle()
    return added.length
  }

  /** Forget the oldest rows beyond the bound; says how many. */
  trimStart(): number {
    let count = 0
    while (this.isBeyond(this.lines.length - count)) {
      this.characters -= this.lines[count]?.text.length ?? 0
      count += 1
    }
    if (count === 0) return 0
    this.lines = this.lines.slice(count)
    this.start = this.lines[0]?.offset ?? this.end
    return count
  }

  /** Forget the newest rows beyond the bound; says how many. */
  trimEnd(): number {
    let kept = this.lines.length
    while (this.isBeyond(kept)) {
      kept -= 1
      this.characters -= this.lines[kept]?.text.length ?? 0
    }
    const first = this.lines[kept]
    if (!first) return 0
    const count = this.lines.length - kept
    this.lines = this.lines.slice(0, kept)
    this.end = first.offset
    this.isOpen = false
    return count
  }

  /** The row that holds a byte; -1 when it is not in the window. */
  rowOf(offset: number): number {
    if (offset < this.start || offset >= this.end) return -1
    let low = 0
    let high = this.lines.length - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((this.lines[middle]?.offset ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return low
  }

  /** Whether so many rows, with the characters counted now, are too much; one row is always kept. */
  private isBeyond(rowCount: number): boolean {
    return rowCount > 1 && (rowCount > this.mostLines || this.characters > this.mostCharacters)
  }

  private extend(offset: number, text: string): void {
    const last = this.lines.at(-1)
    if (!this.isOpen || !last) {
      for (const row of rows(offset, text)) this.push(row.offset, row.text)
      return
    }
    this.characters -= last.text.length
    const [first, ...more] = rows(last.offset, compact(last.text + text))
    last.text = first?.text ?? ''
    this.characters += last.text.length
    for (const row of more) this.push(row.offset, row.text)
  }

  private push(offset: number, text: string): void {
    const last = this.lines.at(-1)
    this.lines.push({ offset, text, style: last ? styleAfter(last.text, last.style) : PLAIN })
    this.characters += text.length
  }

  /** Carry the style from row to row again, after the first of them has changed. */
  private restyle(): void {
    let style = PLAIN
    for (const line of this.lines) {
      line.style = style
      style = styleAfter(line.text, style)
    }
  }
}

/** Of a row that was redrawn again and again, the last two drawings. */
function compact(text: string): string {
  if (text.length < REDRAWN_ROW) return text
  const last = text.lastIndexOf('\r')
  const before = last > 0 ? text.lastIndexOf('\r', last - 1) : -1
  return before > 0 ? text.slice(before) : text
}

function rows(offset: number, text: string): { offset: number; text: string }[] {
  if (text.length <= LONGEST_ROW) return [{ offset, text }]
  const found: { offset: number; text: string }[] = []
  let from = 0
  let at = offset
  while (from < text.length) {
    const piece = text.slice(from, from + LONGEST_ROW < text.length ? cutBefore(text, from + LONGEST_ROW) : text.length)
    found.push({ offset: at, text: piece })
    from += piece.length
    at += byteLength(piece)
  }
  return found
}

/** A place at or just before `to` where neither an escape nor a pair of surrogates is cut in two. */
function cutBefore(text: string, to: number): number {
  const escape = text.lastIndexOf('\u001B', to)
  if (escape > 0 && to - escape < LONGEST_ESCAPE) return escape
  return /[\uDC00-\uDFFF]/.test(text.charAt(to)) ? to - 1 : to
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}

function byteLength(text: string): number {
  return encoder.encode(text).length
}

function textFrom(text: string, bytes: number): string {
  return decode(encoder.encode(text).subarray(bytes))
}

/** Where the first whole row of a part begins; when it has none, its first whole character. */
function firstRow(bytes: Uint8Array): number {
  const newline = bytes.indexOf(NEWLINE)
  if (newline >= 0 && newline + 1 < bytes.length) return newline + 1
  const character = bytes.findIndex((byte) => (byte & 0xc0) !== 0x80)
  return Math.max(0, character)
}

/** The length without a character of which only the first bytes are there. */
function completeLength(bytes: Uint8Array): number {
  const length = bytes.length
  for (let back = 1; back <= Math.min(3, length); back += 1) {
    const byte = bytes[length - back] ?? 0
    if ((byte & 0xc0) === 0x80) continue
    const wanted = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return wanted > back ? length - back : length
  }
  return length
}
