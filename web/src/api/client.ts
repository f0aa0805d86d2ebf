import createClient, { type Client, type Middleware } from 'openapi-fetch'

import { ApiError, NetworkError } from './errors'
import type { paths } from './schema'

const BASE = '/api/v1'
const CSRF_COOKIE = 'kumo_csrf'
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

/** The paths of the OpenAPI document without their common beginning: `/auth/me` for `/api/v1/auth/me`. */
type ShortPaths = { [Path in keyof paths as Path extends `${typeof BASE}${infer Rest}` ? Rest : never]: paths[Path] }

let tellUnauthenticated: () => void = () => {}

/** Say what happens when an answer says that nobody is signed in any more. Set once, by the router. */
export function onUnauthenticated(handler: () => void): void {
  tellUnauthenticated = handler
}

export function readCookie(name: string): string | null {
  for (const part of document.cookie.split('; ')) {
    const [key, ...value] = part.split('=')
    if (key === name) return decodeURIComponent(value.join('='))
  }
  return null
}

/** The header that proves that a change was asked for by this page and not by a foreign one. */
export function csrfHeaders(): Record<string, string> {
  const token = readCookie(CSRF_COOKIE)
  return token ? { 'X-CSRF-Token': token } : {}
}

const edge: Middleware = {
  onRequest({ request }) {
    if (SAFE_METHODS.has(request.method)) return
    for (const [name, value] of Object.entries(csrfHeaders())) request.headers.set(name, value)
  },
  async onResponse({ response, schemaPath }) {
    if (response.ok) return
    const error = await ApiError.fromResponse(response)
    // A refused login or the first look at /auth/me is an answer, not the end of a session.
    if (error.status === 401 && !schemaPath.startsWith('/auth/')) tellUnauthenticated()
    throw error
  },
  onError({ error }) {
    // An aborted request was given up on purpose; that is no failure of the network.
    if (error instanceof DOMException && error.name === 'AbortError') return
    if (error instanceof ApiError) return
    return new NetworkError(error)
  },
}

export function createApi(fetch = (request: Request): Promise<Response> => globalThis.fetch(request)): Client<ShortPaths> {
  const client = createClient<ShortPaths>({
    baseUrl: new URL(BASE, globalThis.location.origin).href,
    credentials: 'same-origin',
    fetch,
  })
  client.use(edge)
  return client
}

/** Every request goes through here. It throws ApiError or NetworkError; an answer that arrives is a success. */
export const api = createApi()

/** The data of an answer: `await unwrap(api.GET('/auth/me'))`. */
export async function unwrap<Data>(answer: Promise<{ data?: Data }>): Promise<Data> {
  const { data } = await answer
  return data as Data
}
