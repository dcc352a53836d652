/**
 * A tree that is not the one its digest tells stops the server, at a start and while it serves: Apache's
 * counts the mismatch and goes on (N-11).
 */
import { describe, expect, test } from 'vitest'
import { AssertionError } from '../../../ensemble/assert.ts'
import { Code } from '../../../ensemble/protocol/error-codes.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import * as requests from '../../../ensemble/protocol/requests.ts'
import { adler32 } from '../../../ensemble/sys/hash.ts'
import { PipelineBench } from '../../support/pipeline-bench.ts'
import type { SimFileSystem } from '../../simulation/sim-file-system.ts'
import { newDisk, openSim } from './open-sim.ts'
import { applyAndAppend, create, OPEN_ACL, txnOf } from './txns.ts'

const DIRECTORY = '/data/version-2'

/** Five nodes in the log; the digest of the last transaction is `off` by so much. */
async function written(off: bigint): Promise<SimFileSystem> {
  const files = newDisk()
  const { store, tree } = await openSim(files)
  for (let i = 1; i <= 4; i++)
    applyAndAppend(tree, store, txnOf(BigInt(i), create(`/n${i}`, '', i)))
  const last = txnOf(5n, create('/n5', '', 5))
  tree.apply(last, null)
  store.appendTxn(last, { version: 2, treeDigest: BigInt.asIntN(64, tree.treeDigest) + off })
  store.flush()
  await store.whenDurable()
  await store.close()
  return files
}

describe('at a start', () => {
  test('a log whose digest is another is refused, with file and offset, and stays as it was (N-11, I-13)', async () => {
    expect((await openSim(await written(0n))).lastZxid).toBe(5n)
    const files = await written(1n)
    const before = files.peek(`${DIRECTORY}/log.1`)!
    await expect(openSim(files)).rejects.toThrow(
      /log\.1 at offset \d+: the tree after transaction 0x5 is not the one its digest tells/,
    )
    expect(files.peek(`${DIRECTORY}/log.1`)!.equals(before)).toBe(true)
    // An operator who has looked at it may say so; with digests off nobody asks.
    expect((await openSim(files, { acceptDamage: true })).lastZxid).toBe(5n)
  })

  test('a snapshot whose digest is another is not served: the one before it is, where the logs reach (N-11)', async () => {
    const files = newDisk()
    const { store, tree } = await openSim(files)
    for (let i = 1; i <= 4; i++)
      applyAndAppend(tree, store, txnOf(BigInt(i), create(`/n${i}`, '', i)))
    store.flush()
    await store.whenDurable()
    await store.snapshot(tree.freeze(), new Map())
    await store.close()
    const path = `${DIRECTORY}/snapshot.4`
    files.seed(path, withOtherDigest(files.peek(path)!))
    const again = await openSim(files)
    expect(again.snapshot).toBe('snapshot.0')
    expect(again.tree.treeDigest).toBe(tree.treeDigest)
    expect(again.repairs).toMatchObject([{ kind: 'moved-aside', name: 'snapshot.4' }])
    await again.store.close()

    const alone = newDisk()
    await openSim(alone).then(({ store: first }) => first.close())
    await alone.unlink(`${DIRECTORY}/snapshot.0`)
    alone.seed(path, withOtherDigest(readBack(files)))
    await expect(openSim(alone)).rejects.toThrow(/the tree is not the one its digest tells/)
  })
})

test('while it serves: a change that no transaction made stops the server before it answers (N-11, I-13)', () => {
  const bench = new PipelineBench()
  const client = bench.client()
  const request = { path: '/a', data: Buffer.from('x'), acl: OPEN_ACL, flags: 0 }
  client.send(Op.create, requests.CreateRequest.encode(request))
  // Memory that changed by itself, between the making of a transaction and its end.
  bench.tree.apply(txnOf(1n, create('/stray', '', 9)), null)
  const repliesBefore = client.replies().length
  expect(() => bench.durable()).toThrow(AssertionError)
  expect(
    client
      .replies()
      .slice(repliesBefore)
      .filter(({ err }) => err === Code.ok),
  ).toEqual([])
})

/** A snapshot with both sections of 3.9, whose seals are right and whose digest is not. */
function withOtherDigest(snapshot: Buffer): Buffer {
  const bytes = Buffer.from(snapshot)
  const digestAt = bytes.length - 54 + 12
  bytes.writeBigInt64BE(bytes.readBigInt64BE(digestAt) + 1n, digestAt)
  for (const sealAt of [bytes.length - 34, bytes.length - 13]) {
    bytes.writeUInt32BE(adler32(bytes, 0, sealAt), sealAt + 4)
  }
  return bytes
}

function readBack(files: SimFileSystem): Buffer {
  const name = files.names(DIRECTORY).find((found) => found.startsWith('damaged.'))!
  return files.peek(`${DIRECTORY}/${name}`)!
}
