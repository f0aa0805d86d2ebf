import { flushPromises, type VueWrapper } from '@vue/test-utils'
import { expect, it, vi } from 'vitest'

import { openQuestion } from '@/composables/useConfirm'
import { makeMe, makeProject, makeRun, makeTask } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { fakeServer, type Handler } from '@/testing/server'
import RunActions from './RunActions.vue'
import type { Run } from './runState'
import RunWhat from './RunWhat.vue'

async function show(run: Partial<Run>, handlers: Record<string, Handler> = {}) {
  const requests = fakeServer({ 'GET /auth/me': { body: makeMe() }, 'POST /runs/99/rerun': { status: 202, body: makeRun({ id: 100 }) }, ...handlers })
  return { buttons: await mountPage(RunActions, { props: { run: makeRun(run) } }), requests }
}

async function openMenu(buttons: VueWrapper): Promise<HTMLElement[]> {
  buttons.get('[data-testid="run-again-more"]').element.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }))
  await vi.waitFor(() => expect(document.querySelectorAll('[role="menuitem"]').length).toBeGreaterThan(0))
  return [...document.querySelectorAll<HTMLElement>('[role="menuitem"]')]
}

const sent = (requests: Request[]) => Promise.all(requests.filter(({ method }) => method === 'POST').map((request) => request.json()))

it('runs the task again as it is now', async () => {
  const { buttons, requests } = await show({})
  await buttons.get('[data-testid="run-again"]').trigger('click')
  await flushPromises()
  expect(await sent(requests)).toEqual([{ exact: false }])
})

it('repeats a run exactly, and says what that means', async () => {
  const { buttons, requests } = await show({})
  const exactly = (await openMenu(buttons)).find((item) => item.textContent.includes('Run again exactly'))
  expect(exactly?.textContent).toContain('With the same files, build, interpreter, command, parameters and values of variables')
  exactly?.click()
  await flushPromises()
  expect(await sent(requests)).toEqual([{ exact: true }])
})

it('does not offer to repeat exactly what never started', async () => {
  const { buttons } = await show({ state: 'failed', interpreter: null, attempts: [] })
  const exactly = (await openMenu(buttons)).find((item) => item.textContent.includes('Run again exactly'))
  expect(exactly?.textContent).toContain('never started')
  expect(exactly?.getAttribute('aria-disabled')).toBe('true')
})

it('asks for other parameters, beginning with those of the run', async () => {
  const { buttons } = await show({ parameters: { since: '2026-01-01' } })
  const other = (await openMenu(buttons)).find((item) => item.textContent.includes('With other parameters'))
  other?.click()
  await vi.waitFor(() => expect(document.querySelector<HTMLInputElement>('[data-testid="parameter-name"]')?.value).toBe('since'))
})

it('deletes a run that is over, once that is confirmed', async () => {
  const { buttons, requests } = await show({}, { 'DELETE /runs/99': { status: 204 } })
  const deleted = () => requests.some(({ method }) => method === 'DELETE')
  await buttons.get('[data-testid="run-delete"]').trigger('click')
  expect(openQuestion.value?.title).toBe('Delete run #99?')
  openQuestion.value?.answer(false)
  await flushPromises()
  expect(deleted()).toBe(false)
  await buttons.get('[data-testid="run-delete"]').trigger('click')
  openQuestion.value?.answer(true)
  await flushPromises()
  expect(deleted()).toBe(true)
})

it('does not offer to delete a run that goes on', async () => {
  expect((await show({ state: 'running', ended_at: null })).buttons.find('[data-testid="run-delete"]').exists()).toBe(false)
})

const what = async (run: Partial<Run>, handlers: Record<string, Handler> = {}) => {
  fakeServer({ 'GET /projects/2': { body: makeProject() }, 'GET /tasks/7': { body: makeTask() }, ...handlers })
  return mountPage(RunWhat, { props: { run: makeRun(run) } })
}

it('tells what a run was given, never the values of variables', async () => {
  const facts = await what({
    parameters: { since: '2026-01-01', limit: 5 },
    variables: [
      { name: 'TOKEN', scope: 'project', number: 3 },
      { name: 'OLD', scope: null, number: null },
    ],
    own_variables: ['PASSWORD'],
    exact_of: 42,
  })
  expect(facts.get('[data-testid="run-own-variables"]').text()).toBe('PASSWORD')
  expect(facts.get('[data-testid="run-parameters"]').text()).toBe('since: "2026-01-01"limit: 5')
  expect(facts.get('[data-testid="run-variables"]').text()).toContain('TOKEN version 3, of the project')
  expect(facts.get('[data-testid="run-variables"]').text()).toContain('OLD this value is not kept any more')
  expect(facts.get('[data-testid="run-exact-of"]').attributes('href')).toBe('/runs/42')
  expect(facts.text()).toContain('/usr/bin/python3.12')
  expect(facts.text()).toContain('quotes')
})

it('names the trigger that a run came from', async () => {
  const bySlot = await what({ cause: { type: 'slot', trigger_id: 11, due_at: '2026-01-05T12:00:00Z', actor: null } })
  expect(bySlot.text()).toContain('Schedule')
  expect(bySlot.get('[data-testid="run-trigger"]').attributes('href')).toBe('/tasks/7')
  expect(bySlot.get('[data-testid="run-trigger"]').text()).toBe('30 2 * * *')

  const task = { body: makeTask({ triggers: [{ id: 12, type: 'after', expression: null, timezone: null, seconds: null, start_at: null, end_at: null, at: null, task_id: 8, on: 'failure' }] }) }
  const after = await what({ cause: { type: 'after', trigger_id: 12, due_at: null, actor: null } }, { 'GET /tasks/7': task, 'GET /tasks/8': { body: makeTask({ id: 8, name: 'import' }) } })
  expect(after.get('[data-testid="run-trigger"]').attributes('href')).toBe('/tasks/8')
})

it('says what made a run also when the trigger is gone', async () => {
  const gone = await what({ cause: { type: 'after', trigger_id: 999, due_at: null, actor: null } })
  expect(gone.text()).toContain('After another task')
  expect(gone.find('[data-testid="run-trigger"]').exists()).toBe(false)
  expect((await what({ cause: { type: 'webhook', trigger_id: 11, due_at: null, actor: null } })).text()).toContain('Webhook')
  expect((await what({})).text()).toContain('By hand: mika')
})
