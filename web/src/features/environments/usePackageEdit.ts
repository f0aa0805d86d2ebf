import { useQueryClient } from '@tanstack/vue-query'
import { computed, ref, toValue, type MaybeRefOrGetter } from 'vue'
import { useI18n } from 'vue-i18n'

import { api, unwrap } from '@/api'
import { useAsyncAction } from '@/composables/useAsyncAction'
import { useFieldErrors } from '@/composables/useFieldErrors'
import { ENVIRONMENTS } from './environments'
import { nameOf, normalName } from './packageLines'

/** Packages to add and to remove, collected until they are sent as one build. */
export function usePackageEdit(environmentId: MaybeRefOrGetter<number>) {
  const { t } = useI18n()
  const queryClient = useQueryClient()
  const added = ref<string[]>([])
  const removed = ref<string[]>([])
  const errors = useFieldErrors(['add', 'remove'])
  const isEmpty = computed(() => added.value.length === 0 && removed.value.length === 0)

  function without(list: readonly string[], name: string): string[] {
    return list.filter((one) => normalName(nameOf(one)) !== normalName(name))
  }

  /** Ask for a package, or for another version of one: the last word about a name counts. */
  function add(requirement: string): void {
    const name = nameOf(requirement)
    errors.clear()
    removed.value = without(removed.value, name)
    added.value = [...(name ? without(added.value, name) : added.value), requirement]
  }

  function remove(name: string): void {
    errors.clear()
    added.value = without(added.value, name)
    removed.value = [...without(removed.value, name), name]
  }

  /** Take back what was said of a package. */
  function keep(requirement: string): void {
    errors.clear()
    added.value = added.value.filter((one) => one !== requirement)
    removed.value = removed.value.filter((one) => one !== requirement)
  }

  function clear(): void {
    errors.clear()
    added.value = []
    removed.value = []
  }

  const send = useAsyncAction(
    async () => {
      errors.clear()
      await unwrap(
        api.POST('/environments/{environment_id}/packages', {
          params: { path: { environment_id: toValue(environmentId) } },
          body: { add: added.value, remove: removed.value },
        }),
      )
      clear()
      await queryClient.invalidateQueries({ queryKey: ENVIRONMENTS })
    },
    { success: () => t('environments.build.queued'), onError: errors.take },
  )

  return { added, removed, isEmpty, errors, add, remove, keep, clear, send }
}

export type PackageEdit = ReturnType<typeof usePackageEdit>
