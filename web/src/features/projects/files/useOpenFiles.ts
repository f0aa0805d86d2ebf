import { computed, ref, shallowRef, watch } from 'vue'
import { useI18n } from 'vue-i18n'
import { useRoute, useRouter } from 'vue-router'

import { useConfirm } from '@/composables/useConfirm'

/** A file, or what lies in a folder of that path. */
export function isAtOrBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`)
}

/** The files that are open, in the order in which they were opened; the one that is seen is `?file=` in the address. */
export function useOpenFiles() {
  const { t } = useI18n()
  const route = useRoute()
  const router = useRouter()
  const confirm = useConfirm()
  const paths = ref<string[]>([])
  const dirty = shallowRef<ReadonlySet<string>>(new Set())

  const active = computed(() => (typeof route.query.file === 'string' && route.query.file !== '' ? route.query.file : undefined))
  /** A line to go to, counted from 1. */
  const line = computed(() => Number(route.query.line) || undefined)
  const anyDirty = computed(() => dirty.value.size > 0)

  watch(
    active,
    (path) => {
      if (path && !paths.value.includes(path)) paths.value.push(path)
    },
    { immediate: true },
  )

  function show(path: string | undefined, at?: number): void {
    void router.push({ query: { ...(path ? { file: path } : {}), ...(at ? { line: String(at) } : {}) } })
  }

  function markDirty(path: string, now: boolean): void {
    const next = new Set(dirty.value)
    if (now) next.add(path)
    else next.delete(path)
    dirty.value = next
  }

  /** Close what is gone, without asking. */
  function forget(gone: (path: string) => boolean): void {
    const index = paths.value.indexOf(active.value ?? '')
    dirty.value = new Set([...dirty.value].filter((path) => !gone(path)))
    paths.value = paths.value.filter((path) => !gone(path))
    if (active.value && gone(active.value)) show(paths.value[Math.min(index, paths.value.length - 1)])
  }

  async function close(path: string): Promise<void> {
    const isMeant =
      !dirty.value.has(path) ||
      (await confirm({ title: t('projects.file.unsavedTitle'), description: t('projects.file.unsavedText'), confirmLabel: t('projects.file.discard'), destructive: true }))
    if (isMeant) forget((one) => one === path)
  }

  /** Files that were moved stay open under their new paths. */
  function follow(source: string, target: string): void {
    const moved = (path: string) => (isAtOrBelow(path, source) ? target + path.slice(source.length) : path)
    const seen = active.value
    paths.value = [...new Set(paths.value.map(moved))]
    if (seen && moved(seen) !== seen) void router.replace({ query: { file: moved(seen) } })
  }

  return { paths, dirty, active, line, anyDirty, show, markDirty, forget, close, follow }
}
