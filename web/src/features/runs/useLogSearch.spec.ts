import { expect, it, vi } from 'vitest'

import { highlight } from './highlight'
import type { LogMatch, LogSource } from './logSource'
import { useLogSearch } from './useLogSearch'

const match = (offset: number): LogMatch => ({ offset, line: offset, at: null, text: 'x', match_offset: offset, match_start: 0, match_end: 1 })
const sourceOf = (search: LogSource['search']): LogSource => ({ search, read: vi.fn(), follow: vi.fn() })

it('steps through the matches and round, and searches on where the answer stopped', async () => {
  const show = vi.fn()
  const source = sourceOf(async (_words, offset) => (offset === 0 ? { items: [match(1), match(2)], next: 3 } : { items: [match(4)], next: null }))
  const search = useLogSearch(source, show, vi.fn())
  search.words.value = 'x'
  await search.next()
  expect(search.hasMore.value).toBe(true)
  await search.next()
  await search.next()
  expect(show.mock.calls.map(([found]) => (found as LogMatch).offset)).toEqual([1, 2, 4])
  expect(search.hasMore.value).toBe(false)
  await search.next()
  expect(search.current.value).toBe(0)
  search.previous()
  expect(search.current.value).toBe(2)
})

it('goes on by itself through parts of a large log that hold nothing', async () => {
  const ask = vi.fn(async (_words: string, offset: number) => (offset < 300 ? { items: [], next: offset + 100 } : { items: [match(350)], next: null }))
  const search = useLogSearch(sourceOf(ask), vi.fn(), vi.fn())
  search.words.value = 'x'
  await search.start()
  expect(ask).toHaveBeenCalledTimes(4)
  expect(search.match.value?.offset).toBe(350)
})

it('drops the answer for words that were replaced', async () => {
  let answerFirst: (answer: { items: LogMatch[]; next: null }) => void = () => {}
  const ask = vi.fn((words: string) =>
    words === 'old' ? new Promise<{ items: LogMatch[]; next: null }>((resolve) => (answerFirst = resolve)) : Promise.resolve({ items: [match(7)], next: null }),
  )
  const search = useLogSearch(sourceOf(ask), vi.fn(), vi.fn())
  search.words.value = 'old'
  const first = search.start()
  search.words.value = 'new'
  await search.start()
  answerFirst({ items: [match(1)], next: null })
  await first
  expect(search.matches.value).toEqual([match(7)])
})

it('marks the words across colours', () => {
  const marked = highlight([{ text: 'an Err', style: { bold: true } }, { text: 'or, error', style: {} }], 'error')
  expect(marked.map(({ text, isMarked }) => [text, isMarked])).toEqual([
    ['an ', false],
    ['Err', true],
    ['or', true],
    [', ', false],
    ['error', true],
  ])
})
