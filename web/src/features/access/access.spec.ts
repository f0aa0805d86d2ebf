import { describe, expect, it } from 'vitest'

import { safeReturnPath } from './returnPath'

describe('the way back after signing in', () => {
  it('stays inside Kumo', () => {
    expect(safeReturnPath('/tasks/7?tab=runs')).toBe('/tasks/7?tab=runs')
    for (const evil of ['//evil.example', 'https://evil.example', '/\\evil.example', undefined, ['/a']]) {
      expect(safeReturnPath(evil)).toBe('/')
    }
  })
})

