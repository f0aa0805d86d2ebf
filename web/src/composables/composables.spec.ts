import { flushPromises } from '@vue/test-utils'
import { expect, it, vi } from 'vitest'
import { defineComponent, h } from 'vue'

import { ApiError } from '@/api'
import { mountPage } from '@/testing/mountPage'
import { useAsyncAction, type AsyncAction } from './useAsyncAction'
import { openQuestion, useConfirm } from './useConfirm'
import { useFieldErrors } from './useFieldErrors'
import { staleKeys } from './useLiveUpdates'

async function inComponent<Result>(setup: () => Result): Promise<Result> {
  let result: Result | undefined
  await mountPage(
    defineComponent(() => {
      result = setup()
      return () => h('div')
    }),
  )
  if (result === undefined) throw new Error('setup did not run')
  return result
}

it('starts an action once, however often it is clicked', async () => {
  let finish: (value: string) => void = () => {}
  const work = vi.fn(() => new Promise<string>((resolve) => (finish = resolve)))
  const action: AsyncAction<[], string> = await inComponent(() => useAsyncAction(work))
  const first = action.run()
  expect(await action.run()).toBeUndefined()
  expect(action.pending.value).toBe(true)
  finish('done')
  expect(await first).toBe('done')
  expect(work).toHaveBeenCalledOnce()
  expect(action.pending.value).toBe(false)
})

it('shows a failure that nobody else shows', async () => {
  const action = await inComponent(() => useAsyncAction(() => Promise.reject(new ApiError('Name taken.', { status: 409, code: 'conflict' }))))
  await action.run()
  await flushPromises()
  expect(document.body.textContent).toContain('Name taken.')
})

it('puts complaints beside their fields and loses none', () => {
  const errors = useFieldErrors(['name', 'triggers'])
  const details = [
    { field: 'triggers.0.expression', message: 'Not a cron expression.' },
    { field: 'command', message: 'Is empty.' },
  ]
  expect(errors.take(new ApiError('…', { status: 422, code: 'validation_error', details }))).toBe(true)
  expect(errors.of('triggers')).toBe('Not a cron expression.')
  expect(errors.of('name')).toBeUndefined()
  expect(errors.rest.value).toEqual(['command: Is empty.'])
  expect(errors.take(new Error('other'))).toBe(false)
})

it('shows the one sentence of an error without the name of a field', () => {
  const errors = useFieldErrors(['name'])
  const message = 'Project 2 was changed by somebody else meanwhile. Load it again.'
  errors.take(new ApiError(message, { status: 409, code: 'conflict', details: [{ field: 'version', message }] }))
  expect(errors.rest.value).toEqual([message])
})

it('answers no for a question that another one has pushed aside', async () => {
  const confirm = useConfirm()
  const first = confirm({ title: 'One?', confirmLabel: 'Yes' })
  const second = confirm({ title: 'Two?', confirmLabel: 'Yes' })
  expect(await first).toBe(false)
  openQuestion.value?.answer(true)
  expect(await second).toBe(true)
  expect(openQuestion.value).toBeNull()
})

it('knows what a finished run makes stale', () => {
  const keys = staleKeys({ type: 'run', id: 9, data: { id: 9, task_id: 7 } })
  expect(keys).toContainEqual(['runs', 'detail', 9])
  expect(keys).toContainEqual(['tasks', 'detail', 7])
})

it('reads all lists of variables again after a change of one, as it may hide others', () => {
  expect(staleKeys({ type: 'variable', id: 3, data: { id: 3 } })).toEqual([['variables']])
})
