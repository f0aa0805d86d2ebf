/** One field that the server found wrong; `field` is its path in the request, for example `triggers.0.expression`. */
export interface ErrorDetail {
  field: string
  message: string
}

interface ErrorFacts {
  status: number
  code: string
  path?: string
  details?: ErrorDetail[]
  requestId?: string
  retryAfterSeconds?: number
}

/** An answer of the server that is not a success. `code` is a stable word, `message` a sentence for people. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: number
  readonly code: string
  readonly path: string
  readonly details: ErrorDetail[]
  readonly requestId: string
  readonly retryAfterSeconds: number | undefined

  constructor(message: string, facts: ErrorFacts) {
    super(message)
    this.status = facts.status
    this.code = facts.code
    this.path = facts.path ?? ''
    this.details = facts.details ?? []
    this.requestId = facts.requestId ?? ''
    this.retryAfterSeconds = facts.retryAfterSeconds
  }

  /** Somebody else has changed it since the version that the request named in `If-Match`. */
  get isLostUpdate(): boolean {
    return this.code === 'conflict' && this.details.some(({ field }) => field === 'version')
  }

  /** Read the error envelope; an answer without one (a proxy's error page) becomes an error all the same. */
  static async fromResponse(response: Response): Promise<ApiError> {
    const envelope = errorOf(await response.json().catch(() => null))
    const retryAfter = Number(response.headers.get('Retry-After') ?? Number.NaN)
    return new ApiError(text(envelope.message) || `HTTP ${response.status}`, {
      status: response.status,
      code: text(envelope.code) || codeOfStatus(response.status),
      path: text(envelope.path),
      details: detailsOf(envelope.details),
      requestId: text(envelope.request_id) || (response.headers.get('X-Request-ID') ?? ''),
      retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : undefined,
    })
  }
}

/** No answer at all: the server is down, or the network is. Nobody knows whether the request was done. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError'
  readonly code = 'network'

  constructor(cause: unknown) {
    super('The server does not answer.', { cause })
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function errorOf(body: unknown): Record<string, unknown> {
  return isRecord(body) && isRecord(body.error) ? body.error : {}
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function detailsOf(value: unknown): ErrorDetail[] {
  if (!Array.isArray(value)) return []
  return value.filter(isRecord).map((detail) => ({ field: text(detail.field), message: text(detail.message) }))
}

function codeOfStatus(status: number): string {
  if (status === 401) return 'unauthenticated'
  if (status === 502 || status === 503 || status === 504) return 'unavailable'
  return status >= 500 ? 'internal_error' : 'request_failed'
}
