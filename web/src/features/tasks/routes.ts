import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  { path: '/tasks', name: 'tasks', component: () => import('./TaskListPage.vue'), meta: { title: 'tasks.title' } },
]
