/** Where to go after signing in. Only a path of our own: `//evil.example` and `https://…` would lead away from Kumo. */
export function safeReturnPath(value: unknown): string {
  if (typeof value !== 'string' || !value.startsWith('/') || value.startsWith('//') || value.includes('\\')) return '/'
  return value
}
