import { useQueryClient } from '@tanstack/vue-query'
import { toValue, type MaybeRefOrGetter } from 'vue'
import { useI18n } from 'vue-i18n'

import { api, unwrap } from '@/api'
import { detailKey } from '@/composables/queryKeys'
import { useAsyncAction } from '@/composables/useAsyncAction'
import { useConfirm } from '@/composables/useConfirm'
import type { Snapshot } from './history'
import { PROJECTS, type Project } from './projects'

/** What a person does with an earlier state: keep it, or bring it back. */
export function useSnapshotActions(project: MaybeRefOrGetter<Project>) {
  const { t } = useI18n()
  const confirm = useConfirm()
  const queryClient = useQueryClient()
  const pathOf = (snapshot: Snapshot) => ({ project_id: toValue(project).id, snapshot_id: snapshot.id })

  const pin = useAsyncAction(async (snapshot: Snapshot) => {
    const body = { pinned: !snapshot.pinned }
    await unwrap(api.PATCH('/projects/{project_id}/snapshots/{snapshot_id}', { params: { path: pathOf(snapshot) }, body }))
    await queryClient.invalidateQueries({ queryKey: detailKey('projects', toValue(project).id) })
  })

  const restore = useAsyncAction(
    async (snapshot: Snapshot) => {
      const version = toValue(project).version
      const yes = await confirm({
        title: t('projects.history.restoreTitle', { id: snapshot.id }),
        description: t('projects.history.restoreText', { message: snapshot.message }),
        confirmLabel: t('projects.history.restore'),
      })
      if (!yes) return undefined
      const params = { path: pathOf(snapshot), header: { 'If-Match': version } }
      const made = await unwrap(api.POST('/projects/{project_id}/snapshots/{snapshot_id}/restore', { params }))
      await queryClient.invalidateQueries({ queryKey: PROJECTS })
      // Files that are open are read anew when they are looked at.
      queryClient.removeQueries({ queryKey: ['project-file', toValue(project).id], type: 'inactive' })
      return made.id === toValue(project).snapshot_id && made.id !== snapshot.id ? t('projects.history.equal') : t('projects.history.restored', { id: snapshot.id })
    },
    { success: (words) => words },
  )

  return { pin, restore }
}
