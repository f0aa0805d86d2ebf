import { flushPromises, type VueWrapper } from '@vue/test-utils'
import { describe, expect, it, vi } from 'vitest'

import { openQuestion } from '@/composables/useConfirm'
import { makeMe, makeProject } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { errorAnswer, fakeServer, type Handler } from '@/testing/server'
import FileTree from './FileTree.vue'
import ProjectListPage from './ProjectListPage.vue'
import ProjectPage from './ProjectPage.vue'

const tree = {
  snapshot_id: 41,
  entries: [
    { path: 'data.bin', type: 'file', size_bytes: 2_000 },
    { path: 'main.py', type: 'file', size_bytes: 15 },
    { path: 'quotes', type: 'directory', size_bytes: 512 },
    { path: 'quotes/items.py', type: 'file', size_bytes: 512 },
  ],
}
const text = { path: 'main.py', snapshot_id: 41, size_bytes: 15, encoding: 'utf-8', binary: false, content: "print('hello')\n" }

function server(handlers: Record<string, Handler> = {}): Request[] {
  return fakeServer({
    'GET /auth/me': { body: makeMe() },
    'GET /projects/2': { body: makeProject() },
    'GET /projects/2/tree': { body: tree },
    'GET /projects/2/detection': { body: { environment: { source: 'requirements.txt', python: null }, commands: ['python main.py'], kinds: [{ name: 'script', files: ['main.py'] }], spiders: [] } },
    'GET /projects/2/files/main.py': { body: text },
    'GET /projects/2/files/data.bin': { body: { ...text, path: 'data.bin', encoding: null, binary: true, content: null } },
    ...handlers,
  })
}

async function openProject(query = ''): Promise<VueWrapper> {
  return mountPage(ProjectPage, { props: { id: 2 }, path: `/projects/2${query}` })
}

describe('the list', () => {
  it('shows the projects', async () => {
    server({ 'GET /projects': { body: { items: [makeProject({ description: 'Reads quotes.' })], next_cursor: null } } })
    const page = await mountPage(ProjectListPage)
    expect(page.get('[data-testid=project-row]').text()).toBe('quotes')
    expect(page.text()).toContain('2.5 KiB')
    expect(page.find('[data-testid=project-upload-input]').exists()).toBe(true)
  })

  it('refuses a file that is no archive before it is sent', async () => {
    server({ 'GET /projects': { body: { items: [], next_cursor: null } } })
    const page = await mountPage(ProjectListPage)
    expect(page.text()).toContain('No projects yet')
    const drop = Object.assign(new Event('drop'), { dataTransfer: { types: ['Files'], files: [new File(['x'], 'notes.txt')] } })
    globalThis.dispatchEvent(drop)
    await flushPromises()
    expect(page.get('[data-testid=project-upload-error]').text()).toContain('notes.txt')
  })

  it('says why there is nothing to see', async () => {
    server({ 'GET /projects': errorAnswer(500, 'internal_error', 'It broke.') })
    expect((await mountPage(ProjectListPage)).text()).toContain('It broke.')
  })
})

describe('the tree', () => {
  it('is walked with the keyboard', async () => {
    const onOpen = vi.fn()
    const wrapper = await mountPage(FileTree, { props: { entries: tree.entries, onOpen } })
    const frame = wrapper.get('[role=tree]')
    const names = () => wrapper.findAll('[data-testid=tree-item]').map((item) => item.text())
    expect(names()).toEqual(['quotes', 'data.bin', 'main.py'])
    await frame.trigger('focus')
    await frame.trigger('keydown', { key: 'ArrowRight' })
    expect(names()).toEqual(['quotes', 'items.py', 'data.bin', 'main.py'])
    await frame.trigger('keydown', { key: 'ArrowDown' })
    await frame.trigger('keydown', { key: 'Enter' })
    expect(onOpen).toHaveBeenCalledWith('quotes/items.py')
    await frame.trigger('keydown', { key: 'ArrowLeft' })
    await frame.trigger('keydown', { key: 'ArrowLeft' })
    expect(names()).toEqual(['quotes', 'data.bin', 'main.py'])
  })
})

describe('the page of a project', () => {
  it('leads on to the first task, with what was found out', async () => {
    server()
    const page = await openProject()
    expect(page.get('[data-testid=project-create-task]').attributes('href')).toBe('/tasks/new?project=2&command=python+main.py')
    expect(page.text()).toContain('requirements.txt')
  })

  it('shows a binary file as such', async () => {
    server()
    const page = await openProject('?file=data.bin')
    expect(page.text()).toContain('This is not a text file')
    expect(page.find('a[href="/api/v1/projects/2/files/data.bin?raw=true"]').exists()).toBe(true)
  })

  it('saves what was typed on top of what was read, and leaves the choice when somebody was quicker', async () => {
    const answers: Handler[] = [errorAnswer(409, 'conflict', 'main.py has changed since.'), { body: { snapshot_id: 43, path: 'main.py', size_bytes: 9 } }]
    const requests = server({ 'PUT /projects/2/files/main.py': () => answers.shift() as never })
    const page = await openProject('?file=main.py')
    const content = await vi.waitFor(() => page.get('.cm-content'), { timeout: 10_000 })
    const { EditorView } = await import('@codemirror/view')
    const view = EditorView.findFromDOM(content.element as HTMLElement)
    view?.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: 'pass\n' } })
    await flushPromises()
    await page.get('[data-testid=file-save]').trigger('click')
    await flushPromises()
    const put = requests.filter((request) => request.method === 'PUT')
    expect(await put[0]?.clone().json()).toEqual({ content: 'pass\n', base_snapshot_id: 41 })
    expect(document.body.textContent).toContain('main.py has changed since.')
    document.querySelector<HTMLElement>('[data-testid=conflict-overwrite]')?.click()
    await flushPromises()
    const last = requests.filter((request) => request.method === 'PUT').at(-1)
    expect(await last?.clone().json()).toEqual({ content: 'pass\n', base_snapshot_id: null })
    expect(page.get('[data-testid=file-save]').attributes('disabled')).toBeDefined()
  }, 20_000)

  it('gives the project another output directory, and shows beside the field why not', async () => {
    const refusal = { code: 'validation_error', message: 'It must lie below a directory of KUMO_OUTPUT_ROOTS.', path: '', details: [{ field: 'output_dir', message: 'It must lie below a directory of KUMO_OUTPUT_ROOTS.' }], request_id: '1' }
    const requests = server({ 'PATCH /projects/2': { status: 422, body: { error: refusal } } })
    const page = await openProject('?tab=settings')
    await page.get('[data-testid=project-output-dir]').setValue('/etc/x')
    await page.get('[data-testid=project-output-dir-save]').trigger('submit')
    await flushPromises()
    const sent = requests.find((request) => request.method === 'PATCH')
    expect(await sent?.clone().json()).toEqual({ output_dir: '/etc/x' })
    expect(page.text()).toContain('It must lie below a directory of KUMO_OUTPUT_ROOTS.')
  })

  it('says which tasks keep it from being deleted', async () => {
    server({ 'DELETE /projects/2': errorAnswer(409, 'conflict', 'The task nightly uses it.') })
    const page = await openProject('?tab=settings')
    await page.get('[data-testid=project-delete]').trigger('click')
    openQuestion.value?.answer(true)
    await flushPromises()
    expect(page.text()).toContain('The task nightly uses it.')
  })

  it('shows its history', async () => {
    const state = { id: 41, project_id: 2, parent_id: null, tree_hash: 'ab', message: 'Uploaded quotes.zip', file_count: 3, size_bytes: 9, created_at: '2026-01-06T08:30:00Z' }
    server({ 'GET /projects/2/snapshots': { body: { items: [state], next_cursor: null } } })
    expect((await openProject('?tab=history')).text()).toContain('Uploaded quotes.zip')
  })
})
