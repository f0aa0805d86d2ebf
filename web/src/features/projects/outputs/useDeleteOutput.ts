import { useQueryClient } from '@tanstack/vue-query'
import { useI18n } from 'vue-i18n'

import { api, unwrap } from '@/api'
import { detailKey } from '@/composables/queryKeys'
import { useAsyncAction } from '@/composables/useAsyncAction'
import { useConfirm } from '@/composables/useConfirm'

/** Asks, and deletes a file or a folder of outputs for good. */
export function useDeleteOutput(projectId: () => number) {
  const { t } = useI18n()
  const confirm = useConfirm()
  const queryClient = useQueryClient()
  return useAsyncAction(
    async (path: string, isFolder: boolean) => {
      const yes = await confirm({
        title: t('projects.outputs.deleteTitle', { name: path.split('/').at(-1) ?? path }),
        description: t(isFolder ? 'projects.outputs.deleteFolderText' : 'projects.outputs.deleteText'),
        confirmLabel: t('projects.outputs.delete'),
        destructive: true,
      })
      if (!yes) return
      await unwrap(api.DELETE('/projects/{project_id}/outputs', { params: { path: { project_id: projectId() }, query: { path } } }))
      await queryClient.invalidateQueries({ queryKey: detailKey('projects', projectId(), 'outputs') })
    },
    {},
  )
}
