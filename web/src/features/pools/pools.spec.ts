import { flushPromises } from '@vue/test-utils'
import { describe, expect, it, vi } from 'vitest'

import { openQuestion } from '@/composables/useConfirm'
import { makeList, makeMe, makePool } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { errorAnswer, fakeServer, type Handler } from '@/testing/server'
import PoolListPage from './PoolListPage.vue'

function serve(more: Record<string, Handler> = {}): Request[] {
  return fakeServer({ 'GET /auth/me': { body: makeMe() }, 'GET /pools': { body: makeList(makePool()) }, ...more })
}

/** A dialog is mounted at the end of the page, beyond the wrapper. */
function inDialog<Found extends HTMLElement>(selector: string): Found {
  const found = document.querySelector<Found>(`[role="dialog"] ${selector}`)
  if (!found) throw new Error(`there is no ${selector} in a dialog`)
  return found
}

async function fill(selector: string, text: string): Promise<void> {
  const input = inDialog<HTMLInputElement>(selector)
  input.value = text
  input.dispatchEvent(new Event('input', { bubbles: true }))
  input.dispatchEvent(new Event('blur'))
  input.dispatchEvent(new Event('change', { bubbles: true }))
  await flushPromises()
}

async function save(): Promise<void> {
  inDialog<HTMLFormElement>('form').dispatchEvent(new Event('submit', { cancelable: true }))
  await flushPromises()
}

describe('the list of pools', () => {
  it('shows how many runs each lets go at once', async () => {
    serve()
    const page = await mountPage(PoolListPage)
    expect(page.text()).toContain('database')
    expect(page.text()).toContain('2')
  })

  it('offers the first pool', async () => {
    serve({ 'GET /pools': { body: makeList() } })
    expect((await mountPage(PoolListPage)).text()).toContain('No pools yet')
  })

  it('makes a pool, and puts a name that is taken beside its field', async () => {
    const message = "A pool named 'database' exists already. Choose another name."
    const requests = serve({ 'POST /pools': errorAnswer(409, 'conflict', message, [{ field: 'name', message }]) })
    const page = await mountPage(PoolListPage)
    await page.get('[data-testid="pool-new"]').trigger('click')
    await vi.waitFor(() => inDialog('form'))
    await fill('input[data-testid="pool-name"]', ' database ')
    await save()
    expect(await requests.find((request) => request.method === 'POST')?.json()).toEqual({ name: 'database', slots: 1 })
    expect(document.body.textContent).toContain(message)
    expect(inDialog('[aria-invalid="true"]').dataset.testid).toBe('pool-name')
  })

  it('resizes only the pool that was seen', async () => {
    const requests = serve({ 'PATCH /pools/5': { body: makePool({ slots: 4 }) } })
    const page = await mountPage(PoolListPage)
    await page.get('[data-testid="pool-edit"]').trigger('click')
    await vi.waitFor(() => expect(inDialog<HTMLInputElement>('input[data-testid="pool-name"]').value).toBe('database'))
    await save()
    const sent = requests.find((request) => request.method === 'PATCH')
    expect(sent?.headers.get('If-Match')).toBe('1')
    expect(await sent?.json()).toEqual({ name: 'database', slots: 2 })
    await vi.waitFor(() => expect(document.querySelector('[role="dialog"]')).toBeNull())
  })

  it('names the tasks that keep a pool from being deleted', async () => {
    const details = ['nightly', 'hourly'].map((message) => ({ field: 'task', message }))
    serve({ 'DELETE /pools/5': errorAnswer(409, 'conflict', 'It is used.', details) })
    const page = await mountPage(PoolListPage)
    await page.get('[data-testid="pool-delete"]').trigger('click')
    openQuestion.value?.answer(true)
    await flushPromises()
    expect(page.findAll('[data-testid="pool-refusal"] li').map((item) => item.text())).toEqual(['nightly', 'hourly'])
  })
})
