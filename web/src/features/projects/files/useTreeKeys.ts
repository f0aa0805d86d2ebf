import type { Ref } from 'vue'

import { foldersAbove, type TreeNode } from './fileTree'

interface Tree {
  rows: Ref<readonly TreeNode[]>
  /** Of the row with the focus. */
  index: Ref<number>
  isOpen: (path: string) => boolean
  moveTo: (index: number) => void
  activate: (row: TreeNode) => void
  toggle: (path: string, wanted: boolean) => void
  rename: (row: TreeNode) => void
  remove: (row: TreeNode) => void
}

/** The keys of a tree, as the tree pattern of the ARIA practices has them, and those of file managers. */
export function useTreeKeys({ rows, index, isOpen, moveTo, activate, toggle, rename, remove }: Tree) {
  function goIn(row: TreeNode): void {
    if (row.type !== 'directory') return
    if (isOpen(row.path)) moveTo(index.value + 1)
    else toggle(row.path, true)
  }

  function goOut(row: TreeNode): void {
    if (row.type === 'directory' && isOpen(row.path)) toggle(row.path, false)
    else moveTo(rows.value.findIndex((other) => other.path === foldersAbove(row.path).at(-1)))
  }

  const moves: Record<string, () => void> = {
    ArrowDown: () => moveTo(index.value + 1),
    ArrowUp: () => moveTo(index.value - 1),
    Home: () => moveTo(0),
    End: () => moveTo(rows.value.length - 1),
  }
  const deeds: Record<string, (row: TreeNode) => void> = { ArrowRight: goIn, ArrowLeft: goOut, Enter: activate, ' ': activate, F2: rename, Delete: remove }

  return (event: KeyboardEvent): void => {
    const move = moves[event.key]
    const deed = deeds[event.key]
    const row = rows.value[index.value]
    if (move) move()
    else if (deed && row) deed(row)
    else return
    event.preventDefault()
  }
}
