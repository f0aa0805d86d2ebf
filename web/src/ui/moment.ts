/** A moment in a form: as `<input type="datetime-local">` writes it, in the browser's own zone. */
export interface MomentDraft {
  local: string
  /** As the server wrote it, which may be finer than the field. */
  exact: string | null
}

export const NO_MOMENT: Readonly<MomentDraft> = { local: '', exact: null }

export function momentDraftOf(moment: string | null | undefined): MomentDraft {
  return { local: toLocalInput(moment ?? null), exact: moment ?? null }
}

/** The moment that is meant; null while the field is empty or half written. */
export function toMoment(draft: MomentDraft): string | null {
  // Not touched: not even by the milliseconds that the field cannot show.
  if (draft.exact && toLocalInput(draft.exact) === draft.local) return draft.exact
  const moment = new Date(draft.local)
  return draft.local === '' || Number.isNaN(moment.getTime()) ? null : moment.toISOString()
}

/** "2027-01-01T09:30:00": the moment in the browser's own zone, for an input of type datetime-local. */
export function toLocalInput(moment: string | null): string {
  if (!moment) return ''
  const date = new Date(moment)
  if (Number.isNaN(date.getTime())) return ''
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}
