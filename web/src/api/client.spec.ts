import { afterEach, describe, expect, it, vi } from 'vitest'

import { createApi, onUnauthenticated, unwrap } from './client'
import { ApiError, NetworkError } from './errors'

function answering(status: number, body: BodyInit | null, headers: Record<string, string> = {}) {
  const requests: Request[] = []
  const api = createApi((request) => {
    requests.push(request)
    return Promise.resolve(new Response(body, { status, headers }))
  })
  return { api, requests }
}

async function thrownBy(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail('nothing was thrown'),
    (error: unknown) => error,
  )
}

afterEach(() => {
  document.cookie = 'kumo_csrf=; max-age=0'
  onUnauthenticated(() => {})
})

describe('the API client', () => {
  it('returns the data of a success', async () => {
    const { api, requests } = answering(200, '{"needed": true}')
    expect(await unwrap(api.GET('/setup'))).toEqual({ needed: true })
    expect(new URL(requests[0]?.url ?? '').pathname).toBe('/api/v1/setup')
  })

  it('throws the error envelope as an ApiError', async () => {
    const details = [{ field: 'password', message: 'Too short.' }]
    const envelope = { code: 'validation_error', message: 'password: Too short.', path: '/api/v1/setup', details, request_id: 'r1' }
    const { api } = answering(422, JSON.stringify({ error: envelope }), { 'Retry-After': '7' })
    const error = await thrownBy(api.POST('/setup', { body: { token: 't', username: 'u', password: 'p' } }))
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({
      status: 422,
      code: 'validation_error',
      message: 'password: Too short.',
      details,
      requestId: 'r1',
      retryAfterSeconds: 7,
    })
  })

  it("makes an ApiError even of a proxy's page", async () => {
    const { api } = answering(502, '<html>Bad gateway</html>')
    expect(await thrownBy(api.GET('/setup'))).toMatchObject({ name: 'ApiError', status: 502, code: 'unavailable', details: [] })
  })

  it('calls a silent server a NetworkError', async () => {
    const api = createApi(() => Promise.reject(new TypeError('Failed to fetch')))
    expect(await thrownBy(api.GET('/setup'))).toBeInstanceOf(NetworkError)
  })

  it('leaves an aborted request an AbortError', async () => {
    const api = createApi(() => Promise.reject(new DOMException('gone', 'AbortError')))
    expect(await thrownBy(api.GET('/setup'))).toMatchObject({ name: 'AbortError' })
  })

  it('sends the CSRF cookie back as a header, with changes only', async () => {
    document.cookie = 'kumo_csrf=abc%3D'
    const { api, requests } = answering(200, '{}')
    await api.GET('/setup')
    await api.POST('/auth/login', { body: { username: 'u', password: 'p' } })
    expect(requests.map((request) => request.headers.get('X-CSRF-Token'))).toEqual([null, 'abc='])
  })

  it('tells of the end of a session, but not of a refused login', async () => {
    const ended = vi.fn()
    onUnauthenticated(ended)
    const { api } = answering(401, '{"error": {"code": "unauthenticated", "message": "Sign in first."}}')
    await thrownBy(api.POST('/auth/login', { body: { username: 'u', password: 'p' } }))
    expect(ended).not.toHaveBeenCalled()
    await thrownBy(api.GET('/setup'))
    expect(ended).toHaveBeenCalledOnce()
  })
})
