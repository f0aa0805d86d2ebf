import { useQueryClient } from '@tanstack/vue-query'
import type { Ref } from 'vue'
import { useI18n } from 'vue-i18n'

import { api, ApiError, unwrap } from '@/api'
import { useAsyncAction } from '@/composables/useAsyncAction'
import { useConfirm } from '@/composables/useConfirm'
import { useToast } from '@/composables/useToast'
import { PROJECTS } from '../projects'
import { uploadForm } from '../uploadFile'
import type { TreeNode } from './fileTree'
import { isAtOrBelow, type useOpenFiles } from './useOpenFiles'

/** Files as they come from a person: each with its path below the folder that they are put into. */
export interface Brought {
  file: File
  path: string
}

const BASE = '/api/v1/projects'

/** What can be done with the files of a project beside editing them; the open files follow. */
export function useArranging(projectId: Ref<number>, files: ReturnType<typeof useOpenFiles>) {
  const { t, n } = useI18n()
  const confirm = useConfirm()
  const toast = useToast()
  const queryClient = useQueryClient()
  const refresh = () => queryClient.invalidateQueries({ queryKey: PROJECTS })
  const id = () => ({ project_id: projectId.value })

  async function addFolder(path: string): Promise<void> {
    await unwrap(api.POST('/projects/{project_id}/folders', { params: { path: id() }, body: { path } }))
    await refresh()
  }

  /** An empty file; the server refuses a path that is taken. */
  async function addFile(path: string): Promise<string> {
    const form = new FormData()
    form.append('file', new File([], path), path)
    const { paths } = (await uploadForm(`${BASE}/${projectId.value}/files`, form)) as { paths: string[] }
    await refresh()
    return paths[0] ?? path
  }

  async function move(source: string, target: string): Promise<void> {
    if ([...files.dirty.value].some((path) => isAtOrBelow(path, source))) {
      toast.info(t('projects.file.saveFirst'))
      return
    }
    const moved = await unwrap(api.POST('/projects/{project_id}/files/move', { params: { path: id() }, body: { source, target } }))
    files.follow(source, moved.path)
    await refresh()
  }

  const drop = useAsyncAction(async (source: string, folder: string) => {
    const name = source.slice(source.lastIndexOf('/') + 1)
    const target = folder ? `${folder}/${name}` : name
    if (target === source || isAtOrBelow(folder, source)) return
    const isMeant = await confirm({
      title: t('projects.file.moveTitle', { name }),
      description: t('projects.file.moveText', { source, target }),
      confirmLabel: t('projects.file.move'),
    })
    if (isMeant) await move(source, target)
  })

  const remove = useAsyncAction(async (node: Pick<TreeNode, 'path' | 'type' | 'fileCount'>) => {
    const { path } = node
    const isMeant = await confirm({
      title: t('projects.file.deleteTitle', { path }),
      description: [...(node.type === 'directory' ? [t('projects.file.deleteFolderText', { n: n(node.fileCount) })] : []), t('projects.file.deleteText')].join(' '),
      confirmLabel: t('projects.file.deleteConfirm'),
      destructive: true,
    })
    if (!isMeant) return
    await unwrap(api.DELETE('/projects/{project_id}/files/{path}', { params: { path: { ...id(), path } } }))
    files.forget((one) => isAtOrBelow(one, path))
    await refresh()
  })

  async function send(brought: readonly Brought[], folder: string, overwrite: boolean): Promise<void> {
    const form = new FormData()
    form.append('folder', folder)
    form.append('overwrite', String(overwrite))
    for (const { file, path } of brought) form.append('file', file, path)
    await uploadForm(`${BASE}/${projectId.value}/files`, form)
    await refresh()
  }

  const upload = useAsyncAction(
    async (brought: readonly Brought[], folder: string) => {
      if (brought.length === 0) return 0
      try {
        await send(brought, folder, false)
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 409) throw error
        const isMeant = await confirm({ title: t('projects.file.overwriteTitle'), description: error.message, confirmLabel: t('projects.file.overwriteAll'), destructive: true })
        if (!isMeant) return 0
        await send(brought, folder, true)
      }
      return brought.length
    },
    { success: (count) => (count ? t('projects.file.uploaded', { n: n(count) }) : undefined) },
  )

  return { addFile, addFolder, move, drop, remove, upload }
}
