import { onScopeDispose, readonly, ref } from 'vue'

const TICK_MS = 1_000

const now = ref(Date.now())
let readers = 0
let timer: ReturnType<typeof setInterval> | undefined

/** The time in milliseconds, moving once a second: one clock for the whole page, stopped when nobody looks at it. */
export function useNow() {
  readers += 1
  now.value = Date.now()
  timer ??= setInterval(() => {
    if (!document.hidden) now.value = Date.now()
  }, TICK_MS)
  onScopeDispose(() => {
    readers -= 1
    if (readers > 0) return
    clearInterval(timer)
    timer = undefined
  })
  return readonly(now)
}
