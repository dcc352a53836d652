/** The log being written: its bytes, its batches, and what it does when the disk does not. */
import { describe, expect, test } from 'vitest'
import { AssertionError } from '../../../ensemble/assert.ts'
import { adler32 } from '../../../ensemble/sys/hash.ts'
import { newDisk, openSim, PREALLOC_BYTES } from './open-sim.ts'
import { applyAndAppend, create, setData, txnOf } from './txns.ts'

const LOG = '/data/version-2/log.1'

describe('the bytes', () => {
  test('are a header, records with Adler-32 and end byte, and zeros (disk-format 2.1)', async () => {
    const files = newDisk()
    const { store, tree } = await openSim(files)
    applyAndAppend(tree, store, txnOf(1n, create('/a', 'one')))
    applyAndAppend(tree, store, txnOf(2n, create('/b', 'two', 2)))
    store.flush()
    await store.whenDurable()
    const bytes = files.peek(LOG)!
    expect(bytes.subarray(0, 16).toString('hex')).toBe('5a4b4c4700000002' + '0'.repeat(16))
    let at = 16
    for (const zxid of [1n, 2n]) {
      const length = bytes.readInt32BE(at + 8)
      const payload = bytes.subarray(at + 12, at + 12 + length)
      expect(bytes.readBigInt64BE(at)).toBe(BigInt(adler32(payload, 0, length)))
      expect(payload.readBigInt64BE(12)).toBe(zxid)
      expect(bytes[at + 12 + length]).toBe(0x42)
      at += 13 + length
    }
    expect(bytes.subarray(at, at + 12).equals(Buffer.alloc(12))).toBe(true)
    await store.close()
    expect(files.peek(LOG)!.length).toBe(at)
  })

  test('of a log stay ahead of the records as zeros, in steps of the setting', async () => {
    const files = newDisk()
    const { store, tree } = await openSim(files)
    for (let zxid = 1n; zxid <= 60n; zxid++) {
      const body =
        zxid === 1n ? create('/a') : setData('/a', Buffer.alloc(200, 7), Number(zxid) - 1)
      applyAndAppend(tree, store, txnOf(zxid, body))
      store.flush()
      await store.whenDurable()
    }
    const { length } = files.peek(LOG)!
    expect(length % PREALLOC_BYTES).toBe(0)
    expect(length).toBeGreaterThan(60 * 200)
  })
})

describe('group commit', () => {
  test('what is appended while a write is under way rides with the next (F-10)', async () => {
    const files = newDisk()
    const { store, tree, durable } = await openSim(files)
    for (let zxid = 1n; zxid <= 10n; zxid++) {
      applyAndAppend(tree, store, txnOf(zxid, create(`/n${zxid}`, '', Number(zxid))))
      store.flush()
    }
    expect(store.pendingBytes).toBeGreaterThan(0)
    await store.whenDurable()
    expect(durable).toEqual([1n, 10n])
    expect(store.lastDurableZxid).toBe(10n)
    expect(store.pendingBytes).toBe(0)
  })

  test('nothing is durable before the file and its name are (I-9, N-6)', async () => {
    const files = newDisk()
    const { store, tree, durable } = await openSim(files)
    const from = files.effects.length
    let durableAt = -1
    applyAndAppend(tree, store, txnOf(1n, create('/a')))
    store.flush()
    while (durable.length === 0) await Promise.resolve()
    durableAt = files.effects.length
    const kinds = files.effects.slice(from, durableAt).map(({ kind }) => kind)
    expect(kinds).toEqual(['create', 'write', 'sync-directory', 'write'])
  })

  test('a gap is our own bug (I-12)', async () => {
    const { store } = await openSim(newDisk())
    store.appendTxn(txnOf(1n, create('/a')), null)
    expect(() => store.appendTxn(txnOf(3n, create('/b')), null)).toThrow(AssertionError)
    expect(() => store.appendTxn(txnOf(0x2_0000_0001n, create('/b')), null)).not.toThrow()
  })

  test('a roll between two appends of a batch splits it into two files', async () => {
    const files = newDisk()
    const { store, tree, durable } = await openSim(files)
    applyAndAppend(tree, store, txnOf(1n, create('/a')))
    store.rollLog()
    applyAndAppend(tree, store, txnOf(2n, create('/b', '', 2)))
    applyAndAppend(tree, store, txnOf(3n, create('/c', '', 3)))
    store.flush()
    await store.close()
    expect(durable).toEqual([3n])
    expect(files.names('/data/version-2')).toEqual([
      'howdah.created',
      'log.1',
      'log.2',
      'snapshot.0',
    ])
    const { lastZxid, tree: recovered } = await openSim(files)
    expect(lastZxid).toBe(3n)
    expect(recovered.treeDigest).toBe(tree.treeDigest)
  })
})

describe('a failing disk', () => {
  test.each([
    ['write', 'EIO'],
    ['write', 'ENOSPC'],
    ['create', 'EROFS'],
    ['sync-directory', 'EIO'],
  ])(
    '%s fails with %s: one failure, no acknowledgement, no retry (F-8, F-9, B-39)',
    async (kind, code) => {
      const files = newDisk()
      const { store, tree, durable, failures } = await openSim(files)
      files.fault = (operation) =>
        operation.kind === kind && !operation.path.includes('snapshot') ? code : null
      applyAndAppend(tree, store, txnOf(1n, create('/a')))
      store.flush()
      await store.whenDurable()
      const effects = files.effects.length
      files.fault = null
      applyAndAppend(tree, store, txnOf(2n, create('/b', '', 2)))
      store.flush()
      await store.whenDurable()
      expect(failures).toHaveLength(1)
      expect(failures[0]).toMatchObject({ name: 'StoreError', file: LOG, cause: { code } })
      expect(durable).toEqual([])
      expect(files.effects.length).toBe(effects)
      await store.close()
    },
  )

  test('a disk that fills up while a batch is written loses nothing acknowledged (F-9)', async () => {
    for (let free = 0; free <= 4 * PREALLOC_BYTES; free += 512) {
      const files = newDisk(free)
      const opened = await openSim(files)
      files.spaceBytes = files.usedBytes + free
      const digests = new Map<bigint, bigint>([[0n, opened.tree.treeDigest]])
      for (let zxid = 1n; zxid <= 99n && opened.failures.length === 0; zxid++) {
        const body =
          zxid === 1n ? create('/a') : setData('/a', Buffer.alloc(300, 7), Number(zxid) - 1)
        applyAndAppend(opened.tree, opened.store, txnOf(zxid, body))
        digests.set(zxid, opened.tree.treeDigest)
        opened.store.flush()
        await opened.store.whenDurable()
      }
      expect(opened.failures).toHaveLength(1)
      const acked = opened.durable.at(-1) ?? 0n
      files.crash()
      files.spaceBytes = Number.POSITIVE_INFINITY // space returns: a restart needs no cleaning
      const again = await openSim(files)
      expect(again.lastZxid).toBeGreaterThanOrEqual(acked)
      expect(again.tree.treeDigest).toBe(digests.get(again.lastZxid))
      applyAndAppend(again.tree, again.store, txnOf(again.lastZxid + 1n, setData('/a', 'x', 99)))
      again.store.flush()
      await again.store.whenDurable()
      expect(again.durable).toEqual([again.lastZxid + 1n])
    }
  })

  test('a start below the floor of free space is refused (F-9)', async () => {
    const files = newDisk()
    files.spaceBytes = 1000
    await expect(openSim(files, { freeBytesMin: 4096 })).rejects.toThrow('bytes are free')
  })
})
