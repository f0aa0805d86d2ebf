import { ref } from 'vue'

import type { TreeNode } from './fileTree'

/** What is dragged within the tree; other programs do not know it. */
const KIND = 'application/x-kumo-path'

interface Drops {
  move: (path: string, folder: string) => void
  bring: (transfer: DataTransfer, folder: string) => void
}

/** The folder that something goes into that is dropped here: the folder itself, or the one of the file; "" is the top. */
export function folderOf(row: Pick<TreeNode, 'path' | 'type'>): string {
  return row.type === 'directory' ? row.path : row.path.slice(0, Math.max(0, row.path.lastIndexOf('/')))
}

/** Dragging files within the tree, and onto it from outside. `over` is the folder that is aimed at. */
export function useTreeDrag({ move, bring }: Drops) {
  const over = ref<string>()

  function onStart(event: DragEvent, path: string): void {
    event.dataTransfer?.setData(KIND, path)
    if (event.dataTransfer) event.dataTransfer.effectAllowed = 'move'
  }

  function isOurs(event: DragEvent): boolean {
    const types = event.dataTransfer?.types ?? []
    return types.includes(KIND) || types.includes('Files')
  }

  function onOver(event: DragEvent, folder: string): void {
    if (!isOurs(event)) return
    event.preventDefault()
    over.value = folder
  }

  function onLeave(event: DragEvent): void {
    if (event.target === event.currentTarget) over.value = undefined
  }

  function onDrop(event: DragEvent, folder: string): void {
    over.value = undefined
    const { dataTransfer } = event
    if (!dataTransfer || !isOurs(event)) return
    event.preventDefault()
    const path = dataTransfer.getData(KIND)
    if (path) move(path, folder)
    else bring(dataTransfer, folder)
  }

  return { over, onStart, onOver, onLeave, onDrop }
}
