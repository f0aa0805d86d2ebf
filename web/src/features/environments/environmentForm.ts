import type { components } from '@/api'
import type { Environment, Interpreter } from './environments'

export type Source = Environment['source']
type Create = components['schemas']['EnvironmentCreate']

/** The choices of the Python field that are no version: whatever Kumo takes by itself, and something typed. */
export const DEFAULT_PYTHON = 'default'
export const OTHER_PYTHON = 'other'

export interface EnvironmentForm {
  name: string
  /** A minor version such as "3.12", DEFAULT_PYTHON or OTHER_PYTHON. */
  python: string
  otherPython: string
  source: Source
  packages: string
  requirements: string
  projectId: number | undefined
  indexUrl: string
}

/** "3.13", "3.12", …: the minor versions that environments can be built with, newest first. */
export function minorVersions(interpreters: readonly Interpreter[]): string[] {
  const minors = interpreters.filter((one) => one.supported).map((one) => one.version.split('.').slice(0, 2).join('.'))
  return [...new Set(minors)].sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
}

export function emptyForm(projectId?: number): EnvironmentForm {
  return {
    name: '',
    python: DEFAULT_PYTHON,
    otherPython: '',
    source: projectId ? 'project' : 'packages',
    packages: '',
    requirements: '',
    projectId,
    indexUrl: '',
  }
}

export function formOf(environment: Environment): EnvironmentForm {
  const { python } = environment
  const isMinor = python !== null && /^\d+\.\d+$/.test(python)
  return {
    name: environment.name,
    python: python === null ? DEFAULT_PYTHON : isMinor ? python : OTHER_PYTHON,
    otherPython: isMinor ? '' : (python ?? ''),
    source: environment.source,
    packages: environment.packages?.join('\n') ?? '',
    requirements: environment.requirements ?? '',
    projectId: environment.project_id ?? undefined,
    indexUrl: environment.index_url ?? '',
  }
}

/** What is sent: only the source that is chosen, so that nothing typed under another tab slips in. */
export function bodyOf(form: EnvironmentForm): Omit<Create, 'backend'> {
  const common = { name: form.name.trim(), python: pythonOf(form), index_url: form.indexUrl.trim() || null }
  switch (form.source) {
    case 'packages':
      return { ...common, packages: linesOf(form.packages) }
    case 'requirements':
      return { ...common, requirements: form.requirements }
    case 'project':
      return { ...common, source: 'project', project_id: form.projectId ?? null }
    case 'conda':
    case 'interpreter':
      // Neither is changed here: what is not sent stays.
      return common
  }
}

function pythonOf(form: EnvironmentForm): string | null {
  if (form.python === DEFAULT_PYTHON) return null
  return form.python === OTHER_PYTHON ? form.otherPython.trim() || null : form.python
}

function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
}
