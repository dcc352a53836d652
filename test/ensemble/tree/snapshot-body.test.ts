/** Snapshot bodies: real servers' files, both ways, in pieces, cut short, and with lies inside. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { describe, expect, test } from 'vitest'

import { WireError } from '../../../ensemble/jute/wire-error.ts'
import { Writer } from '../../../ensemble/jute/writer.ts'
import type { Acl } from '../../../ensemble/protocol/acl.ts'
import { SnapshotBodyReader, SnapshotBodyWriter } from '../../../ensemble/tree/snapshot-body.ts'
import { Tree } from '../../../ensemble/tree/tree.ts'
import { create, OPEN, setData, txn } from './transactions.ts'

const GOLDEN = fileURLToPath(new URL('../../golden/disk/', import.meta.url))
const HEADER_BYTES = 16

type Loaded = ReturnType<SnapshotBodyReader['result']>

function read(body: Buffer, pieceBytes = body.length): Loaded & { used: number } {
  const reader = new SnapshotBodyReader({ extendedTypes: true })
  let used = 0
  for (let at = 0; at < body.length && !reader.done; at += pieceBytes) {
    const piece = Buffer.from(body.subarray(at, at + pieceBytes))
    used += reader.push(piece)
    expect(reader.bytesRead).toBe(used)
    piece.fill(0xee)
  }
  return { ...reader.result(), used }
}

function write(tree: Tree, sessions: ReadonlyMap<bigint, number>, pieceBytes = 1 << 20): Buffer {
  const frozen = tree.freeze()
  const body = new SnapshotBodyWriter(frozen, sessions)
  const writer = new Writer()
  const pieces: Buffer[] = []
  for (let more = true; more;) {
    more = body.next(writer, pieceBytes)
    pieces.push(writer.take())
  }
  expect(body.next(writer, 1)).toBe(false)
  frozen.release()
  return Buffer.concat(pieces)
}

function dump(tree: Tree): object[] {
  const nodes: ({ path: string } & Record<string, unknown>)[] = []
  const visit = (node: number): void => {
    nodes.push({
      path: tree.pathOf(node),
      ...tree.stat(node),
      storedCversion: tree.storedCversion(node),
      owner: tree.owner(node),
      data: tree.data(node),
      acl: tree.acl(node),
    })
    for (let at = tree.firstChild(node); at !== 0; at = tree.nextSibling(at)) visit(at)
  }
  visit(1)
  return nodes.toSorted((left, right) => (left.path < right.path ? -1 : 1))
}

/** One of everything: all kinds of nodes, data of all sizes, several lists, sessions. */
function variedTree(): Tree {
  const tree = new Tree({ extendedTypes: true })
  const acl: Acl[] = [
    { perms: 31, id: { scheme: 'digest', id: 'ü:x' } },
    { perms: 1, id: { scheme: 'world', id: 'anyone' } },
  ]
  tree.apply(txn(1n, create('/a', { acl })), null)
  tree.apply(txn(2n, create('/a/节点', { data: null })), null)
  tree.apply(txn(3n, create('/a/big', { data: Buffer.alloc(100_000, 1) })), null)
  tree.apply(txn(4n, create('/a/eph', { ephemeral: true, acl: [] })), null)
  tree.apply(txn(5n, { type: 19, path: '/c', data: null, acl, parentCVersion: 9 }), null)
  tree.apply(txn(6n, { type: 21, path: '/t', data: null, acl, parentCVersion: 10, ttl: 9n }), null)
  tree.apply(txn(7n, create('/a/gone')), null)
  tree.apply(txn(8n, { type: 2, path: '/a/gone' }), null)
  tree.apply(txn(9n, setData('/a', 'more', 1)), null)
  return tree
}
const SESSIONS = new Map([
  [0x1000020ff3f0000n, 30_000],
  [-5n, 4000],
])

const recorded = [
  'features-380/data/version-2/snapshot.1f',
  'fuzzy-features-380/data/version-2/snapshot.b',
  'plain-380/data/version-2/snapshot.0',
  'plain-395/data/version-2/snapshot.e',
]

describe.each(recorded)('the snapshot %s of an Apache server', (name) => {
  const file = readFileSync(GOLDEN + name)
  const body = file.subarray(HEADER_BYTES)

  test('reads the same whole, byte by byte, and after being written again', () => {
    const whole = read(body)
    expect(body.subarray(whole.used - 5, whole.used).toString('latin1')).toBe('\0\0\0\x01/')
    const bytewise = read(body, 1)
    expect(bytewise.used).toBe(whole.used)
    expect(dump(bytewise.tree)).toEqual(dump(whole.tree))
    const again = read(write(whole.tree, whole.sessions))
    expect(dump(again.tree)).toEqual(dump(whole.tree))
    expect(again.sessions).toEqual(whole.sessions)
    expect(again.tree.treeDigest).toBe(whole.tree.treeDigest)
  })

  test('has the digest that Apache wrote behind it (I-13)', () => {
    const { tree, used } = read(body)
    const behind = body.subarray(used)
    // Checksum and "/", then zxid, version 2 and digest: only where digests were on.
    if (behind.length < 13 + 20 || behind.readInt32BE(21) !== 2) return
    if (behind.readBigInt64BE(13) === 0n) return // in a new database Apache writes 0
    expect(tree.treeDigest).toBe(behind.readBigInt64BE(25))
  })

  // One recording at every byte, the others here and there: each read makes a tree.
  const step = name.startsWith('features') ? 1 : 17

  test('cut short anywhere is an error, never a smaller tree', () => {
    const { used } = read(body)
    for (let length = 0; length < used; length += step) {
      expect(() => read(body.subarray(0, length)), `${length} bytes`).toThrow(WireError)
    }
  })

  test('with any byte changed reads as something or is refused, and nothing else', () => {
    const { used } = read(body)
    for (let at = 0; at < used; at += step) {
      const changed = Buffer.from(body.subarray(0, used))
      changed[at]! ^= 0xff
      try {
        read(changed)
      } catch (error) {
        expect(error, `byte ${at}`).toBeInstanceOf(WireError)
      }
    }
  })
})

test.each([1, 2, 3, 7, 64, 1000, 99_999, 1 << 20])('a body read in pieces of %i bytes', (bytes) => {
  const tree = variedTree()
  const body = write(tree, SESSIONS, bytes)
  const result = read(Buffer.concat([body, Buffer.from('behind')]), bytes)
  expect(result.used).toBe(body.length)
  expect(dump(result.tree)).toEqual(dump(tree))
  expect(result.sessions).toEqual(SESSIONS)
  expect(result.tree.treeDigest).toBe(tree.treeDigest)
  expect(result.tree.approximateDataSize).toBe(tree.approximateDataSize)
  expect([...result.tree.ephemeralSessions()]).toEqual([...tree.ephemeralSessions()])
  expect(result.tree.unresolvedAclCount).toBe(0)
})

test('a writer gives about as much as asked for, so that the event loop can turn', () => {
  const tree = new Tree()
  for (let i = 0; i < 2000; i++) tree.apply(txn(BigInt(i + 1), create(`/n${i}`)), null)
  const frozen = tree.freeze()
  const body = new SnapshotBodyWriter(frozen, new Map())
  const writer = new Writer()
  let pieces = 0
  while (body.next(writer, 1000)) {
    expect(writer.position).toBeLessThan(1200)
    writer.reset()
    pieces++
  }
  expect(pieces).toBeGreaterThan(100)
  frozen.release()
})

test('a frozen view is not read after its release', () => {
  const frozen = new Tree().freeze()
  frozen.release()
  expect(() => new SnapshotBodyWriter(frozen, new Map())).toThrow('before its release')
})

describe('lies inside a body', () => {
  function bodyOf(
    nodes: (writer: Writer) => void,
    acls: (writer: Writer) => void = noAcls,
  ): Buffer {
    const writer = new Writer()
    writer.int(0)
    acls(writer)
    nodes(writer)
    return Buffer.from(writer.written())
  }
  function noAcls(writer: Writer): void {
    writer.int(0)
  }
  function node(writer: Writer, path: string, aclId = -1n): void {
    writer.string(path)
    writer.buffer(null)
    writer.long(aclId)
    for (let word = 0; word < 15; word++) writer.int(0)
  }
  const end = (writer: Writer): void => writer.string('/')

  test.each<[string, (writer: Writer) => void, string]>([
    ['no root', (w) => end(w), 'without a root'],
    ['a first node that is not the root', (w) => node(w, '/a'), 'not the root'],
    ['a second root', (w) => [node(w, ''), node(w, '')], 'second root'],
    ['a path twice', (w) => [node(w, ''), node(w, '/a'), node(w, '/a')], 'second time'],
    ['a child before its parent', (w) => [node(w, ''), node(w, '/a/b')], 'before its parent'],
    ['a path without a slash', (w) => [node(w, ''), node(w, 'abc')], 'without a name'],
    ['a path of one letter', (w) => [node(w, ''), node(w, 'a')], 'without a'],
    ['a path with a slash at its end', (w) => [node(w, ''), node(w, '/a/')], 'without a name'],
    ['a length of two billion', (w) => [node(w, ''), w.int(0x7fff_ffff), w.int(0)], 'length'],
    ['a negative length', (w) => [node(w, ''), w.int(-2), w.int(0)], 'length'],
    ['an end inside', (w) => [node(w, ''), w.int(0x3fff_ffff), w.int(0)], 'ends inside'],
  ])('%s', (_, nodes, message) => {
    expect(() => read(bodyOf(nodes))).toThrow(message)
    expect(() => read(bodyOf(nodes), 1)).toThrow(message)
  })

  test('negative counts of sessions or lists', () => {
    const body = Buffer.alloc(100, 0xff)
    expect(() => read(body)).toThrow('count -1')
    body.fill(0, 0, 4)
    expect(() => read(body)).toThrow('count -1')
  })

  test('the error tells where in the body', () => {
    const body = bodyOf((w) => [node(w, ''), node(w, '/a'), node(w, '/a')])
    const expected = 8 + (4 + 4 + 68) + (4 + 2 + 4 + 68) + 4
    for (const piece of [1, 13, body.length]) {
      expect(() => read(body, piece)).toThrow(expect.objectContaining({ offset: expected }))
    }
  })

  test('a list that the table lacks lets nobody in until a replayed create brings it (B-38)', () => {
    const body = bodyOf((w) => [node(w, ''), node(w, '/a', 7n), node(w, '/b', 7n), end(w)])
    const { tree } = read(body)
    expect(tree.acl(tree.find('/a')).map(({ perms }) => perms)).toEqual([0])
    expect(tree.unresolvedAclCount).toBe(2)
    tree.apply(txn(1n, create('/a')), null)
    tree.apply(txn(2n, { type: 7, path: '/b', acl: OPEN, version: 1 }), null)
    expect(tree.acl(tree.find('/a'))).toEqual(OPEN)
    expect(tree.unresolvedAclCount).toBe(0)
  })

  test('a release without /zookeeper/config gets one', () => {
    const { tree } = read(bodyOf((w) => [node(w, ''), node(w, '/zookeeper'), end(w)]))
    expect(tree.nodeCount).toBe(5)
    expect(tree.acl(tree.find('/zookeeper/config'))[0]!.perms).toBe(1)
    expect(tree.treeDigest).toBe(0x51c6d660n)
  })

  test('lists that nobody uses are not written again', () => {
    const acls = (w: Writer): void => {
      w.int(2)
      for (const id of [1n, 2n]) {
        w.long(id)
        w.int(1)
        w.int(31)
        w.string('digest')
        w.string(`user${id}:x`)
      }
    }
    const { tree } = read(bodyOf((w) => [node(w, ''), node(w, '/a', 2n), end(w)], acls))
    const body = write(tree, new Map())
    expect(body.includes('user2')).toBe(true)
    expect(body.includes('user1')).toBe(false)
  })
})

test('usage of quotas is counted anew (client-protocol 4.7)', () => {
  const tree = new Tree()
  tree.apply(txn(1n, create('/q')), null)
  tree.apply(txn(2n, create('/zookeeper/quota/q')), null)
  tree.apply(txn(3n, create('/zookeeper/quota/q/zookeeper_limits')), null)
  tree.apply(txn(4n, create('/zookeeper/quota/q/zookeeper_stats')), null)
  tree.apply(txn(5n, setData('/zookeeper/quota/q/zookeeper_stats', 'count=77,bytes=-3', 1)), null)
  const loaded = read(write(tree, new Map())).tree
  expect(loaded.quotaFor('/q')?.usage).toMatchObject({ count: 1, bytes: 1 })
  loaded.apply(txn(6n, create('/q/a')), null)
  expect(loaded.quotaFor('/q')?.usage).toMatchObject({ count: 2, bytes: 2 })
})
