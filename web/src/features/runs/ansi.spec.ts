import { describe, expect, it } from 'vitest'

import { parseLine, PLAIN, plainText, styleAfter } from './ansi'

const ESC = '\u001B'
const segments = (raw: string) => parseLine(raw).segments.map(({ text, style }) => [text, style])

describe('colours', () => {
  it('of the 16, bright ones too, and their end', () => {
    expect(segments(`a${ESC}[31mb${ESC}[92;44mc${ESC}[0md`)).toEqual([
      ['a', {}],
      ['b', { colour: 1 }],
      ['c', { colour: 10, background: 4 }],
      ['d', {}],
    ])
    expect(segments(`${ESC}[31;42mx${ESC}[39my${ESC}[49mz`).at(-1)).toEqual(['z', {}])
  })

  it('of the 256: named, cube and greys', () => {
    expect(segments(`${ESC}[38;5;9ma`)).toEqual([['a', { colour: 9 }]])
    expect(segments(`${ESC}[38;5;196ma`)).toEqual([['a', { colour: 'rgb(255 0 0)' }]])
    expect(segments(`${ESC}[48;5;255ma`)).toEqual([['a', { background: 'rgb(238 238 238)' }]])
    expect(segments(`${ESC}[38;5;999ma`)).toEqual([['a', {}]])
  })

  it('by red, green and blue, with semicolons or colons', () => {
    expect(segments(`${ESC}[38;2;1;2;3;1ma`)).toEqual([['a', { colour: 'rgb(1 2 3)', bold: true }]])
    expect(segments(`${ESC}[38:2::1:2:3ma`)).toEqual([['a', { colour: 'rgb(1 2 3)' }]])
    expect(segments(`${ESC}[38;2;999;2;3ma`)).toEqual([['a', { colour: 'rgb(255 2 3)' }]])
  })

  it('bold, dim, italic and underline, on and off', () => {
    expect(segments(`${ESC}[1;2;3;4ma${ESC}[22;23;24mb`)).toEqual([
      ['a', { bold: true, dim: true, italic: true, underline: true }],
      ['b', {}],
    ])
    expect(segments(`${ESC}[1ma${ESC}[mb`)[1]).toEqual(['b', {}])
  })
})

describe('from line to line', () => {
  it('a style goes on until it is reset', () => {
    const first = parseLine(`${ESC}[33mone`)
    expect(parseLine('two', first.style).segments).toEqual([{ text: 'two', style: { colour: 3 } }])
    expect(styleAfter('plain', PLAIN)).toBe(PLAIN)
    expect(styleAfter(`x${ESC}[0m`, { colour: 3 })).toBe(PLAIN)
  })
})

describe('escapes', () => {
  it('that say nothing about style vanish', () => {
    expect(plainText(`${ESC}[2J${ESC}[1;1Ha${ESC}[?25lb${ESC}]0;title\u0007c${ESC}(Bd${ESC}7e`)).toBe('abcde')
    expect(plainText(`${ESC}]8;;https://example.org${ESC}\\link${ESC}]8;;${ESC}\\`)).toBe('link')
    expect(plainText('a\u0000b\u0007c\td')).toBe('abc\td')
  })

  it('cut off at any place are left out until the rest has come', () => {
    const whole = `red: ${ESC}[38;5;196mx`
    for (let cut = whole.indexOf(ESC); cut < whole.length - 1; cut += 1) {
      expect(plainText(whole.slice(0, cut))).toBe('red: ')
    }
    expect(segments(whole)[1]).toEqual(['x', { colour: 'rgb(255 0 0)' }])
  })
})

describe('a carriage return', () => {
  it('lets the next text overwrite the line', () => {
    expect(plainText('10%\r50%\r100%')).toBe('100%')
    expect(plainText('100 files\r7')).toBe('700 files')
    expect(plainText('working...\r\u001B[Kdone')).toBe('done')
    expect(plainText('working...\u001B[2K\rdone')).toBe('done')
  })

  it('at the end belongs to the newline', () => {
    expect(plainText('windows\r')).toBe('windows')
  })

  it('keeps the colours of what is left', () => {
    expect(segments(`${ESC}[32mabc${ESC}[0m\rX`)).toEqual([
      ['X', {}],
      ['bc', { colour: 2 }],
    ])
  })

  it('has a little sister, the backspace', () => {
    expect(plainText('abc\b\bX')).toBe('aXc')
  })
})
