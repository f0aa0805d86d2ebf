import { useQueryClient } from '@tanstack/vue-query'
import type { Ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { useRouter } from 'vue-router'

import { api, unwrap } from '@/api'
import { detailKey } from '@/composables/queryKeys'
import { useAsyncAction } from '@/composables/useAsyncAction'
import { useConfirm } from '@/composables/useConfirm'
import type { Run } from './runState'

/** What a person can do with a run. `note` takes what the server says of the run after a change. */
export function useRunActions(run: Ref<Run>, note: (changed: Run) => void) {
  const { t } = useI18n()
  const router = useRouter()
  const queryClient = useQueryClient()
  const confirm = useConfirm()
  const path = () => ({ run_id: run.value.id })

  const stop = useAsyncAction(async () => note(await unwrap(api.POST('/runs/{run_id}/stop', { params: { path: path() } }))))

  const again = useAsyncAction(
    async (exact: boolean) => {
      const next = await unwrap(api.POST('/runs/{run_id}/rerun', { params: { path: path() }, body: { exact } }))
      await router.push(`/runs/${next.id}`)
      return next
    },
    { success: (next) => t('runs.startedAgain', { id: next.id }) },
  )

  const remove = useAsyncAction(async () => {
    const { id } = run.value
    const isMeant = await confirm({
      title: t('runs.delete.title', { id }),
      description: t('runs.delete.text'),
      confirmLabel: t('runs.delete.confirm'),
      destructive: true,
    })
    if (!isMeant) return
    await unwrap(api.DELETE('/runs/{run_id}', { params: { path: { run_id: id } } }))
    await router.push('/runs')
    queryClient.removeQueries({ queryKey: detailKey('runs', id) })
    void queryClient.invalidateQueries({ queryKey: ['runs', 'list'] })
  })

  return { stop, again, remove }
}
