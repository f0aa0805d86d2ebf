import { _api, addIcon } from '@iconify/vue'
import { init } from 'virtual:nuxt-ui-icons'

/** Register every icon that the build found in the sources, and never ask a server for another one. */
export function useBundledIcons(): void {
  // An icon that is missing here stays empty; its name is not sent to anybody. A test finds names that do not exist.
  _api.setAPIModule('', { prepare: () => [], send: (_host, _query, callback) => callback('abort', 404) })
  init((name, icon) => addIcon(name, icon))
}
