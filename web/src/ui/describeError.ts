export interface ErrorDescription {
  code: string
  message: string
  requestId: string
}

/** Read what an error says of itself, whatever made it; `ui` does not know the API's own classes. */
export function describeError(error: unknown): ErrorDescription {
  const facts = typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : {}
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  const isDefect = typeof facts.status === 'number' && facts.status >= 500
  return {
    code: text(facts.code) || 'unknown',
    message: text(facts.message) || String(error),
    requestId: isDefect ? text(facts.requestId) : '',
  }
}
