import { ApiError, csrfHeaders, NetworkError } from '@/api'

interface UploadOptions {
  /** Fields of the form beside the file. */
  fields?: Record<string, string>
  onProgress?: (sentBytes: number, totalBytes: number) => void
  signal?: AbortSignal
}

/**
 * Send a file as a form and give what the server answers; throws ApiError, NetworkError or, when it was given up, AbortError.
 *
 * XMLHttpRequest, as `fetch` does not tell how much has been sent.
 */
export function uploadFile(url: string, file: File, { fields = {}, ...options }: UploadOptions = {}): Promise<unknown> {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  form.append('file', file, file.name)
  return uploadForm(url, form, { ...options, sizeBytes: file.size })
}

/** The same with a form that is made already; `sizeBytes` is about how large it is. */
export function uploadForm(url: string, form: FormData, { onProgress, signal, sizeBytes = 0 }: Omit<UploadOptions, 'fields'> & { sizeBytes?: number } = {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open('POST', url)
    for (const [name, value] of Object.entries(csrfHeaders())) request.setRequestHeader(name, value)
    request.upload.addEventListener('progress', (event) => onProgress?.(event.loaded, event.lengthComputable ? event.total : sizeBytes))
    request.addEventListener('load', () => {
      const response = new Response(request.responseText, { status: request.status })
      if (response.ok) response.json().then(resolve, reject)
      else void ApiError.fromResponse(response).then(reject)
    })
    request.addEventListener('error', () => reject(new NetworkError(undefined)))
    request.addEventListener('abort', () => reject(new DOMException('The upload was given up.', 'AbortError')))
    signal?.addEventListener('abort', () => request.abort())
    request.send(form)
  })
}
