import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  { path: '/projects', name: 'projects', component: () => import('./ProjectListPage.vue'), meta: { title: 'projects.title' } },
]
