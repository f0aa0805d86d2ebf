import { flushPromises, type VueWrapper } from '@vue/test-utils'
import { describe, expect, it } from 'vitest'

import { openQuestion } from '@/composables/useConfirm'
import { makeDetection, makeMe, makeProject } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { errorAnswer, fakeServer, type Handler } from '@/testing/server'
import ProjectListPage from './ProjectListPage.vue'
import ProjectPage from './ProjectPage.vue'

function server(handlers: Record<string, Handler> = {}): Request[] {
  return fakeServer({
    'GET /auth/me': { body: makeMe() },
    'GET /projects/2': { body: makeProject() },
    'GET /projects/2/tree': { body: { snapshot_id: 41, entries: [] } },
    'GET /projects/2/detection': { body: makeDetection() },
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
    const drop = Object.assign(new Event('drop'), { dataTransfer: { types: ['Files'], items: [], files: [new File(['x'], 'notes.txt')] } })
    globalThis.dispatchEvent(drop)
    await flushPromises()
    expect(page.get('[data-testid=project-upload-error]').text()).toContain('notes.txt')
  })

  it('says why there is nothing to see', async () => {
    server({ 'GET /projects': errorAnswer(500, 'internal_error', 'It broke.') })
    expect((await mountPage(ProjectListPage)).text()).toContain('It broke.')
  })
})

describe('the page of a project', () => {
  it('leads on to the first task, with what was found out', async () => {
    server()
    const page = await openProject()
    expect(page.get('[data-testid=project-create-task]').attributes('href')).toBe('/tasks/new?project=2&command=python+main.py')
    expect(page.text()).toContain('requirements.txt')
  })

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
