import { api, unwrap, type components } from '@/api'
import type { Parameters } from './parameters'

type Schemas = components['schemas']
export type Task = Schemas['TaskOut']
export type Trigger = Schemas['TriggerOut']
export type TriggerWish = Schemas['TriggerIn']
export type TaskFields = Schemas['TaskCreate']
export type Retry = Task['retry']
export type Limits = Task['limits']
export type RateLimit = Task['rate_limit']
export type Blackout = Task['blackouts'][number]
export type Slot = Schemas['SlotOut']
export type SlotList = Schemas['SlotList']
export type SlotSummary = Schemas['SummaryOut']
export type SkipReason = Schemas['Skip']
export type Preview = Schemas['Preview']

const path = (task_id: number) => ({ params: { path: { task_id } } })

export const loadTask = (id: number, signal?: AbortSignal): Promise<Task> => unwrap(api.GET('/tasks/{task_id}', { ...path(id), signal }))
export const runTask = (id: number, parameters: Parameters = {}) =>
  unwrap(api.POST('/tasks/{task_id}/run', { ...path(id), body: { parameters: parameters as Schemas['RunRequest']['parameters'], variables: {}, wait: false } }))
export const pauseTask = (id: number): Promise<Task> => unwrap(api.POST('/tasks/{task_id}/pause', path(id)))
export const resumeTask = (id: number): Promise<Task> => unwrap(api.POST('/tasks/{task_id}/resume', path(id)))
export const createTask = (fields: TaskFields): Promise<Task> => unwrap(api.POST('/tasks', { body: fields }))

/** Change a task as it was when `version` was seen; a conflict when somebody else changed it since. */
export function changeTask(id: number, version: number, fields: TaskFields): Promise<Task> {
  return unwrap(api.PATCH('/tasks/{task_id}', { params: { path: { task_id: id }, header: { 'If-Match': version } }, body: fields }))
}

export async function deleteTask(id: number): Promise<void> {
  await api.DELETE('/tasks/{task_id}', path(id))
}

/** The languages that the server has words in. */
const languageOf = (locale: string): 'en' | 'zh-CN' => (locale === 'zh-CN' ? 'zh-CN' : 'en')

interface PreviewOptions {
  signal?: AbortSignal
  count?: number
  blackouts?: Blackout[]
}

export function previewTrigger(trigger: TriggerWish, locale: string, { signal, count = 5, blackouts = [] }: PreviewOptions = {}): Promise<Preview> {
  return unwrap(api.POST('/triggers/preview', { params: { query: { language: languageOf(locale) } }, body: { trigger, count, blackouts }, signal }))
}

interface SlotQuery {
  from?: string
  to?: string
  outcome?: 'run' | 'skipped'
  reason?: SkipReason[]
  cursor?: string
  limit?: number
}

/** Due moments of a task, and what all of their time sum up to in the viewer's language. */
export function loadSlots(id: number, query: SlotQuery, locale: string, signal?: AbortSignal): Promise<SlotList> {
  return unwrap(api.GET('/tasks/{task_id}/slots', { params: { path: { task_id: id }, query: { ...query, language: languageOf(locale) } }, signal }))
}
