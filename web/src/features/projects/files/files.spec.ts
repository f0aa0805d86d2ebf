import { flushPromises, type VueWrapper } from '@vue/test-utils'
import { describe, expect, it, vi } from 'vitest'

import { openQuestion } from '@/composables/useConfirm'
import { makeMe, makeProject, makeRun } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { errorAnswer, fakeServer, type Handler } from '@/testing/server'
import ProjectPage from '../ProjectPage.vue'
import type { TreeEntry } from '../projects'
import FileTree from './FileTree.vue'

const folder = (path: string): TreeEntry => ({ path, type: 'directory', size_bytes: 512, file_count: 1 })
const file = (path: string): TreeEntry => ({ path, type: 'file', size_bytes: 15, file_count: 1 })
const levels: Record<string, TreeEntry[]> = {
  '': [file('data.bin'), file('logo.svg'), file('main.py'), folder('quotes')],
  quotes: [file('quotes/items.py')],
}
const text = { path: 'main.py', snapshot_id: 41, size_bytes: 15, encoding: 'gb18030', line_ending: 'crlf', binary: false, image: null, content: "print('hello')\r\n" }

function server(handlers: Record<string, Handler> = {}): Request[] {
  return fakeServer({
    'GET /auth/me': { body: makeMe() },
    'GET /projects/2': { body: makeProject({ task_count: 1 }) },
    'GET /projects/2/tree': (request) => ({ body: { snapshot_id: 41, entries: levels[new URL(request.url).searchParams.get('path') ?? '?'] ?? [] } }),
    'GET /projects/2/files/main.py': { body: text },
    'GET /projects/2/files/logo.svg': { body: { ...text, path: 'logo.svg', image: 'image/svg+xml', content: '<svg/>' } },
    'GET /projects/2/files/data.bin': { body: { ...text, path: 'data.bin', encoding: null, line_ending: null, binary: true, content: null } },
    ...handlers,
  })
}

async function openFiles(query = ''): Promise<VueWrapper> {
  return mountPage(ProjectPage, { props: { id: 2 }, path: `/projects/2${query}` })
}

async function type(page: VueWrapper, words: string): Promise<void> {
  const content = await vi.waitFor(() => page.get('.cm-content'), { timeout: 10_000 })
  const { EditorView } = await import('@codemirror/view')
  const view = EditorView.findFromDOM(content.element as HTMLElement)
  view?.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: view.state.toText(words) } })
  await flushPromises()
}

function names(page: VueWrapper): string[] {
  return page.findAll('[data-testid=tree-item]').map((item) => item.text())
}

describe('the tree', () => {
  it('is walked with the keyboard', async () => {
    const heard: unknown[] = []
    const wrapper = await mountPage(FileTree, {
      props: {
        entries: [...(levels[''] ?? []), ...(levels.quotes ?? [])],
        open: new Set<string>(),
        movable: true,
        onOpen: (path: string) => heard.push(['open', path]),
        onToggle: (path: string, wanted: boolean) => heard.push(['toggle', path, wanted]),
        onRename: ({ path }: TreeEntry) => heard.push(['rename', path]),
        onDelete: ({ path }: TreeEntry) => heard.push(['delete', path]),
      },
    })
    const frame = wrapper.get('[role=tree]')
    expect(names(wrapper)).toEqual(['quotes', 'data.bin', 'logo.svg', 'main.py'])
    await frame.trigger('focus')
    for (const key of ['ArrowRight', 'ArrowDown', 'Enter', 'F2', 'Delete']) await frame.trigger('keydown', { key })
    expect(heard).toEqual([['toggle', 'quotes', true], ['open', 'data.bin'], ['rename', 'data.bin'], ['delete', 'data.bin']])
  })

  it('loads a folder when it is opened', async () => {
    const requests = server()
    const page = await openFiles()
    const asked = () => requests.filter(({ url }) => url.includes('/tree')).map(({ url }) => new URL(url).searchParams.get('path'))
    expect(names(page)).toEqual(['quotes', 'data.bin', 'logo.svg', 'main.py'])
    expect(asked()).toEqual([''])
    await page.get('[data-path=quotes]').trigger('click')
    await flushPromises()
    expect(names(page)).toEqual(['quotes', 'items.py', 'data.bin', 'logo.svg', 'main.py'])
    expect(asked()).toEqual(['', 'quotes'])
  })
})

describe('what is no text', () => {
  it('is shown as what it is', async () => {
    server()
    const binary = await openFiles('?file=data.bin')
    expect(binary.text()).toContain('This is not a text file')
    expect(binary.find('a[href="/api/v1/projects/2/files/data.bin?raw=true"]').exists()).toBe(true)
    const image = await openFiles('?file=logo.svg')
    expect(image.get('[data-testid=file-image]').attributes('src')).toBe('/api/v1/projects/2/images/logo.svg')
  })
})

describe('open files', () => {
  it('are saved as they are stored, and leave the choice when somebody was quicker', async () => {
    const message = 'main.py was changed by somebody else meanwhile.'
    const answers: Handler[] = [errorAnswer(409, 'conflict', message, [{ field: 'base_snapshot_id', message }]), { body: { snapshot_id: 43, path: 'main.py', size_bytes: 9 } }]
    const theirs = { ...text, snapshot_id: 42, content: "print('theirs')\r\n" }
    let asked = 0
    const requests = server({ 'PUT /projects/2/files/main.py': () => answers.shift() as never, 'GET /projects/2/files/main.py': () => ({ body: asked++ ? theirs : text }) })
    const page = await openFiles('?file=main.py')
    expect(page.get('[data-testid=file-status]').text()).toContain('GB 18030')
    expect(page.get('[data-testid=file-status]').text()).toContain('CRLF')
    await type(page, 'pass\r\npass\r\n')
    expect(page.find('[data-testid=file-tab-dirty]').exists()).toBe(true)
    await page.get('[data-testid=file-save]').trigger('click')
    await flushPromises()
    const puts = () => requests.filter((request) => request.method === 'PUT')
    expect(await puts()[0]?.clone().json()).toEqual({ content: 'pass\r\npass\r\n', encoding: 'gb18030', base_snapshot_id: 41 })
    await page.get('[data-testid=conflict-differences]').trigger('click')
    await flushPromises()
    expect(document.querySelector('[data-testid=file-differences]')?.textContent).toContain("print('theirs')")
    await page.get('[data-testid=conflict-overwrite]').trigger('click')
    await flushPromises()
    expect(await puts().at(-1)?.clone().json()).toMatchObject({ base_snapshot_id: null })
    expect(page.find('[data-testid=file-conflict]').exists()).toBe(false)
    expect(page.find('[data-testid=file-tab-dirty]').exists()).toBe(false)
  }, 20_000)

  it('are not closed unsaved without a question', async () => {
    server()
    const page = await openFiles('?file=main.py')
    await type(page, 'pass')
    await page.get('[data-testid=file-tab-close]').trigger('click')
    expect(openQuestion.value?.title).toBe('Leave without saving?')
    openQuestion.value?.answer(true)
    await flushPromises()
    expect(page.find('[data-testid=file-tab]').exists()).toBe(false)
  }, 20_000)

  it('are run as they are stored, with their log beside them', async () => {
    const run = makeRun({ id: 5, state: 'failed', exit_code: 3, scratch: true, task_name: 'main.py', command: 'python main.py' })
    const requests = server({
      'PUT /projects/2/files/main.py': { body: { snapshot_id: 43, path: 'main.py', size_bytes: 9 } },
      'POST /projects/2/scratch': { status: 202, body: run },
      'GET /runs/5': { body: run },
      'GET /runs/5/log': { text: 'it broke\n', headers: { 'X-Log-Size': '9', 'X-Log-Final': 'true' } },
    })
    const page = await openFiles('?file=main.py')
    await type(page, 'raise SystemExit(3)')
    await page.get('[data-testid=file-run]').trigger('click')
    const pane = await vi.waitFor(() => page.get('[data-testid=scratch-state]'), { timeout: 10_000 })
    const changes = requests.filter(({ method }) => method !== 'GET').map(({ method, url }) => `${method} ${new URL(url).pathname}`)
    expect(changes).toEqual(['PUT /api/v1/projects/2/files/main.py', 'POST /api/v1/projects/2/scratch'])
    expect(pane.attributes('data-state')).toBe('failed')
    expect(page.get('[data-testid=scratch-pane]').text()).toContain('Exit code 3')
  }, 20_000)
})

describe('the search', () => {
  it('shows lines by file, and opens one', async () => {
    const match = { line: 3, text: 'import requests', match_start: 7, match_end: 15 }
    const requests = server({ 'GET /projects/2/search': { body: { snapshot_id: 41, items: [{ path: 'main.py', matches: [match], has_more: false }], next_cursor: null } } })
    const page = await openFiles()
    await page.get('[data-testid=files-search]').trigger('click')
    await page.get('[data-testid=search-words]').setValue('requests')
    await page.get('[data-testid=search-include]').setValue('*.py')
    await page.get('form[role=search]').trigger('submit')
    await flushPromises()
    const asked = new URL(requests.find(({ url }) => url.includes('/search'))?.url ?? '').searchParams
    expect([asked.get('q'), asked.get('include'), asked.get('regex')]).toEqual(['requests', '*.py', 'false'])
    expect(page.get('mark').text()).toBe('requests')
    await page.get('[data-testid=search-match]').trigger('click')
    await flushPromises()
    expect(page.get('[data-testid=file-tab]').text()).toBe('main.py')
  })
})
