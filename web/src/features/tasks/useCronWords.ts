import { useQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'
import { useI18n } from 'vue-i18n'

import { limited } from './limited'
import { previewTrigger } from './taskApi'

// A list of hundreds of tasks asks for what is in sight, a few at a time, and for each expression once.
const MOST_AT_ONCE = 4
const inTurn = limited(MOST_AT_ONCE)

/** What a cron expression means, in the server's words; undefined until they are there, or when there are none. */
export function useCronWords(cron: MaybeRefOrGetter<{ expression: string; timezone: string } | null>, isInSight: MaybeRefOrGetter<boolean>) {
  const { locale } = useI18n()
  const query = useQuery({
    queryKey: computed(() => ['triggers', 'words', toValue(cron), locale.value]),
    queryFn: ({ signal }) => inTurn(() => previewTrigger({ type: 'cron', ...toValue(cron) }, locale.value, { signal, count: 1 })),
    enabled: () => toValue(cron) !== null && toValue(isInSight),
    // What an expression means does not change.
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  })
  return computed(() => query.data.value?.description)
}
