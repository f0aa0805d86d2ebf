import { useQueryClient } from '@tanstack/vue-query'
import { toValue, type MaybeRefOrGetter } from 'vue'
import { useI18n } from 'vue-i18n'

import { api, unwrap } from '@/api'
import { useAsyncAction } from '@/composables/useAsyncAction'
import { useConfirm } from '@/composables/useConfirm'
import { isUnderWay } from './buildState'
import { ENVIRONMENTS, type Build, type Environment } from './environments'

/** What a person does with the builds of an environment: ask for one, go back to one, end one. */
export function useBuildActions(environment: MaybeRefOrGetter<Environment>) {
  const { t } = useI18n()
  const confirm = useConfirm()
  const queryClient = useQueryClient()
  const refresh = () => queryClient.invalidateQueries({ queryKey: ENVIRONMENTS })

  const start = useAsyncAction(
    async () => {
      await unwrap(api.POST('/environments/{environment_id}/build', { params: { path: { environment_id: toValue(environment).id } } }))
      await refresh()
    },
    { success: () => t('environments.build.queued') },
  )

  const activate = useAsyncAction(
    async (build: Build) => {
      const { id, wanted_build: wanted } = toValue(environment)
      const surprise = surpriseOf(build, wanted)
      if (surprise) {
        const title = t('environments.build.activateTitle', { n: build.generation })
        if (!(await confirm({ title, description: surprise, confirmLabel: t('environments.build.activate') }))) return undefined
      }
      const changed = await unwrap(
        api.POST('/environments/{environment_id}/builds/{build_id}/activate', { params: { path: { environment_id: id, build_id: build.id } } }),
      )
      await refresh()
      return changed.active_build?.id === build.id ? t('environments.build.activated', { n: build.generation }) : t('environments.build.madeAgain')
    },
    { success: (words) => words },
  )

  const cancel = useAsyncAction(async (build: Build) => {
    const path = { environment_id: toValue(environment).id, build_id: build.id }
    await unwrap(api.POST('/environments/{environment_id}/builds/{build_id}/cancel', { params: { path } }))
    await refresh()
  })

  /** What nobody would expect of going back, in a sentence; usually there is nothing. */
  function surpriseOf(build: Build, wanted: Build | null): string | undefined {
    if (wanted && wanted.id !== build.id && isUnderWay(wanted)) return t('environments.build.activateOverWanted', { n: wanted.generation })
    return build.state === 'collected' ? t('environments.build.activateCollected') : undefined
  }

  return { start, activate, cancel }
}
