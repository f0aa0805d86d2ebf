import { computed, onScopeDispose, ref, shallowRef, type Ref } from 'vue'

import { api, unwrap } from '@/api'
import type { FoundFile } from '../projects'

/** Answers that find nothing are followed by the next question, so many times at the most; then a person decides. */
const MOST_EMPTY_ANSWERS = 5

/** A search through the files of a project, answer by answer. */
export function useFileSearch(projectId: Ref<number>) {
  const words = ref('')
  const include = ref('')
  const isPattern = ref(false)
  const mindsCase = ref(false)
  const files = shallowRef<FoundFile[]>([])
  const cursor = ref<string | null>(null)
  const state = ref<'idle' | 'searching' | 'done' | 'failed'>('idle')
  const error = shallowRef<unknown>(null)
  let controller: AbortController | undefined

  const matchCount = computed(() => files.value.reduce((sum, file) => sum + file.matches.length, 0))

  async function ask(from: string | undefined): Promise<void> {
    controller?.abort()
    const own = (controller = new AbortController())
    state.value = 'searching'
    error.value = null
    try {
      let next = from
      for (let asked = 0; asked < MOST_EMPTY_ANSWERS; asked += 1) {
        const query = { q: words.value, regex: isPattern.value, case: mindsCase.value, include: include.value.trim() || undefined, cursor: next }
        const found = await unwrap(api.GET('/projects/{project_id}/search', { params: { path: { project_id: projectId.value }, query }, signal: own.signal }))
        if (own.signal.aborted) return
        files.value = [...files.value, ...found.items]
        cursor.value = found.next_cursor
        next = found.next_cursor ?? undefined
        if (found.items.length > 0 || !next) break
      }
      state.value = 'done'
    } catch (thrown) {
      if (own.signal.aborted) return
      error.value = thrown
      state.value = 'failed'
    }
  }

  async function search(): Promise<void> {
    files.value = []
    cursor.value = null
    if (words.value) await ask(undefined)
    else state.value = 'idle'
  }

  const more = () => ask(cursor.value ?? undefined)

  onScopeDispose(() => controller?.abort())
  return { words, include, isPattern, mindsCase, files, cursor, state, error, matchCount, search, more }
}
