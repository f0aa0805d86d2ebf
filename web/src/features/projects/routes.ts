import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  { path: '/projects', name: 'projects', component: () => import('./ProjectListPage.vue'), meta: { title: 'projects.title' } },
  { path: '/projects/trash', name: 'trash', component: () => import('./TrashPage.vue'), meta: { title: 'projects.trash.title' } },
  {
    // The tab, and the file that is open, are in the query: /projects/2?file=main.py, /projects/2?tab=outputs
    path: '/projects/:id(\\d+)',
    name: 'project',
    component: () => import('./ProjectPage.vue'),
    props: (route) => ({ id: Number(route.params.id) }),
    meta: { title: 'projects.one' },
  },
  // Below the projects, so that their item of the navigation is lit.
  { path: '/projects/git', name: 'git', component: () => import('./git/GitAccessPage.vue'), meta: { title: 'git.access.title' } },
]
