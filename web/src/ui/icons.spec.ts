import { _api, iconLoaded, loadIcon } from '@iconify/vue'
import { expect, it, vi } from 'vitest'

import { useBundledIcons } from './icons'

it('has the icons of the sources, and asks nobody for another one', async () => {
  const fetch = vi.fn(() => Promise.reject(new Error('asked a server for an icon')))
  vi.stubGlobal('fetch', fetch)
  _api.setFetch(fetch)
  useBundledIcons()
  expect(iconLoaded('lucide:languages')).toBe(true)
  expect(iconLoaded('lucide-languages')).toBe(true)
  const missing = loadIcon('lucide:no-such-icon').catch(() => 'missing')
  await new Promise((resolve) => setTimeout(resolve, 1_200))
  expect(fetch).not.toHaveBeenCalled()
  void missing
})
