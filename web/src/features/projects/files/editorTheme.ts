import { HighlightStyle } from '@codemirror/language'
import { EditorView } from '@codemirror/view'
import { tags } from '@lezer/highlight'

// The names of the design, which mean other colours in the dark: the editor follows without being told.
export const THEME = EditorView.theme({
  '&': { height: '100%', fontSize: '0.8125rem', color: 'var(--ui-text)', backgroundColor: 'var(--ui-bg)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--font-mono)', lineHeight: '1.5' },
  '.cm-content': { caretColor: 'var(--ui-text-highlighted)' },
  '.cm-cursor': { borderLeftColor: 'var(--ui-text-highlighted)' },
  '.cm-gutters': { backgroundColor: 'var(--ui-bg)', color: 'var(--ui-text-dimmed)', borderRight: '1px solid var(--ui-border)' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'color-mix(in srgb, var(--ui-primary) 6%, transparent)' },
  '.cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground': {
    backgroundColor: 'color-mix(in srgb, var(--ui-primary) 24%, transparent)',
  },
  '.cm-selectionMatch, .cm-searchMatch': { backgroundColor: 'color-mix(in srgb, var(--ui-warning) 30%, transparent)' },
  '.cm-matchingBracket': { backgroundColor: 'color-mix(in srgb, var(--ui-success) 25%, transparent) !important' },
  '.cm-panels': { backgroundColor: 'var(--ui-bg-elevated)', color: 'var(--ui-text)', borderColor: 'var(--ui-border)' },
  '.cm-textfield, .cm-button': { background: 'var(--ui-bg)', color: 'var(--ui-text)', border: '1px solid var(--ui-border-accented)', borderRadius: 'var(--ui-radius)' },
  '.cm-foldPlaceholder': { background: 'var(--ui-bg-elevated)', border: 'none', color: 'var(--ui-text-muted)' },
})
export const COLOURS = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.operatorKeyword], color: 'var(--ui-secondary)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--ui-success)' },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: 'var(--ui-warning)' },
  { tag: [tags.comment, tags.meta], color: 'var(--ui-text-dimmed)', fontStyle: 'italic' },
  { tag: [tags.function(tags.variableName), tags.function(tags.propertyName), tags.definition(tags.className), tags.className], color: 'var(--ui-primary)' },
  { tag: [tags.propertyName, tags.attributeName, tags.typeName], color: 'var(--ui-info)' },
  { tag: tags.heading, color: 'var(--ui-text-highlighted)', fontWeight: '600' },
  { tag: tags.link, color: 'var(--ui-primary)', textDecoration: 'underline' },
  { tag: tags.emphasis, fontStyle: 'italic' },
  { tag: tags.strong, fontWeight: '600' },
  { tag: tags.invalid, color: 'var(--ui-error)' },
])
