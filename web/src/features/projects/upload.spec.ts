import { execFileSync } from 'node:child_process'

import { flushPromises } from '@vue/test-utils'
import { beforeEach, expect, it, vi } from 'vitest'
import { effectScope } from 'vue'

import { ApiError, NetworkError } from '@/api'
import { makeProject } from '@/testing/factories'
import { folderArchive } from './folderArchive'
import { isArchive, nameOfArchive, useUpload } from './useUpload'

class FakeRequest extends EventTarget {
  static last: FakeRequest
  readonly upload = new EventTarget()
  readonly headers: Record<string, string> = {}
  status = 0
  responseText = ''
  sent: FormData | undefined
  aborted = false
  constructor() {
    super()
    FakeRequest.last = this
  }
  open = vi.fn()
  setRequestHeader(name: string, value: string): void {
    this.headers[name] = value
  }
  send(form: FormData): void {
    this.sent = form
  }
  abort(): void {
    this.aborted = true
    this.dispatchEvent(new Event('abort'))
  }
  progress(loaded: number, total: number): void {
    this.upload.dispatchEvent(Object.assign(new Event('progress'), { loaded, total, lengthComputable: true }))
  }
  answer(status: number, body: unknown): void {
    this.status = status
    this.responseText = JSON.stringify(body)
    this.dispatchEvent(new Event('load'))
  }
}

const archive = new File(['x'.repeat(100)], 'quotes.tar.gz')

function begin() {
  const onDone = vi.fn()
  const scope = effectScope()
  const upload = scope.run(() => useUpload(() => '/api/v1/projects', onDone))
  if (!upload) throw new Error('the scope did not run')
  return { upload, onDone, scope }
}

beforeEach(() => {
  vi.stubGlobal('XMLHttpRequest', FakeRequest)
  document.cookie = 'kumo_csrf=secret'
})

it('tells how far it is, and gives the project that came of it', async () => {
  const { upload, onDone } = begin()
  void upload.start(archive, { name: 'mine' })
  const request = FakeRequest.last
  expect(request.headers['X-CSRF-Token']).toBe('secret')
  expect([...(request.sent?.keys() ?? [])]).toEqual(['name', 'file'])
  request.progress(25, 100)
  expect([upload.state.value, upload.fraction.value]).toEqual(['sending', 0.25])
  request.progress(100, 100)
  expect(upload.state.value).toBe('receiving')
  request.answer(201, makeProject())
  await vi.waitFor(() => expect(onDone).toHaveBeenCalledWith(makeProject()))
  expect(upload.state.value).toBe('idle')
})

it("keeps the server's sentence, and can be tried again", async () => {
  const { upload, onDone } = begin()
  void upload.start(archive)
  FakeRequest.last.answer(422, { error: { code: 'validation_error', message: 'The archive has a link in it.', details: [] } })
  await vi.waitFor(() => expect(upload.state.value).toBe('failed'))
  expect(upload.error.value).toBeInstanceOf(ApiError)
  expect((upload.error.value as ApiError).message).toBe('The archive has a link in it.')
  void upload.start(archive)
  expect([upload.state.value, upload.error.value]).toEqual(['sending', null])
  expect(onDone).not.toHaveBeenCalled()
})

it('says when nobody answers', async () => {
  const { upload } = begin()
  void upload.start(archive)
  FakeRequest.last.dispatchEvent(new Event('error'))
  await flushPromises()
  expect(upload.error.value).toBeInstanceOf(NetworkError)
})

it('is given up by a click and with the page, without an error', async () => {
  const { upload, scope } = begin()
  void upload.start(archive)
  upload.cancel()
  await flushPromises()
  expect(FakeRequest.last.aborted).toBe(true)
  expect([upload.state.value, upload.error.value]).toEqual(['idle', null])
  void upload.start(archive)
  scope.stop()
  expect(FakeRequest.last.aborted).toBe(true)
})

it('knows archives by their names', () => {
  const names = ['a.zip', 'A.ZIP', 'b.tar.gz', 'b.tgz', 'b.tar.xz', 'c.py', 'c.7z', 'c.rar', 'c.tar.zst', 'd.gz', 'zip']
  expect(names.filter((name) => isArchive(new File([], name)))).toEqual(['a.zip', 'A.ZIP', 'b.tar.gz', 'b.tgz', 'b.tar.xz', 'c.7z', 'c.rar', 'c.tar.zst'])
  expect(nameOfArchive(new File([], 'my.quotes.tar.gz'))).toBe('my.quotes')
})

it('packs a folder into an archive that any program unpacks', async () => {
  const long = `shop/${'a-long-name/'.repeat(12)}价格.py`
  const brought = [
    { path: 'shop/main.py', file: new File(['print(1)\n'], 'main.py') },
    { path: 'shop/empty.txt', file: new File([], 'empty.txt') },
    { path: long, file: new File(['x'.repeat(1024)], '价格.py') },
  ]
  const archive = folderArchive('shop', brought)
  expect(nameOfArchive(archive)).toBe('shop')
  const bytes = await new Promise<ArrayBuffer>((resolve) => {
    const reader = new FileReader()
    reader.addEventListener('load', () => resolve(reader.result as ArrayBuffer))
    reader.readAsArrayBuffer(archive)
  })
  const input = new Uint8Array(bytes)
  const names = execFileSync('tar', ['--quoting-style=literal', '-tf', '-'], { input }).toString().trim().split('\n')
  expect(names).toEqual(['shop/main.py', 'shop/empty.txt', long])
  expect(execFileSync('tar', ['-xOf', '-', 'shop/main.py'], { input }).toString()).toBe('print(1)\n')
})
