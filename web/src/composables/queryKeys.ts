/**
 * How the keys of queries are built, so that an event can find what it makes stale:
 * `[domain, 'list', filters]` and `[domain, 'detail', id, …parts]`.
 */
export type Domain = 'runs' | 'tasks' | 'projects' | 'environments' | 'dashboard' | (string & {})

export function listKey(domain: Domain, filters: unknown = {}) {
  return [domain, 'list', filters] as const
}

export function detailKey(domain: Domain, id: number, ...parts: unknown[]) {
  return [domain, 'detail', id, ...parts] as const
}
