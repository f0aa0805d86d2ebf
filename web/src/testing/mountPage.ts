import UApp from '@nuxt/ui/components/App.vue'
import { QueryClient, VueQueryPlugin } from '@tanstack/vue-query'
import { flushPromises, mount, type VueWrapper } from '@vue/test-utils'
import { h, type Component } from 'vue'
import { createI18n } from 'vue-i18n'
import { createMemoryHistory, createRouter } from 'vue-router'

import en from '@/locales/en.json'

interface Options {
  props?: Record<string, unknown>
  slots?: Record<string, () => unknown>
  path?: string
}

/** Mount a page or a component with everything round it that the app gives it: language, router, queries, toasts. */
export async function mountPage(component: Component, { props = {}, slots = {}, path = '/' }: Options = {}): Promise<VueWrapper> {
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: '/:path(.*)*', component: { render: () => null } }],
  })
  await router.push(path)
  const wrapper = mount(UApp, {
    attachTo: document.body,
    slots: { default: () => h(component, props, slots) },
    global: {
      plugins: [
        router,
        createI18n({ legacy: false, locale: 'en', messages: { en } }),
        [VueQueryPlugin, { queryClient: new QueryClient({ defaultOptions: { queries: { retry: false } } }) }],
      ],
    },
  })
  await flushPromises()
  return wrapper
}
