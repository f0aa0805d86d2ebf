import { expect, it } from 'vitest'

import { newRow, parametersOf, readObject, repeatedName, rowsOf } from './parameters'

it('takes what is typed as a person means it', () => {
  const rows = [newRow('limit', '5'), newRow('dry', 'true'), newRow('day', '2026-01-05'), newRow('code', '"007"'), newRow('zip', '01234'), newRow('tags', '["a"]'), newRow('none', ''), newRow()]
  expect(parametersOf(rows)).toEqual({ limit: 5, dry: true, day: '2026-01-05', code: '007', zip: '01234', tags: ['a'], none: '' })
})

it('gives back what it was given', () => {
  const parameters = { text: 'plain', number: 5, textual: '5', quoted: '"5"', yes: true, nothing: null, list: [1, { deep: 'a' }], empty: '' }
  expect(parametersOf(rowsOf(parameters))).toEqual(parameters)
})

it('finds the name that is written twice', () => {
  expect(repeatedName([newRow('a'), newRow('b'), newRow(' a ')])).toBe('a')
  expect(repeatedName([newRow('a'), newRow(), newRow()])).toBeUndefined()
})

it('reads objects and nothing else', () => {
  expect(readObject('{"a": 1}')).toEqual({ a: 1 })
  expect(readObject('  ')).toEqual({})
  expect([readObject('[1]'), readObject('null'), readObject('{a: 1}'), readObject('5')]).toEqual([null, null, null, null])
})
