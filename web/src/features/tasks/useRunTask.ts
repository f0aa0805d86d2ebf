import { useQueryClient } from '@tanstack/vue-query'
import { reactive } from 'vue'
import { useI18n } from 'vue-i18n'

import { useToast } from '@/composables/useToast'
import { runTask } from './taskApi'

/** Run tasks of a list now; each has a button of its own, so one that is under way does not hold up the others. */
export function useRunTask() {
  const { t } = useI18n()
  const toast = useToast()
  const queryClient = useQueryClient()
  const started = reactive(new Set<number>())

  async function run(task: { id: number; name: string }): Promise<void> {
    if (started.has(task.id)) return
    started.add(task.id)
    try {
      const { id } = await runTask(task.id)
      toast.success(t('tasks.started', { name: task.name, id }))
      void queryClient.invalidateQueries({ queryKey: ['tasks', 'list'] })
    } catch (error) {
      toast.error(error)
    } finally {
      started.delete(task.id)
    }
  }

  return { run, isStarting: (id: number) => started.has(id) }
}
