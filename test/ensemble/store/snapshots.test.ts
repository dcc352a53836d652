/** Snapshots: their bytes, their turns, their failures, and what purging leaves. */
import { expect, test } from 'vitest'
import { parseSnapshotName } from '../../../ensemble/store/file-names.ts'
import {
  checkSnapshot,
  readSnapshot,
  SnapshotError,
} from '../../../ensemble/store/snapshot-reader.ts'
import { adler32 } from '../../../ensemble/sys/hash.ts'
import { newDisk, openSim } from './open-sim.ts'
import { applyAndAppend, create, setData, txnOf } from './txns.ts'

const DIRECTORY = '/data/version-2'

async function withNodes(count: number, options: Parameters<typeof openSim>[1] = {}) {
  const files = newDisk()
  const opened = await openSim(files, options)
  const { store, tree } = opened
  for (let i = 1; i <= count; i++) {
    applyAndAppend(tree, store, txnOf(BigInt(i), create(`/n${i}`, Buffer.alloc(100, i), i)))
    if (i % 100 === 0) store.flush()
  }
  store.flush()
  await store.whenDurable()
  return { files, ...opened }
}

test('a snapshot is exact, whatever is applied while it is written (B-36, B-37)', async () => {
  const { files, store, tree } = await withNodes(3000)
  const digest = tree.treeDigest
  const sessions = new Map([[7n, 4000]])
  const taking = store.snapshot(tree.freeze(), sessions)
  for (let i = 1; i <= 200; i++) {
    applyAndAppend(tree, store, txnOf(BigInt(3000 + i), setData(`/n${i}`, 'changed', 1)))
    store.flush()
    await Promise.resolve()
  }
  expect(await taking).toMatchObject({ ok: true, name: 'snapshot.bb8', zxid: 3000n })
  const name = parseSnapshotName('snapshot.bb8')!
  const loaded = await readSnapshot(files, DIRECTORY, name, {})
  expect(loaded.tree.treeDigest).toBe(digest)
  expect(loaded.digest).toMatchObject({ zxid: 3000n, version: 2 })
  expect(loaded.sessions).toEqual(sessions)
  await store.close()
  const again = await openSim(files)
  expect(again.lastZxid).toBe(3200n)
  expect(again.tree.treeDigest).toBe(tree.treeDigest)
})

test.each(['gz', 'snappy'] as const)(
  'a snapshot packed by %s says so in its name, is whole, and is what the next start reads',
  async (snapshotStream) => {
    const { files, store, tree } = await withNodes(3000, { snapshotStream })
    expect(files.names(DIRECTORY)).toContain(`snapshot.0.${snapshotStream}`)
    const sessions = new Map([[7n, 4000]])
    const name = `snapshot.bb8.${snapshotStream}`
    const taken = await store.snapshot(tree.freeze(), sessions)
    expect(taken).toMatchObject({ ok: true, name, zxid: 3000n })
    const bytes = files.peek(`${DIRECTORY}/${name}`)!
    expect(taken).toMatchObject({ sizeBytes: bytes.length })
    expect(bytes.length).toBeLessThan((3000 * 170) / 2)
    await checkSnapshot(files, DIRECTORY, parseSnapshotName(name)!)
    await store.close()
    await files.unlink(`${DIRECTORY}/log.1`)
    const again = await openSim(files)
    expect(again.snapshot).toBe(name)
    expect(again.lastZxid).toBe(3000n)
    expect(again.tree.treeDigest).toBe(tree.treeDigest)
    expect(again.sessions).toEqual(sessions)
    // Cut anywhere it is not valid.
    for (const at of [10, bytes.length - 30, bytes.length - 1]) {
      files.seed(`${DIRECTORY}/${name}`, bytes.subarray(0, at))
      const checking = checkSnapshot(files, DIRECTORY, parseSnapshotName(name)!)
      await expect(checking).rejects.toThrow(SnapshotError)
    }
  },
)

test('54 bytes follow the first seal with digests on, none with digests off (disk-format 3.1)', async () => {
  for (const [digestEnabled, trailer] of [
    [true, 54],
    [false, 0],
  ] as const) {
    const { files } = await withNodes(0, { digestEnabled })
    const bytes = files.peek(`${DIRECTORY}/snapshot.0`)!
    const sealAt = bytes.length - trailer - 13
    expect(bytes.readUInt32BE(sealAt + 4)).toBe(adler32(bytes, 0, sealAt))
    expect(bytes.subarray(sealAt + 8, sealAt + 13).toString('hex')).toBe('000000012f')
    expect(bytes.subarray(sealAt - 5, sealAt).toString('hex')).toBe('000000012f')
  }
})

test.each(['write', 'datasync', 'rename', 'create', 'sync-directory'])(
  'when %s fails, the peer goes on without the snapshot (F-8, F-9, B-35)',
  async (kind) => {
    const { files, store, tree, failures } = await withNodes(10)
    files.fault = (operation) =>
      operation.kind === kind && !operation.path.includes('log.') ? 'EIO' : null
    const outcome = await store.snapshot(tree.freeze(), new Map())
    files.fault = null
    expect(outcome).toMatchObject({ ok: false, error: { name: 'StoreError' } })
    expect(files.names(DIRECTORY).filter((name) => name.startsWith('new.'))).toEqual([])
    expect(failures).toEqual([])
    applyAndAppend(tree, store, txnOf(11n, create('/later', '', 11)))
    store.flush()
    await store.whenDurable()
    expect(store.lastDurableZxid).toBe(11n)
    expect((await store.snapshot(tree.freeze(), new Map())).ok).toBe(true)
  },
)

test('a snapshot is due between half of snapCount and all of it, and not while one is written', async () => {
  const due: number[] = []
  const files = newDisk()
  const { store, tree } = await openSim(files, { snapCount: 40 })
  let since = 0
  for (let i = 1; i <= 400; i++) {
    applyAndAppend(tree, store, txnOf(BigInt(i), create(`/n${i}`, '', i)))
    store.flush()
    await store.whenDurable()
    since += 1
    if (!store.shouldSnapshot) continue
    due.push(since)
    since = 0
    expect((await store.snapshot(tree.freeze(), new Map())).ok).toBe(true)
  }
  expect(due.length).toBeGreaterThan(9)
  for (const count of due) {
    expect(count).toBeGreaterThan(20)
    expect(count).toBeLessThanOrEqual(40)
  }
  expect(new Set(due).size).toBeGreaterThan(3)
})

test('a snapshot is written in turns of bounded work (F-20)', async () => {
  const { files, store, tree } = await withNodes(6000)
  const from = files.effects.length
  await store.snapshot(tree.freeze(), new Map())
  const writes = files.effects.slice(from).filter(({ kind }) => kind === 'write')
  expect(writes.length).toBeGreaterThan(2)
})

test('purging keeps the newest verified snapshots and each log that they need (B-34, B-35)', async () => {
  const { files, store, tree } = await withNodes(0)
  let zxid = 0n
  const grow = async () => {
    for (let i = 0; i < 5; i++) {
      zxid += 1n
      applyAndAppend(tree, store, txnOf(zxid, create(`/n${zxid}`, '', Number(zxid))))
    }
    store.flush()
    await store.whenDurable()
  }
  for (let round = 0; round < 4; round++) {
    await grow()
    // frozen, then more is logged into the old file: the log that straddles the snapshot is needed
    const frozen = tree.freeze()
    await grow()
    await store.snapshot(frozen, new Map())
  }
  await grow()
  files.seed(`${DIRECTORY}/snapshot.fff`, Buffer.alloc(0)) // made by a full disk
  const removed = await store.purge(2)
  expect(removed).toEqual(['snapshot.0', 'snapshot.5', 'snapshot.f', 'log.1', 'log.b'])
  expect(await store.purge(3)).toEqual([])
  const rest = files.names(DIRECTORY)
  expect(rest).toContain('snapshot.fff')
  await store.close()
  files.crash()
  await files.unlink(`${DIRECTORY}/snapshot.fff`)
  // also from the older one that was kept
  await files.unlink(`${DIRECTORY}/snapshot.23`)
  const again = await openSim(files)
  expect(again.snapshot).toBe('snapshot.19')
  expect(again.lastZxid).toBe(zxid)
  expect(again.tree.treeDigest).toBe(tree.treeDigest)
})

test('checking without loading finds every flipped byte', async () => {
  const { files, store, tree } = await withNodes(3)
  await store.snapshot(tree.freeze(), new Map([[1n, 2]]))
  const name = parseSnapshotName('snapshot.3')!
  await checkSnapshot(files, DIRECTORY, name)
  const bytes = files.peek(`${DIRECTORY}/snapshot.3`)!
  for (let offset = 0; offset < bytes.length; offset++) {
    const changed = Buffer.from(bytes)
    changed[offset]! ^= 0x10
    files.seed(`${DIRECTORY}/snapshot.3`, changed)
    await expect(checkSnapshot(files, DIRECTORY, name)).rejects.toBeInstanceOf(SnapshotError)
    await expect(readSnapshot(files, DIRECTORY, name, {})).rejects.toBeInstanceOf(SnapshotError)
  }
})
