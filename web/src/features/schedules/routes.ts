import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  { path: '/schedule/boot-report', name: 'boot-report', component: () => import('./BootReportPage.vue'), meta: { title: 'schedules.title' } },
]
