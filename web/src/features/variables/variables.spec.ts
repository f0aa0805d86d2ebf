import { flushPromises, type VueWrapper } from '@vue/test-utils'
import { describe, expect, it, vi } from 'vitest'

import { openQuestion } from '@/composables/useConfirm'
import { makeList, makeMe, makeProject, makeTask, makeVariable } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { errorAnswer, fakeServer, type Handler } from '@/testing/server'
import EffectiveVariables from './EffectiveVariables.vue'
import VariableListPage from './VariableListPage.vue'

const secret = makeVariable({ id: 4, name: 'API_TOKEN', secret: true, value: null, size_bytes: null })

function serve(more: Record<string, Handler> = {}): Request[] {
  return fakeServer({
    'GET /auth/me': { body: makeMe() },
    'GET /projects': { body: makeList(makeProject()) },
    'GET /tasks': { body: makeList(makeTask()) },
    'GET /variables': { body: makeList(makeVariable(), secret) },
    'GET /variables/3': { body: makeVariable() },
    'GET /variables/4': { body: secret },
    ...more,
  })
}

function changes(requests: Request[]): Request[] {
  return requests.filter(({ method, url }) => method !== 'GET' && url.includes('/variables'))
}

/** A dialog is mounted at the end of the page, beyond the wrapper. */
function inDialog<Found extends HTMLElement>(selector: string): Found {
  const found = document.querySelector<Found>(`[role="dialog"] ${selector}`)
  if (!found) throw new Error(`there is no ${selector} in a dialog`)
  return found
}

const value = () => inDialog<HTMLTextAreaElement>('textarea[data-testid="variable-value-input"]')

async function fill(field: HTMLInputElement | HTMLTextAreaElement, text: string): Promise<void> {
  field.value = text
  field.dispatchEvent(new Event('input', { bubbles: true }))
  await flushPromises()
}

async function click(selector: string): Promise<void> {
  inDialog(selector).click()
  await flushPromises()
}

async function save(): Promise<void> {
  inDialog<HTMLFormElement>('form').dispatchEvent(new Event('submit', { cancelable: true }))
  await flushPromises()
}

async function openNew(page: VueWrapper): Promise<void> {
  await page.get('[data-testid="variable-new"]').trigger('click')
  await vi.waitFor(() => inDialog('form'))
}

/** Open the form of the variable in the row of this number, and wait until it is loaded. */
async function openEdit(page: VueWrapper, row: number): Promise<void> {
  await page.findAll('[data-testid="variable-edit"]')[row]?.trigger('click')
  await vi.waitFor(() => inDialog('form'))
}

async function isClosed(): Promise<void> {
  await vi.waitFor(() => expect(document.querySelector('[role="dialog"]')).toBeNull())
}

describe('the list of variables', () => {
  it('shows open values, and says what it does not show and why', async () => {
    const unreadable = makeVariable({ id: 5, name: 'OLD', value: null, readable: false })
    const long = makeVariable({ id: 6, name: 'CERT', value: null, size_bytes: 200_000, given_as: 'file' })
    serve({ 'GET /variables': { body: makeList(makeVariable(), secret, unreadable, long, makeVariable({ id: 7, name: 'NONE', value: '' })) } })
    const page = await mountPage(VariableListPage)
    const rows = page.findAll('tbody tr').map((row) => row.text())
    expect(rows[0]).toContain('https://example.com/api')
    expect(rows[1]).toContain('Secret')
    expect(rows[2]).toContain('Unreadable')
    expect(rows[3]).toMatch(/Too long for a list.*as a file.*195 KiB/)
    expect(rows[4]).toContain('Empty')
  })

  it('says whose runs are given one, and what it hides from them', async () => {
    const own = makeVariable({ scope: 'task', scope_id: 7, scope_name: 'nightly', hides: ['project', 'global'] })
    serve({ 'GET /variables': { body: makeList(own) } })
    const page = await mountPage(VariableListPage)
    expect(page.get('a[href="/tasks/7?tab=variables"]').text()).toBe('nightly')
    expect(page.get('[data-testid="variable-hides"]').text()).toBe("Hides the project's and the one for all runs")
  })

  it.each([
    ['/variables?q=TOKEN&scope=global', { q: 'TOKEN', scope: 'global' }],
    ['/variables?project=2', { scope: 'project', project_id: '2' }],
    ['/variables?task=7', { scope: 'task', task_id: '7' }],
    ['/variables?scope=universe&task=x', {}],
  ])('asks for what its address %s says', async (path, wanted) => {
    const requests = serve({ 'GET /tasks/7': { body: makeTask() }, 'GET /variables': { body: makeList() } })
    const page = await mountPage(VariableListPage, { path })
    const asked = requests.find(({ url }) => new URL(url).pathname.endsWith('/variables'))
    expect(Object.fromEntries(new URL(asked?.url ?? '').searchParams)).toEqual(wanted)
    expect(page.text()).toContain(Object.keys(wanted).length > 0 ? 'No variable fits the filters' : 'No variables yet')
  })

  it('lets only look whoever may not change anything', async () => {
    serve({ 'GET /auth/me': { body: { ...makeMe(), role: 'viewer' } } })
    const page = await mountPage(VariableListPage)
    expect(page.findAll('[data-testid="variable-history"]')).toHaveLength(2)
    for (const name of ['new', 'edit', 'delete']) expect(page.find(`[data-testid="variable-${name}"]`).exists()).toBe(false)
  })
})

describe('the form of a variable', () => {
  it('sets a new one for the project that is looked at', async () => {
    const requests = serve({ 'POST /variables': { status: 201, body: makeVariable() } })
    await openNew(await mountPage(VariableListPage, { path: '/variables?project=2' }))
    await fill(inDialog('input[data-testid="variable-name"]'), ' API_URL ')
    await fill(value(), 'https://example.com/api\n')
    await save()
    const sent = { name: 'API_URL', value: 'https://example.com/api\n', secret: false, as_file: false, scope: 'project', scope_id: 2, description: '' }
    expect(await changes(requests)[0]?.json()).toEqual(sent)
    await isClosed()
  })

  it('does not show what is typed for a secret, unless asked to', async () => {
    serve()
    await openNew(await mountPage(VariableListPage))
    expect(value().dataset.masked).toBe('false')
    await click('[data-testid="variable-secret"]')
    expect(value().dataset.masked).toBe('true')
    await click('[data-testid="variable-show-value"]')
    expect(value().dataset.masked).toBe('false')
  })

  it('puts what is wrong beside its field', async () => {
    const message = 'There is already a variable API_URL for all runs.'
    serve({ 'POST /variables': errorAnswer(409, 'conflict', message, [{ field: 'name', message }]) })
    await openNew(await mountPage(VariableListPage))
    await save()
    expect(document.body.textContent).toContain(message)
    expect(inDialog('[aria-invalid="true"]').dataset.testid).toBe('variable-name')
  })

  it('keeps the value of a secret that nothing is typed for', async () => {
    const requests = serve({ 'PATCH /variables/4': { body: secret } })
    await openEdit(await mountPage(VariableListPage), 1)
    expect(value().value).toBe('')
    expect(document.body.textContent).toContain('Leave it empty to keep the value that is stored')
    await fill(inDialog('textarea[data-testid="variable-description"]'), 'Of the bank')
    await save()
    const sent = changes(requests)[0]
    expect(sent?.headers.get('If-Match')).toBe('2')
    expect(await sent?.json()).toEqual({ name: 'API_TOKEN', secret: true, as_file: false, scope: 'global', description: 'Of the bank' })
  })

  it('says that a secret is opened by a new value alone, and shows it when the server refuses', async () => {
    const message = 'A secret becomes readable only together with a new value. Give that value.'
    const answers = [errorAnswer(422, 'validation_error', message, [{ field: 'secret', message }]), { body: makeVariable({ id: 4 }) }]
    const requests = serve({ 'PATCH /variables/4': () => answers.shift() ?? { status: 500 } })
    await openEdit(await mountPage(VariableListPage), 1)
    await click('[data-testid="variable-secret"]')
    expect(document.body.textContent).toContain('Enter that above; everybody who may sign in can read it.')
    await save()
    expect(document.body.textContent).toContain(message)
    await fill(value(), 'open')
    await save()
    expect(await changes(requests)[1]?.json()).toMatchObject({ secret: false, value: 'open' })
    await isClosed()
  })

  it('sends no value that was not changed, so that it counts as no new one, but an empty one that was', async () => {
    const long = 'x'.repeat(5_000)
    const requests = serve({
      'GET /variables': { body: makeList(makeVariable({ value: null, size_bytes: 5_000 })) },
      'GET /variables/3': { body: makeVariable({ value: long, size_bytes: 5_000 }) },
      'PATCH /variables/3': { body: makeVariable() },
    })
    const page = await mountPage(VariableListPage)
    await openEdit(page, 0)
    expect(value().value).toBe(long)
    await click('[data-testid="variable-secret"]')
    await save()
    await isClosed()
    await openEdit(page, 0)
    await fill(value(), '')
    await save()
    const [kept, emptied] = await Promise.all(changes(requests).map((request) => request.json()))
    expect(kept).toMatchObject({ secret: true })
    expect(kept).not.toHaveProperty('value')
    expect(emptied).toMatchObject({ secret: false, value: '' })
  })

  it('offers to load what somebody else has changed meanwhile', async () => {
    const message = 'The variable API_URL was changed meanwhile, to version 3. Load it, then change it.'
    const versions = [makeVariable(), makeVariable({ version: 3, value: 'of somebody else' })]
    const requests = serve({
      'GET /variables/3': () => ({ body: versions.shift() }),
      'PATCH /variables/3': (request) => (request.headers.get('If-Match') === '3' ? { body: makeVariable({ version: 4 }) } : errorAnswer(409, 'conflict', message, [{ field: 'version', message }])),
    })
    await openEdit(await mountPage(VariableListPage), 0)
    await fill(value(), 'mine')
    await save()
    expect(value().value).toBe('mine')
    await click('[data-testid="variable-changed"] button')
    await vi.waitFor(() => expect(value().value).toBe('of somebody else'))
    await fill(value(), 'mine')
    await save()
    expect(changes(requests)).toHaveLength(2)
    await isClosed()
  })

  it('shows what the server warns of, and leads back to change it', async () => {
    const warned = { ...secret, warnings: ['The secret is shorter than 8 characters: easily guessed.'] }
    serve({ 'POST /variables': { status: 201, body: warned } })
    await openNew(await mountPage(VariableListPage))
    await save()
    expect(inDialog('[data-testid="variable-warnings"]').textContent).toContain('shorter than 8 characters')
    await click('[data-testid="variable-change"]')
    await vi.waitFor(() => expect(inDialog<HTMLInputElement>('input[data-testid="variable-name"]').value).toBe('API_TOKEN'))
  })

  it('says that a value is unreadable, and keeps it unless a new one is typed', async () => {
    const unreadable = makeVariable({ value: null, readable: false })
    const requests = serve({ 'GET /variables': { body: makeList(unreadable) }, 'GET /variables/3': { body: unreadable }, 'PATCH /variables/3': { body: unreadable } })
    await openEdit(await mountPage(VariableListPage), 0)
    expect(inDialog('form').textContent).toContain('The key that it was encrypted with is missing')
    await save()
    expect(await changes(requests)[0]?.json()).not.toHaveProperty('value')
  })
})

describe('deleting a variable', () => {
  it('asks first, with whose runs it concerns and what they are given instead', async () => {
    const own = makeVariable({ scope: 'task', scope_id: 7, scope_name: 'nightly', hides: ['project', 'global'] })
    const requests = serve({ 'GET /variables': { body: makeList(own) }, 'DELETE /variables/3': { status: 204 } })
    const page = await mountPage(VariableListPage)
    await page.get('[data-testid="variable-delete"]').trigger('click')
    expect(openQuestion.value?.description).toContain("It is given to the runs of the task “nightly”. Those that start from now on are given the project's.")
    openQuestion.value?.answer(false)
    await flushPromises()
    expect(changes(requests)).toEqual([])
    await page.get('[data-testid="variable-delete"]').trigger('click')
    openQuestion.value?.answer(true)
    await flushPromises()
    expect(changes(requests)[0]?.headers.get('If-Match')).toBe('2')
  })

  it('shows the list as it is now when somebody else was faster', async () => {
    const message = 'The variable API_URL was changed meanwhile, to version 3. Load it, then change it.'
    const lists = [makeList(makeVariable()), makeList(makeVariable({ version: 3, value: 'of somebody else' }))]
    serve({ 'GET /variables': () => ({ body: lists.shift() }), 'DELETE /variables/3': errorAnswer(409, 'conflict', message, [{ field: 'version', message }]) })
    const page = await mountPage(VariableListPage)
    await page.get('[data-testid="variable-delete"]').trigger('click')
    openQuestion.value?.answer(true)
    await vi.waitFor(() => expect(page.text()).toContain('of somebody else'))
  })
})

it('shows the values that a variable has had, but for those that were secret', async () => {
  const version = { number: 2, secret: false, as_file: false, value: 'open', created_at: '2026-01-06T08:30:00Z', actor: 'mika' }
  serve({ 'GET /variables/3/versions': { body: { items: [version, { ...version, number: 1, secret: true, value: null, actor: 'ada' }], next_cursor: null } } })
  const page = await mountPage(VariableListPage)
  await page.findAll('[data-testid="variable-history"]')[0]?.trigger('click')
  await vi.waitFor(() => inDialog('tbody'))
  const rows = [...inDialog('tbody').querySelectorAll('tr')].map((row) => row.textContent)
  expect(rows[0]).toMatch(/open.*No. 2 · present.*mika/)
  expect(rows[1]).toMatch(/Secret.*No. 1.*ada/)
})

describe('what runs are given', () => {
  it('is told of a task, and a new one is meant for that task', async () => {
    const requests = serve({
      'GET /tasks/7': { body: makeTask() },
      'GET /variables/effective': (request) => ({ body: { items: request.url.endsWith('?task_id=7') ? [makeVariable({ hides: ['global'], scope: 'project', scope_id: 2, scope_name: 'quotes' })] : [] } }),
      'POST /variables': { status: 201, body: makeVariable() },
    })
    const page = await mountPage(EffectiveVariables, { props: { scope: 'task', id: 7 } })
    expect(page.get('tbody').text()).toMatch(/API_URL.*quotes.*Hides the one for all runs/)
    await openNew(page)
    await save()
    expect(await changes(requests)[0]?.json()).toMatchObject({ scope: 'task', scope_id: 7 })
  })

  it('is told of a project, to viewers without buttons', async () => {
    const requests = serve({ 'GET /auth/me': { body: { ...makeMe(), role: 'viewer' } }, 'GET /variables/effective': { body: { items: [] } } })
    const page = await mountPage(EffectiveVariables, { props: { scope: 'project', id: 2 } })
    expect(requests.some(({ url }) => url.endsWith('/variables/effective?project_id=2'))).toBe(true)
    expect(page.text()).toContain('Nothing is given to these runs')
    expect(page.find('[data-testid="variable-new"]').exists()).toBe(false)
  })
})
