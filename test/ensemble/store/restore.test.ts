/**
 * Going back to a snapshot: what comes back, under which zxid, and that a stop at any moment leaves the
 * old state or the new one.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import {
  loadSnapshot,
  receiveSnapshot,
  refusalOf,
  restoreInto,
  storeRestored,
} from '../../../ensemble/store/restore.ts'
import { SnapshotError } from '../../../ensemble/store/snapshot-reader.ts'
import { GOLDEN } from '../../support/golden.ts'
import { seededRandom, type SimFileSystem } from '../../simulation/sim-file-system.ts'
import { newDisk, openSim, stillClock } from './open-sim.ts'
import { applyAndAppend, create, OPEN_ACL, setData, txnOf } from './txns.ts'

const DIRECTORY = '/data/version-2'
/** Epoch 2^16, counter 1. */
const FIRST = 0x1_0000_0000_0001n

/** A server's disk with a persistent, an ephemeral and a TTL node, and its last snapshot as bytes. */
async function backup(): Promise<{ bytes: Buffer; zxid: bigint }> {
  const files = newDisk()
  const { store, tree } = await openSim(files, { extendedTypes: true })
  const owner = 0x77n
  applyAndAppend(tree, store, txnOf(1n, { type: Op.createSession, timeOut: 4000 }, owner))
  applyAndAppend(tree, store, txnOf(2n, create('/kept', 'before', 1)))
  const ephemeral = { ...create('/gone', '', 2), ephemeral: true }
  applyAndAppend(tree, store, txnOf(3n, ephemeral, owner))
  const ttl = { type: Op.createTtl, path: '/ttl', data: null, acl: OPEN_ACL, ttl: 9_000_000n }
  applyAndAppend(tree, store, txnOf(4n, { ...ttl, parentCVersion: 3 }))
  store.flush()
  const taken = await store.snapshot(tree.freeze(), new Map([[owner, 4000]]))
  if (!taken.ok) throw taken.error
  return { bytes: files.peek(`${DIRECTORY}/${taken.name}`)!, zxid: taken.zxid }
}

/** A disk whose history went on behind the backup, in epoch 3. */
async function goneOn(files: SimFileSystem): Promise<{ lastZxid: bigint; digest: bigint }> {
  const { store, tree } = await openSim(files)
  for (let i = 1; i <= 20; i++) {
    const path = `/other${i}`
    applyAndAppend(tree, store, txnOf(0x3_0000_0000n + BigInt(i), create(path, 'x', i)))
    if (i % 5 === 0) store.flush()
  }
  store.flush()
  await store.whenDurable()
  await store.writeEpoch('acceptedEpoch', 4)
  await store.writeEpoch('currentEpoch', 3)
  await store.close()
  return { lastZxid: tree.lastZxid, digest: tree.treeDigest }
}

async function* inPieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 100) yield bytes.subarray(at, at + 100)
}

async function restore(files: SimFileSystem, bytes: Buffer, seen: bigint) {
  const sys = { files, clock: stillClock }
  const contents = await receiveSnapshot(
    inPieces(bytes),
    { dataDir: '/data', freeBytesMin: 0 },
    sys,
  )
  expect(refusalOf(contents)).toBeNull()
  const to = { dataDir: '/data', seen: [seen], digestEnabled: true, stream: 'plain' } as const
  return storeRestored(contents, to, sys)
}

test('a restore drops sessions and ephemerals and begins 2^16 epochs above all (H-2, F-31)', async () => {
  const { bytes, zxid } = await backup()
  expect(zxid).toBe(4n)
  const files = newDisk()
  const { lastZxid } = await goneOn(files)
  const restored = await restore(files, bytes, lastZxid)
  expect(restored).toMatchObject({ sessionsDropped: 1, ephemeralsDropped: 1 })
  // acceptedEpoch 4 is the highest that was promised to anybody.
  expect(restored.zxid).toBe((4n << 32n) + FIRST)

  const opened = await openSim(files, { extendedTypes: true })
  const { tree, store, sessions } = opened
  expect(opened.lastZxid).toBe(restored.zxid)
  expect(sessions.size).toBe(0)
  expect([...tree.ephemeralSessions()]).toEqual([])
  expect(tree.childNames(tree.find('/')).toSorted()).toEqual(['kept', 'ttl', 'zookeeper'])
  expect(tree.data(tree.find('/kept'))?.toString()).toBe('before')
  expect([...tree.ttlNodes()].length).toBe(1)
  expect(await store.loadEpochs(opened.lastZxid)).toEqual({
    acceptedEpoch: 65_540,
    currentEpoch: 65_540,
  })
  // and again, from the same backup: above the first restore
  await store.close()
  expect((await restore(files, bytes, opened.lastZxid)).zxid).toBe((65_540n << 32n) + FIRST)
})

test('what follows a restore is not replayed on the history before it (I-12, H-2)', async () => {
  const { bytes } = await backup()
  const files = newDisk()
  const { lastZxid } = await goneOn(files)
  const restored = await restore(files, bytes, lastZxid)
  const { store, tree } = await openSim(files)
  applyAndAppend(tree, store, txnOf(restored.zxid + 1n, setData('/kept', 'after', 1)))
  store.flush()
  await store.whenDurable()
  await store.close()
  // Its snapshot is damaged: the old one and its logs are there, but lead nowhere.
  files.seed(`${DIRECTORY}/${restored.name}`, Buffer.alloc(10))
  await expect(openSim(files)).rejects.toThrow(/some are missing/)
})

test.each(['before', 'during', 'after'] as const)(
  'a stop %s any effect of a restore leaves the old state or the new one, whole (F-1, F-2, H-2)',
  async (phase) => {
    const { bytes } = await backup()
    const trial = newDisk()
    const old = await goneOn(trial)
    const from = trial.effects.length
    const restored = await restore(trial, bytes, old.lastZxid)
    const effects = trial.effects.length
    expect(effects - from).toBeGreaterThan(10)
    const seen = new Set<string>()
    for (let effect = from + 1; effect <= effects; effect++) {
      const files = newDisk(effect)
      files.haltAt = { effect, phase }
      // it never ends: its process is dead
      void goneOn(files).then(({ lastZxid }) => restore(files, bytes, lastZxid))
      await files.whenHalted()
      for (let subset = 0; subset < 6; subset++) {
        const where = `${phase} effect ${effect} (${files.effects[effect - 1]!.kind} ${files.effects[effect - 1]!.path}), subset ${subset}`
        const machine = files.fork(seededRandom(effect * 100 + subset))
        if (subset === 0) machine.kill()
        else machine.crash()
        const { tree, lastZxid, store } = await openSim(machine, { extendedTypes: true })
        const isNew = lastZxid === restored.zxid
        seen.add(isNew ? 'new' : 'old')
        if (isNew) {
          expect(tree.childNames(tree.find('/')).toSorted(), where).toEqual([
            'kept',
            'ttl',
            'zookeeper',
          ])
        } else {
          expect(lastZxid, where).toBe(old.lastZxid)
          expect(tree.treeDigest, where).toBe(old.digest)
        }
        await store.loadEpochs(lastZxid)
        expect(
          machine.names(DIRECTORY).filter((name) => name.startsWith('new.')),
          where,
        ).toEqual([])
        await store.close()
      }
    }
    expect([...seen].toSorted()).toEqual(['new', 'old'])
  },
  60_000,
)

test.each([
  ['cut short', (bytes: Buffer) => bytes.subarray(0, -60)],
  ['with a changed byte', (bytes: Buffer) => flipped(bytes, 200)],
  ['with a changed seal', (bytes: Buffer) => flipped(bytes, bytes.length - 8)],
  ['with more behind it', (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(3)])],
  ['that is none', () => Buffer.from('<html>not found</html>')],
  ['of no bytes', () => Buffer.alloc(0)],
  ['that unpacks to a thousand times its size', () => gzipSync(Buffer.alloc(80_000_000, 1))],
])('a snapshot %s is refused, and nothing changes (S-14)', async (_name, damage) => {
  const { bytes } = await backup()
  const files = newDisk()
  const old = await goneOn(files)
  const before = files.names(DIRECTORY).toSorted()
  await expect(restore(files, damage(bytes), old.lastZxid)).rejects.toThrow(SnapshotError)
  expect(files.names(DIRECTORY).toSorted()).toEqual(before)
  expect((await openSim(files)).lastZxid).toBe(old.lastZxid)
})

test('a disk that is full refuses the upload, and nothing changes (F-9, S-14)', async () => {
  const { bytes } = await backup()
  const files = newDisk()
  const old = await goneOn(files)
  files.fault = (operation) =>
    operation.kind === 'write' && operation.path.includes('upload') ? 'ENOSPC' : null
  await expect(restore(files, bytes, old.lastZxid)).rejects.toThrow('ENOSPC')
  files.fault = null
  expect((await openSim(files)).lastZxid).toBe(old.lastZxid)
})

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at]! ^= 1
  return copy
}

/** Recorded directories with a snapshot of their own, of each release and way of packing. */
const RECORDED = ['plain-380', 'plain-395', 'gz-380', 'snappy-380', 'nodigest-380', 'fuzzy-380']

test.each(RECORDED)(
  'Apache’s snapshots of %s: shown, and restored into a new directory',
  async (name) => {
    const version = join(GOLDEN, 'disk', name, 'data', 'version-2')
    const snapshots = readdirSync(version).filter((file) => file.startsWith('snapshot.'))
    expect(snapshots.length).toBeGreaterThan(0)
    for (const file of snapshots) {
      const files = newDisk()
      // The name has no ending, as after a download: the first bytes tell.
      files.seedDirectory('/backup')
      files.seed(`/backup/${file.replace(/\.(gz|snappy)$/, '')}`, readFileSync(join(version, file)))
      const contents = await loadSnapshot(files, '/backup', file.replace(/\.(gz|snappy)$/, ''))
      expect(contents.stream).toBe(/\.(gz|snappy)$/.exec(file)?.[1] ?? 'plain')
      if (name === 'fuzzy-380' && contents.exactness === 'fuzzy') {
        expect(refusalOf(contents)).toMatch(/while its server wrote/)
        continue
      }
      expect(refusalOf(contents)).toBeNull()
      const sys = { files, clock: stillClock }
      const restored = await restoreInto(contents, { dataDir: '/new', seen: [] }, sys)
      expect(restored.zxid).toBe((BigInt(Number(contents.zxid! >> 32n)) << 32n) + FIRST)
      const opened = await openSim(files, {
        dataDir: '/new',
        dataLogDir: '/new',
        extendedTypes: true,
      })
      expect(opened.lastZxid).toBe(restored.zxid)
      expect(opened.createdByUs).toBe(true)
      expect(opened.tree.nodeCount).toBe(contents.tree.nodeCount)
      const again = restoreInto(contents, { dataDir: '/new', seen: [] }, sys)
      await expect(again).rejects.toThrow('the directory is not empty')
    }
  },
)
