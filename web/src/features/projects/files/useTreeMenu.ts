import type { ContextMenuItem } from '@nuxt/ui'
import { computed, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'

import { useMay } from '@/features/access'
import { archiveUrl, rawFileUrl } from '../projects'
import type { TreeNode } from './fileTree'
import type { PathQuestion } from './PathDialog.vue'
import { folderOf } from './useTreeDrag'

interface Deeds {
  ask: (kind: PathQuestion['kind'], path: string) => void
  remove: (row: TreeNode) => void
  pick: (folder: string) => void
}

/** What the menu of the tree offers: for the row that it was asked for at, or for the project's top. */
export function useTreeMenu(projectId: Ref<number>, row: Ref<TreeNode | undefined>, { ask, remove, pick }: Deeds) {
  const { t } = useI18n()
  const may = useMay()

  function adding(folder: string): ContextMenuItem[] {
    const below = folder ? `${folder}/` : ''
    return [
      { label: t('projects.file.ask.file'), icon: 'i-lucide-file-plus', onSelect: () => ask('file', below) },
      { label: t('projects.file.ask.folder'), icon: 'i-lucide-folder-plus', onSelect: () => ask('folder', below) },
      { label: t('projects.file.upload'), icon: 'i-lucide-upload', onSelect: () => pick(folder) },
    ]
  }

  const general = computed(() => [adding(''), [{ label: t('projects.file.downloadAll'), icon: 'i-lucide-download', to: archiveUrl(projectId.value), external: true, target: '_self' as const }]])

  const items = computed<ContextMenuItem[][]>(() => {
    const { value: one } = row
    if (!one) return may.operate.value ? [adding('')] : []
    const download = one.type === 'file' ? [[{ label: t('projects.download'), icon: 'i-lucide-download', to: rawFileUrl(projectId.value, one.path), external: true, target: '_self' as const }]] : []
    if (!may.operate.value) return download
    return [
      adding(folderOf(one)),
      [
        { label: t('projects.file.rename'), icon: 'i-lucide-pencil', kbds: ['F2'], onSelect: () => ask('move', one.path) },
        { label: t('projects.file.deleteConfirm'), icon: 'i-lucide-trash-2', color: 'error', onSelect: () => remove(one) },
      ],
      ...download,
    ]
  })

  return { general, items }
}
