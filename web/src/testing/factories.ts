import type { components } from '@/api'

type Schemas = components['schemas']

/** One function for each type of the API: a valid value, in which a test names only what it is about. */
export function makeMe(changes: Partial<Schemas['Me']> = {}): Schemas['Me'] {
  return { id: 1, username: 'mika', role: 'admin', ...changes }
}
