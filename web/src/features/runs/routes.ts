import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  { path: '/runs', name: 'runs', component: () => import('./RunListPage.vue'), meta: { title: 'runs.title' } },
  { path: '/runs/:id(\\d+)', name: 'run', component: () => import('./RunPage.vue'), props: ({ params }) => ({ id: Number(params.id) }), meta: { title: 'runs.title' } },
]
