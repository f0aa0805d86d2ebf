import UApp from '@nuxt/ui/components/App.vue'
import { QueryClient, VueQueryPlugin } from '@tanstack/vue-query'
import { flushPromises, mount, type VueWrapper } from '@vue/test-utils'
import { h, type Component } from 'vue'
import { createI18n } from 'vue-i18n'
import { createMemoryHistory, createRouter, type RouteRecordRaw } from 'vue-router'

import { routes as accessRoutes } from '@/features/access/routes'
import { routes as dashboardRoutes } from '@/features/dashboard/routes'
import { routes as environmentRoutes } from '@/features/environments/routes'
import { routes as logRoutes } from '@/features/logs/routes'
import { routes as poolRoutes } from '@/features/pools/routes'
import { routes as projectRoutes } from '@/features/projects/routes'
import { routes as runRoutes } from '@/features/runs/routes'
import { routes as scheduleRoutes } from '@/features/schedules/routes'
import { routes as taskRoutes } from '@/features/tasks/routes'
import { routes as variableRoutes } from '@/features/variables/routes'
import en from '@/locales/en.json'

interface Options {
  props?: Record<string, unknown>
  slots?: Record<string, () => unknown>
  path?: string
}

// The real names and paths, so that a link to nowhere fails; none of their pages is loaded.
const ALL_ROUTES = [...accessRoutes, ...dashboardRoutes, ...environmentRoutes, ...logRoutes, ...poolRoutes, ...projectRoutes, ...runRoutes, ...scheduleRoutes, ...taskRoutes, ...variableRoutes]
const PAGELESS = ALL_ROUTES.map((route) => ({ ...route, component: { render: () => null }, props: false }) as RouteRecordRaw)

/** Mount a page or a component with everything round it that the app gives it: language, router, queries, toasts. */
export async function mountPage(component: Component, { props = {}, slots = {}, path = '/' }: Options = {}): Promise<VueWrapper> {
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [...PAGELESS, { path: '/:path(.*)*', component: { render: () => null } }],
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
