import { QueryClient } from '@tanstack/vue-query'

import { ApiError, NetworkError } from '@/api'

const MOST_RETRIES = 2

/** Trying again helps when nobody answered; the same request refused once is refused again. */
function shouldRetry(failures: number, error: Error): boolean {
  const mayPass = error instanceof NetworkError || (error instanceof ApiError && error.code === 'unavailable')
  return mayPass && failures < MOST_RETRIES
}

/** What the server owns is kept here and nowhere else; live events and actions mark it as stale. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: { staleTime: 15_000, retry: shouldRetry },
    mutations: { retry: false },
  },
})
