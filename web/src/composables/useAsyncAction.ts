import { computed, ref, type ComputedRef } from 'vue'

import { useToast } from './useToast'

interface ActionOptions<Result> {
  /** Shown when it worked; nothing is shown without it, nor where there is nothing to say. */
  success?: string | ((result: Result) => string | undefined)
  /** Return true when the error is already shown, for example beside the fields of a form. */
  onError?: (error: unknown) => boolean
}

export interface AsyncAction<Args extends unknown[], Result> {
  pending: ComputedRef<boolean>
  /** The result; undefined when it failed (a toast has said so) or when it was already under way. */
  run: (...args: Args) => Promise<Result | undefined>
}

/** Wrap something a person starts with a click: no second start while the first is under way, and no failure unseen. */
export function useAsyncAction<Args extends unknown[], Result>(
  action: (...args: Args) => Promise<Result>,
  options: ActionOptions<Result> = {},
): AsyncAction<Args, Result> {
  const toast = useToast()
  const running = ref(false)

  async function run(...args: Args): Promise<Result | undefined> {
    if (running.value) return undefined
    running.value = true
    try {
      const result = await action(...args)
      const { success } = options
      const words = typeof success === 'function' ? success(result) : success
      if (words) toast.success(words)
      return result
    } catch (error) {
      if (!options.onError?.(error)) toast.error(error)
      return undefined
    } finally {
      running.value = false
    }
  }

  return { pending: computed(() => running.value), run }
}
