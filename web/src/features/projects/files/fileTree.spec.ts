import { describe, expect, it } from 'vitest'

import type { TreeEntry } from '../projects'
import { foldersAbove, treeOf, visibleRows, type TreeNode } from './fileTree'

function files(...paths: string[]): TreeEntry[] {
  return paths.map((path) => ({ path, type: 'file', size_bytes: 1, file_count: 1 }))
}

function drawn(nodes: readonly TreeNode[]): string[] {
  const open = new Set<string>()
  const visit = (node: TreeNode) => {
    open.add(node.path)
    node.children.forEach(visit)
  }
  nodes.forEach(visit)
  return visibleRows(nodes, open).map((row) => `${'  '.repeat(row.depth)}${row.name}`)
}

describe('a tree of flat entries', () => {
  it('puts folders before files, and numbers in their order', () => {
    const entries = [...files('a-b.py', 'a.py', 'a/x10.py', 'a/x9.py', 'README.md'), { path: 'a', type: 'directory', size_bytes: 2, file_count: 0 } as const]
    expect(drawn(treeOf(entries))).toEqual(['a', '  x9.py', '  x10.py', 'a-b.py', 'a.py', 'README.md'])
  })

  it('makes the folders that are not named, and keeps empty ones', () => {
    const tree = treeOf([...files('one/two/three.py'), { path: 'empty', type: 'directory', size_bytes: 0, file_count: 0 }])
    expect(drawn(tree)).toEqual(['empty', 'one', '  two', '    three.py'])
  })

  it('shows what lies in a closed folder only when it is opened', () => {
    const tree = treeOf(files('src/deep/a.py', 'main.py'))
    const seen = (...open: string[]) => visibleRows(tree, new Set(open)).map((row) => row.path)
    expect(seen()).toEqual(['src', 'main.py'])
    expect(seen('src')).toEqual(['src', 'src/deep', 'main.py'])
    expect(seen('src/deep')).toEqual(['src', 'main.py'])
    expect(seen(...foldersAbove('src/deep/a.py'))).toContain('src/deep/a.py')
  })

  it('is quick with ten thousand files', () => {
    const entries = files(...Array.from({ length: 10_000 }, (_, index) => `package${index % 100}/module${index}.py`))
    const begun = performance.now()
    expect(treeOf(entries)).toHaveLength(100)
    expect(performance.now() - begun).toBeLessThan(500)
  })
})
