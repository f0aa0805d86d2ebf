/** What a run is given by name; any JSON. */
export type Parameters = Record<string, unknown>

/** One parameter as it is typed. */
export interface ParameterRow {
  /** Tells the rows apart. */
  key: number
  name: string
  value: string
}

let lastKey = 0

export function newRow(name = '', value = ''): ParameterRow {
  lastKey += 1
  return { key: lastKey, name, value }
}

/** What is meant by what is typed: `5` is a number, `true` a yes, `"5"` and everything else a text. */
export function toValue(typed: string): unknown {
  try {
    return JSON.parse(typed) as unknown
  } catch {
    return typed
  }
}

/** How a value is typed, so that reading it again gives the same. */
export function toTyped(value: unknown): string {
  return typeof value === 'string' && toValue(value) === value ? value : JSON.stringify(value)
}

export function rowsOf(parameters: Parameters): ParameterRow[] {
  return Object.entries(parameters).map(([name, value]) => newRow(name, toTyped(value)))
}

/** The rows as an object; a row that is empty says nothing. */
export function parametersOf(rows: readonly ParameterRow[]): Parameters {
  const said = rows.filter(({ name, value }) => name.trim() !== '' || value !== '')
  return Object.fromEntries(said.map(({ name, value }) => [name.trim(), toValue(value)]))
}

/** The name that stands in two rows, of which one would be lost. */
export function repeatedName(rows: readonly ParameterRow[]): string | undefined {
  const names = rows.map(({ name }) => name.trim()).filter((name) => name !== '')
  return names.find((name, index) => names.indexOf(name) !== index)
}

/** The object that a text in JSON is; null when it is none. */
export function readObject(json: string): Parameters | null {
  const value = json.trim() === '' ? {} : toValue(json)
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Parameters) : null
}
