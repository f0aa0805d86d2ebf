import { describe, expect, it } from 'vitest'

import { LogWindow } from './logWindow'

const bytes = (text: string) => new TextEncoder().encode(text)
const texts = (window: LogWindow) => window.lines.map((line) => line.text)

function windowWith(text: string, offset = 0, limits: [number?, number?] = []): LogWindow {
  const window = new LogWindow(...limits)
  window.reset(offset)
  window.appendBytes({ offset, bytes: bytes(text) })
  return window
}

describe('the end of a log', () => {
  it('grows line by line, and the last line goes on until its newline', () => {
    const window = windowWith('one\ntw')
    window.append(6, 8, 'o\n')
    window.append(8, 13, 'three')
    expect(texts(window)).toEqual(['one', 'two', 'three'])
    expect(window.lines.map((line) => line.offset)).toEqual([0, 4, 8])
    expect(window.end).toBe(13)
  })

  it('takes a piece that comes twice, or overlaps, once', () => {
    const window = windowWith('äone\n')
    expect(window.append(0, 6, 'äone\n')).toBe(true)
    expect(window.append(2, 11, 'one\ntwo\nx')).toBe(true)
    expect(texts(window)).toEqual(['äone', 'two', 'x'])
  })

  it('does not pretend when a piece is missing', () => {
    expect(windowWith('one\n').append(10, 14, 'two\n')).toBe(false)
  })

  it('goes by the bytes of the server where they are no text', () => {
    const window = windowWith('')
    window.append(0, 2, '\uFFFD\n')
    window.append(2, 4, 'b\n')
    expect(window.lines.map((line) => line.offset)).toEqual([0, 2])
    expect(texts(window)).toEqual(['\uFFFD', 'b'])
    expect(window.end).toBe(4)
  })

  it('waits for the rest of a character that is cut in two', () => {
    const whole = bytes('a€b\n')
    const window = new LogWindow()
    window.appendBytes({ offset: 0, bytes: whole.subarray(0, 3) })
    expect(window.end).toBe(1)
    window.appendBytes({ offset: 1, bytes: whole.subarray(1) })
    expect(texts(window)).toEqual(['a€b'])
  })

  it('carries colours from line to line', () => {
    const window = windowWith('\u001B[31mred\nstill red\n\u001B[0mplain\nplain')
    expect(window.lines.map((line) => line.style)).toEqual([{}, { colour: 1 }, { colour: 1 }, {}])
  })

  it('keeps only the last drawings of a progress bar', () => {
    const window = new LogWindow()
    let at = 0
    for (let percent = 0; percent < 5_000; percent += 1) {
      const drawing = `\r${String(percent).padStart(40)}`
      window.append(at, (at += drawing.length), drawing)
    }
    expect(window.lines).toHaveLength(1)
    expect(window.lines[0]?.text.length).toBeLessThan(5_000)
    expect(window.lines[0]?.text.endsWith('4999')).toBe(true)
  })

  it('breaks a line of a megabyte into rows, and loses nothing of it', () => {
    const line = '0123456789'.repeat(100_000)
    const window = windowWith(`${line}\nnext\n`)
    expect(window.lines.length).toBeGreaterThan(100)
    expect(texts(window).slice(0, -1).join('')).toBe(line)
    expect(texts(window).at(-1)).toBe('next')
    expect(window.lines.at(-1)?.offset).toBe(1_000_001)
  })
})

describe('older parts', () => {
  it('come before the others, from their first whole line', () => {
    const log = 'zero\none\ntwo\nthree\n'
    const window = windowWith(log.slice(13), 13)
    expect(window.prepend({ offset: 2, bytes: bytes(log.slice(2, 13)) })).toBe(2)
    expect(texts(window)).toEqual(['one', 'two', 'three'])
    expect(window.start).toBe(5)
    window.prepend({ offset: 0, bytes: bytes(log.slice(0, 5)) })
    expect(texts(window)).toEqual(['zero', 'one', 'two', 'three'])
    expect(window.start).toBe(0)
  })

  it('give their colours to the lines after them', () => {
    const window = windowWith('two\n', 9)
    window.prepend({ offset: 0, bytes: bytes('\u001B[32mone\n') })
    expect(window.lines[1]?.style).toEqual({ colour: 2 })
  })
})

describe('the bound', () => {
  const log = Array.from({ length: 100 }, (_, index) => `line ${String(index).padStart(2, '0')}\n`).join('')

  it('drops the oldest lines, which can be read again', () => {
    const window = windowWith(log, 0, [10])
    expect(window.trimStart()).toBe(90)
    expect(texts(window)[0]).toBe('line 90')
    expect(window.start).toBe(90 * 8)
    window.prepend({ offset: 89 * 8, bytes: bytes('line 89\n') })
    expect(texts(window)[0]).toBe('line 89')
  })

  it('drops the newest lines when older ones are wanted, and continues there', () => {
    const window = windowWith(log, 0, [10])
    expect(window.trimEnd()).toBe(90)
    expect(window.end).toBe(80)
    window.append(80, 88, 'line 10\n')
    expect(texts(window).at(-1)).toBe('line 10')
  })

  it('is also one of characters', () => {
    const window = windowWith(log, 0, [1_000, 70])
    window.trimStart()
    expect(window.lines).toHaveLength(10)
  })

  it('finds the line of a byte', () => {
    const window = windowWith(log.slice(80), 80)
    expect(window.rowOf(80)).toBe(0)
    expect(window.rowOf(95)).toBe(1)
    expect(window.rowOf(79)).toBe(-1)
    expect(window.rowOf(800)).toBe(-1)
  })
})
