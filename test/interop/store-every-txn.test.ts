/**
 * The recovery of Apache 3.8.4 and 3.9.5 on our data directories after every kind of transaction: from
 * the log alone, from a snapshot, from a snapshot and the log behind it, and after a record that a crash
 * has cut. Trees, stats, lists, sessions and digests must be ours. Skips aloud without a JDK or Maven.
 */
import { spawn, spawnSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Code } from '../../ensemble/protocol/error-codes.ts'
import { Op } from '../../ensemble/protocol/op-codes.ts'
import type { TxnBody } from '../../ensemble/protocol/transactions.ts'
import { openStore } from '../../ensemble/store/store.ts'
import { silent } from '../../ensemble/sys/logger.ts'
import { nodeClock } from '../../ensemble/sys/node-clock.ts'
import { nodeFileSystem } from '../../ensemble/sys/node-file-system.ts'
import { nodeRandom } from '../../ensemble/sys/node-random.ts'
import type { Tree } from '../../ensemble/tree/tree.ts'
import { create, OPEN_ACL, setData, txnOf } from '../ensemble/store/txns.ts'
import { apacheJarsOf, apacheMissing } from '../support/apache.ts'

const missing = apacheMissing() ?? (spawnSync('javac', ['-version']).error ? 'no javac' : null)
if (missing !== null)
  process.stderr.write(`SKIPPED test/interop/store-every-txn.test.ts: ${missing}\n`)

const PROGRAM = join(import.meta.dirname, 'OpenEvery.java')
const EMPTY = Buffer.alloc(0)
const acl = OPEN_ACL
const multi = (...txns: TxnBody[]): TxnBody => ({ type: Op.multi, txns })
const create2 = (path: string, ephemeral: boolean, parentCVersion: number): TxnBody => {
  return { type: Op.create2, path, data: Buffer.from('2'), acl, ephemeral, parentCVersion }
}
const container = (path: string, parentCVersion: number): TxnBody => {
  return { type: Op.createContainer, path, data: EMPTY, acl, parentCVersion }
}
const ttl = (path: string, parentCVersion: number): TxnBody => {
  return { type: Op.createTtl, path, data: null, acl, parentCVersion, ttl: 900_000_000_000n }
}

/** In this order, with the session of each: 1 and 2 own ephemerals, 3 and 4 own none. */
const KINDS: readonly [what: string, body: TxnBody, session?: number][] = [
  ['createSession', { type: Op.createSession, timeOut: 30_000 }],
  ['another one', { type: Op.createSession, timeOut: 4000 }, 2],
  ['a third', { type: Op.createSession, timeOut: 5000 }, 3],
  ['a fourth', { type: Op.createSession, timeOut: 6000 }, 4],
  ['create', create('/a', 'one', 1)],
  ['create of a large node', create('/a/large', Buffer.alloc(300_000, 7), 1)],
  ['create without data', { ...create('/a/null', '', 2), data: null } as TxnBody],
  ['create of a name beyond ASCII', create('/unicodé-中文', 'é', 2)],
  ['create ephemeral', { ...create('/a/e', 'mine', 3), ephemeral: true } as TxnBody],
  ['create sequential', create('/a/s-0000000004', '', 4)],
  ['create from before 3.4', create('/a/old', '', -1)],
  ['create2', create2('/b', false, 3)],
  ['create2 ephemeral', create2('/b/e', true, 1), 2],
  ['createContainer', container('/c', 4)],
  ['create below a container', create('/c/x', 'x', 1)],
  ['createTTL', ttl('/t', 5)],
  ['setData', setData('/a', 'two', 1)],
  ['setData to nothing', { type: Op.setData, path: '/a', data: null, version: 2 }],
  ['setData of a TTL node', setData('/t', 'kept', 1)],
  [
    'setACL',
    {
      type: Op.setAcl,
      path: '/a/large',
      acl: [
        { perms: 1, id: { scheme: 'world', id: 'anyone' } },
        { perms: 31, id: { scheme: 'digest', id: 'u:V55/p2T0OpjQ+low3NVAH4aLvm0=' } },
      ],
      version: 1,
    },
  ],
  ['delete', { type: Op.delete, path: '/a/s-0000000004' }],
  ['delete below a container', { type: Op.delete, path: '/c/x' }],
  ['deleteContainer', { type: Op.deleteContainer, path: '/c' }],
  ['error', { type: Op.error, err: Code.noNode }],
  ['multi of create', multi(create('/m', 'multi', 7))],
  ['multi of create2', multi(create2('/m/2', false, 1))],
  ['multi of createContainer', multi(container('/m/c', 2))],
  ['multi of createTTL', multi(ttl('/m/t', 3))],
  ['multi of an ephemeral', multi({ ...create('/m/e', '', 4), ephemeral: true } as TxnBody)],
  ['multi of setData', multi(setData('/m', 'set', 1))],
  ['multi of check', multi({ type: Op.check, path: '/m', version: 2 })],
  ['multi of delete', multi({ type: Op.delete, path: '/m/2' })],
  ['multi of nothing', multi()],
  [
    'multi of many',
    multi(
      create('/n', '', 8),
      create('/n/1', '', 1),
      { type: Op.check, path: '/n', version: 1 },
      setData('/n/1', 'changed', 1),
      { type: Op.delete, path: '/n/1' },
      create('/n/2', '', 2),
    ),
  ],
  [
    'multi that failed',
    multi(
      { type: Op.error, err: 0 },
      { type: Op.error, err: Code.badVersion },
      { type: Op.error, err: Code.runtimeInconsistency },
    ),
  ],
  ['quota', multi(create('/zookeeper/quota/a', '', 1))],
  ['limits', create('/zookeeper/quota/a/zookeeper_limits', 'count=5,bytes=-1', 1)],
  ['usage', create('/zookeeper/quota/a/zookeeper_stats', 'count=5,bytes=300000', 2)],
  ['create below a quota', create('/a/counted', 'x', 6)],
  [
    'reconfig',
    { type: Op.reconfig, path: '/zookeeper/config', data: Buffer.from('v'), version: -1 },
  ],
  ['closeSession of ephemerals', { type: Op.closeSession, paths: ['/a/e', '/m/e'] }],
  ['closeSession without a list', { type: Op.closeSession, paths: null }, 2],
  ['closeSession of none', { type: Op.closeSession, paths: [] }, 3],
  ['create after all', create('/last', 'last', 9)],
]

const SHAPES = ['log', 'snapshot', 'snapshot and log', 'torn'] as const
type Shape = (typeof SHAPES)[number]

interface Directory {
  readonly dataDir: string
  /** As OpenEvery prints it. */
  readonly expected: readonly string[]
}

let root = ''
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'howdah-every-'))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

async function open(dataDir: string, digestEnabled: boolean) {
  const sys = { files: nodeFileSystem, clock: nodeClock, random: nodeRandom, log: silent }
  const fail = (error: Error): never => {
    throw error
  }
  const options = { dataDir, dataLogDir: dataDir, digestEnabled, extendedTypes: true }
  const rest = { preallocBytes: 4096, onDurable: () => {}, onFailure: fail }
  return openStore({ ...options, ...rest }, sys)
}

/** A directory whose last transaction is that of `last`. */
async function write(shape: Shape, last: number, digestEnabled: boolean): Promise<Directory> {
  const dataDir = join(root, `${shape}-${last}-${digestEnabled}`)
  const opened = await open(dataDir, digestEnabled)
  const { tree, store } = opened
  const sessions = new Map<bigint, number>()
  const append = async (from: number, to: number): Promise<void> => {
    for (const [at, [, body, session = 1]] of KINDS.slice(from, to).entries()) {
      const clientId = 0x1000_0000_0000n + BigInt(session)
      const txn = txnOf(BigInt(from + at + 1), { ...body }, clientId)
      tree.apply(txn, null)
      if (body.type === Op.createSession) sessions.set(clientId, body.timeOut)
      if (body.type === Op.closeSession) sessions.delete(clientId)
      const treeDigest = BigInt.asIntN(64, tree.treeDigest)
      const hasDigest = digestEnabled && body.type !== Op.error
      store.appendTxn(txn, hasDigest ? { version: 2, treeDigest } : null)
    }
    store.flush()
    await store.whenDurable()
  }
  const isSplit = shape === 'snapshot and log'
  await append(0, isSplit ? last : last + 1)
  if (shape === 'snapshot' || isSplit) {
    const taken = await store.snapshot(tree.freeze(), sessions)
    expect(taken.ok).toBe(true)
  }
  if (isSplit) await append(last, last + 1)
  await store.close()
  if (shape === 'torn') await tear(dataDir, digestEnabled)
  return { dataDir, expected: describeTree(tree, sessions, digestEnabled) }
}

/** A crash in the middle of a record, and our start behind it, which cuts it off. */
async function tear(dataDir: string, digestEnabled: boolean): Promise<void> {
  const folder = join(dataDir, 'version-2')
  const log = readdirSync(folder).find((name) => name.startsWith('log.'))!
  // A checksum, a length, and the first bytes of a header.
  const record = Buffer.alloc(30)
  record.writeUInt32BE(0x1234, 4)
  record.writeInt32BE(90, 8)
  appendFileSync(join(folder, log), record)
  const { repairs, store } = await open(dataDir, digestEnabled)
  expect(repairs.map(({ kind }) => kind)).toEqual(['cut'])
  await store.close()
}

function describeTree(
  tree: Tree,
  sessions: ReadonlyMap<bigint, number>,
  digestEnabled: boolean,
): string[] {
  const digest = digestEnabled ? BigInt.asIntN(64, tree.treeDigest) : 0n
  const timeouts = [...sessions].map(([id, timeoutMs]) => `${id}=${timeoutMs}`).join(', ')
  const lines = [
    `zxid\t${tree.lastZxid.toString(16)}`,
    `digest\t${digest}`,
    `mismatch\tfalse`,
    `sessions\t{${timeouts}}`,
  ]
  const visit = (path: string): void => {
    const node = tree.find(path)
    const stat = tree.stat(node)
    const { czxid, mzxid, ctime, mtime, version, cversion, aversion } = stat
    const { ephemeralOwner, dataLength, numChildren, pzxid } = stat
    const times = [czxid, mzxid, ctime, mtime]
    const numbers = [version, cversion, aversion, ephemeralOwner, dataLength, numChildren, pzxid]
    const list = tree.acl(node).map(({ perms, id }) => `${perms}:${id.scheme}:${id.id}`)
    const data = tree.data(node)?.toString('base64') ?? 'null'
    lines.push(`${path === '' ? '/' : path}\t${[data, ...times, ...numbers, ...list].join(' ')}`)
    for (const name of [...tree.childNames(node)].sort()) visit(`${path}/${name}`)
  }
  visit('')
  return lines
}

/** What Apache's recovery makes of each directory, in order. */
async function openAll(
  version: string,
  folders: readonly string[],
  digestEnabled: boolean,
): Promise<string[][]> {
  const flags = [
    '-Xmx512m',
    '-Dzookeeper.extendedTypesEnabled=true',
    `-Dzookeeper.digest.enabled=${digestEnabled}`,
  ]
  const words = [...flags, '-cp', `${apacheJarsOf(version)}/*`, PROGRAM]
  const child = spawn('java', words, { stdio: ['pipe', 'pipe', 'pipe'] })
  let out = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  child.stdin.end(folders.map((folder) => `${folder}\n`).join(''))
  const code = await new Promise((resolve) => child.once('close', resolve))
  expect(code, errors).toBe(0)
  return out
    .trimEnd()
    .split('\n\n')
    .map((block) => block.split('\n'))
}

describe.skipIf(missing !== null)('directories that we wrote', () => {
  test.each([true, false])(
    'are to Apache 3.8.4 and 3.9.5 what they are to us, digests %s (F-29, I-2, I-13)',
    async (digestEnabled) => {
      const directories: { what: string; directory: Directory }[] = []
      for (const shape of SHAPES) {
        for (const [last, [what]] of KINDS.entries()) {
          const directory = await write(shape, last, digestEnabled)
          directories.push({ what: `${shape} up to ${what}`, directory })
        }
      }
      const folders = directories.map(({ directory }) => directory.dataDir)
      for (const version of ['3.8.4', '3.9.5']) {
        const found = await openAll(version, folders, digestEnabled)
        expect(found).toHaveLength(directories.length)
        for (const [at, { what, directory }] of directories.entries()) {
          expect(found[at], `${version}, ${what}`).toEqual(directory.expected)
        }
      }
    },
  )
})
