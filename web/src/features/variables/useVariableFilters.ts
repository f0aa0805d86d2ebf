import { refDebounced } from '@vueuse/core'
import { computed, ref, watch } from 'vue'
import { useRoute, useRouter } from 'vue-router'

import { SCOPES, type Owner, type VariableScope } from './variables'

const TYPING_MS = 250
export const ALL = 'all'

/**
 * Which variables are listed, in the page's address: a filtered list can be sent to somebody, and the way back leads to
 * it. A project or a task says the scope too: `?project=2`.
 */
export function useVariableFilters() {
  const route = useRoute()
  const router = useRouter()

  const idIn = (name: 'project' | 'task'): number | undefined => (/^\d+$/.test(String(route.query[name])) ? Number(route.query[name]) : undefined)
  const typed = ref(typeof route.query.q === 'string' ? route.query.q : '')
  const words = refDebounced(typed, TYPING_MS)
  watch(words, (now) => filter({ q: now || undefined }))

  const project = computed<number | undefined>({
    get: () => (idIn('task') === undefined ? idIn('project') : undefined),
    set: (chosen) => filter({ scope: 'project', project: chosen === undefined ? undefined : String(chosen), task: undefined }),
  })
  const task = computed<number | undefined>({
    get: () => idIn('task'),
    set: (chosen) => filter({ scope: 'task', task: chosen === undefined ? undefined : String(chosen), project: undefined }),
  })
  const scope = computed<VariableScope | typeof ALL>({
    get() {
      if (task.value !== undefined) return 'task'
      if (project.value !== undefined) return 'project'
      return SCOPES.find((known) => known === route.query.scope) ?? ALL
    },
    set: (chosen) => filter({ scope: chosen === ALL ? undefined : chosen, project: undefined, task: undefined }),
  })

  function filter(changes: Record<string, string | undefined>): void {
    void router.replace({ query: { ...route.query, ...changes } })
  }

  function clear(): void {
    typed.value = ''
    filter({ q: undefined, scope: undefined, project: undefined, task: undefined })
  }

  return {
    typed,
    scope,
    project,
    task,
    clear,
    isFiltered: computed(() => words.value !== '' || scope.value !== ALL),
    /** As a request takes them. */
    query: computed(() => ({ q: words.value || undefined, scope: scope.value === ALL ? undefined : scope.value, project_id: project.value, task_id: task.value })),
    /** Whose variables are shown, where they are of one: a new one is meant for it. */
    owner: computed<Owner>(() => {
      if (task.value !== undefined) return { scope: 'task', id: task.value }
      return project.value === undefined ? { scope: 'global' } : { scope: 'project', id: project.value }
    }),
  }
}
