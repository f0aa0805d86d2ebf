import type { Environment } from './environments'

const REQUIREMENT = /^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?([^;#]*)(;[^#]*)?/

/** A package's name as all its spellings share it. */
export function normalName(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, '-')
}

/** The name that a requirement begins with; empty where it has none. */
export function nameOf(requirement: string): string {
  return REQUIREMENT.exec(requirement.trim())?.[1] ?? ''
}

/** What an environment asks for by itself, one requirement each. */
export function linesOf(environment: Environment): string[] {
  const lines = environment.packages ?? environment.requirements?.split('\n') ?? []
  return lines.map((line) => line.trim()).filter(nameOf)
}

/**
 * The requirement that takes a newer version: with the extras and the condition that it has now.
 *
 * Undefined where that is not to be done by a click: no such line, an address instead of a version, or hashes.
 */
export function raised(lines: readonly string[], name: string, version: string): string | undefined {
  const line = lines.find((one) => normalName(nameOf(one)) === normalName(name))
  if (line === undefined || line.endsWith('\\') || line.includes('--hash')) return undefined
  const [, written = '', extras = '', rest = '', condition = ''] = REQUIREMENT.exec(line) ?? []
  if (rest.includes('@')) return undefined
  return `${written}${extras}>=${version}${condition ? ` ${condition.trim()}` : ''}`
}
