import { flushPromises } from '@vue/test-utils'
import { beforeEach, describe, expect, it, vi } from 'vitest'

import { queryClient } from '@/composables/queryClient'
import { makeBuild, makeEnvironment, makeInterpreter, makeMe } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { errorAnswer, fakeServer } from '@/testing/server'
import { bodyOf, emptyForm, formOf, minorVersions } from './environmentForm'
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

const common = {
  'GET /auth/me': { body: makeMe() },
  'GET /interpreters': { body: { items: [makeInterpreter(), makeInterpreter({ path: '/opt/python3.9', version: '3.9.2', is_default: false })], next_cursor: null } },
  'GET /projects': { body: { items: [], next_cursor: null } },
}

beforeEach(() => {
  queryClient.clear()
  vi.stubGlobal('EventSource', FakeEventSource)
})

describe('the form', () => {
  it('sends only the source that is chosen', () => {
    const form = { ...emptyForm(), name: ' etl ', packages: 'requests>=2.31\n\n  rich ', requirements: 'pandas' }
    expect(bodyOf(form)).toEqual({ name: 'etl', python: null, index_url: null, packages: ['requests>=2.31', 'rich'] })
    expect(bodyOf({ ...form, source: 'requirements' })).toEqual({ name: 'etl', python: null, index_url: null, requirements: 'pandas' })
    expect(bodyOf({ ...form, source: 'project', projectId: 2 })).toMatchObject({ source: 'project', project_id: 2 })
  })

  it('brings back what was stored, also a range of versions', () => {
    const environment = makeEnvironment({ python: '>=3.11,<3.13' })
    expect(bodyOf(formOf(environment))).toEqual({ name: 'etl', python: '>=3.11,<3.13', index_url: null, packages: environment.packages })
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

it('says what an environment is when there is none', async () => {
  fakeServer({ ...common, 'GET /environments': { body: { items: [], next_cursor: null } } })
  expect((await mountPage(EnvironmentListPage)).text()).toContain('No environments yet')
})

it("puts the server's complaint beside the field of the new environment", async () => {
  const detail = { field: 'packages.1', message: 'This is not a requirement.' }
  const requests = fakeServer({ ...common, 'POST /environments': errorAnswer(422, 'validation_error', 'Not valid.', [detail]) })
  const page = await mountPage(EnvironmentFormPage)
  await page.get('[data-testid=environment-name]').setValue('etl')
  await page.get('[data-testid=environment-packages]').setValue('requests\n???')
  await page.get('form').trigger('submit')
  await flushPromises()
  expect(await requests.at(-1)?.clone().json()).toEqual({ name: 'etl', python: null, index_url: null, packages: ['requests', '???'], backend: 'uv' })
  expect(page.text()).toContain('This is not a requirement.')
})

describe('the page of an environment', () => {
  const building = makeBuild({ id: 18, state: 'building', ended_at: null, duration_seconds: null })
  const handlers = {
    ...common,
    'GET /environments/4': { body: makeEnvironment({ latest_build: building }) },
    'GET /environments/4/builds': { body: { items: [building, makeBuild()], next_cursor: null } },
    'GET /environments/4/packages': { body: { items: [{ name: 'rich', version: '14.1.0' }], next_cursor: null } },
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
