import { useI18n } from 'vue-i18n'

import type { SkipReason } from './taskApi'

export const SKIP_REASONS: readonly SkipReason[] = ['missed', 'overlap', 'blackout', 'no_files']

/** Which moments the ledger lists: all, those that were run, those that were not, or those skipped for one reason. */
export type Shown = 'all' | 'run' | 'skipped' | SkipReason

const SHOWN: readonly Shown[] = ['all', 'run', 'skipped', ...SKIP_REASONS]

/** What stands in an address; all of them for what nobody knows. */
export function shownOf(word: unknown): Shown {
  return SHOWN.find((known) => known === word) ?? 'all'
}

/** As a request takes it. */
export function filterOf(shown: Shown): { outcome?: 'run' | 'skipped'; reason?: SkipReason[] } {
  if (shown === 'all') return {}
  return shown === 'run' || shown === 'skipped' ? { outcome: shown } : { reason: [shown] }
}

/** The words for what became of due moments. */
export function useSlotWords() {
  const { t } = useI18n()
  const sentences: Record<Exclude<SkipReason, 'missed'>, () => string> = {
    overlap: () => t('tasks.slot.reasons.overlap'),
    blackout: () => t('tasks.slot.reasons.blackout'),
    no_files: () => t('tasks.slot.reasons.no_files'),
  }
  const names: Record<SkipReason, () => string> = {
    missed: () => t('tasks.slot.names.missed'),
    overlap: () => t('tasks.slot.names.overlap'),
    blackout: () => t('tasks.slot.names.blackout'),
    no_files: () => t('tasks.slot.names.no_files'),
  }
  const isKnown = (reason: string): reason is SkipReason => reason in names

  return {
    /** Why a moment was not run, in a sentence; of a missed one its times say it, and of what only a newer server knows its word. */
    reasonText: (reason: string): string => (isKnown(reason) && reason !== 'missed' ? sentences[reason]() : reason),
    /** The reason in a word or two. */
    reasonName: (reason: string): string => (isKnown(reason) ? names[reason]() : reason),
  }
}
