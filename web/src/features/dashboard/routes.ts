import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  { path: '/', name: 'dashboard', component: () => import('./DashboardPage.vue'), meta: { title: 'dashboard.title' } },
]
