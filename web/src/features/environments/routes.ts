import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  {
    path: '/environments',
    name: 'environments',
    component: () => import('./EnvironmentListPage.vue'),
    meta: { title: 'environments.title' },
  },
  {
    path: '/environments/new',
    name: 'environment-new',
    component: () => import('./EnvironmentFormPage.vue'),
    meta: { title: 'environments.form.newTitle' },
  },
  {
    path: '/environments/:id(\\d+)',
    name: 'environment',
    component: () => import('./EnvironmentPage.vue'),
    props: (route) => ({ id: Number(route.params.id) }),
    meta: { title: 'environments.one' },
  },
  {
    path: '/environments/:id(\\d+)/edit',
    name: 'environment-edit',
    component: () => import('./EnvironmentFormPage.vue'),
    props: (route) => ({ id: Number(route.params.id) }),
    meta: { title: 'environments.form.editTitle' },
  },
]
