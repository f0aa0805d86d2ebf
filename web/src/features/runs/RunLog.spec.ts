import { flushPromises, type VueWrapper } from '@vue/test-utils'
import { beforeEach, expect, it, vi } from 'vitest'

import { mountPage } from '@/testing/mountPage'
import { errorAnswer, fakeServer, type Handler } from '@/testing/server'
import RunLog from './RunLog.vue'

class SilentStream {
  addEventListener(): void {}
  close(): void {}
}

beforeEach(() => {
  vi.stubGlobal('EventSource', SilentStream)
  vi.spyOn(HTMLElement.prototype, 'clientHeight', 'get').mockReturnValue(600)
  vi.spyOn(HTMLElement.prototype, 'clientWidth', 'get').mockReturnValue(800)
})

const LINES = 'fetch 10\nERROR 42 at once\nfetch 11\n'
const found = { offset: 9, line: 2, at: null, text: 'ERROR 42 at once', match_offset: 9, match_start: 0, match_end: 8 }

async function open(handlers: Record<string, Handler> = {}): Promise<{ log: VueWrapper; requests: Request[] }> {
  const requests = fakeServer({
    'GET /runs/99/log': { text: LINES, headers: { 'X-Log-Offset': '0', 'X-Log-Size': String(LINES.length), 'X-Log-Final': 'true' } },
    'GET /runs/99/log/times': { body: { items: [{ offset: 0, at: '2026-01-05T12:00:00.500Z', line: 1 }, { offset: 26, at: '2026-01-05T12:01:07Z', line: 3 }] } },
    'GET /runs/99/log/search': { body: { items: [found], next_cursor: null, scanned_bytes: 35, log_bytes: 35 } },
    ...handlers,
  })
  const log = await mountPage(RunLog, { props: { runId: 99, attempt: 1 } })
  await vi.waitFor(() => expect(log.findAll('[data-index]')).toHaveLength(3))
  return { log, requests }
}

const asked = (requests: Request[], what: string) => requests.filter(({ url }) => url.includes(what)).map(({ url }) => new URL(url).searchParams)

async function search(log: VueWrapper, words: string): Promise<void> {
  const field = log.get('[data-testid="log-search"]')
  await field.setValue(words)
  await field.trigger('keydown', { key: 'Enter' })
  await flushPromises()
}

it('says when each line was written, once it is asked for', async () => {
  const { log, requests } = await open()
  expect(asked(requests, '/times')).toEqual([])
  await log.get('[data-testid="log-times"]').trigger('click')
  await vi.waitFor(() => expect(log.findAll('[data-index] time[datetime]')).toHaveLength(3))
  const moments = log.findAll('[data-index] time').map((time) => time.attributes('datetime'))
  expect(moments).toEqual(['2026-01-05T12:00:00.500Z', '2026-01-05T12:00:00.500Z', '2026-01-05T12:01:07.000Z'])
  expect(log.findAll('[data-index] time')[2]?.text()).toMatch(/^\d\d:01:07$/)
  expect(asked(requests, '/times').map((query) => [query.get('from_offset'), query.get('to_offset')])).toEqual([['0', '26']])
})

it('finds expressions, and marks what they found in the lines that they found', async () => {
  const { log, requests } = await open()
  await log.get('[data-testid="log-search-regex"]').trigger('click')
  await log.get('[data-testid="log-search-case"]').trigger('click')
  await search(log, 'ERROR \\d+')
  const [query] = asked(requests, '/search')
  expect([query?.get('q'), query?.get('regex'), query?.get('case')]).toEqual(['ERROR \\d+', 'true', 'true'])
  expect(log.findAll('.log-mark').map((mark) => mark.text())).toEqual(['ERROR 42'])
  expect(log.get('[data-testid="log-matches"]').text()).toBe('1 of 1')
})

it('says beside the field what is wrong with an expression', async () => {
  const message = 'This is no regular expression: missing ), unterminated subpattern at position 0.'
  const { log } = await open({ 'GET /runs/99/log/search': errorAnswer(422, 'validation_error', message, [{ field: 'q', message }]) })
  await log.get('[data-testid="log-search-regex"]').trigger('click')
  await search(log, '(')
  const complaint = log.get('[data-testid="log-search-complaint"]')
  expect(complaint.text()).toBe(message)
  const field = log.get('[data-testid="log-search"]')
  expect([field.attributes('aria-invalid'), field.attributes('aria-describedby')]).toEqual(['true', complaint.attributes('id')])
  expect(log.find('[data-testid="log-matches"]').exists()).toBe(false)
})
