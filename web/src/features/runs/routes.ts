import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  { path: '/runs', name: 'runs', component: () => import('./RunListPage.vue'), meta: { title: 'runs.title' } },
]
