import { useEventListener } from '@vueuse/core'
import { onScopeDispose, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { useRouter, type RouteLocation } from 'vue-router'

import { useConfirm } from '@/composables/useConfirm'

/** Files stay open while another one of the project is looked at: only a way out of them all loses what was typed. */
function staysAtFiles(to: RouteLocation, from: RouteLocation): boolean {
  return to.path === from.path && to.query.tab === from.query.tab
}

/** Ask before a way out of the page that would lose what was typed. */
export function useUnsavedGuard(dirty: Ref<boolean>): void {
  const { t } = useI18n()
  const confirm = useConfirm()
  const stop = useRouter().beforeEach(async (to, from) => {
    if (!dirty.value || staysAtFiles(to, from)) return true
    return confirm({
      title: t('projects.file.unsavedTitle'),
      description: t('projects.file.unsavedText'),
      confirmLabel: t('projects.file.discard'),
      destructive: true,
    })
  })
  onScopeDispose(stop)
  useEventListener(globalThis, 'beforeunload', (event) => {
    if (dirty.value) event.preventDefault()
  })
}
