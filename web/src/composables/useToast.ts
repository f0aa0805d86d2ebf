import { useToast as useNuxtUiToast } from '@nuxt/ui/composables/useToast'

import { useErrorText } from './useErrorText'

/** Short messages at the edge of the screen: what was done, and what could not be. */
export function useToast() {
  const { add } = useNuxtUiToast()
  const errorText = useErrorText()

  return {
    success(title: string, description?: string): void {
      add({ title, description, color: 'success', icon: 'i-lucide-circle-check' })
    },
    info(title: string, description?: string): void {
      add({ title, description, color: 'neutral', icon: 'i-lucide-info' })
    },
    /** Stays longer than a success: there is more to read, and it may have come unexpected. */
    error(error: unknown): void {
      const { title, message, requestId } = errorText(error)
      const description = requestId ? `${message} (${requestId})` : message
      add({ title, description, color: 'error', icon: 'i-lucide-circle-x', duration: 10_000 })
    },
  }
}
