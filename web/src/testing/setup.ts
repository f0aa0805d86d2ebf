import { afterEach, vi } from 'vitest'

// A test that asks the network for something it has not prepared is wrong; it must not hang or reach anybody.
vi.stubGlobal('fetch', () => Promise.reject(new Error('no network in tests')))

afterEach(() => {
  localStorage.clear()
  document.body.replaceChildren()
})
