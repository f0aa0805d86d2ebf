import { onScopeDispose, readonly, ref, toValue, watchEffect, type MaybeRefOrGetter } from 'vue'

const name = ref('')

/** The name of the thing on the page, for the document's title; empty when the page has none. */
export const pageName = readonly(name)

/** Put the name of what is shown (a task, a run) before the page's own title in the browser's tab. */
export function usePageTitle(title: MaybeRefOrGetter<string | undefined>): void {
  let own = ''
  watchEffect(() => {
    own = toValue(title) ?? ''
    name.value = own
  })
  onScopeDispose(() => {
    // The next page may have set its own name before this one is gone.
    if (name.value === own) name.value = ''
  })
}
