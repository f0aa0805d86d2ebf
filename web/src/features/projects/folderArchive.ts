import type { Brought } from './files/useArranging'

const BLOCK = 512
const LONGEST_NAME = 100
const LINK_NAME = '././@LongLink'
const encoder = new TextEncoder()

/** What can be made again and is left out of projects anyway: sending it would only take time. */
const LEFT_OUT = new Set(['.git', '.venv', '__MACOSX', '__pycache__', 'node_modules', 'venv'])

export function isLeftOut(name: string): boolean {
  return LEFT_OUT.has(name)
}

/**
 * A tar archive of files, named like the folder that they come from.
 *
 * The files are parts of it as they are: they are read when it is sent, not before, however large they are.
 */
export function folderArchive(name: string, brought: readonly Brought[]): File {
  const parts: BlobPart[] = brought.flatMap(({ file, path }) => [...headers(path, file), file, padding(file.size)])
  return new File([...parts, new Uint8Array(2 * BLOCK)], `${name}.tar`, { type: 'application/x-tar' })
}

function headers(path: string, file: File): BlobPart[] {
  const bytes = encoder.encode(path)
  const own = header(bytes.slice(0, LONGEST_NAME), file.size, '0', file.lastModified)
  if (bytes.length <= LONGEST_NAME) return [own]
  // As GNU's tar does it: the whole name is the content of an entry before.
  const whole = new Uint8Array(bytes.length + 1)
  whole.set(bytes)
  return [header(encoder.encode(LINK_NAME), whole.length, 'L', 0), whole, padding(whole.length), own]
}

function header(name: Uint8Array, size: number, type: string, modified: number): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(BLOCK)
  const text = (at: number, value: string) => block.set(encoder.encode(value), at)
  block.set(name, 0)
  text(100, octal(0o644, 8))
  text(108, octal(0, 8))
  text(116, octal(0, 8))
  text(124, octal(size, 12))
  text(136, octal(Math.floor(modified / 1000), 12))
  text(148, ' '.repeat(8))
  text(156, type)
  text(257, 'ustar\u0000' + '00')
  const sum = block.reduce((total, byte) => total + byte, 0)
  text(148, `${sum.toString(8).padStart(6, '0')}\u0000 `)
  return block
}

function octal(value: number, width: number): string {
  return value.toString(8).padStart(width - 1, '0') + '\u0000'
}

function padding(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK)
}
