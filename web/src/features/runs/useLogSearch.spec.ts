import { expect, it, vi } from 'vitest'

import { ApiError } from '@/api'
import { highlight } from './highlight'
import { matchedText, type LogMatch, type LogQuery, type LogSource } from './logSource'
import { useLogSearch } from './useLogSearch'

const match = (offset: number): LogMatch => ({ offset, line: offset, at: null, text: 'x', match_offset: offset, match_start: 0, match_end: 1 })
const sourceOf = (search: LogSource['search']): Pick<LogSource, 'search'> => ({ search })

it('steps through the matches and round, and searches on where the answer stopped', async () => {
  const show = vi.fn()
  const source = sourceOf(async (_query, offset) => (offset === 0 ? { items: [match(1), match(2)], next: 3 } : { items: [match(4)], next: null }))
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
  const ask = vi.fn(async (_query: LogQuery, offset: number) => (offset < 300 ? { items: [], next: offset + 100 } : { items: [match(350)], next: null }))
  const search = useLogSearch(sourceOf(ask), vi.fn(), vi.fn())
  search.words.value = 'x'
  await search.start()
  expect(ask).toHaveBeenCalledTimes(4)
  expect(search.match.value?.offset).toBe(350)
})

it('drops the answer for words that were replaced', async () => {
  let answerFirst: (answer: { items: LogMatch[]; next: null }) => void = () => {}
  const ask = vi.fn(({ words }: LogQuery) =>
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

it('searches as the options say, and again when one of them changes', async () => {
  const ask = vi.fn(async () => ({ items: [match(1)], next: null }))
  const search = useLogSearch(sourceOf(ask), vi.fn(), vi.fn())
  search.mindsCase.value = true
  search.words.value = 'a+'
  await search.start()
  search.isPattern.value = true
  await vi.waitFor(() => expect(ask).toHaveBeenCalledTimes(2))
  expect(ask.mock.calls).toEqual([
    [{ words: 'a+', isPattern: false, mindsCase: true }, 0],
    [{ words: 'a+', isPattern: true, mindsCase: true }, 0],
  ])
})

it('keeps what the server says of a bad expression, until it is mended', async () => {
  const message = 'This is no regular expression: unterminated character set at position 0.'
  const refusal = new ApiError(message, { status: 422, code: 'validation_error', details: [{ field: 'q', message }] })
  const ask = vi.fn(async ({ words }: LogQuery) => (words === '[' ? Promise.reject(refusal) : { items: [match(3)], next: null }))
  const onError = vi.fn()
  const search = useLogSearch(sourceOf(ask), vi.fn(), onError)
  search.isPattern.value = true
  search.words.value = '['
  await search.next()
  expect(search.complaint.value).toBe(message)
  expect(search.searched.value).toBeNull()
  expect(onError).not.toHaveBeenCalled()
  search.words.value = '[a]'
  await search.next()
  expect(search.complaint.value).toBe('')
  expect(search.match.value?.offset).toBe(3)
})

it('begins again after a failure that has nothing to do with the words', async () => {
  const ask = vi.fn(async () => ({ items: [match(3)], next: null })).mockRejectedValueOnce(new Error('no answer'))
  const onError = vi.fn()
  const search = useLogSearch(sourceOf(ask), vi.fn(), onError)
  search.words.value = 'x'
  await search.next()
  expect(onError).toHaveBeenCalledOnce()
  await search.next()
  expect(search.match.value?.offset).toBe(3)
})

it('knows what an expression found, beyond letters that JavaScript counts twice', () => {
  expect(matchedText({ ...match(0), text: '😀😀 error 7', match_start: 3, match_end: 8 })).toBe('error')
})

it('marks words as they stand where the case matters', () => {
  const marks = (mindsCase: boolean) => highlight([{ text: 'Error error', style: {} }], 'Error', mindsCase).filter(({ isMarked }) => isMarked)
  expect(marks(true).map(({ text }) => text)).toEqual(['Error'])
  expect(marks(false).map(({ text }) => text)).toEqual(['Error', 'error'])
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
