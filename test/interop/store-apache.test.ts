/**
 * Apache ZooKeeper 3.9.5 opens the data directories that we write, answers with the same tree, writes
 * on, and we open what it left. Skips aloud where there is no Java or no Maven.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { acl, connect, type Acl } from '../../ensemble/client/index.ts'
import { Code } from '../../ensemble/protocol/error-codes.ts'
import { Op } from '../../ensemble/protocol/op-codes.ts'
import type { TxnBody } from '../../ensemble/protocol/transactions.ts'
import type { SnapshotStream } from '../../ensemble/store/file-names.ts'
import { openStore } from '../../ensemble/store/store.ts'
import { startServer } from '../../ensemble/server/index.ts'
import { silent } from '../../ensemble/sys/logger.ts'
import { nodeClock } from '../../ensemble/sys/node-clock.ts'
import { nodeFileSystem } from '../../ensemble/sys/node-file-system.ts'
import { nodeRandom } from '../../ensemble/sys/node-random.ts'
import type { Tree } from '../../ensemble/tree/tree.ts'
import { create, OPEN_ACL, setData, txnOf } from '../ensemble/store/txns.ts'
import { apache, apacheMissing } from '../support/apache.ts'
import { fourLetters, freePort, ServerProcess } from '../support/server-process.ts'
import { dumpTree, type DumpedNode } from '../support/tree-dump.ts'

const missing = apacheMissing()
if (missing !== null)
  process.stderr.write(`SKIPPED test/interop/store-apache.test.ts: ${missing}\n`)

const SESSION = 0x1000_0000_0001n
const READ_ONLY: Acl[] = [{ perms: 1, id: { scheme: 'world', id: 'anyone' } }]

async function open(
  dataDir: string,
  digestEnabled: boolean,
  snapshotStream: SnapshotStream = 'plain',
) {
  const sys = { files: nodeFileSystem, clock: nodeClock, random: nodeRandom, log: silent }
  const opened = await openStore(
    {
      dataDir,
      dataLogDir: dataDir,
      digestEnabled,
      extendedTypes: true,
      snapshotStream,
      preallocBytes: 64 * 1024,
      onDurable: () => {},
      onFailure: (error) => {
        throw error
      },
    },
    sys,
  )
  let zxid = opened.lastZxid
  const append = (bodies: readonly TxnBody[], clientId = SESSION) => {
    for (const body of bodies) {
      zxid += 1n
      const txn = txnOf(zxid, body, clientId)
      opened.tree.apply(txn, null)
      const treeDigest = BigInt.asIntN(64, opened.tree.treeDigest)
      const hasDigest = digestEnabled && body.type !== Op.error
      opened.store.appendTxn(txn, hasDigest ? { version: 2, treeDigest } : null)
    }
    opened.store.flush()
    return opened.store.whenDurable()
  }
  return { ...opened, append }
}

/** Times of the transactions are in the past: no TTL node may be due while Apache runs. */
const FAR_MS = 900_000_000_000n

/** Every kind of transaction, before and behind a snapshot. */
const BEFORE: TxnBody[] = [
  { type: Op.createSession, timeOut: 30_000 },
  create('/a', 'one', 1),
  create('/a/b', Buffer.alloc(2000, 7), 1),
  { ...create('/a/b/null', '', 1), data: null } as TxnBody,
  create('/unicodé-中文', 'é', 2),
  { type: Op.create2, path: '/a/e', data: null, acl: OPEN_ACL, ephemeral: true, parentCVersion: 2 },
  { type: Op.createContainer, path: '/c', data: Buffer.alloc(0), acl: OPEN_ACL, parentCVersion: 3 },
  { type: Op.createTtl, path: '/t', data: null, acl: OPEN_ACL, parentCVersion: 4, ttl: FAR_MS },
  create('/c/child', 'keeps the container', 1),
  setData('/a', 'two', 1),
]
const BEHIND: TxnBody[] = [
  { type: Op.setAcl, path: '/a/b', acl: READ_ONLY, version: 1 },
  { type: Op.error, err: Code.noNode },
  {
    type: Op.multi,
    txns: [
      create('/m', 'multi', 5),
      { type: Op.check, path: '/m', version: 1 },
      setData('/m', 'changed', 1),
    ],
  },
  {
    type: Op.multi,
    txns: [
      { type: Op.error, err: 0 },
      { type: Op.error, err: Code.noNode },
    ],
  },
  create('/gone', '', 6),
  { type: Op.delete, path: '/gone' },
  { type: Op.createSession, timeOut: 30_000 },
]

/** The tree as a client would see it. */
function dumpOwn(tree: Tree): Map<string, DumpedNode> {
  const nodes = new Map<string, DumpedNode>()
  const visit = (path: string) => {
    const node = tree.find(path)
    nodes.set(path === '' ? '/' : path, {
      data: tree.data(node)?.toString('base64') ?? null,
      stat: tree.stat(node),
      acl: [...tree.acl(node)],
    })
    for (const name of tree.childNames(node)) visit(`${path}/${name}`)
  }
  visit('')
  return nodes
}

/** By path, as text, so that a difference reads well. */
function comparable(nodes: Map<string, DumpedNode>): Record<string, string> {
  const text = (node: DumpedNode) =>
    JSON.stringify({ ...node.stat, data: node.data, acl: node.acl }, (_, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    )
  return Object.fromEntries([...nodes].map(([path, node]) => [path, text(node)]))
}

describe.skipIf(missing !== null)('Apache 3.9.5 on a directory that we wrote', () => {
  test.each([
    ['closed', true, 'plain'],
    ['killed', true, 'plain'],
    ['closed', false, 'plain'],
    ['closed', true, 'gz'],
    ['closed', true, 'snappy'],
  ] as const)(
    '%s, digests %s, %s: the same tree, and back (F-29)',
    async (ending, digestEnabled, stream) => {
      const folder = mkdtempSync(join(tmpdir(), 'howdah-store-'))
      const dataDir = join(folder, 'data')
      try {
        const written = await open(dataDir, digestEnabled, stream)
        await written.append(BEFORE)
        const taken = await written.store.snapshot(
          written.tree.freeze(),
          new Map([[SESSION, 30_000]]),
        )
        expect(taken.ok).toBe(true)
        if (stream !== 'plain') {
          // The packed one is the only one there is: what Apache shows came out of it.
          const folderOfSnapshots = join(dataDir, 'version-2')
          expect(readdirSync(folderOfSnapshots)).toContain(`snapshot.a.${stream}`)
          for (const name of ['snapshot.0', 'log.1']) {
            rmSync(join(folderOfSnapshots, name === 'log.1' ? name : `${name}.${stream}`))
          }
        }
        await written.append(BEHIND.slice(0, 3))
        await written.append(BEHIND.slice(3, -1))
        await written.append(BEHIND.slice(-1), SESSION + 1n)
        // killed: the zeros written ahead and the batch mark stay behind the last record
        if (ending === 'closed') await written.store.close()

        const flags = [
          '-Dzookeeper.extendedTypesEnabled=true',
          `-Dzookeeper.digest.enabled=${digestEnabled}`,
        ]
        const server = await ServerProcess.start(apache(flags), { folder, port: await freePort() })
        const own = comparable(dumpOwn(written.tree))
        try {
          const metrics = await fourLetters(server.port, 'mntr')
          expect(metrics).toMatch(/zk_digest_mismatches_count\s+0\b/)
          await using client = await connect(server.connectString)
          // its own session is a transaction, but changes no node
          expect(comparable(await dumpTree(client))).toEqual(own)
          await client.create('/by-apache', 'hello', { acl: acl.openUnsafe })
        } finally {
          await server.kill()
        }

        const again = await open(dataDir, digestEnabled)
        expect(again.tree.data(again.tree.find('/by-apache'))?.toString()).toBe('hello')
        expect(again.lastZxid).toBeGreaterThan(written.lastZxid)
        expect(again.sessions.get(SESSION)).toBe(30_000)
        expect(again.isTainted).toBe(false)
        await again.store.close()
        if (ending === 'killed') await written.store.close()
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
  )
})

test.skipIf(missing !== null)(
  'Apache replays the end of a session whose list of ephemerals would not fit its buffer (B-40)',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'howdah-many-ephemerals-'))
    await using cleaning = new AsyncDisposableStack()
    cleaning.defer(() => rmSync(folder, { recursive: true, force: true }))
    const dataDir = join(folder, 'data')
    const settings = { dataDir, clientPort: 0, clientPortAddress: '127.0.0.1' }
    const server = await startServer({ ...settings, preallocBytes: 65_536 }, silent)
    const address = `127.0.0.1:${server.clientPort}`
    const owner = await connect(address, { sessionTimeoutMs: 10_000 })
    const other = await connect(address, { sessionTimeoutMs: 10_000 })
    // 1.3 MB of paths: more than jute.maxbuffer.
    const parent = `/${'parent'.repeat(100)}`
    await owner.create(parent, null)
    const names = Array.from({ length: 2200 }, (_, index) => `${parent}/${index}`)
    await Promise.all(names.map((name) => owner.create(name, null, { mode: 'ephemeral' })))
    await other.create('/before', null)
    await owner.close()
    await other.create('/after', null)
    await other.close()
    await server.close()
    // With the buffer that zookeeper-env has by default, plus as much again for the log.
    await using theirs = await ServerProcess.start(
      apache(['-Djute.maxbuffer=524288', '-Dzookeeper.jute.maxbuffer.extrasize=0']),
      { folder, port: await freePort() },
    )
    const reader = await connect(theirs.connectString, { sessionTimeoutMs: 10_000 })
    expect((await reader.getChildren(parent)).children).toEqual([])
    expect((await reader.getChildren('/')).children.toSorted()).toEqual([
      'after',
      'before',
      parent.slice(1),
      'zookeeper',
    ])
    await reader.close()
    expect(await fourLetters(theirs.port, 'mntr')).toMatch(/zk_digest_mismatches_count\t0\n/)
  },
)
