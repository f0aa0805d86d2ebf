import { api, type components } from '@/api'
import type { LogPart } from './logWindow'

export type LogMatch = components['schemas']['MatchOut']

/** What a search looks for in each line. */
export interface LogQuery {
  words: string
  /** The words are a regular expression, as Python reads it. */
  isPattern: boolean
  mindsCase: boolean
}

/** From this byte on lines were written at this moment, in milliseconds, or within a second after it. */
export interface LogTime {
  offset: number
  at: number
}

/** Lines that a search found, and the byte to go on at; none when the log has been searched to its end. */
export interface LogSearchAnswer {
  items: LogMatch[]
  next: number | null
}

/** A part of the log, and how much there was when it was read. */
export interface LogAnswer extends LogPart {
  size: number
  /** Nothing more will come. */
  isFinal: boolean
}

export interface LogListener {
  onOpen: () => void
  /** Text that begins at the byte `offset`; the next piece begins at `next`. */
  onText: (offset: number, next: number, text: string) => void
  onEnd: (state: string) => void
  onBroken: () => void
}

/** Where a log comes from; a test puts its own in this place. */
export interface LogSource {
  read: (part: { offset: number; limit: number } | { tail: number }) => Promise<LogAnswer>
  follow: (offset: number, listener: LogListener) => { close: () => void }
  search: (query: LogQuery, from: number) => Promise<LogSearchAnswer>
  /** The times of the lines from the one at `from` to the one at `to`. */
  times: (from: number, to: number) => Promise<LogTime[]>
}

const MOST_MATCHES = 1_000

/** What was found in the line. The server counts characters, where JavaScript counts halves of some. */
export function matchedText({ text, match_start: start, match_end: end }: LogMatch): string {
  return [...text].slice(start, end).join('')
}

export function downloadAddress(runId: number, attempt: number): string {
  return `/api/v1/runs/${runId}/log/download?attempt=${attempt}`
}

/** The log of one attempt of a run, from the server. */
export function runLogSource(runId: number, attempt: number): LogSource {
  const path = { run_id: runId }
  return {
    async read(part) {
      const { data, response } = await api.GET('/runs/{run_id}/log', {
        params: { path, query: { attempt, ...part } },
        parseAs: 'arrayBuffer',
      })
      const bytes = new Uint8Array((data as ArrayBuffer | undefined) ?? new ArrayBuffer(0))
      const offset = Number(response.headers.get('X-Log-Offset') ?? 0)
      return {
        offset,
        bytes,
        size: Number(response.headers.get('X-Log-Size') ?? offset + bytes.length),
        isFinal: response.headers.get('X-Log-Final') === 'true',
      }
    },

    follow(offset, listener) {
      const stream = new EventSource(`/api/v1/runs/${runId}/log/stream?attempt=${attempt}&offset=${offset}`)
      stream.onopen = listener.onOpen
      // Opened anew from the byte that is wanted, rather than by the browser: then one place decides when and where.
      stream.onerror = () => {
        stream.close()
        listener.onBroken()
      }
      stream.addEventListener('log', (event: MessageEvent<string>) => {
        const piece = JSON.parse(event.data) as { offset: number; text: string }
        listener.onText(piece.offset, Number(event.lastEventId), piece.text)
      })
      stream.addEventListener('end', (event: MessageEvent<string>) => {
        stream.close()
        listener.onEnd((JSON.parse(event.data) as { state: string }).state)
      })
      return { close: () => stream.close() }
    },

    async search({ words, isPattern, mindsCase }, from) {
      const { data } = await api.GET('/runs/{run_id}/log/search', {
        params: { path, query: { attempt, q: words, regex: isPattern, case: mindsCase, cursor: from, limit: MOST_MATCHES } },
      })
      return { items: data?.items ?? [], next: data?.next_cursor ? Number(data.next_cursor) : null }
    },

    async times(from, to) {
      const { data } = await api.GET('/runs/{run_id}/log/times', {
        params: { path, query: { attempt, from_offset: from, to_offset: to } },
      })
      return (data?.items ?? []).map(({ offset, at }) => ({ offset, at: new Date(at).getTime() }))
    },
  }
}
