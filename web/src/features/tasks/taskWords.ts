import { useI18n } from 'vue-i18n'

import { splitSeconds, type Unit } from './durationUnits'
import type { Task } from './taskApi'

export const OVERLAPS: readonly Task['overlap'][] = ['skip', 'queue', 'replace', 'allow']

/** The words for a task's settings. */
export function useTaskWords() {
  const { t, n } = useI18n()
  const units: Record<Unit, (count: string) => string> = {
    seconds: (count) => t('tasks.every.seconds', { n: count }),
    minutes: (count) => t('tasks.every.minutes', { n: count }),
    hours: (count) => t('tasks.every.hours', { n: count }),
    days: (count) => t('tasks.every.days', { n: count }),
  }
  const overlaps: Record<Task['overlap'], () => string> = {
    skip: () => t('tasks.overlap.skip'),
    queue: () => t('tasks.overlap.queue'),
    allow: () => t('tasks.overlap.allow'),
    replace: () => t('tasks.overlap.replace'),
  }
  const overlapTexts: Record<Task['overlap'], () => string> = {
    skip: () => t('tasks.overlapText.skip'),
    queue: () => t('tasks.overlapText.queue'),
    allow: () => t('tasks.overlapText.allow'),
    replace: () => t('tasks.overlapText.replace'),
  }
  const catchUps: Record<Task['catch_up'], () => string> = {
    skip: () => t('tasks.catchUp.skip'),
    latest: () => t('tasks.catchUp.latest'),
    all: () => t('tasks.catchUp.all'),
  }

  /** "Every 5 min" */
  function intervalWords(seconds: number): string {
    const { amount, unit } = splitSeconds(seconds)
    return units[unit](n(amount ?? 0))
  }

  return {
    intervalWords,
    /** What it means, in a sentence. */
    overlapText: (overlap: Task['overlap']) => overlapTexts[overlap](),
    overlapWord: (overlap: Task['overlap']) => overlaps[overlap](),
    catchUpWord: (catchUp: Task['catch_up']) => catchUps[catchUp](),
  }
}
