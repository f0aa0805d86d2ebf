import { useQueryClient } from '@tanstack/vue-query'
import { onScopeDispose, readonly, ref } from 'vue'

import { openEvents, type LiveEvent } from '@/api'

// A burst of events (a hundred runs starting in one second) makes one reload, not a hundred.
const GATHER_MS = 400

/** The keys that an event makes stale; see queryKeys.ts for their form. */
export function staleKeys(event: LiveEvent): unknown[][] {
  switch (event.type) {
    case 'run':
      return [['runs', 'list'], ['runs', 'detail', event.id], ['tasks', 'list'], ...taskOf(event), ['dashboard']]
    case 'task':
      return [['tasks', 'list'], ['tasks', 'detail', event.id], ['declarations'], ['dashboard']]
    case 'build':
      return [['environments']]
    case 'project':
      return [['projects', 'list'], ['projects', 'detail', event.id], ['declarations', 'detail', event.id]]
    case 'environment':
      return [['environments', 'list'], ['environments', 'detail', event.id]]
    case 'variable':
      return [['variables']]
  }
}

function taskOf(event: LiveEvent): unknown[][] {
  const taskId = event.data.task_id
  return typeof taskId === 'number' ? [['tasks', 'detail', taskId]] : []
}

/** Keep every query on the page fresh while the component lives. Used once, by the app shell. */
export function useLiveUpdates() {
  const queryClient = useQueryClient()
  const connected = ref(true)
  const stale = new Map<string, unknown[]>()
  let timer: ReturnType<typeof setTimeout> | undefined

  function refresh(): void {
    timer = undefined
    for (const queryKey of stale.values()) void queryClient.invalidateQueries({ queryKey })
    stale.clear()
  }

  const connection = openEvents({
    onEvent(event) {
      for (const key of staleKeys(event)) stale.set(JSON.stringify(key), key)
      timer ??= setTimeout(refresh, GATHER_MS)
    },
    onGap: () => void queryClient.invalidateQueries(),
    onConnectedChange: (now) => (connected.value = now),
  })
  onScopeDispose(() => {
    clearTimeout(timer)
    connection.close()
  })

  return { connected: readonly(connected) }
}
