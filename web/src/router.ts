import { watch } from 'vue'
import { createRouter, createWebHistory, type RouteLocationNormalized, type RouteLocationRaw } from 'vue-router'

import { ApiError, onUnauthenticated } from './api'
import { pageName } from './composables/usePageTitle'
import { forgetSession, isSetupNeeded, loadMe } from './features/access'
import { routes as accessRoutes } from './features/access/routes'
import { routes as dashboardRoutes } from './features/dashboard/routes'
import { routes as environmentRoutes } from './features/environments/routes'
import { routes as logRoutes } from './features/logs/routes'
import { routes as poolRoutes } from './features/pools/routes'
import { routes as projectRoutes } from './features/projects/routes'
import { routes as runRoutes } from './features/runs/routes'
import { routes as scheduleRoutes } from './features/schedules/routes'
import { routes as taskRoutes } from './features/tasks/routes'
import { routes as variableRoutes } from './features/variables/routes'
import { i18n } from './locales'

declare module 'vue-router' {
  interface RouteMeta {
    /** Key of the page's title in the locale files. */
    title?: string
    /** May be seen without signing in. */
    public?: boolean
  }
}

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    ...accessRoutes,
    ...dashboardRoutes,
    ...projectRoutes,
    ...environmentRoutes,
    ...taskRoutes,
    ...runRoutes,
    ...variableRoutes,
    ...poolRoutes,
    ...scheduleRoutes,
    ...logRoutes,
    {
      path: '/:path(.*)*',
      name: 'not-found',
      component: () => import('./shell/NotFoundPage.vue'),
      meta: { title: 'error.notFound.title' },
    },
  ],
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
})

router.beforeEach(async (to) => (to.meta.public ? true : admit(to)))

/** Let the signed-in through, and show everybody else the door that fits. */
async function admit(to: RouteLocationNormalized): Promise<true | RouteLocationRaw> {
  try {
    await loadMe()
    return true
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) return true // The page itself says that nothing answers.
  }
  const setupNeeded = await isSetupNeeded().catch(() => false)
  return setupNeeded ? { name: 'setup' } : loginFor(to.fullPath)
}

function loginFor(path: string): RouteLocationRaw {
  return { name: 'login', query: path === '/' ? {} : { return: path } }
}

onUnauthenticated(() => {
  const current = router.currentRoute.value
  if (current.meta.public || current.matched.length === 0) return
  forgetSession()
  void router.replace(loginFor(current.fullPath))
})

// After an upgrade the files of the old pages are gone; a full load brings the new ones. Once only: a page that fails
// again is really missing.
router.onError((error, to) => {
  const isMissingFile = error instanceof TypeError && /import/i.test(error.message)
  const marker = `kumo.reloaded:${to.fullPath}`
  if (!isMissingFile || sessionStorage.getItem(marker)) throw error
  sessionStorage.setItem(marker, '1')
  globalThis.location.assign(to.fullPath)
})

watch(
  () => {
    const key = router.currentRoute.value.meta.title
    return [pageName.value, key ? i18n.global.t(key) : '', 'Kumo'].filter(Boolean).join(' · ')
  },
  (title) => (document.title = title),
)
