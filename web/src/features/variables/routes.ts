import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  // The filters are in the query: /variables?project=2, /variables?scope=task&q=TOKEN
  { path: '/variables', name: 'variables', component: () => import('./VariableListPage.vue'), meta: { title: 'variables.title' } },
]
