import { useQueryClient } from '@tanstack/vue-query'
import { useI18n } from 'vue-i18n'

import { api, unwrap } from '@/api'
import { useAsyncAction } from '@/composables/useAsyncAction'
import { useConfirm } from '@/composables/useConfirm'
import { projectQuery, type Project } from '../projects'

/** Asks for a pull; one that overwrites what was changed here is asked about first. */
export function usePull(project: () => Project) {
  const { t } = useI18n()
  const confirm = useConfirm()
  const queryClient = useQueryClient()

  return useAsyncAction(async (overwrite: boolean) => {
    if (overwrite) {
      const yes = await confirm({ title: t('git.overwrite.title'), description: t('git.overwrite.text'), confirmLabel: t('git.overwrite.action'), destructive: true })
      if (!yes) return
    }
    const { id } = project()
    await unwrap(api.POST('/projects/{project_id}/sync', { params: { path: { project_id: id } }, body: { overwrite } }))
    await queryClient.invalidateQueries({ queryKey: projectQuery(id).queryKey })
  })
}
