import { useQuery } from '@tanstack/vue-query'
import { refDebounced } from '@vueuse/core'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'
import { useI18n } from 'vue-i18n'

import { ApiError } from '@/api'
import { previewTrigger, type Blackout, type TriggerWish } from './taskApi'

const TYPING_MS = 350

interface Options {
  typing?: number
  /** Of the task: moments in them are marked. */
  blackouts?: () => Blackout[]
}

/** What the server says that a trigger means, or what is wrong with it; null asks nothing. */
export function useTriggerPreview(wish: MaybeRefOrGetter<TriggerWish | null>, { typing = TYPING_MS, blackouts = () => [] }: Options = {}) {
  const { locale } = useI18n()
  const current = computed(() => JSON.stringify(toValue(wish)))
  const asked = refDebounced(current, typing)
  const query = useQuery({
    queryKey: computed(() => ['triggers', 'preview', asked.value, blackouts(), locale.value]),
    queryFn: ({ signal }) => previewTrigger(JSON.parse(asked.value) as TriggerWish, locale.value, { signal, blackouts: blackouts() }),
    enabled: () => asked.value !== 'null',
    retry: false,
  })

  const preview = computed(() => (asked.value === 'null' ? undefined : query.data.value))
  /** What the server finds wrong with one field of the trigger. */
  function errorOf(field: string): string | undefined {
    const { value: error } = query.error
    if (asked.value === 'null' || !(error instanceof ApiError)) return undefined
    return error.details.find((detail) => detail.field === `trigger.${field}`)?.message
  }
  /** What is wrong beyond a single field. */
  const failure = computed(() => (query.error.value instanceof ApiError && query.error.value.details.length === 0 ? query.error.value.message : undefined))

  return { preview, errorOf, failure, pending: query.isFetching }
}
