import { onScopeDispose } from 'vue'

/** Call `action` every `milliseconds` while the component lives and its page is visible. */
export function useInterval(action: () => void, milliseconds: number): { stop: () => void } {
  const timer = setInterval(() => {
    if (!document.hidden) action()
  }, milliseconds)
  const stop = () => clearInterval(timer)
  onScopeDispose(stop)
  return { stop }
}
