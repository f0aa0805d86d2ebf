import { useQuery } from '@tanstack/vue-query'
import { refDebounced } from '@vueuse/core'
import { computed, ref, toValue, type MaybeRefOrGetter } from 'vue'
import { useI18n } from 'vue-i18n'

import { api, unwrap } from '@/api'
import { detailKey, listKey } from '@/composables/queryKeys'

const SHOWN = 50
const MOST = 500
const TYPING_MS = 250

/** What a task may be made of: projects, environments, and the commands that a project looks like it has. */
export function useTaskChoices(projectId: MaybeRefOrGetter<number | undefined>) {
  const { t } = useI18n()
  const projectSearch = ref('')
  const searched = refDebounced(projectSearch, TYPING_MS)

  const projectList = useQuery({
    queryKey: computed(() => listKey('projects', { q: searched.value, limit: SHOWN })),
    queryFn: ({ signal }) => unwrap(api.GET('/projects', { params: { query: { q: searched.value || undefined, limit: SHOWN } }, signal })),
    placeholderData: (previous) => previous,
  })
  const chosen = useQuery({
    queryKey: computed(() => detailKey('projects', toValue(projectId) ?? 0)),
    queryFn: ({ signal }) => unwrap(api.GET('/projects/{project_id}', { params: { path: { project_id: toValue(projectId) ?? 0 } }, signal })),
    enabled: () => toValue(projectId) !== undefined,
  })
  const projects = computed(() => {
    const items = (projectList.data.value?.items ?? []).map(({ id, name }) => ({ label: name, value: id }))
    const project = chosen.data.value
    // The chosen one may not be among those that the search has found.
    if (project && project.id === toValue(projectId) && !items.some(({ value }) => value === project.id)) items.unshift({ label: project.name, value: project.id })
    return items
  })
  const onlyProject = computed(() => {
    const found = projectList.data.value
    return searched.value === '' && found?.items.length === 1 && !found.next_cursor ? found.items[0]?.id : undefined
  })

  const environmentList = useQuery({
    queryKey: listKey('environments', { limit: MOST }),
    queryFn: ({ signal }) => unwrap(api.GET('/environments', { params: { query: { limit: MOST } }, signal })),
  })
  const environments = computed(() => (environmentList.data.value?.items ?? []).map(({ id, name }) => ({ label: name, value: id })))

  const detection = useQuery({
    queryKey: computed(() => detailKey('projects', toValue(projectId) ?? 0, 'detection')),
    queryFn: ({ signal }) => unwrap(api.GET('/projects/{project_id}/detection', { params: { path: { project_id: toValue(projectId) ?? 0 } }, signal })),
    enabled: () => toValue(projectId) !== undefined,
  })
  const commands = computed(() => detection.data.value?.commands.slice(0, 6) ?? [])
  const declared = computed(() => {
    const found = detection.data.value?.environment
    if (!found) return undefined
    return found.source ? t('tasks.field.declaredBy', { source: found.source }) : t('tasks.field.declaredNothing')
  })

  return { projects, projectSearch, onlyProject, environments, commands, declared }
}
