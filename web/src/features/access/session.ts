import { queryOptions, useQuery } from '@tanstack/vue-query'

import { api, unwrap, type components } from '@/api'
import { queryClient } from '@/composables/queryClient'

/** The account; a server that knows more roles than this page's types answers them too. */
export type Me = Omit<components['schemas']['Me'], 'role'> & { role: 'admin' | 'operator' | 'viewer' }

const ME_KEPT_MS = 5 * 60_000

const me = queryOptions({
  queryKey: ['me'],
  queryFn: (): Promise<Me> => unwrap(api.GET('/auth/me')),
  staleTime: ME_KEPT_MS,
})

/** Who is signed in. Throws ApiError `unauthenticated` when nobody is. */
export function loadMe(): Promise<Me> {
  return queryClient.ensureQueryData(me)
}

/** Who is signed in, for components; undefined until it is known. */
export function useMe() {
  return useQuery(me).data
}

export async function isSetupNeeded(): Promise<boolean> {
  const { needed } = await unwrap(api.GET('/setup'))
  return needed
}

/** Sign in. What the person before has seen is forgotten first. */
export async function logIn(username: string, password: string): Promise<void> {
  await unwrap(api.POST('/auth/login', { body: { username, password } }))
  forgetSession()
}

/** Create the first account, and be signed in with it. */
export async function setUp(account: { token: string; username: string; password: string }): Promise<void> {
  await unwrap(api.POST('/setup', { body: account }))
  forgetSession()
}

export async function logOut(): Promise<void> {
  await unwrap(api.POST('/auth/logout'))
  forgetSession()
}

/** Drop everything that was loaded: the next person may not be allowed to see it. */
export function forgetSession(): void {
  queryClient.clear()
}
