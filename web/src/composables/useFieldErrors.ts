import { computed, ref, toValue, type MaybeRefOrGetter } from 'vue'

import { ApiError } from '@/api'

/**
 * Put the server's `details` beside the fields that they name.
 *
 * `of(name)` also takes what is below it (`triggers.0.expression` for `triggers`). What no field of the form claims is
 * left in `rest`, to be shown above the form: no complaint is swallowed. A form with lists gives its fields as a getter.
 */
export function useFieldErrors(fields: MaybeRefOrGetter<readonly string[]>) {
  const error = ref<ApiError | null>(null)

  function belongsTo(field: string, name: string): boolean {
    return field === name || field.startsWith(`${name}.`)
  }

  function of(name: string): string | undefined {
    const messages = error.value?.details.filter((detail) => belongsTo(detail.field, name)) ?? []
    return messages.map((detail) => detail.message).join(' ') || undefined
  }

  const rest = computed<string[]>(() => {
    if (!error.value) return []
    const { details, message: whole } = error.value
    const unclaimed = details.filter(({ field }) => !toValue(fields).some((name) => belongsTo(field, name)))
    if (details.length === 0) return [whole]
    // What is the whole sentence too stands without the name of a field that the reader may never have seen.
    return unclaimed.map(({ field, message }) => (field && message !== whole ? `${field}: ${message}` : message))
  })

  /** For `onError` of useAsyncAction: true when the form shows the error. */
  function take(thrown: unknown): boolean {
    const isAboutTheForm = thrown instanceof ApiError && thrown.status >= 400 && thrown.status < 500
    error.value = isAboutTheForm ? thrown : null
    return isAboutTheForm
  }

  function clear(): void {
    error.value = null
  }

  return { of, rest, take, clear }
}
