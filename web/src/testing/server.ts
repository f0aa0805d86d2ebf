import { vi } from 'vitest'

interface Answer {
  status?: number
  body?: unknown
  /** Instead of a body in JSON. */
  text?: string
  headers?: Record<string, string>
}

export type Handler = Answer | ((request: Request) => Answer | Promise<Answer>)

/**
 * Answer requests by "METHOD /path" below /api/v1: `fakeServer({ 'GET /auth/me': { body: makeMe() } })`. What is not named
 * is answered with 404. Returns the requests that were made.
 */
export function fakeServer(handlers: Record<string, Handler>): Request[] {
  const requests: Request[] = []
  vi.stubGlobal('fetch', async (input: Request) => {
    requests.push(input)
    const path = new URL(input.url).pathname.replace('/api/v1', '')
    const handler = handlers[`${input.method} ${path}`] ?? errorAnswer(404, 'not_found', `There is nothing at ${path}.`)
    const { status = 200, body, text, headers } = typeof handler === 'function' ? await handler(input) : handler
    return new Response(text ?? (body === undefined ? null : JSON.stringify(body)), { status, headers })
  })
  return requests
}

export function errorAnswer(status: number, code: string, message: string, details: { field: string; message: string }[] = []): Answer {
  return { status, body: { error: { code, message, path: '/api/v1/x', details, request_id: 'abc123' } } }
}
