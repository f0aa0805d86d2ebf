import { onScopeDispose, ref } from 'vue'

/** Take what is dropped anywhere on the page; `over` is true while something is held above it. */
export function useFileDrop(onDropped: (transfer: DataTransfer) => void) {
  const over = ref(false)
  // Entering a child fires before leaving its parent, so single events do not say whether the page was left.
  let depth = 0

  function hasFiles(event: DragEvent): boolean {
    return event.dataTransfer?.types.includes('Files') ?? false
  }

  function onEnter(event: DragEvent): void {
    if (!hasFiles(event)) return
    event.preventDefault()
    depth += 1
    over.value = true
  }

  function onOver(event: DragEvent): void {
    if (hasFiles(event)) event.preventDefault()
  }

  function onLeave(event: DragEvent): void {
    if (!hasFiles(event)) return
    depth = Math.max(0, depth - 1)
    over.value = depth > 0
  }

  function onDrop(event: DragEvent): void {
    if (!hasFiles(event)) return
    event.preventDefault()
    depth = 0
    over.value = false
    if (event.dataTransfer) onDropped(event.dataTransfer)
  }

  const listeners = { dragenter: onEnter, dragover: onOver, dragleave: onLeave, drop: onDrop } as const
  for (const [type, listener] of Object.entries(listeners)) globalThis.addEventListener(type, listener as EventListener)
  onScopeDispose(() => {
    for (const [type, listener] of Object.entries(listeners)) globalThis.removeEventListener(type, listener as EventListener)
  })

  return { over }
}
