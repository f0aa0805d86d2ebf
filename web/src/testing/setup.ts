import { enableAutoUnmount } from '@vue/test-utils'
import { afterEach, vi } from 'vitest'

// A test that asks the network for something it has not prepared is wrong; it must not hang or reach anybody.
vi.stubGlobal('fetch', () => Promise.reject(new Error('no network in tests')))

afterEach(() => {
  localStorage.clear()
  document.body.replaceChildren()
})

// What is mounted has clocks and requests of its own, which must end with its test. Registered last, it runs first.
enableAutoUnmount(afterEach)
