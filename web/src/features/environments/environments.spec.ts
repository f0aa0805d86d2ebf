import { flushPromises } from '@vue/test-utils'
import { beforeEach, describe, expect, it, vi } from 'vitest'

import { queryClient } from '@/composables/queryClient'
import { makeBuild, makeEnvironment, makeInterpreter, makeMe, makePackage } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { errorAnswer, fakeServer } from '@/testing/server'
import { bodyOf, emptyForm, formOf, minorVersions, newCredential } from './environmentForm'
import EnvironmentFormPage from './EnvironmentFormPage.vue'
import EnvironmentListPage from './EnvironmentListPage.vue'
import EnvironmentPage from './EnvironmentPage.vue'

class FakeEventSource extends EventTarget {
  static last: FakeEventSource | undefined
  readyState = 1
  constructor(readonly url: string) {
    super()
    FakeEventSource.last = this
  }
  say(type: string, data: unknown, lastEventId = ''): void {
    this.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data), lastEventId }))
  }
  close(): void {
    this.readyState = 2
  }
}

/** What the form says where nothing is said about where packages come from. */
const USUAL = { python: null, index_url: null, extra_index_urls: [], proxy: null, wheel_folder: null, use_index: true, import_check: true }

const common = {
  'GET /auth/me': { body: makeMe() },
  'GET /interpreters': { body: { items: [makeInterpreter(), makeInterpreter({ path: '/opt/python3.9', version: '3.9.2', is_default: false })], next_cursor: null } },
  'GET /interpreters/installs': { body: { items: [], next_cursor: null } },
  'GET /projects': { body: { items: [], next_cursor: null } },
}

beforeEach(() => {
  queryClient.clear()
  vi.stubGlobal('EventSource', FakeEventSource)
})

describe('the form', () => {
  it('sends only the source that is chosen', () => {
    const form = { ...emptyForm(), name: ' etl ', packages: 'requests>=2.31\n\n  rich ', requirements: 'pandas' }
    expect(bodyOf(form)).toEqual({ ...USUAL, name: 'etl', packages: ['requests>=2.31', 'rich'] })
    expect(bodyOf({ ...form, source: 'requirements' })).toEqual({ ...USUAL, name: 'etl', requirements: 'pandas' })
    expect(bodyOf({ ...form, source: 'conda', environmentYml: 'dependencies: [gdal]' })).toEqual({ ...USUAL, name: 'etl', source: 'conda', environment_yml: 'dependencies: [gdal]' })
    expect(bodyOf({ ...form, source: 'project', projectId: 2 })).toMatchObject({ source: 'project', project_id: 2 })
  })

  it('brings back what was stored, also a range of versions', () => {
    const environment = makeEnvironment({ python: '>=3.11,<3.13' })
    expect(bodyOf(formOf(environment))).toEqual({ ...USUAL, name: 'etl', python: '>=3.11,<3.13', packages: environment.packages })
  })

  it('sends credentials only when they were changed, and never a password that is kept', () => {
    const kept = [{ url: 'https://one.example.org/', username: 'ada' }]
    const form = formOf(makeEnvironment({ index_credentials: kept }))
    expect(bodyOf(form, kept)).not.toHaveProperty('index_credentials')
    form.credentials.push({ ...newCredential(), url: ' https://two.example.org/', username: 'bob', password: 'correct horse' })
    expect(bodyOf(form, kept).index_credentials).toEqual([...kept, { url: 'https://two.example.org/', username: 'bob', password: 'correct horse' }])
    expect(bodyOf({ ...form, credentials: [] }, kept).index_credentials).toEqual([])
  })

  it('uses an interpreter as it is with nothing else', () => {
    const form = { ...emptyForm(), name: 'conda', python: '3.12', source: 'interpreter' as const, interpreterId: 3, indexUrl: 'https://one.example.org/' }
    expect(bodyOf(form)).toEqual({ name: 'conda', python: null, source: 'interpreter', interpreter_id: 3 })
  })

  it('offers each minor version once, the newest first', () => {
    const versions = ['3.9.2', '3.12.1', '3.12.4', '3.10.0'].map((version) => makeInterpreter({ version }))
    expect(minorVersions([...versions, makeInterpreter({ version: '2.7.18', supported: false })])).toEqual(['3.12', '3.10', '3.9'])
  })
})

it('lists environments with the state of their latest build, and the interpreters', async () => {
  const failed = makeEnvironment({ id: 5, name: 'broken', latest_build: makeBuild({ state: 'failed', error: 'No such package.' }) })
  fakeServer({ ...common, 'GET /environments': { body: { items: [makeEnvironment(), failed], next_cursor: null } } })
  const page = await mountPage(EnvironmentListPage)
  expect(page.findAll('[data-testid=environment-row]').map((link) => link.text())).toEqual(['etl', 'broken'])
  expect(page.findAll('[data-testid=build-state]').map((badge) => badge.text())).toEqual(['Ready', 'Failed'])
  expect(page.text()).toContain('/usr/bin/python3.12')
})

it('does not take the Python of a conda environment for the default one', async () => {
  const asked = makeEnvironment({ backend: 'conda', source: 'conda', environment_yml: 'dependencies: [gdal]', python: null, active_build: null })
  fakeServer({ ...common, 'GET /environments': { body: { items: [asked], next_cursor: null } } })
  const page = await mountPage(EnvironmentListPage)
  expect(page.get('tbody').text()).toContain('As its environment.yml says')
  expect(page.get('tbody').text()).not.toContain('Default Python')
})

it('follows the installation of a Python to its end, and says why it failed', async () => {
  const running = { id: 1, version: '3.13', state: 'running', message: 'Begins.', downloaded_bytes: 0, total_bytes: null, started_at: '2026-01-05T12:00:00Z', ended_at: null }
  fakeServer({ ...common, 'GET /environments': { body: { items: [], next_cursor: null } }, 'GET /interpreters/installs': { body: { items: [running], next_cursor: null } } })
  const page = await mountPage(EnvironmentListPage)
  const stream = FakeEventSource.last
  expect(stream?.url).toBe('/api/v1/interpreters/installs/1/stream')
  stream?.say('progress', { ...running, downloaded_bytes: 1024, total_bytes: 4096, message: 'Downloading' })
  await flushPromises()
  expect(page.get('[data-testid=install]').text()).toContain('1 KiB / 4 KiB')
  stream?.say('progress', { ...running, state: 'failed', message: 'The mirror cannot be reached.' })
  await flushPromises()
  expect(page.get('[data-testid=install]').text()).toContain('Python 3.13 could not be installed')
  expect(page.get('[data-testid=install-message]').text()).toBe('The mirror cannot be reached.')
  expect(stream?.readyState).toBe(2)
})

it('names what uses an interpreter that cannot be taken away', async () => {
  const added = makeInterpreter({ source: 'added', is_default: false, environments: [{ id: 4, name: 'etl' }], task_count: 2 })
  fakeServer({
    ...common,
    'GET /environments': { body: { items: [], next_cursor: null } },
    'GET /interpreters': { body: { items: [added, makeInterpreter({ path: '/usr/bin/python3.11' })], next_cursor: null } },
    'DELETE /interpreters/3': errorAnswer(409, 'conflict', 'The environment etl uses it.'),
  })
  const page = await mountPage(EnvironmentListPage)
  expect(page.get('[data-testid=interpreter-row]').text()).toContain('2 tasks')
  const { openQuestion } = await import('@/composables/useConfirm')
  // What others have put on the machine has no such button.
  expect(page.findAll('[data-testid=interpreter-remove]')).toHaveLength(1)
  await page.get('[data-testid=interpreter-remove]').trigger('click')
  openQuestion.value?.answer(true)
  await flushPromises()
  expect(page.get('[role=alert]').text()).toContain('The environment etl uses it.')
})

it('says what an environment is when there is none', async () => {
  fakeServer({ ...common, 'GET /environments': { body: { items: [], next_cursor: null } } })
  expect((await mountPage(EnvironmentListPage)).text()).toContain('No environments yet')
})

it('opens where packages come from only for an environment that says something about it', async () => {
  fakeServer({ ...common, 'GET /environments/4': { body: makeEnvironment() }, 'GET /environments/5': { body: makeEnvironment({ id: 5, index_credentials: [{ url: 'https://one.example.org/', username: 'ada' }] }) } })
  const usual = await mountPage(EnvironmentFormPage, { props: { id: 4 } })
  expect(usual.get('[data-testid=environment-where]').attributes('open')).toBeUndefined()
  const own = await mountPage(EnvironmentFormPage, { props: { id: 5 } })
  expect(own.get('[data-testid=environment-where]').attributes('open')).toBeDefined()
  expect(own.get('[data-testid=credential]').text()).toContain('Password set')
  expect(own.find('[data-testid=credential-password]').exists()).toBe(false)
  await own.get('[data-testid=credential-replace]').trigger('click')
  expect(own.get<HTMLInputElement>('[data-testid=credential-password]').element.value).toBe('')
})

it("puts the server's complaint beside the field of the new environment", async () => {
  const detail = { field: 'packages.1', message: 'This is not a requirement.' }
  const requests = fakeServer({ ...common, 'POST /environments': errorAnswer(422, 'validation_error', 'Not valid.', [detail]) })
  const page = await mountPage(EnvironmentFormPage)
  await page.get('[data-testid=environment-name]').setValue('etl')
  await page.get('[data-testid=environment-packages]').setValue('requests\n???')
  await page.get('form').trigger('submit')
  await flushPromises()
  expect(await requests.at(-1)?.clone().json()).toEqual({ ...USUAL, name: 'etl', packages: ['requests', '???'] })
  expect(page.text()).toContain('This is not a requirement.')
})

describe('the page of an environment', () => {
  const building = makeBuild({ id: 18, state: 'building', ended_at: null, duration_seconds: null })
  const handlers = {
    ...common,
    'GET /environments/4': { body: makeEnvironment({ latest_build: building }) },
    'GET /environments/4/builds': { body: { items: [building, makeBuild()], next_cursor: null } },
    'GET /environments/4/packages': { body: { items: [makePackage(), makePackage({ name: 'requests', version: '2.31.0', requires: ['idna'] }), makePackage({ name: 'idna', version: '3.10', is_direct: false, required_by: ['requests'] })], next_cursor: null } },
    'GET /environments/4/usage': { body: { environment_id: 4, ready_builds: 1, size_bytes: 1, tasks: [{ id: 7, name: 'nightly' }] } },
  }

  it('follows the log of the latest build, and shows each line once', async () => {
    fakeServer(handlers)
    const page = await mountPage(EnvironmentPage, { props: { id: 4 } })
    const stream = FakeEventSource.last
    expect(stream?.url).toBe('/api/v1/environments/4/builds/18/log/stream')
    stream?.say('log', { offset: 0, text: 'Resolved 2 packages\nInst' }, '24')
    stream?.say('log', { offset: 0, text: 'Resolved 2 packages\nInst' }, '24')
    stream?.say('log', { offset: 24, text: 'alled rich\n' }, '35')
    stream?.say('end', { state: 'ready' })
    await flushPromises()
    expect(page.get('[data-testid=build-log]').text()).toBe('Resolved 2 packages\nInstalled rich')
    expect(stream?.readyState).toBe(2)
    expect(page.get('[data-testid=package-row]').text()).toContain('14.1.0')
  })

  it('names the tasks that use it, and what each package is there for', async () => {
    fakeServer(handlers)
    const page = await mountPage(EnvironmentPage, { props: { id: 4 } })
    expect(page.get('[data-testid=environment-task]').text()).toBe('nightly')
    expect(page.text()).toContain('Used by one task')
    expect(page.get('[data-package=idna]').text()).toContain('needed by requests')
    // What is only needed by others goes with them.
    expect(page.find('[data-package=idna] [data-testid=package-remove]').exists()).toBe(false)
  })

  it('sends what was added and removed as one build, and puts a complaint beside the package', async () => {
    const detail = { field: 'add.0', message: 'Write a name and a version.' }
    const requests = fakeServer({
      ...handlers,
      'GET /packages/search': { body: { items: [{ name: 'polars', latest_version: '1.9.0' }], notice: null } },
      'POST /environments/4/packages': errorAnswer(422, 'validation_error', 'Not valid.', [detail]),
    })
    const page = await mountPage(EnvironmentPage, { props: { id: 4 } })
    await page.get('[data-testid=package-add]').setValue('polars >< 1')
    await page.get('[data-testid=package-add]').trigger('submit')
    await page.get('[data-package=rich] [data-testid=package-remove]').trigger('click')
    expect(page.get('[data-testid=package-changes]').text()).toContain('polars >< 1')
    await page.get('[data-testid=package-send]').trigger('click')
    await flushPromises()
    const sent = requests.find((request) => request.method === 'POST')
    expect(await sent?.clone().json()).toEqual({ add: ['polars >< 1'], remove: ['rich'] })
    expect(page.get('[data-testid=package-changes] [role=alert]').text()).toBe('Write a name and a version.')
  })

  it('shows newer versions in the list, and takes one with the extras that it has', async () => {
    fakeServer({
      ...handlers,
      'GET /environments/4': { body: makeEnvironment({ packages: ['requests[socks]>=2,<3 ; python_version > "3.8"', 'rich'] }) },
      'GET /environments/4/packages/outdated': {
        body: { build_id: 17, items: [{ name: 'requests', version: '2.31.0', latest_version: '3.0.1' }], checked_at: '2026-01-05T12:00:00Z' },
      },
    })
    const page = await mountPage(EnvironmentPage, { props: { id: 4 } })
    await page.get('[data-testid=packages-check]').trigger('click')
    await flushPromises()
    expect(page.get('[data-testid=packages-checked]').text()).toContain('One package has a newer version')
    expect(page.get('[data-package=requests]').text()).toContain('→ 3.0.1')
    await page.get('[data-testid=package-raise]').trigger('click')
    expect(page.get('[data-testid=package-changes]').text()).toContain('requests[socks]>=3.0.1 ; python_version > "3.8"')
  })

  it('says why the latest build failed, with what the tool said, and which generation runs use', async () => {
    const failed = makeBuild({ id: 18, generation: 4, state: 'failed', error: 'The packages do not fit together.', error_output: '  Because a>=2 needs b<1,\n  nothing fits.' })
    fakeServer({ ...handlers, 'GET /environments/4': { body: makeEnvironment({ latest_build: failed }) } })
    const page = await mountPage(EnvironmentPage, { props: { id: 4 } })
    const latest = page.get('[data-testid=latest-build]')
    expect(latest.text()).toContain('Generation 4 could not be built')
    expect(latest.text()).toContain('Runs use generation 3.')
    expect(latest.get('[data-testid=build-error-output]').element.textContent).toBe('  Because a>=2 needs b<1,\n  nothing fits.')
  })

  it('goes back at once, and asks only where a build under way would be given up', async () => {
    const builds = [makeBuild({ id: 18, generation: 4 }), makeBuild()]
    const active = { active_build: builds[0], latest_build: builds[0] }
    const requests = fakeServer({
      ...handlers,
      'GET /environments/4': { body: makeEnvironment(active) },
      'GET /environments/4/builds': { body: { items: builds, next_cursor: null } },
      'POST /environments/4/builds/17/activate': { body: makeEnvironment() },
    })
    const { openQuestion } = await import('@/composables/useConfirm')
    const page = await mountPage(EnvironmentPage, { props: { id: 4 } })
    await page.get('[data-testid=build-activate]').trigger('click')
    await flushPromises()
    expect(openQuestion.value).toBeNull()
    expect(requests.filter((request) => request.method === 'POST')).toHaveLength(1)

    queryClient.clear()
    const asking = fakeServer({
      ...handlers,
      'GET /environments/4': { body: makeEnvironment({ ...active, wanted_build: building }) },
      'GET /environments/4/builds': { body: { items: builds, next_cursor: null } },
    })
    const again = await mountPage(EnvironmentPage, { props: { id: 4 } })
    await again.get('[data-testid=build-activate]').trigger('click')
    await flushPromises()
    expect(openQuestion.value?.description).toContain('is still being made')
    openQuestion.value?.answer(false)
    await flushPromises()
    expect(asking.filter((request) => request.method === 'POST')).toHaveLength(0)
  })

  it('tells what changed between two generations that are chosen', async () => {
    const changes = { build_id: 17, against: 16, python: null, added: [{ name: 'idna', version: '3.11' }], removed: [], changed: [{ name: 'rich', before: '14.0.0', after: '14.1.0', is_upgrade: true }] }
    fakeServer({ ...handlers, 'GET /environments/4/builds/17/changes': { body: changes } })
    const page = await mountPage(EnvironmentPage, { props: { id: 4 } })
    await page.findAll('[data-testid=build-open]')[1]?.trigger('click')
    await flushPromises()
    expect(page.findAll('[data-testid=change]').map((line) => line.text().replaceAll(/\s+/g, ' '))).toEqual(['↑newerrich14.0.0 → 14.1.0', '+addedidna3.11'])
  })

  it('says why an environment that is used cannot be deleted', async () => {
    fakeServer({ ...handlers, 'DELETE /environments/4': errorAnswer(409, 'conflict', 'The task nightly uses it.') })
    const page = await mountPage(EnvironmentPage, { props: { id: 4 } })
    const { openQuestion } = await import('@/composables/useConfirm')
    await page.get('[data-testid=environment-delete]').trigger('click')
    openQuestion.value?.answer(true)
    await flushPromises()
    expect(page.get('[role=alert]').text()).toContain('The task nightly uses it.')
  })
})
