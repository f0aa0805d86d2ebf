import { describe, expect, it, vi } from 'vitest'
import { h } from 'vue'

import { mountPage } from '@/testing/mountPage'
import ConfirmDialog from './ConfirmDialog.vue'
import DataTable from './DataTable.vue'
import Duration from './Duration.vue'
import ErrorState from './ErrorState.vue'
import { formatBytes, formatCountdown, formatRelative, splitDuration } from './format'
import RelativeTime from './RelativeTime.vue'
import StatusBadge from './StatusBadge.vue'

describe('formats', () => {
  it('name a duration by its two largest units', () => {
    expect(splitDuration(0.25)).toEqual([[250, 'millisecond']])
    expect(splitDuration(2.14)).toEqual([[2.1, 'second']])
    expect(splitDuration(60)).toEqual([[1, 'minute']])
    expect(splitDuration(3_725)).toEqual([[1, 'hour'], [2, 'minute']])
    expect(splitDuration(86_400 + 59)).toEqual([[1, 'day']])
  })

  it('carry what rounds up to a whole unit', () => {
    expect(splitDuration(59.7)).toEqual([[1, 'minute']])
    expect(splitDuration(0.9996)).toEqual([[1, 'second']])
    expect(splitDuration(0)).toEqual([[0, 'second']])
  })

  it('count bytes in binary units', () => {
    expect(formatBytes(0, 'en')).toBe('0 B')
    expect(formatBytes(1_536, 'en')).toBe('1.5 KiB')
    expect(formatBytes(1_073_741_824, 'en')).toBe('1 GiB')
    expect(formatBytes(1_048_575, 'en')).toBe('1 MiB')
  })

  it('show what is left of a time as a clock does', () => {
    expect([0, 42, 60, 3_599, 3_723, 360_000].map(formatCountdown)).toEqual(['00:00', '00:42', '01:00', '59:59', '1:02:03', '100:00:00'])
  })

  it('tell the past from the future', () => {
    const now = Date.parse('2026-11-24T12:00:00Z')
    expect(formatRelative(new Date('2026-11-24T11:57:00Z'), now, 'en')).toBe('3 min. ago')
    expect(formatRelative(new Date('2026-11-24T14:00:00Z'), now, 'zh-CN')).toMatch(/2\s*小时后/)
  })
})

it('says a state in words, not only in colour', async () => {
  const wrapper = await mountPage(StatusBadge, { props: { tone: 'error', label: 'Failed', compact: true } })
  expect(wrapper.text()).toContain('Failed')
})

it('keeps the exact moment behind a relative time, and shows nothing for none', async () => {
  const wrapper = await mountPage(RelativeTime, { props: { at: '2026-01-02T03:04:05Z', timeZone: 'Europe/Berlin' } })
  expect(wrapper.get('time').attributes('title')).toContain('04:04:05')
  expect((await mountPage(RelativeTime, { props: { at: null } })).text()).toContain('–')
  expect((await mountPage(Duration, { props: { seconds: null } })).text()).toContain('–')
})

it('shows what the server said and offers to try again', async () => {
  const onRetry = vi.fn()
  const error = { status: 500, code: 'internal_error', message: 'It broke.', requestId: 'r42' }
  const wrapper = await mountPage(ErrorState, { props: { error, retryable: true, onRetry } })
  expect(wrapper.text()).toContain('Kumo has made a mistake')
  expect(wrapper.text()).toContain('It broke.')
  expect(wrapper.text()).toContain('r42')
  await wrapper.get('button').trigger('click')
  expect(onRetry).toHaveBeenCalledOnce()
})

it('confirms only what was typed right', async () => {
  const onAnswer = vi.fn()
  const props = { title: 'Delete?', confirmLabel: 'Delete', destructive: true, typeToConfirm: 'nightly', onAnswer }
  await mountPage(ConfirmDialog, { props })
  const button = [...document.querySelectorAll('button')].find((found) => found.textContent.trim() === 'Delete')
  expect(button?.disabled).toBe(true)
  const input = document.querySelector('input')
  if (!input) throw new Error('there is no input')
  input.value = 'nightly'
  input.dispatchEvent(new Event('input'))
  await vi.waitFor(() => expect(button?.disabled).toBe(false))
  button?.click()
  expect(onAnswer).toHaveBeenCalledWith(true)
})

describe('a table', () => {
  const columns = [{ accessorKey: 'name', header: 'Name' }]
  const rowKey = (row: { name: string }) => row.name
  const slots = { empty: () => h('p', 'Nothing yet') }

  it('shows rows and loads more', async () => {
    const onLoadMore = vi.fn()
    const wrapper = await mountPage(DataTable, { props: { columns, rowKey, rows: [{ name: 'one' }], hasMore: true, onLoadMore }, slots })
    expect(wrapper.get('tbody').text()).toContain('one')
    await wrapper.findAll('button').at(-1)?.trigger('click')
    expect(onLoadMore).toHaveBeenCalledOnce()
  })

  it('says when it is empty, and does not while it is loading or has failed', async () => {
    expect((await mountPage(DataTable, { props: { columns, rowKey, rows: [] }, slots })).text()).toContain('Nothing yet')
    const loading = await mountPage(DataTable, { props: { columns, rowKey, rows: [], loading: true }, slots })
    expect(loading.text()).not.toContain('Nothing yet')
    const failed = await mountPage(DataTable, { props: { columns, rowKey, rows: [], error: new Error('It broke.') }, slots })
    expect(failed.text()).toContain('It broke.')
    expect(failed.text()).not.toContain('Nothing yet')
  })
})
