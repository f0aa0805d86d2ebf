import { useQueryClient } from '@tanstack/vue-query'
import { ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { useRouter } from 'vue-router'

import { api, ApiError, unwrap } from '@/api'
import { useAsyncAction } from '@/composables/useAsyncAction'
import { useConfirm } from '@/composables/useConfirm'
import { useToast } from '@/composables/useToast'
import type { RestoredProject, TrashedProject } from './history'
import { PROJECTS } from './projects'

/** What a person does with a deleted project; `taken` is the one whose name another project has meanwhile. */
export function useTrashActions() {
  const { t } = useI18n()
  const toast = useToast()
  const confirm = useConfirm()
  const router = useRouter()
  const queryClient = useQueryClient()
  const taken = ref<TrashedProject>()

  async function onRestored({ id, name }: RestoredProject): Promise<void> {
    void queryClient.invalidateQueries({ queryKey: PROJECTS })
    toast.success(t('projects.trash.restored', { name }))
    await router.push({ name: 'project', params: { id } })
  }

  const restore = useAsyncAction(async (project: TrashedProject) => {
    try {
      await onRestored(await unwrap(api.POST('/trash/{project_id}/restore', { params: { path: { project_id: project.id } } })))
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 409) throw error
      taken.value = project
    }
  })

  const purge = useAsyncAction(
    async (project: TrashedProject) => {
      const yes = await confirm({
        title: t('projects.trash.purgeTitle', { name: project.name }),
        description: t('projects.trash.purgeText'),
        confirmLabel: t('projects.trash.purge'),
        destructive: true,
        typeToConfirm: project.name,
      })
      if (!yes) return undefined
      await unwrap(api.DELETE('/trash/{project_id}', { params: { path: { project_id: project.id } } }))
      void queryClient.invalidateQueries({ queryKey: PROJECTS })
      return t('projects.trash.gone', { name: project.name })
    },
    { success: (words) => words },
  )

  return { taken, restore, purge, onRestored }
}
