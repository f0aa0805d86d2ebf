import { computed, onScopeDispose, ref, shallowRef } from 'vue'

import type { Project } from './projects'
import { uploadFile } from './uploadFile'

const ARCHIVE = /\.(zip|7z|rar|tgz|tbz2?|txz|tzst|tar(\.(gz|bz2|xz|zst))?)$/i

export function isArchive(file: File): boolean {
  return ARCHIVE.test(file.name)
}

/** The name that the server gives a project by itself. */
export function nameOfArchive(file: File): string {
  return file.name.replace(ARCHIVE, '')
}

/** `receiving`: everything is sent, and the server unpacks it. */
export type UploadState = 'idle' | 'sending' | 'receiving' | 'failed'

/** The upload of one archive to `url`: how far it is, the way to give it up, and what the server said against it. */
export function useUpload(url: () => string, onDone: (project: Project) => void) {
  const state = ref<UploadState>('idle')
  const file = shallowRef<File | null>(null)
  const sentBytes = ref(0)
  const totalBytes = ref(0)
  const error = shallowRef<unknown>(null)
  let controller: AbortController | undefined

  const fraction = computed(() => (totalBytes.value > 0 ? Math.min(1, sentBytes.value / totalBytes.value) : 0))
  const busy = computed(() => state.value === 'sending' || state.value === 'receiving')

  async function start(next: File, fields: Record<string, string> = {}): Promise<void> {
    if (busy.value) return
    const own = (controller = new AbortController())
    file.value = next
    error.value = null
    sentBytes.value = 0
    totalBytes.value = next.size
    state.value = 'sending'
    try {
      const project = await uploadFile(url(), next, {
        fields,
        signal: own.signal,
        onProgress(sent, total) {
          sentBytes.value = sent
          totalBytes.value = total
          if (sent >= total) state.value = 'receiving'
        },
      })
      state.value = 'idle'
      onDone(project as Project)
    } catch (thrown) {
      if (own.signal.aborted) return
      error.value = thrown
      state.value = 'failed'
    }
  }

  /** Give the upload up, or put its failure away. */
  function cancel(): void {
    controller?.abort()
    state.value = 'idle'
    error.value = null
  }

  onScopeDispose(() => controller?.abort())

  return { state, file, sentBytes, totalBytes, fraction, busy, error, start, cancel }
}
