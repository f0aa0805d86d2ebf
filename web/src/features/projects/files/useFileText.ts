import { useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed, ref, shallowRef, watch, type Ref } from 'vue'

import { api, ApiError, unwrap } from '@/api'
import { useAsyncAction } from '@/composables/useAsyncAction'
import { useMay } from '@/features/access'
import { fileQuery, PROJECTS, type ProjectFile } from '../projects'

/** What an editor gives: its text as it is now, and a way to say that the server has this text. */
export interface Editor {
  read: () => { text: string; markSaved: () => void }
  goTo: (line: number) => void
  focus: () => void
}

/** Somebody else's text for which a save was refused; null where the file was deleted, or is no text any more. */
export interface Conflict {
  message: string
  theirs: ProjectFile | null
}

/** One file: loaded, edited, saved, and what happens when somebody else was faster. */
export function useFileText(projectId: Ref<number>, path: Ref<string>, editor: Ref<Editor | null>) {
  const may = useMay()
  const queryClient = useQueryClient()
  const file = useQuery(computed(() => fileQuery(projectId.value, path.value)))
  const dirty = ref(false)
  const conflict = shallowRef<Conflict | null>(null)
  const generation = ref(0)
  /** The state of the project that the text is based on; moves with each saving. */
  const baseSnapshotId = ref<number>()
  const place = () => ({ project_id: projectId.value, path: path.value })

  watch(
    () => file.data.value?.snapshot_id,
    (id) => (baseSnapshotId.value = id),
    { immediate: true },
  )

  const save = useAsyncAction(
    async (overwrite = false) => {
      if (!editor.value || !may.operate.value) return false
      const { text, markSaved } = editor.value.read()
      const body = { content: text, encoding: encoding(), base_snapshot_id: overwrite ? null : baseSnapshotId.value }
      const saved = await unwrap(api.PUT('/projects/{project_id}/files/{path}', { params: { path: place() }, body }))
      // What was read is now this: an editor that is made anew begins with it.
      queryClient.setQueryData<ProjectFile>(fileQuery(projectId.value, path.value).queryKey, (known) => known && { ...known, content: text, size_bytes: saved.size_bytes, snapshot_id: saved.snapshot_id })
      baseSnapshotId.value = saved.snapshot_id
      conflict.value = null
      markSaved()
      void queryClient.invalidateQueries({ queryKey: PROJECTS })
      return true
    },
    {
      onError(error) {
        const isConflict = error instanceof ApiError && error.details.some((detail) => detail.field === 'base_snapshot_id')
        if (isConflict) void showConflict(error.message)
        return isConflict
      },
    },
  )

  /** As the file was when it was read: somebody else may have stored it in another one meanwhile. */
  function encoding(): 'utf-8' | 'utf-8-sig' | 'gb18030' | null {
    const known = file.data.value?.encoding
    return known === 'utf-8' || known === 'utf-8-sig' || known === 'gb18030' ? known : null
  }

  async function showConflict(message: string): Promise<void> {
    let theirs: ProjectFile | null = null
    try {
      theirs = (await unwrap(api.GET('/projects/{project_id}/files/{path}', { params: { path: place() } }))) as ProjectFile
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error
    }
    conflict.value = { message, theirs }
  }

  /** Put what the server has in the place of what was typed. */
  async function takeTheirs(): Promise<void> {
    await file.refetch()
    conflict.value = null
    dirty.value = false
    generation.value += 1
  }

  return { file, dirty, conflict, generation, save, takeTheirs }
}
