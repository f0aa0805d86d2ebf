import { flushPromises } from '@vue/test-utils'
import { describe, expect, it } from 'vitest'

import { openQuestion } from '@/composables/useConfirm'
import { makeDetection, makeGit, makeMe, makeProject, makePull } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { errorAnswer, fakeServer, type Handler } from '@/testing/server'
import ProjectPage from '../ProjectPage.vue'
import { bodyOf, formOf, sshHostOf } from './git'
import GitAccessPage from './GitAccessPage.vue'

function server(handlers: Record<string, Handler> = {}): Request[] {
  return fakeServer({
    'GET /auth/me': { body: makeMe() },
    'GET /projects/2/tree': { body: { snapshot_id: 41, entries: [] } },
    'GET /projects/2/detection': { body: makeDetection() },
    'GET /git/credentials': { body: { items: [{ id: 1, name: 'deploy', kind: 'token', username: 'kumo', project_count: 2, created_at: '2026-01-05T12:00:00Z', updated_at: '2026-01-05T12:00:00Z' }] } },
    'GET /git/hosts': { body: { items: [] } },
    ...handlers,
  })
}

async function open(git: Parameters<typeof makeGit>[0], query = '', handlers: Record<string, Handler> = {}) {
  const requests = server({ 'GET /projects/2': { body: makeProject({ git: makeGit(git) }) }, 'POST /projects/2/sync': { status: 202, body: makePull({ state: 'queued' }) }, ...handlers })
  return { page: await mountPage(ProjectPage, { props: { id: 2 }, path: `/projects/2${query}` }), requests }
}

async function bodyOfLast(requests: Request[], method: string): Promise<unknown> {
  return requests.filter((request) => request.method === method).at(-1)?.clone().json()
}

describe('a project from git', () => {
  it('shows its commit, and is pulled', async () => {
    const { page, requests } = await open({})
    expect(page.get('[data-testid=git-panel]').text()).toContain('git.example.org')
    expect(page.get('[data-testid=git-commit]').text()).toContain('5f0c6f6e2d')
    await page.get('[data-testid=git-pull]').trigger('click')
    await flushPromises()
    expect(await bodyOfLast(requests, 'POST')).toEqual({ overwrite: false })
  })

  it('says what to do when changes made here would be undone, and overwrites them when told so', async () => {
    const { page, requests } = await open({ local_changes: true, last_pull: makePull({ state: 'failed', problem: 'local_changes', message: 'Files were changed here.' }) })
    expect(page.get('[data-testid=git-failure]').text()).toContain('A pull would undo changes made here.')
    await page.get('[data-testid=git-overwrite]').trigger('click')
    openQuestion.value?.answer(true)
    await flushPromises()
    expect(await bodyOfLast(requests, 'POST')).toEqual({ overwrite: true })
  })

  it('shows the key of a host that is not known, and pulls once it is accepted', async () => {
    const keys = [{ type: 'ssh-ed25519', fingerprint: 'SHA256:abc', key: 'ssh-ed25519 AAAA' }]
    const { page, requests } = await open(
      { url: 'ssh://git@git.example.org:2222/x.git', last_pull: makePull({ state: 'failed', problem: 'host_key_unknown', message: 'Not known.' }) },
      '',
      { 'POST /git/hosts/keys': { body: { host_name: '[git.example.org]:2222', state: 'new', keys, accepted: [] } }, 'POST /git/hosts': { status: 201, body: {} } },
    )
    await page.get('[data-testid=git-host-show]').trigger('click')
    await flushPromises()
    expect(document.body.textContent).toContain('SHA256:abc')
    document.querySelector<HTMLElement>('[data-testid=git-host-accept]')?.click()
    await flushPromises()
    const accepted = requests.find((request) => request.method === 'POST' && request.url.endsWith('/git/hosts'))
    expect(await accepted?.clone().json()).toEqual({ host: 'git.example.org', port: 2222, keys: ['ssh-ed25519 AAAA'] })
    expect(requests.some((request) => request.url.endsWith('/sync'))).toBe(true)
  })

  it('changes what is followed, and says which field is wrong', async () => {
    const message = 'This is no name that a branch of git can have.'
    const { page, requests } = await open({}, '?tab=settings', { 'PATCH /projects/2': errorAnswer(422, 'validation_error', message, [{ field: 'git.branch', message }]) })
    await page.get('[data-testid=git-ref]').setValue('a..b')
    await page.get('[data-testid=git-settings] form').trigger('submit')
    await flushPromises()
    expect(await bodyOfLast(requests, 'PATCH')).toMatchObject({ git: { branch: 'a..b', tag: null, commit: null, pull_every_seconds: null } })
    expect(page.get('[data-testid=git-settings]').text()).toContain(message)
  })

  it('shows the address of a webhook once', async () => {
    const { page } = await open({}, '?tab=settings', { 'POST /projects/2/webhook': { status: 201, body: { url_path: '/api/v1/hooks/git/abc', has_secret: false } } })
    await page.get('[data-testid=git-webhook-make]').trigger('submit')
    await flushPromises()
    expect(page.get('[data-testid=git-webhook-address]').text()).toContain('/api/v1/hooks/git/abc')
  })
})

describe('access to git', () => {
  it('says which projects keep a credential', async () => {
    server({ 'DELETE /git/credentials/1': errorAnswer(409, 'conflict', 'It is used by the project “quotes”.') })
    const page = await mountPage(GitAccessPage)
    expect(page.get('[data-testid=git-credential-row]').text()).toContain('2 projects')
    await page.get('[data-testid=git-credential-delete]').trigger('click')
    openQuestion.value?.answer(true)
    await flushPromises()
    expect(page.text()).toContain('It is used by the project “quotes”.')
  })
})

describe('addresses', () => {
  it('name their ssh server', () => {
    expect(sshHostOf('ssh://git@git.example.org/x')).toEqual({ host: 'git.example.org', port: 22 })
    expect(sshHostOf('ssh://[2001:db8::1]:2222/x')).toEqual({ host: '2001:db8::1', port: 2222 })
    expect(sshHostOf('git@git.example.org:team/x.git')).toEqual({ host: 'git.example.org', port: 22 })
    expect(sshHostOf('https://git.example.org/x')).toBeNull()
  })

  it('come back from the form as they went in', () => {
    expect(bodyOf(formOf(makeGit({ branch: null, tag: 'v1' })))).toMatchObject({ url: makeGit().url, branch: null, tag: 'v1', commit: null })
  })
})
