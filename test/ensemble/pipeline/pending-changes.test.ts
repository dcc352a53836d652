/** Pending changes by themselves: what is listed, and for how long. */
import { expect, test } from 'vitest'
import { PendingChanges } from '../../../ensemble/pipeline/pending-changes.ts'
import { PendingNode } from '../../../ensemble/pipeline/pending-table.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import { PathBytes } from '../../../ensemble/tree/path-bytes.ts'
import { Tree } from '../../../ensemble/tree/tree.ts'

const SESSION = 7n

function treeWith(path: string): Tree {
  const tree = new Tree()
  const body = { type: Op.create, path, data: null, acl: [], ephemeral: false, parentCVersion: 1 }
  tree.apply({ ...body, clientId: 0n, cxid: 0, zxid: 1n, time: 0 }, null)
  return tree
}

function nodeAt(path: string, zxid: bigint, owner = 0n): PendingNode {
  const { bytes, start, end, hash } = PathBytes.of(path)
  const node = new PendingNode(bytes, start, end, hash)
  node.zxid = zxid
  node.owner = owner
  return node
}

test('a node is listed from its first transaction in flight until its last has been applied', () => {
  const changes = new PendingChanges(treeWith('/a'))
  const node = changes.get('/a')!
  expect(changes.size).toBe(0)
  changes.touch(node, 2n)
  changes.touch(node, 3n)
  expect(changes.get('/a')).toBe(node)
  changes.applied(node, 2n)
  expect(changes.size).toBe(1)
  changes.applied(node, 3n)
  expect(changes.size).toBe(0)
})

test('a node keeps no large request alive, and is found all the same', () => {
  const changes = new PendingChanges(treeWith('/a'))
  const request = Buffer.alloc(1_000_000)
  request.write('/a', 500)
  const node = changes.find(new PathBytes().set(request, 500, 502))!
  changes.touch(node, 2n)
  expect(node.bytes.length).toBe(2)
  expect(changes.get('/a')).toBe(node)
})

test('what is undone was never listed, and has the digest of before (I-27)', () => {
  const changes = new PendingChanges(treeWith('/a'))
  const before = changes.digest.value
  changes.begin()
  const node = changes.get('/a')!
  changes.touch(node, 2n)
  node.version = 1
  changes.settle(node)
  changes.create(nodeAt('/a/b', 2n))
  expect(changes.size).toBe(2)
  changes.rollBack()
  expect(changes.size).toBe(0)
  expect(changes.digest.value).toBe(before)
  expect(changes.get('/a/b')).toBeNull()
  expect(changes.get('/a')!.version).toBe(0)
})

test('an ephemeral in flight whose removal is undone is its session’s again, and gone when it goes (I-27, B-52)', () => {
  const changes = new PendingChanges(treeWith('/a'))
  const ephemeral = nodeAt('/a/e', 2n, SESSION)
  changes.create(ephemeral)
  changes.begin()
  changes.remove(ephemeral, 3n)
  changes.create(nodeAt('/a/e', 3n))
  expect(changes.ephemeralsOf(SESSION)).toEqual([])
  changes.rollBack()
  expect(changes.ephemeralsOf(SESSION)).toEqual(['/a/e'])
  changes.applied(ephemeral, 2n)
  expect(changes.size).toBe(0)
  expect(changes.ephemeralsOf(SESSION)).toEqual([])
})
