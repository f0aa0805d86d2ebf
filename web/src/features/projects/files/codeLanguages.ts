import type { StreamParser } from '@codemirror/language'
import type { Extension } from '@codemirror/state'

type Loader = () => Promise<Extension>

// Each language is its own file of the bundle, loaded with the first file that needs it.
const LANGUAGES: [RegExp, Loader][] = [
  [/\.pyi?$|\.pyw$/i, async () => (await import('@codemirror/lang-python')).python()],
  [/\.json[c5]?$|\.ipynb$/i, async () => (await import('@codemirror/lang-json')).json()],
  [/\.ya?ml$/i, async () => (await import('@codemirror/lang-yaml')).yaml()],
  [/\.(md|markdown)$/i, async () => (await import('@codemirror/lang-markdown')).markdown()],
  [/\.toml$|(^|\/)(uv|poetry)\.lock$|(^|\/)Pipfile$/i, legacy(() => import('@codemirror/legacy-modes/mode/toml').then((mode) => mode.toml))],
  [/\.(ini|cfg|conf|properties|env)$|(^|\/)\.env/i, legacy(() => import('@codemirror/legacy-modes/mode/properties').then((mode) => mode.properties))],
  [/\.(sh|bash|zsh)$/i, legacy(() => import('@codemirror/legacy-modes/mode/shell').then((mode) => mode.shell))],
  [/\.sql$/i, legacy(() => import('@codemirror/legacy-modes/mode/sql').then((mode) => mode.standardSQL))],
]

function legacy(load: () => Promise<StreamParser<unknown>>): Loader {
  return async () => {
    const [{ StreamLanguage }, mode] = await Promise.all([import('@codemirror/language'), load()])
    return StreamLanguage.define(mode)
  }
}

/** What colours the file; nothing for a kind that is not known, which is shown plain. */
export async function languageOf(path: string): Promise<Extension> {
  const load = LANGUAGES.find(([pattern]) => pattern.test(path))?.[1]
  return load ? load() : []
}
