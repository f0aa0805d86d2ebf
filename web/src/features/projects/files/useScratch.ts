import { ref, type Ref } from 'vue'

import { api, unwrap } from '@/api'
import { useAsyncAction } from '@/composables/useAsyncAction'

/** Trying out a file of the project: the run that was asked for last is the one that is shown. */
export function useScratch(projectId: Ref<number>) {
  const runId = ref<number>()
  const path = ref<string>()

  const start = useAsyncAction(async (script: string) => {
    const run = await unwrap(api.POST('/projects/{project_id}/scratch', { params: { path: { project_id: projectId.value } }, body: { path: script, shell: false, parameters: {} } }))
    runId.value = run.id
    path.value = script
  })

  function close(): void {
    runId.value = undefined
  }

  return { runId, path, start, close }
}
