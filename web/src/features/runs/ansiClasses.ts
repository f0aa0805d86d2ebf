import type { AnsiStyle } from './ansi'
import type { MarkedSegment } from './highlight'

/** The classes of ansi.css, and of the design, for one piece of a line. */
export function classesOf({ style, isMarked }: MarkedSegment): string[] {
  const [colour, background] = coloursOf(style)
  const found: string[] = []
  if (typeof colour === 'number') found.push(`log-colour-${colour}`)
  if (typeof background === 'number') found.push(`log-back-${background}`)
  if (style.inverse) found.push('log-inverse')
  if (style.bold) found.push('font-bold')
  if (style.dim) found.push('opacity-65')
  if (style.italic) found.push('italic')
  if (style.underline) found.push('underline')
  if (style.strike) found.push('line-through')
  if (isMarked) found.push('log-mark')
  return found
}

/** Colours that have no name. */
export function stylesOf({ style, isMarked }: MarkedSegment): Record<string, string> | undefined {
  if (isMarked) return undefined
  const [colour, background] = coloursOf(style)
  if (typeof colour !== 'string' && typeof background !== 'string') return undefined
  return { ...(typeof colour === 'string' && { color: colour }), ...(typeof background === 'string' && { backgroundColor: background }) }
}

function coloursOf(style: AnsiStyle): [AnsiStyle['colour'], AnsiStyle['background']] {
  return style.inverse ? [style.background, style.colour] : [style.colour, style.background]
}
