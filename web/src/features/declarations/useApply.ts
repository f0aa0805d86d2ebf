import { useQueryClient } from '@tanstack/vue-query'
import { ref } from 'vue'
import { useI18n } from 'vue-i18n'

import { useAsyncAction } from '@/composables/useAsyncAction'
import { useConfirm } from '@/composables/useConfirm'
import { applyDeclaration, declarationQuery, type Applied, type Plan } from './declarations'

/** Making tasks as the file says: all of a plan that was shown, or one task. */
export function useApply(projectId: () => number) {
  const { t } = useI18n()
  const confirm = useConfirm()
  const queryClient = useQueryClient()
  /** Told this once, so that they stay on the page until it is left. */
  const addresses = ref<Applied['webhooks']>([])

  async function refresh(): Promise<void> {
    await Promise.all([
      queryClient.invalidateQueries({ queryKey: declarationQuery(projectId()).queryKey }),
      queryClient.invalidateQueries({ queryKey: ['tasks'] }),
    ])
  }

  async function agreed(plan: Plan): Promise<boolean> {
    const removed = plan.tasks.filter(({ action }) => action === 'remove').map(({ name }) => name)
    if (removed.length === 0) return true
    return confirm({
      title: t('declarations.confirm.title', { n: removed.length }, removed.length),
      description: t('declarations.confirm.text', { names: removed.join(', ') }),
      confirmLabel: t('declarations.confirm.apply'),
      destructive: true,
    })
  }

  const apply = useAsyncAction(
    async (plan: Plan) => {
      if (!(await agreed(plan))) return false
      try {
        addresses.value = (await applyDeclaration(projectId(), { expected_plan: plan.hash })).webhooks
      } finally {
        await refresh() // also where it was refused because something else would be done
      }
      return true
    },
    { success: (done) => (done ? t('declarations.applied') : undefined) },
  )

  const takeFiles = useAsyncAction(
    async (taskId: number) => {
      await applyDeclaration(projectId(), { task_id: taskId })
      await refresh()
    },
    { success: () => t('declarations.drift.taken') },
  )

  return { apply, takeFiles, addresses }
}
