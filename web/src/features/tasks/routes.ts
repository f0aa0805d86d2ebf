import type { RouteLocationNormalized, RouteRecordRaw } from 'vue-router'

const idOf = ({ params }: RouteLocationNormalized) => ({ id: Number(params.id) })

export const routes: RouteRecordRaw[] = [
  { path: '/tasks', name: 'tasks', component: () => import('./TaskListPage.vue'), meta: { title: 'tasks.title' } },
  { path: '/tasks/new', name: 'task-new', component: () => import('./TaskFormPage.vue'), meta: { title: 'tasks.new' } },
  { path: '/tasks/:id(\\d+)', name: 'task', component: () => import('./TaskPage.vue'), props: idOf, meta: { title: 'tasks.title' } },
  { path: '/tasks/:id(\\d+)/edit', name: 'task-edit', component: () => import('./TaskFormPage.vue'), props: idOf, meta: { title: 'tasks.edit' } },
]
