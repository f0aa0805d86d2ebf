import { useEventListener } from '@vueuse/core'
import { onScopeDispose, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { useRouter } from 'vue-router'

import { useConfirm } from '@/composables/useConfirm'

/** Ask before a way out of the page, or to another file, that would lose what was typed. */
export function useUnsavedGuard(dirty: Ref<boolean>): void {
  const { t } = useI18n()
  const confirm = useConfirm()
  const stop = useRouter().beforeEach(async (to, from) => {
    if (!dirty.value || to.fullPath === from.fullPath) return true
    const leave = await confirm({
      title: t('projects.file.unsavedTitle'),
      description: t('projects.file.unsavedText'),
      confirmLabel: t('projects.file.discard'),
      destructive: true,
    })
    if (leave) dirty.value = false
    return leave
  })
  onScopeDispose(stop)
  useEventListener(globalThis, 'beforeunload', (event) => {
    if (dirty.value) event.preventDefault()
  })
}
