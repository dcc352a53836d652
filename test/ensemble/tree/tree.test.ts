/** The tree by the rules of the published protocol, one at a time. */
import { describe, expect, test } from 'vitest'

import { Writer } from '../../../ensemble/jute/writer.ts'
import type { TxnBody } from '../../../ensemble/protocol/transactions.ts'
import { digestOf } from '../../../ensemble/tree/node-digest.ts'
import { NO_NODE, ROOT, Tree, type TreeChange } from '../../../ensemble/tree/tree.ts'
import { create, OPEN, SESSION, setData, txn } from './transactions.ts'

const CONTAINER = -(2n ** 63n)

function texts(changes: TreeChange[]): string[] {
  return changes.map(({ type, path }) => `${type} ${path}`)
}

describe('a fresh tree', () => {
  const tree = new Tree()

  test.each([
    ['/', -1, 1, 0],
    ['/zookeeper', -2, 2, 0],
    ['/zookeeper/quota', 0, 0, 0],
    ['/zookeeper/config', 0, 0, 0],
  ])('%s has the stat that clients of a new server see', (path, cversion, numChildren, version) => {
    const stat = tree.stat(tree.find(path))
    expect(stat).toMatchObject({ cversion, numChildren, version, czxid: 0n, pzxid: 0n, ctime: 0 })
    expect(tree.data(tree.find(path))).toEqual(Buffer.alloc(0))
  })

  test('has the digest of the specification (I-13)', () => {
    expect(tree.treeDigest).toBe(0x51c6d660n)
    expect(tree.nodeDigest(ROOT)).toBe(0x04128908)
    expect(tree.nodeDigest(tree.find('/zookeeper'))).toBe(0x4db44d58)
    expect(tree.nodeDigest(tree.find('/zookeeper/config'))).toBe(0)
  })

  test('counts as srvr and mntr do', () => {
    expect(tree.nodeCount).toBe(5)
    expect(tree.approximateDataSize).toBe(44)
  })

  test('lets anyone read the configuration, and do anything elsewhere', () => {
    const perms = ['/', '/zookeeper', '/zookeeper/quota', '/zookeeper/config'].map(
      (path) => tree.acl(tree.find(path))[0]!.perms,
    )
    expect(perms).toEqual([31, 31, 31, 1])
  })
})

test.each(['/a/', '//a', '/a//b', 'a', '/a/b/', '/A', '/a/bb', '/a\0', '/', '', '/a/b/c/..'])(
  'finding %j among /a and /a/b gives the root or nothing',
  (path) => {
    const tree = new Tree()
    tree.apply(txn(1n, create('/a')), null)
    tree.apply(txn(2n, create('/a/b')), null)
    expect(tree.find(path)).toBe(path === '/' || path === '' ? ROOT : NO_NODE)
    const bytes = Buffer.from(path)
    expect(tree.findBytes(bytes, 0, bytes.length)).toBe(tree.find(path))
  },
)

test('names longer than a page and than the first scratch buffer are found', () => {
  const tree = new Tree()
  const long = `/${'n'.repeat(70_000)}`
  tree.apply(txn(1n, create(long)), null)
  tree.apply(txn(2n, create(`${long}/ünï`)), null)
  expect(tree.pathOf(tree.find(`${long}/ünï`))).toBe(`${long}/ünï`)
  expect(tree.approximateDataSize).toBe(44 + long.length + 1 + long.length + 4 + 1)
})

describe('stat (I-29)', () => {
  test('follows create, setData, setACL, and children', () => {
    const tree = new Tree()
    tree.apply(txn(10n, create('/p')), null)
    tree.apply(txn(11n, create('/p/a')), null)
    tree.apply(txn(12n, create('/p/b')), null)
    tree.apply(txn(13n, { type: 2, path: '/p/a' }), null)
    tree.apply(txn(14n, setData('/p', 'hello', 1)), null)
    tree.apply(txn(15n, { type: 7, path: '/p', acl: OPEN, version: 1 }), null)
    const node = tree.find('/p')
    expect(tree.stat(node)).toEqual({
      czxid: 10n,
      mzxid: 14n,
      ctime: 1_000_010,
      mtime: 1_000_014,
      version: 1,
      cversion: 3,
      aversion: 1,
      ephemeralOwner: 0n,
      dataLength: 5,
      numChildren: 1,
      pzxid: 13n,
    })
    expect(tree.storedCversion(node)).toBe(2)
    expect(tree.lastZxid).toBe(15n)
  })

  test('is written as clients read it', () => {
    const tree = new Tree()
    tree.apply(txn(0x1_0000_0001n, create('/e', { ephemeral: true, data: null })), null)
    const writer = new Writer()
    tree.writeStat(tree.find('/e'), writer)
    tree.writeData(tree.find('/e'), writer)
    expect(writer.written().toString('hex')).toBe(
      [
        '0000000100000001'.repeat(2), // czxid, mzxid
        (0x1_0000_0001n + 1_000_000n).toString(16).padStart(16, '0').repeat(2), // ctime, mtime
        '00000000'.repeat(3),
        '01000020ff3f0000',
        '00000000'.repeat(2),
        '0000000100000001', // pzxid
        'ffffffff', // null data
      ].join(''),
    )
  })

  test('keeps versions that wrap, negative ones included (B-60)', () => {
    const tree = new Tree()
    tree.apply(txn(1n, create('/v')), null)
    tree.apply(txn(2n, setData('/v', 'y', -2_147_483_648)), null)
    expect(tree.version(tree.find('/v'))).toBe(-2_147_483_648)
    const scratch = digestOf('/v', Buffer.from('y'), {
      czxid: 1n,
      mzxid: 2n,
      pzxid: 1n,
      ctime: 1_000_001,
      mtime: 1_000_002,
      version: -2_147_483_648,
      cversion: 0,
      aversion: 0,
      owner: 0n,
    })
    expect(tree.nodeDigest(tree.find('/v'))).toBe(scratch)
  })

  test('the count of creations does not pass the end of an int (I-28)', () => {
    const tree = new Tree()
    tree.apply(txn(1n, create('/p')), null)
    tree.apply(txn(2n, create('/p/a', { parentCVersion: 2_147_483_647 })), null)
    tree.apply(txn(3n, create('/p/b', { parentCVersion: -2_147_483_648 })), null)
    tree.apply(txn(4n, create('/p/c', { parentCVersion: -1 })), null)
    expect(tree.storedCversion(tree.find('/p'))).toBe(2_147_483_647)
    expect(tree.pzxid(tree.find('/p'))).toBe(2n)
    expect(tree.numChildren(tree.find('/p'))).toBe(3)
  })
})

describe('owners', () => {
  const ttl = {
    type: 21,
    path: '/t',
    data: null,
    acl: OPEN,
    parentCVersion: 1,
    ttl: 5000n,
  } as const

  test('are seen by clients only when they are sessions', () => {
    const tree = new Tree({ extendedTypes: true })
    tree.apply(txn(1n, create('/e', { ephemeral: true })), null)
    tree.apply(txn(2n, { type: 19, path: '/c', data: null, acl: OPEN, parentCVersion: 2 }), null)
    tree.apply(txn(3n, ttl), null)
    const owners = ['/e', '/c', '/t'].map((path) => tree.owner(tree.find(path)))
    expect(owners).toEqual([SESSION, CONTAINER, BigInt.asIntN(64, 0xff00_0000_0000_1388n)])
    const seen = ['/e', '/c', '/t'].map((path) => tree.stat(tree.find(path)).ephemeralOwner)
    expect(seen).toEqual([SESSION, 0n, 0n])
    expect([...tree.containerNodes()]).toEqual([tree.find('/c')])
    expect([...tree.ttlNodes()]).toEqual([{ node: tree.find('/t'), ttlMs: 5000 }])
    expect(tree.ephemeralCount).toBe(1)
  })

  test('a TTL node is an ephemeral to a server without extended types', () => {
    const tree = new Tree()
    tree.apply(txn(3n, ttl), null)
    expect(tree.isEphemeral(tree.find('/t'))).toBe(true)
    expect([...tree.ttlNodes()]).toEqual([])
  })

  test('closing a session deletes what the transaction names and what is left (I-50, I-54)', () => {
    const tree = new Tree()
    for (const [zxid, path] of [
      [1n, '/a'],
      [2n, '/b'],
      [3n, '/c'],
    ] as const) {
      tree.apply(txn(zxid, create(path, { ephemeral: true })), null)
    }
    tree.apply(txn(4n, create('/other', { ephemeral: true }), 7n), null)
    const changes: TreeChange[] = []
    tree.apply(txn(5n, { type: -11, paths: ['/b', '/gone'] }), changes)
    expect(texts(changes)).toEqual(['2 /b', '4 /', '2 /a', '4 /', '2 /c', '4 /'])
    expect([...tree.ephemeralSessions()]).toEqual([7n])
    expect([...tree.ephemeralsOf(7n)]).toEqual(['/other'])
    tree.apply(txn(6n, { type: -11, paths: null }, 7n), null)
    expect(tree.ephemeralCount).toBe(0)
  })
})

const reconfig: TxnBody = {
  type: 16,
  path: '/zookeeper/config',
  data: Buffer.from('server.1'),
  version: -1,
}

describe('events come in the published order (I-44)', () => {
  test.each<[string, TxnBody, string[]]>([
    ['create', create('/p/new'), ['1 /p/new', '4 /p']],
    ['create below the root', create('/new'), ['1 /new', '4 /']],
    ['delete', { type: 2, path: '/p/a' }, ['2 /p/a', '4 /p']],
    ['setData', setData('/p', 'y', 1), ['3 /p']],
    ['setData of the root', setData('/', 'y', 1), ['3 /']],
    ['setACL', { type: 7, path: '/p', acl: OPEN, version: 1 }, []],
    ['reconfig', reconfig, ['3 /zookeeper/config']],
    ['create of what exists', create('/p'), []],
    ['delete of what does not', { type: 2, path: '/p/no' }, []],
  ])('%s', (_, body, expected) => {
    const tree = new Tree()
    tree.apply(txn(1n, create('/p')), null)
    tree.apply(txn(2n, create('/p/a')), null)
    const changes: TreeChange[] = []
    tree.apply(txn(3n, body), changes)
    expect(texts(changes)).toEqual(expected)
    expect(changes.every((change) => change.zxid === 3n)).toBe(true)
  })

  test('each with the list that guards it: the node, or for children the parent (I-30)', () => {
    const tree = new Tree()
    const guarded = [{ perms: 1, id: { scheme: 'digest', id: 'u:x' } }]
    tree.apply(txn(1n, create('/p')), null)
    const changes: TreeChange[] = []
    tree.apply(txn(2n, create('/p/a', { acl: guarded })), changes)
    tree.apply(txn(3n, { type: 2, path: '/p/a' }), changes)
    expect(changes.map(({ acl }) => acl)).toEqual([guarded, OPEN, guarded, OPEN])
  })
})

describe('multi (I-27)', () => {
  test('applies every part with one zxid, and keeps the stat of each moment', () => {
    const tree = new Tree()
    const changes: TreeChange[] = []
    const applied = tree.apply(
      txn(9n, {
        type: 14,
        txns: [
          create('/m'),
          setData('/m', 'hello', 1),
          { type: 13, path: '/m', version: 2 },
          create('/m/c', { type: 15 }),
          { type: 2, path: '/m/c' },
        ],
      }),
      changes,
    )
    expect(texts(changes)).toEqual(['1 /m', '4 /', '3 /m', '1 /m/c', '4 /m', '2 /m/c', '4 /m'])
    expect(applied.results!.map(({ err }) => err)).toEqual([0, 0, 0, 0, 0])
    const lengths = applied.results!.map(({ stat }) => stat?.readInt32BE(52) ?? null)
    expect(lengths).toEqual([1, 5, null, 1, null])
    expect(applied.results![0]!.stat!.readInt32BE(32)).toBe(0)
    expect(applied.results![1]!.stat!.readInt32BE(32)).toBe(1)
    expect(tree.stat(tree.find('/m'))).toMatchObject({
      czxid: 9n,
      mzxid: 9n,
      pzxid: 9n,
      cversion: 2,
    })
  })

  test('with an error inside applies nothing, and tells how far it would have come', () => {
    const tree = new Tree()
    const before = tree.treeDigest
    const changes: TreeChange[] = []
    const applied = tree.apply(
      txn(9n, {
        type: 14,
        txns: [create('/m'), { type: -1, err: -103 }, { type: -1, err: -2 }, create('/n')],
      }),
      changes,
    )
    expect(applied.results!.map(({ err }) => err)).toEqual([0, -103, -2, -2])
    expect(applied.err).toBe(-103)
    expect(changes).toEqual([])
    expect(tree.treeDigest).toBe(before)
    expect(tree.find('/m')).toBe(NO_NODE)
    expect(tree.lastZxid).toBe(9n)
  })
})

describe('replay over a tree that is ahead (B-37, B-38)', () => {
  test('a create of what exists keeps the node, takes the list, and raises the parent', () => {
    const tree = new Tree()
    const other = [{ perms: 3, id: { scheme: 'ip', id: '1.2.3.4' } }]
    tree.apply(txn(5n, create('/p')), null)
    tree.apply(txn(6n, create('/p/a', { data: Buffer.from('kept') })), null)
    const applied = tree.apply(txn(7n, create('/p/a', { acl: other, parentCVersion: 3 })), null)
    expect(applied.err).toBe(-110)
    expect(tree.data(tree.find('/p/a'))!.toString()).toBe('kept')
    expect(tree.acl(tree.find('/p/a'))).toEqual(other)
    expect(tree.storedCversion(tree.find('/p'))).toBe(3)
    expect(tree.pzxid(tree.find('/p'))).toBe(7n)
    tree.apply(txn(8n, create('/p/a', { type: 15, parentCVersion: 9 })), null)
    expect(tree.storedCversion(tree.find('/p'))).toBe(3)
  })

  test('an older cversion or zxid moves nothing back', () => {
    const tree = new Tree()
    tree.apply(txn(5n, create('/p')), null)
    tree.apply(txn(20n, create('/p/a', { parentCVersion: 5 })), null)
    tree.apply(txn(19n, create('/p/b', { parentCVersion: 4 })), null)
    tree.apply(txn(18n, { type: 2, path: '/p/b' }), null)
    expect(tree.stat(tree.find('/p'))).toMatchObject({ pzxid: 20n, cversion: 9, numChildren: 1 })
    expect(tree.lastZxid).toBe(20n)
  })

  test('a delete of what is gone still raises the parent; what is missing is left alone', () => {
    const tree = new Tree()
    tree.apply(txn(5n, create('/p')), null)
    expect(tree.apply(txn(9n, { type: 2, path: '/p/no' }), null).err).toBe(-101)
    expect(tree.pzxid(tree.find('/p'))).toBe(9n)
    const digest = tree.treeDigest
    expect(tree.apply(txn(10n, { type: 2, path: '/q/no' }), null).err).toBe(-101)
    expect(tree.apply(txn(11n, create('/q/no')), null).err).toBe(-101)
    expect(tree.apply(txn(12n, setData('/q', 'x', 1)), null).err).toBe(-101)
    expect(tree.apply(txn(13n, { type: 7, path: '/q', acl: OPEN, version: 1 }), null).err).toBe(
      -101,
    )
    expect(tree.treeDigest).toBe(digest)
  })

  test('a node deleted with children that the snapshot brought takes them along', () => {
    const tree = new Tree()
    const empty = tree.treeDigest
    tree.apply(txn(5n, create('/p')), null)
    tree.apply(txn(6n, create('/p/a', { ephemeral: true })), null)
    tree.apply(txn(7n, create('/p/b')), null)
    tree.apply(txn(8n, create('/p/b/c')), null)
    tree.apply(txn(9n, { type: 2, path: '/p' }), null)
    expect(tree.nodeCount).toBe(5)
    expect(tree.approximateDataSize).toBe(44)
    expect(tree.ephemeralCount).toBe(0)
    expect(tree.find('/p/b/c')).toBe(NO_NODE)
    const root = digestOf('', null, { ...zeros, cversion: 1, pzxid: 9n })
    expect(tree.treeDigest).toBe(empty - 0x04128908n + BigInt(root))
  })

  test('paths that no leader makes change nothing', () => {
    const tree = new Tree()
    for (const path of ['/', '', 'x', '/a/', '//']) {
      expect(tree.apply(txn(1n, { type: 2, path }), null).err, path).toBe(-101)
      expect(tree.apply(txn(1n, create(path, { type: 15 })), null).err, path).toBeLessThan(0)
    }
    expect(tree.nodeCount).toBe(5)
  })
})

const zeros = {
  czxid: 0n,
  mzxid: 0n,
  pzxid: 0n,
  ctime: 0,
  mtime: 0,
  version: 0,
  cversion: 0,
  aversion: 0,
  owner: 0n,
}

test('data of every length is kept through growing and shrinking, null apart from empty', () => {
  const tree = new Tree()
  tree.apply(txn(1n, create('/d', { data: null })), null)
  expect(tree.data(tree.find('/d'))).toBeNull()
  const lengths = [0, 1, 7, 254, 255, 256, 257, 3000, 32_766, 32_767, 32_768, 200_000, 32_768, 5, 0]
  for (const [index, length] of lengths.entries()) {
    const data = Buffer.alloc(length, index + 1)
    tree.apply(txn(2n, { type: 5, path: '/d', data, version: index }), null)
    data.fill(0xff)
    expect(tree.data(tree.find('/d'))).toEqual(Buffer.alloc(length, index + 1))
    expect(tree.dataLength(tree.find('/d'))).toBe(length)
  }
})

describe('quotas', () => {
  const limits = 'count=3,bytes=100=;byteHardLimit=5000;countHardLimit=20'
  const usage = (tree: Tree): string =>
    tree.data(tree.find('/zookeeper/quota/q/zookeeper_stats'))!.toString()

  function treeWithQuota(): Tree {
    const tree = new Tree()
    tree.apply(txn(1n, create('/q')), null)
    tree.apply(txn(2n, create('/q/a', { data: Buffer.alloc(10) })), null)
    tree.apply(txn(3n, create('/zookeeper/quota/q')), null)
    const data = Buffer.from(limits)
    tree.apply(txn(4n, create('/zookeeper/quota/q/zookeeper_limits', { data })), null)
    tree.apply(txn(5n, create('/zookeeper/quota/q/zookeeper_stats')), null)
    return tree
  }

  test('count what is there when they begin, and what comes and goes', () => {
    const tree = treeWithQuota()
    expect(usage(tree)).toBe('count=2,bytes=11')
    tree.apply(txn(6n, create('/q/a/b', { data: Buffer.alloc(5) })), null)
    expect(usage(tree)).toBe('count=3,bytes=16')
    tree.apply(txn(7n, setData('/q', 'hello', 1)), null)
    expect(usage(tree)).toBe('count=3,bytes=20')
    tree.apply(txn(8n, { type: 2, path: '/q/a/b' }), null)
    tree.apply(txn(9n, create('/qq')), null)
    expect(usage(tree)).toBe('count=2,bytes=15')
  })

  test('keep what else somebody wrote into the usage', () => {
    const tree = treeWithQuota()
    const data = 'count=5,bytes=9=;countHardLimit=9;byteHardLimit=90'
    tree.apply(txn(6n, setData('/zookeeper/quota/q/zookeeper_stats', data, 1)), null)
    tree.apply(txn(7n, create('/q/b', { data: Buffer.alloc(5) })), null)
    expect(usage(tree)).toBe('count=6,bytes=14=;byteHardLimit=90;countHardLimit=9')
  })

  test('tell limits and usage of the quota that covers a path', () => {
    const tree = treeWithQuota()
    expect(tree.quotaFor('/q/a/b/c')).toEqual({
      path: '/q',
      limits: { count: 3, bytes: 100, countHardLimit: 20, byteHardLimit: 5000 },
      usage: { count: 2, bytes: 11, countHardLimit: -1, byteHardLimit: -1 },
    })
    expect(tree.quotaFor('/q')?.path).toBe('/q')
    expect(tree.quotaFor('/qq')).toBeNull()
    expect(tree.quotaFor('/')).toBeNull()
    expect(tree.hasQuotas).toBe(true)
    tree.apply(txn(6n, { type: 2, path: '/zookeeper/quota/q/zookeeper_limits' }), null)
    expect(tree.quotaFor('/q')).toBeNull()
    expect(tree.hasQuotas).toBe(false)
  })

  test('change no stat and no digest by counting', () => {
    const tree = treeWithQuota()
    const stats = tree.find('/zookeeper/quota/q/zookeeper_stats')
    const { dataLength: _, ...before } = tree.stat(stats)
    tree.apply(txn(6n, create('/q/x', { data: Buffer.alloc(90_000) })), null)
    expect(tree.stat(stats)).toMatchObject(before)
    expect(usage(tree)).toBe('count=3,bytes=90011')
  })
})

test('a tree without digests has none', () => {
  const tree = new Tree({ digestEnabled: false })
  tree.apply(txn(1n, create('/a')), null)
  expect(tree.treeDigest).toBe(0n)
  expect(tree.nodeDigest(tree.find('/a'))).toBe(0)
})

test('children are listed with their count', () => {
  const tree = new Tree()
  for (let i = 0; i < 5; i++) tree.apply(txn(BigInt(i + 1), create(`/c${i}`)), null)
  expect(tree.childNames(ROOT).toSorted()).toEqual(['c0', 'c1', 'c2', 'c3', 'c4', 'zookeeper'])
  const writer = new Writer()
  tree.writeChildNames(ROOT, writer)
  const bytes = writer.written()
  expect(bytes.readInt32BE(0)).toBe(6)
  expect(bytes.length).toBe(4 + 5 * 6 + 4 + 9)
})
