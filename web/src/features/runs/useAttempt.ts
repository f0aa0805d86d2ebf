import { computed, type Ref } from 'vue'
import { useRoute, type RouteLocationRaw } from 'vue-router'

import { logNumberOf } from './logNumber'
import type { Run } from './runState'

/**
 * Which attempt of a run is shown: the one in the address (`?attempt=1`), or else the last one, also when another one
 * begins. So the last one has no number in its address.
 */
export function useAttempt(run: Ref<Run | undefined>) {
  const route = useRoute()
  const last = computed(() => run.value?.attempts.at(-1))
  const chosen = computed(() => run.value?.attempts.find(({ number }) => String(number) === route.query.attempt))
  const attempt = computed(() => chosen.value ?? last.value)

  const logNumber = computed(() => attempt.value?.number ?? (run.value && logNumberOf(run.value)))

  function addressOf(number: number): RouteLocationRaw {
    return { query: { ...route.query, attempt: number === last.value?.number ? undefined : String(number) } }
  }

  return { attempt, logNumber, addressOf }
}
