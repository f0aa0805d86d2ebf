import { onScopeDispose, readonly, shallowRef } from 'vue'

import type { Install } from './environments'

/** Follow the installation of a Python to its end. The browser resumes a connection that drops: each event says all. */
export function useInstall(first: Install, onEnd: () => void) {
  const install = shallowRef(first)
  if (first.state !== 'running') return { install: readonly(install) }

  const source = new EventSource(`/api/v1/interpreters/installs/${first.id}/stream`)
  source.addEventListener('progress', (event: MessageEvent<string>) => {
    install.value = JSON.parse(event.data) as Install
    if (install.value.state === 'running') return
    source.close()
    onEnd()
  })
  onScopeDispose(() => source.close())

  return { install: readonly(install) }
}
