import { queryOptions } from '@tanstack/vue-query'

import { api, unwrap, type components } from '@/api'

type Schemas = components['schemas']
export type Git = Schemas['GitOut']
export type GitChange = Schemas['GitChange']
export type Pull = Schemas['PullOut']
export type Credential = Schemas['GitCredentialOut']
export type Host = Schemas['HostOut']
export type HostKeys = Schemas['HostKeysOut']

export const credentialsQuery = queryOptions({
  queryKey: ['git', 'credentials'] as const,
  queryFn: async ({ signal }) => (await unwrap(api.GET('/git/credentials', { signal }))).items,
})

export const hostsQuery = queryOptions({
  queryKey: ['git', 'hosts'] as const,
  queryFn: async ({ signal }) => (await unwrap(api.GET('/git/hosts', { signal }))).items,
})

export type Followed = 'main' | 'branch' | 'tag' | 'commit'

/** What a project follows, as the form holds it. */
export interface GitForm {
  url: string
  followed: Followed
  name: string
  subdirectory: string
  submodules: boolean
  credentialId: number | null
}

export function formOf(git: Git | null | undefined): GitForm {
  const followed = (['branch', 'tag', 'commit'] as const).find((kind) => git?.[kind])
  return {
    url: git?.url ?? '',
    followed: followed ?? 'main',
    name: (followed && git?.[followed]) ?? '',
    subdirectory: git?.subdirectory ?? '',
    submodules: git?.submodules ?? false,
    credentialId: git?.credential?.id ?? null,
  }
}

export function bodyOf(form: GitForm) {
  const name = form.name.trim()
  return {
    url: form.url.trim(),
    branch: form.followed === 'branch' ? name : null,
    tag: form.followed === 'tag' ? name : null,
    commit: form.followed === 'commit' ? name : null,
    subdirectory: form.subdirectory.trim(),
    submodules: form.submodules,
    credential_id: form.credentialId,
  }
}

const SSH_PORT = 22
const SSH_URL = /^ssh:\/\/(?:[^/@]*@)?(?<host>\[[^\]]*\]|[^/:]+)(?::(?<port>\d+))?\//
const SHORT_URL = /^(?:[^@/:]+@)?(?<host>\[[^\]]*\]|[^:/@]+):(?!\/\/)/

/** The ssh server of an address; null when it is none of ssh. */
export function sshHostOf(url: string): { host: string; port: number } | null {
  const found = (SSH_URL.exec(url) ?? SHORT_URL.exec(url))?.groups
  if (!found?.host) return null
  return { host: found.host.replaceAll(/[[\]]/g, ''), port: found.port ? Number(found.port) : SSH_PORT }
}

export function isGoing(pull: Pull | null | undefined): boolean {
  return pull?.state === 'queued' || pull?.state === 'running'
}
