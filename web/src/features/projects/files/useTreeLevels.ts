import { useQueries } from '@tanstack/vue-query'
import { computed, shallowRef, type Ref } from 'vue'

import { levelQuery, type TreeEntry } from '../projects'
import { foldersAbove } from './fileTree'

const TOP = ''

/** The folders of a project that are open, each loaded when it is opened: the cost is that of what is seen. */
export function useTreeLevels(projectId: Ref<number>) {
  const open = shallowRef<ReadonlySet<string>>(new Set())
  const folders = computed(() => [TOP, ...open.value])
  const levels = useQueries({ queries: computed(() => folders.value.map((folder) => levelQuery(projectId.value, folder))) })

  const top = computed(() => levels.value[0])
  /** What is known of the tree, flat. A folder that was deleted meanwhile answers nothing, and is not shown. */
  const entries = computed<TreeEntry[]>(() => levels.value.flatMap((level) => (level.isError ? [] : (level.data?.entries ?? []))))
  const loading = computed<ReadonlySet<string>>(() => new Set(folders.value.filter((_, index) => levels.value[index]?.isPending)))

  function toggle(path: string, wanted = !open.value.has(path)): void {
    const next = new Set(open.value)
    if (wanted) next.add(path)
    else next.delete(path)
    open.value = next
  }

  /** Open the folders above a file, so that it is seen. */
  function reveal(path: string): void {
    const above = foldersAbove(path)
    if (above.some((folder) => !open.value.has(folder))) open.value = new Set([...open.value, ...above])
  }

  return { entries, open, loading, top, toggle, reveal }
}
