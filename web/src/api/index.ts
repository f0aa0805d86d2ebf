export { api, csrfHeaders, onUnauthenticated, unwrap } from './client'
export { ApiError, NetworkError, type ErrorDetail } from './errors'
export { openEvents, type LiveEvent, type LiveEventType, type EventsConnection } from './events'
export type { components } from './schema'
