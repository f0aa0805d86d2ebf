import type { TreeEntry } from '../projects'

export interface TreeNode {
  path: string
  name: string
  type: TreeEntry['type']
  sizeBytes: number
  /** Of a folder: how many files are in it, at any depth. */
  fileCount: number
  depth: number
  children: TreeNode[]
}

/** Make a tree of the flat entries: folders before files, each by name. A folder that has no entry of its own is made. */
export function treeOf(entries: readonly TreeEntry[]): TreeNode[] {
  const top: TreeNode[] = []
  const folders = new Map<string, TreeNode>()

  function siblingsOf(path: string): TreeNode[] {
    const cut = path.lastIndexOf('/')
    return cut < 0 ? top : folderAt(path.slice(0, cut)).children
  }

  function folderAt(path: string): TreeNode {
    const found = folders.get(path)
    if (found) return found
    const made = nodeOf({ path, type: 'directory', size_bytes: 0, file_count: 0 })
    folders.set(path, made)
    siblingsOf(path).push(made)
    return made
  }

  for (const entry of entries) {
    if (entry.type === 'directory') Object.assign(folderAt(entry.path), { sizeBytes: entry.size_bytes, fileCount: entry.file_count })
    else siblingsOf(entry.path).push(nodeOf(entry))
  }
  sort(top)
  return top
}

function nodeOf(entry: TreeEntry): TreeNode {
  const parts = entry.path.split('/')
  return { path: entry.path, name: parts.at(-1) ?? '', type: entry.type, sizeBytes: entry.size_bytes, fileCount: entry.file_count, depth: parts.length - 1, children: [] }
}

const byName = new Intl.Collator('en', { numeric: true })

function sort(nodes: TreeNode[]): void {
  nodes.sort((a, b) => (a.type === b.type ? byName.compare(a.name, b.name) : a.type === 'directory' ? -1 : 1))
  for (const node of nodes) sort(node.children)
}

/** The rows that are seen: what lies in a closed folder is not. */
export function visibleRows(nodes: readonly TreeNode[], open: ReadonlySet<string>): TreeNode[] {
  const rows: TreeNode[] = []
  function visit(node: TreeNode): void {
    rows.push(node)
    if (open.has(node.path)) node.children.forEach(visit)
  }
  nodes.forEach(visit)
  return rows
}

/** "a/b/c.py" → "a", "a/b": what must be open for the file to be seen. */
export function foldersAbove(path: string): string[] {
  const parts = path.split('/')
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'))
}
