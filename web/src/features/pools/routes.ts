import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [{ path: '/pools', name: 'pools', component: () => import('./PoolListPage.vue'), meta: { title: 'pools.title' } }]
