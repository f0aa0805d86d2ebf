import type { Brought } from './useArranging'

/** The name of the folder that is dropped, or of the first of several; to be called before the event is over. */
export function droppedFolder(transfer: DataTransfer): string | undefined {
  return entriesOf(transfer).find((entry) => entry.isDirectory)?.name
}

/**
 * The files of a drop; those of folders too, with their paths. To be called before the event is over.
 *
 * Nothing is looked for in folders that are `leftOut`.
 */
export async function droppedFiles(transfer: DataTransfer, leftOut: (name: string) => boolean = () => false): Promise<Brought[]> {
  const entries = entriesOf(transfer)
  if (entries.length === 0) return [...transfer.files].map((file) => ({ file, path: file.name }))
  return (await Promise.all(entries.map((entry) => filesOf(entry, '', leftOut)))).flat()
}

function entriesOf(transfer: DataTransfer): FileSystemEntry[] {
  return [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry != null)
}

async function filesOf(entry: FileSystemEntry, above: string, leftOut: (name: string) => boolean): Promise<Brought[]> {
  const path = above + entry.name
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))
    return [{ file, path }]
  }
  if (leftOut(entry.name)) return []
  const reader = (entry as FileSystemDirectoryEntry).createReader()
  const found: Brought[] = []
  // A browser gives a hundred at a time, and none at the end.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject))
    if (some.length === 0) return found
    found.push(...(await Promise.all(some.map((one) => filesOf(one, `${path}/`, leftOut)))).flat())
  }
}
