import { flushPromises, type DOMWrapper, type VueWrapper } from '@vue/test-utils'
import { describe, expect, it } from 'vitest'

import { openQuestion } from '@/composables/useConfirm'
import { makeMe, makeProject } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { errorAnswer, fakeServer, type Handler } from '@/testing/server'
import { diffLines } from './diffLines'
import type { ChangedFile, Snapshot } from './history'
import ProjectPage from './ProjectPage.vue'
import TrashPage from './TrashPage.vue'

type Part = DOMWrapper<Element>

function makeSnapshot(changes: Partial<Snapshot> = {}): Snapshot {
  return {
    id: 41,
    project_id: 2,
    parent_id: 40,
    tree_hash: '0b9c',
    source: 'edit',
    message: 'Changed main.py',
    origin: null,
    actor: 'ada',
    pinned: false,
    file_count: 3,
    size_bytes: 2_560,
    created_at: '2026-01-06T08:30:00Z',
    is_current: true,
    run_count: 0,
    ...changes,
  }
}

function makeFile(changes: Partial<ChangedFile> = {}): ChangedFile {
  return {
    path: 'main.py',
    change: 'changed',
    size_bytes_before: 8,
    size_bytes_after: 8,
    executable_before: false,
    executable_after: false,
    binary: false,
    diff: '@@ -1 +1 @@\n-one\n+two\n',
    truncated: false,
    ...changes,
  }
}

const older = makeSnapshot({ id: 40, parent_id: null, message: 'Uploaded etl.zip', source: 'upload', is_current: false, run_count: 1000 })

function server(handlers: Record<string, Handler> = {}): Request[] {
  return fakeServer({
    'GET /auth/me': { body: makeMe() },
    'GET /projects/2': { body: makeProject({ version: 7 }) },
    'GET /projects/2/snapshots': { body: { items: [makeSnapshot(), older], next_cursor: null } },
    ...handlers,
  })
}

async function openHistory(query = ''): Promise<VueWrapper> {
  return mountPage(ProjectPage, { props: { id: 2 }, path: `/projects/2?tab=history${query}` })
}

function rowOf(page: VueWrapper, id: number) {
  return page.get(`[data-snapshot='${id}']`)
}

describe('the history', () => {
  it('says who made each state and why', async () => {
    server()
    const page = await openHistory()
    expect(page.findAll('[data-testid=snapshot-row]')).toHaveLength(2)
    expect(rowOf(page, 41).text()).toMatch(/Changed main\.py.*present/)
    expect(rowOf(page, 41).get('[data-testid=snapshot-restore]').attributes('disabled')).toBeDefined()
    expect(rowOf(page, 40).text()).toMatch(/Upload.*ada.*1,000 or more runs/)
  })

  it('restores a state over the version that was seen, after a question', async () => {
    const sent = server({ 'POST /projects/2/snapshots/40/restore': { body: makeSnapshot({ id: 42, source: 'restore' }) } })
    const page = await openHistory()
    await rowOf(page, 40).get('[data-testid=snapshot-restore]').trigger('click')
    expect(openQuestion.value?.title).toBe('Restore #40?')
    openQuestion.value?.answer(true)
    await flushPromises()
    expect(sent.find((request) => request.method === 'POST')?.headers.get('If-Match')).toBe('7')
  })

  it('pins a state', async () => {
    const sent = server({ 'PATCH /projects/2/snapshots/40': { body: { ...older, pinned: true } } })
    const page = await openHistory()
    await rowOf(page, 40).get('[data-testid=snapshot-pin]').trigger('click')
    await flushPromises()
    expect(await sent.find((request) => request.method === 'PATCH')?.json()).toEqual({ pinned: true })
  })

  it('shows what a state has changed, and the rest of a long diff when asked', async () => {
    const files = [makeFile(), makeFile({ path: 'big.txt', diff: null, truncated: true }), makeFile({ path: 'logo.png', binary: true, diff: null })]
    const answer = { snapshot_id: 41, against_id: 40, files, file_count: 3, truncated: true, note: 'There is more.' }
    const sent = server({
      'GET /projects/2/snapshots/41/diff': (request) =>
        new URL(request.url).searchParams.has('path')
          ? { body: { ...answer, files: [makeFile({ path: 'big.txt', diff: '@@ -0,0 +1 @@\n+long\n' })] } }
          : { body: answer },
    })
    const page = await openHistory('&state=41')
    const [main, big, logo] = ['main.py', 'big.txt', 'logo.png'].map((path) => page.get(`[data-path='${path}']`)) as [Part, Part, Part]
    expect(main.findAll('[data-kind=added]').map((line) => line.text())).toEqual(['1+two'])
    expect(logo.text()).toContain('no text')
    await big.get('[data-testid=diff-whole]').trigger('click')
    await flushPromises()
    expect(big.text()).toContain('long')
    expect(new URL(sent.at(-1)?.url ?? '').searchParams.get('path')).toBe('big.txt')
    await main.get('button').trigger('click')
    expect(main.find('[data-kind]').exists()).toBe(false)
  })

  it('numbers the lines of a diff on both sides', () => {
    expect(diffLines('@@ -3,2 +5,2 @@\n same\n-old\n+new\n\\ No newline at end of file\n')).toEqual([
      { kind: 'hunk', text: '@@ -3,2 +5,2 @@' },
      { kind: 'same', before: 3, after: 5, text: 'same' },
      { kind: 'removed', before: 4, text: 'old' },
      { kind: 'added', after: 6, text: 'new' },
      { kind: 'note', text: 'No newline at end of file' },
    ])
  })
})

describe('the trash', () => {
  const lying = { id: 5, name: 'etl', description: '', file_count: 1, size_bytes: 512, deleted_at: '2026-01-06T08:30:00Z', purged_after: '2026-02-05T08:30:00Z' }

  it('asks for another name when that of the project is taken', async () => {
    const sent = server({
      'GET /trash': { body: { items: [lying], next_cursor: null } },
      'POST /trash/5/restore': errorAnswer(409, 'conflict', 'There is already a project named “etl”.'),
    })
    const page = await mountPage(TrashPage, { path: '/projects/trash' })
    expect(page.get('[data-testid=trash-row]').text()).toBe('etl')
    await page.get('[data-testid=trash-restore]').trigger('click')
    await flushPromises()
    expect(document.body.querySelector<HTMLInputElement>('[data-testid=trash-name]')?.value).toBe('etl (restored)')
    expect(sent.filter((request) => request.method === 'POST')).toHaveLength(1)
  })

  it('purges only what is named', async () => {
    const sent = server({ 'GET /trash': { body: { items: [lying], next_cursor: null } }, 'DELETE /trash/5': { status: 204 } })
    const page = await mountPage(TrashPage, { path: '/projects/trash' })
    await page.get('[data-testid=trash-purge]').trigger('click')
    expect(openQuestion.value?.typeToConfirm).toBe('etl')
    openQuestion.value?.answer(true)
    await flushPromises()
    expect(sent.some((request) => request.method === 'DELETE')).toBe(true)
  })
})
