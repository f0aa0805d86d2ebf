import { useInfiniteQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'

export interface PageOf<Item> {
  items: Item[]
  next_cursor?: string | null
}

/**
 * A list that is read page by page with the server's cursor. The key may depend on filters; a change of them starts
 * again from the first page. Fits DataTable: `v-bind="list.table.value" @load-more="list.loadMore"`.
 */
export function usePage<Item, Page extends PageOf<Item> = PageOf<Item>>(options: {
  key: MaybeRefOrGetter<readonly unknown[]>
  load: (cursor: string | undefined, signal: AbortSignal) => Promise<Page & PageOf<Item>>
}) {
  const query = useInfiniteQuery({
    queryKey: computed(() => toValue(options.key)),
    queryFn: ({ pageParam, signal }) => options.load(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last: PageOf<Item>) => last.next_cursor ?? undefined,
    placeholderData: (previous) => previous,
  })
  const items = computed<Item[]>(() => query.data.value?.pages.flatMap((page) => page.items) ?? [])
  const table = computed(() => ({
    rows: items.value,
    loading: query.isPending.value,
    error: query.isError.value && items.value.length === 0 ? query.error.value : null,
    hasMore: query.hasNextPage.value,
    loadingMore: query.isFetchingNextPage.value,
  }))

  /** The first page, for what it says besides its items. */
  const first = computed<Page | undefined>(() => query.data.value?.pages[0])

  return { items, first, table, loadMore: () => void query.fetchNextPage(), reload: () => void query.refetch() }
}
