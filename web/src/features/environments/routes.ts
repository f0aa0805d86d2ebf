import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  { path: '/environments', name: 'environments', component: () => import('./EnvironmentListPage.vue'), meta: { title: 'environments.title' } },
]
