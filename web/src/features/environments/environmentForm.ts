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
  environmentYml: string
  projectId: number | undefined
  interpreterId: number | undefined
  indexUrl: string
  /** One address a line. */
  extraIndexUrls: string
  proxy: string
  wheelFolder: string
  useIndex: boolean
  importCheck: boolean
  credentials: CredentialDraft[]
}

/** A user and a password for addresses; the password of one that is kept is never known here. */
export interface CredentialDraft {
  key: number
  url: string
  username: string
  password: string
  /** Its password is kept by the server, and stays as it is. */
  kept: boolean
}

let lastKey = 0

export function newCredential(): CredentialDraft {
  lastKey += 1
  return { key: lastKey, url: '', username: '', password: '', kept: false }
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
    environmentYml: '',
    projectId,
    interpreterId: undefined,
    indexUrl: '',
    extraIndexUrls: '',
    proxy: '',
    wheelFolder: '',
    useIndex: true,
    importCheck: true,
    credentials: [],
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
    environmentYml: environment.environment_yml ?? '',
    projectId: environment.project_id ?? undefined,
    interpreterId: environment.interpreter_id ?? undefined,
    indexUrl: environment.index_url ?? '',
    extraIndexUrls: environment.extra_index_urls.join('\n'),
    proxy: environment.proxy ?? '',
    wheelFolder: environment.wheel_folder ?? '',
    useIndex: environment.use_index,
    importCheck: environment.import_check,
    credentials: environment.index_credentials.map((one) => ({ ...newCredential(), ...one, kept: true })),
  }
}

/** Whether anything is said about where packages come from. */
export function saysWhere(form: EnvironmentForm): boolean {
  const texts = [form.indexUrl, form.extraIndexUrls, form.proxy, form.wheelFolder]
  return texts.some((text) => text.trim() !== '') || !form.useIndex || !form.importCheck || form.credentials.length > 0
}

/** What is sent: only the source that is chosen, so that nothing typed under another tab slips in. */
export function bodyOf(form: EnvironmentForm, kept: Environment['index_credentials'] = []): Create {
  const name = form.name.trim()
  // A Python that is used as it is has its version, and installs nothing.
  if (form.source === 'interpreter') return { name, python: null, source: 'interpreter', interpreter_id: form.interpreterId ?? null }
  const common = { name, python: pythonOf(form), ...whereOf(form, kept) }
  switch (form.source) {
    case 'packages':
      return { ...common, packages: linesOf(form.packages) }
    case 'requirements':
      return { ...common, requirements: form.requirements }
    case 'project':
      return { ...common, source: 'project', project_id: form.projectId ?? null }
    case 'conda':
      // Its Python is one of its packages.
      return { ...common, python: null, source: 'conda', environment_yml: form.environmentYml }
  }
}

function whereOf(form: EnvironmentForm, kept: Environment['index_credentials']) {
  const where = {
    index_url: form.indexUrl.trim() || null,
    extra_index_urls: linesOf(form.extraIndexUrls),
    proxy: form.proxy.trim() || null,
    wheel_folder: form.wheelFolder.trim() || null,
    use_index: form.useIndex,
    import_check: form.importCheck,
  }
  // Untouched they are not sent: given others, the server tries again what has failed.
  const untouched = form.credentials.every((one) => one.kept) && form.credentials.length === kept.length
  return untouched ? where : { ...where, index_credentials: form.credentials.map(credentialOf) }
}

function credentialOf({ url, username, password, kept }: CredentialDraft) {
  const whose = { url: url.trim(), username: username.trim() }
  return kept ? whose : { ...whose, password }
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
