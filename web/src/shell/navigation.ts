import type { RouteRecordName } from 'vue-router'

export interface NavItem {
  /** Key of the label. */
  label: string
  icon: string
  /** Name of the route; pages below its path light up the same item. */
  route: RouteRecordName
  path: string
}

export const NAVIGATION: NavItem[] = [
  { label: 'nav.dashboard', icon: 'i-lucide-layout-dashboard', route: 'dashboard', path: '/' },
  { label: 'nav.projects', icon: 'i-lucide-folder-git-2', route: 'projects', path: '/projects' },
  { label: 'nav.environments', icon: 'i-lucide-package', route: 'environments', path: '/environments' },
  { label: 'nav.tasks', icon: 'i-lucide-calendar-clock', route: 'tasks', path: '/tasks' },
  { label: 'nav.runs', icon: 'i-lucide-activity', route: 'runs', path: '/runs' },
  { label: 'nav.logs', icon: 'i-lucide-text-search', route: 'log-search', path: '/logs' },
  { label: 'nav.variables', icon: 'i-lucide-variable', route: 'variables', path: '/variables' },
  { label: 'nav.pools', icon: 'i-lucide-layers', route: 'pools', path: '/pools' },
]

export function isActive(item: NavItem, currentPath: string): boolean {
  if (item.path === '/') return currentPath === '/'
  return currentPath === item.path || currentPath.startsWith(`${item.path}/`)
}
