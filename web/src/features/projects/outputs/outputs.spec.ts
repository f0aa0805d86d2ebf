import { flushPromises, type VueWrapper } from '@vue/test-utils'
import { describe, expect, it } from 'vitest'

import { openQuestion } from '@/composables/useConfirm'
import { makeMe, makeProject } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { errorAnswer, fakeServer, type Handler } from '@/testing/server'
import OutputsTab from '../OutputsTab.vue'
import { parsedLines } from './json'
import { inOrder, type Output } from './outputs'

function entry(name: string, changes: Partial<Output> = {}): Output {
  return { name, type: 'file', size_bytes: 10, modified_at: '2026-01-05T12:00:00Z', written_by: [], ...changes }
}

const none = { from: '2026-01-04T12:00:00Z', to: '2026-01-05T12:00:00Z', bucket: 'hour', files: 0, bytes: 0, files_per_second: 0, types: [], buckets: [], latency: { runs: 0, p50_seconds: null, p95_seconds: null }, known_since: null, complete: true }
const sizes = { path: '', file_count: 3, size_bytes: 3_000, folders: { '2026': { file_count: 2, size_bytes: 2_048 } }, complete: false }

async function open(entries: Output[], { query = '', handlers = {} }: { query?: string; handlers?: Record<string, Handler> } = {}): Promise<{ page: VueWrapper; requests: Request[] }> {
  const requests = fakeServer({
    'GET /auth/me': { body: makeMe() },
    'GET /projects/2/outputs': { body: { path: '', entries, truncated: false } },
    'GET /projects/2/outputs/sizes': { body: sizes },
    'GET /projects/2/outputs/statistics': { body: none },
    ...handlers,
  })
  return { page: await mountPage(OutputsTab, { props: { project: makeProject() }, path: `/projects/2?tab=outputs${query}` }), requests }
}

const rows = (page: VueWrapper) => page.findAll('[data-testid=output-row]')

describe('a folder', () => {
  it('shows sizes, who wrote what, and ways to it', async () => {
    const { page } = await open([entry('2026', { type: 'directory', size_bytes: 4_096 }), entry('a b.csv', { written_by: [12, 11] }), entry('link', { type: 'link' })])
    const [folder, file, link] = rows(page)
    expect(folder?.text()).toContain('2 KiB')
    expect(folder?.get('a[download]').attributes('href')).toBe('/api/v1/projects/2/outputs/archive?path=2026')
    expect(file?.findAll('[data-testid=output-writer]').map((writer) => writer.attributes('href'))).toEqual(['/runs/12', '/runs/11'])
    expect(file?.get('a[download]').attributes('href')).toBe('/api/v1/projects/2/outputs/file?path=a%20b.csv')
    expect(link?.find('a').exists()).toBe(false)
    expect(page.get('[data-testid=output-total]').text()).toContain('At least 3 files')
  })

  it('with very many names shows some of them, and more when asked', async () => {
    const { page } = await open(Array.from({ length: 150 }, (_, number) => entry(`${number}.html`)))
    expect(rows(page)).toHaveLength(100)
    const more = page.findAll('button').find((button) => button.text().startsWith('Show more'))
    await more?.trigger('click')
    expect(rows(page)).toHaveLength(150)
  })

  it('is ordered by time and size, folders first', () => {
    const entries = [entry('a'), entry('b', { size_bytes: 20 }), entry('c', { modified_at: '2026-01-06T12:00:00Z' }), entry('d', { type: 'directory' })]
    expect(inOrder(entries, 'name').map((each) => each.name)).toEqual(['d', 'a', 'b', 'c'])
    expect(inOrder(entries, 'newest').map((each) => each.name)).toEqual(['d', 'c', 'a', 'b'])
    expect(inOrder(entries, 'largest').map((each) => each.name)).toEqual(['d', 'b', 'a', 'c'])
  })

  it('asks before it deletes, and then looks again', async () => {
    const { page, requests } = await open([entry('a.csv')], { handlers: { 'DELETE /projects/2/outputs': { status: 204 } } })
    await page.get('[data-testid=output-delete]').trigger('click')
    expect(openQuestion.value?.title).toBe('Delete “a.csv”?')
    openQuestion.value?.answer(true)
    await flushPromises()
    const asked = requests.map((request) => `${request.method} ${new URL(request.url).search}`)
    expect(asked).toContain('DELETE ?path=a.csv')
    expect(requests.filter((request) => request.method === 'GET' && request.url.includes('/outputs?'))).toHaveLength(2)
  })

  it('says why it cannot be read', async () => {
    const { page } = await open([], { handlers: { 'GET /projects/2/outputs': errorAnswer(409, 'conflict', 'It lies below no directory any more.') } })
    expect(page.text()).toContain('It lies below no directory any more.')
  })
})

describe('a preview', () => {
  const preview = { path: 'a', size_bytes: 30, modified_at: '2026-01-05T12:00:00Z', encoding: 'utf-8', text: '', table: null, truncated: false }
  const shown = async (changes: object) => {
    const { page } = await open([], { query: '&file=a', handlers: { 'GET /projects/2/outputs/preview': { body: { ...preview, ...changes } } } })
    const frame = document.querySelector<HTMLElement>('[data-testid=output-preview]')
    const found = { kind: frame?.dataset.kind, text: frame?.textContent ?? '', image: frame?.querySelector('img')?.getAttribute('src') }
    page.unmount()
    await flushPromises()
    return found
  }

  it('is what the file is', async () => {
    expect(await shown({ kind: 'table', text: 'x', table: { delimiter: ',', rows: [['author'], ['Ada']], cut: false } })).toMatchObject({ kind: 'table', text: '#author1Ada' })
    expect(await shown({ kind: 'json', text: '{"name": "Ada"}' })).toMatchObject({ kind: 'json', text: expect.stringContaining('"Ada"') })
    expect(await shown({ kind: 'jsonl', text: '{"name": "Ada"}\n{"na' })).toMatchObject({ kind: 'jsonl', text: '{"name":"Ada"}' })
    expect(await shown({ kind: 'text', text: 'plain words' })).toMatchObject({ kind: 'text', text: 'plain words' })
    expect(await shown({ kind: 'image', text: null })).toMatchObject({ kind: 'image', image: '/api/v1/projects/2/outputs/image?path=a' })
    expect(await shown({ kind: 'binary', text: null })).toMatchObject({ kind: 'binary', text: expect.stringContaining('No preview') })
  })

  it('of lines takes those at the end that is shown', () => {
    const text = Array.from({ length: 300 }, (_, number) => String(number)).join('\n')
    expect(parsedLines(text, 'start').at(-1)).toBe(199)
    expect(parsedLines(text, 'end')[0]).toBe(100)
  })
})

describe('statistics', () => {
  it('say how much and how fast', async () => {
    const body = { ...none, files: 90, bytes: 9_216, files_per_second: 0.5, types: [{ type: 'csv', files: 89, bytes: 9_000 }, { type: '', files: 1, bytes: 216 }], latency: { runs: 3, p50_seconds: 0.5, p95_seconds: 3 }, complete: false }
    const { page } = await open([], { handlers: { 'GET /projects/2/outputs/statistics': { body } } })
    const panel = page.get('[data-testid=output-statistics]').text()
    for (const words of ['90', '9 KiB', '30 files a minute', '.csv', '89 files', 'no extension', 'one file', 'some may be missing']) expect(panel).toContain(words)
  })
})
