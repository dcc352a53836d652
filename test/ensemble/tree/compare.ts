/** Compares a packed tree with the naive one, node by node, both ways. */
import { crc32 } from 'node:zlib'

import { expect } from 'vitest'

import { NO_NODE, ROOT, type Tree } from '../../../ensemble/tree/tree.ts'
import type { NaiveTree } from './naive-tree.ts'

export function expectSame(tree: Tree, naive: NaiveTree): void {
  for (const [path, expected] of naive.nodes) {
    const node = tree.find(path)
    expect(node, path).not.toBe(NO_NODE)
    const bytes = Buffer.from(`..${path}..`)
    expect(tree.findBytes(bytes, 2, bytes.length - 2)).toBe(node)
    expect({
      data: brief(tree.data(node)),
      acl: tree.acl(node),
      czxid: tree.czxid(node),
      mzxid: tree.mzxid(node),
      pzxid: tree.pzxid(node),
      ctime: tree.ctime(node),
      mtime: tree.mtime(node),
      version: tree.version(node),
      cversion: tree.storedCversion(node),
      aversion: tree.aversion(node),
      owner: tree.owner(node),
      children: new Set(tree.childNames(node)),
    }).toEqual({ ...expected, data: brief(expected.data) })
    expect(tree.pathOf(node)).toBe(path === '' ? '/' : path)
    expect(tree.numChildren(node)).toBe(expected.children.size)
    expect(tree.nodeDigest(node), path).toBe(naive.nodeDigest(path))
  }
  expect(tree.nodeCount).toBe(naive.nodes.size + 1)
  expect(tree.descendantCount(ROOT)).toBe(naive.nodes.size - 1)
  expect(BigInt.asUintN(64, tree.treeDigest)).toBe(naive.digest)
  expect(tree.digestFromScratch()).toBe(tree.treeDigest)
  let size = 1
  for (const [path, node] of naive.nodes) size += path.length + (node.data?.length ?? 0)
  expect(tree.approximateDataSize).toBe(size)
  const ephemerals = [...naive.nodes].filter(
    ([, { owner }]) => owner !== 0n && owner !== -(2n ** 63n) && owner >> 56n !== -1n,
  )
  expect(tree.ephemeralCount).toBe(ephemerals.length)
  const listed = [...tree.ephemeralSessions()].flatMap((id) => [...tree.ephemeralsOf(id)])
  expect(listed.toSorted()).toEqual(ephemerals.map(([path]) => path).toSorted())
}

/** Length and checksum: a difference that fits a line. */
function brief(data: Buffer | null): string | null {
  return data === null ? null : `${data.length} bytes, ${crc32(data)}`
}
