import { flushPromises, type VueWrapper } from '@vue/test-utils'
import { describe, expect, it } from 'vitest'

import { openQuestion } from '@/composables/useConfirm'
import { makeDeclaration, makeMe } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { errorAnswer, fakeServer, type Handler } from '@/testing/server'
import { valueText, type Declaration } from './declarations'
import DeclarationTab from './DeclarationTab.vue'
import DeclaredMark from './DeclaredMark.vue'
import TaskDrift from './TaskDrift.vue'

const DRIFT: Declaration['drift'] = [{ task_id: 7, name: 'nightly', fields: [{ field: 'priority', before: 20, after: 0 }] }]

async function open(declaration: Declaration, handlers: Record<string, Handler> = {}): Promise<{ page: VueWrapper; requests: Request[] }> {
  const requests = fakeServer({ 'GET /auth/me': { body: makeMe() }, 'GET /projects/2/declaration': { body: declaration }, ...handlers })
  return { page: await mountPage(DeclarationTab, { props: { projectId: 2 }, path: '/projects/2?tab=declaration' }), requests }
}

const bodyOf = async (requests: Request[], method: string): Promise<unknown> => requests.find((request) => request.method === method)?.clone().json()

describe('tasks as code', () => {
  it('shows what would be done, and does what was shown', async () => {
    const { page, requests } = await open(makeDeclaration(), {
      'POST /projects/2/apply': { body: { plan: makeDeclaration().plan, applied: true, webhooks: [{ task_id: 7, task_name: 'nightly', url_path: '/api/v1/hooks/abc' }] } },
    })
    const [change, create] = page.findAll('[data-testid=plan-step]')
    expect(change?.text()).toContain('Change')
    expect(change?.get('[data-testid=field-change]').text()).toMatch(/3600.*600/)
    expect(create?.findAll('del')).toHaveLength(0)
    expect(page.text()).toContain('1 stays as it is')
    await page.get('[data-testid=declaration-apply]').trigger('click')
    await flushPromises()
    expect(await bodyOf(requests, 'POST')).toEqual({ dry_run: false, expected_plan: '9f1c2a' })
    expect(page.get('[data-testid=declaration-address]').text()).toContain('/api/v1/hooks/abc')
  })

  it('asks before tasks are removed', async () => {
    const plan = { hash: 'x', nothing_to_do: false, environment: null, tasks: [{ action: 'remove' as const, name: 'weekly', task_id: 8, fields: [] }] }
    const { page, requests } = await open(makeDeclaration({ plan }))
    await page.get('[data-testid=declaration-apply]').trigger('click')
    expect(openQuestion.value?.description).toContain('weekly')
    openQuestion.value?.answer(false)
    await flushPromises()
    expect(requests.some(({ method }) => method === 'POST')).toBe(false)
  })

  it('looks again where something else would be done meanwhile', async () => {
    const { page, requests } = await open(makeDeclaration(), { 'POST /projects/2/apply': errorAnswer(409, 'conflict', 'Look at it again.') })
    const looks = () => requests.filter(({ method, url }) => method === 'GET' && url.endsWith('/declaration')).length
    const before = looks()
    await page.get('[data-testid=declaration-apply]').trigger('click')
    await flushPromises()
    expect(looks()).toBe(before + 1)
  })

  it('says everything that is wrong with the file, once', async () => {
    const problems = [{ path: 'tasks.nightly.timeout', line: 3, message: "The key 'timeout' is not known." }]
    const failure = { at: '2026-01-05T12:00:00Z', message: 'kumo.toml: …', problems }
    const { page } = await open(makeDeclaration({ state: 'invalid', plan: null, problems, failure, apply_declaration: true }))
    expect(page.get('[data-testid=declaration-state]').text()).toBe('1 problem')
    expect(page.findAll('[data-testid=declaration-problem]')).toHaveLength(1)
    expect(page.get('[data-testid=declaration-problem] a').text()).toBe('kumo.toml, line 3')
    const { page: waiting } = await open(makeDeclaration({ failure: { ...failure, message: 'Stop its run first.', problems: [] } }))
    expect(waiting.get('[data-testid=declaration-failure]').text()).toContain('Stop its run first.')
  })

  it('writes the present tasks into a file where there is none', async () => {
    const { page, requests } = await open(makeDeclaration({ state: 'none', plan: null }), {
      'GET /projects/2/export': { text: '[tasks.nightly]\n' },
      'PUT /projects/2/files/kumo.toml': { body: {} },
    })
    await page.get('[data-testid=declaration-write]').trigger('click')
    await flushPromises()
    expect(await bodyOf(requests, 'PUT')).toEqual({ content: '[tasks.nightly]\n' })
  })

  it('leaves everything to others for those who only look', async () => {
    const { page } = await open(makeDeclaration({ drift: DRIFT }), { 'GET /auth/me': { body: { ...makeMe(), role: 'viewer' } } })
    expect(page.find('[data-testid=declaration-apply]').exists()).toBe(false)
    expect(page.get('[data-testid=declaration-drift]').findAll('button')).toHaveLength(0)
  })
})

describe('a declared task', () => {
  it('is marked, and so is one that was changed', async () => {
    expect((await mountPage(DeclaredMark, { props: { task: { declared: false, drift: [] } } })).text()).toBe('')
    expect((await mountPage(DeclaredMark, { props: { task: { declared: true, drift: [] } } })).text()).toBe('kumo.toml')
    expect((await mountPage(DeclaredMark, { props: { task: { declared: true, drift: ['priority'] } } })).text()).toBe('Differs from kumo.toml')
  })

  it('takes back what was changed of it alone', async () => {
    const requests = fakeServer({
      'GET /auth/me': { body: makeMe() },
      'GET /projects/2/declaration': { body: makeDeclaration({ drift: DRIFT }) },
      'POST /projects/2/apply': { body: { plan: makeDeclaration().plan, applied: true, webhooks: [] } },
    })
    const panel = await mountPage(TaskDrift, { props: { task: { id: 7, project_id: 2 } } })
    expect(panel.get('[data-testid=field-change]').text()).toMatch(/20.*0/)
    await panel.get('[data-testid=drift-take]').trigger('click')
    await flushPromises()
    expect(await bodyOf(requests, 'POST')).toEqual({ dry_run: false, task_id: 7 })
  })
})

it('writes values as the file has them, without what says nothing', () => {
  expect(valueText(null)).toBeNull()
  expect(valueText(['a', 1])).toBe('[a, 1]')
  expect(valueText({ type: 'cron', expression: '30 2 * * *', end_at: null, jitter_seconds: 0 })).toBe('type = cron, expression = 30 2 * * *')
})
