import { computed } from 'vue'

import { useMe } from './session'

/** What the signed-in person may do. The server decides; this only leaves out buttons that it would refuse. */
export function useMay() {
  const me = useMe()
  return {
    /** Run, edit code, tasks and environments. */
    operate: computed(() => me.value?.role === 'admin' || me.value?.role === 'operator'),
    administrate: computed(() => me.value?.role === 'admin'),
  }
}
