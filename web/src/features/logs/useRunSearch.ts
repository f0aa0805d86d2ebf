import { onScopeDispose, ref, shallowRef } from 'vue'

import { api, unwrap, type components } from '@/api'
import type { Question } from './useQuestion'

type Schemas = components['schemas']
export type FoundRun = Schemas['FoundRunOut']
export type FoundLine = Schemas['MatchOut']

// A search goes on by itself until it has found so many runs more; a request takes two seconds at most.
const PAGE = 20

/** Search the logs of runs on the server, the newest first, as long as somebody wants it. */
export function useRunSearch() {
  const runs = shallowRef<FoundRun[]>([])
  const cursor = ref<string | null>(null)
  const scannedBytes = ref(0)
  const searchedBackTo = ref<string | null>(null)
  const error = shallowRef<unknown>(null)
  const pending = ref(false)
  const isStarted = ref(false)
  /** Nothing is left to be searched. */
  const isComplete = ref(false)
  let question: Question | undefined
  let request: AbortController | undefined

  function start(asked: Question): void {
    clear()
    question = asked
    isStarted.value = true
    void goOn()
  }

  function clear(): void {
    cancel()
    runs.value = []
    cursor.value = searchedBackTo.value = error.value = null
    scannedBytes.value = 0
    isStarted.value = isComplete.value = false
  }

  /** Search on from where it stopped, until enough is found or all is searched. */
  async function goOn(): Promise<void> {
    if (!question || pending.value || isComplete.value) return
    const own = (request = new AbortController())
    const enough = runs.value.length + PAGE
    pending.value = true
    error.value = null
    try {
      do {
        const query = { ...question, cursor: cursor.value ?? undefined, limit: enough - runs.value.length }
        const answer = await unwrap(api.GET('/logs/search', { params: { query }, signal: own.signal }))
        if (own.signal.aborted) return
        runs.value = joined(runs.value, answer.items)
        cursor.value = answer.next_cursor
        scannedBytes.value += answer.scanned_bytes
        isComplete.value = cursor.value === null
        searchedBackTo.value = answer.searched_back_to ?? searchedBackTo.value
      } while (!isComplete.value && runs.value.length < enough)
    } catch (thrown) {
      if (!own.signal.aborted) error.value = thrown
    } finally {
      if (request === own) pending.value = false
    }
  }

  /** Stop searching; what was found stays, and the search can go on. */
  function cancel(): void {
    request?.abort()
    request = undefined
    pending.value = false
  }

  onScopeDispose(cancel)

  return { runs, scannedBytes, searchedBackTo, error, pending, isStarted, isComplete, start, clear, goOn, cancel }
}

/** What was found with what is found further on; a log whose search took longer than a request comes in parts. */
function joined(before: FoundRun[], after: FoundRun[]): FoundRun[] {
  const last = before.at(-1)
  const [first, ...rest] = after
  if (!last || !first || last.run_id !== first.run_id || last.attempt !== first.attempt) return [...before, ...after]
  return [...before.slice(0, -1), { ...first, matches: [...last.matches, ...first.matches] }, ...rest]
}
