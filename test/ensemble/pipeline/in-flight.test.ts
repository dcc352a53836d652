/**
 * Writes that wait for the disk together: whatever is in flight, each request gets the answer, and
 * leaves the transaction, that it would have got alone.
 */
import { expect, test } from 'vitest'
import { MultiRequest, type MultiOp } from '../../../ensemble/protocol/multi.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import * as requests from '../../../ensemble/protocol/requests.ts'
import { PipelineBench, type Reply } from '../../support/pipeline-bench.ts'
import { randomOf } from '../tree/random-transactions.ts'

const OPEN = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]
const DIGEST = [{ perms: 15, id: { scheme: 'digest', id: 'a:b' } }, ...OPEN]
const NAMES = ['a', 'ä', 'x.y']
const CLIENTS = 3

interface Step {
  readonly client: number
  readonly type: number
  readonly body: Buffer
  /** How much of what is in flight becomes durable then, where batches are random; 0: nothing. */
  readonly durable: number
}

function stepsOf(seed: number, count: number): Step[] {
  const random = randomOf(seed)
  const below = (n: number) => Math.floor(random() * n)
  const pick = <T>(from: readonly T[]): T => from[below(from.length)]!
  const path = () => {
    const depth = 1 + below(2)
    return Array.from({ length: depth }, () => `/${pick(NAMES)}`).join('')
  }
  const data = () => (below(6) === 0 ? null : Buffer.alloc(below(400), 'd'))
  const version = () => (below(3) === 0 ? below(3) : -1)
  const part = (): MultiOp => {
    const at = path()
    switch (below(4)) {
      case 0:
        return { type: Op.delete, path: at, version: version() }
      case 1:
        return { type: Op.setData, path: at, data: data(), version: version() }
      case 2:
        return { type: Op.check, path: at, version: version() }
      default:
        return { type: Op.create, path: at, data: data(), acl: OPEN, flags: below(4) }
    }
  }
  const request = (): { type: number; body: Buffer } => {
    const at = path()
    switch (below(16)) {
      case 0:
      case 1:
        return {
          type: Op.delete,
          body: requests.DeleteRequest.encode({ path: at, version: version() }),
        }
      case 2:
      case 3:
      case 4:
        return {
          type: Op.setData,
          body: requests.SetDataRequest.encode({ path: at, data: data(), version: version() }),
        }
      case 5:
      case 12:
      case 13:
      case 14: {
        const ops = Array.from({ length: 1 + below(4) }, part)
        return { type: Op.multi, body: MultiRequest.encode(ops) }
      }
      case 6:
        return {
          type: Op.setAcl,
          body: requests.SetAclRequest.encode({ path: at, acl: pick([OPEN, DIGEST]), version: -1 }),
        }
      case 7: {
        const ttl = BigInt(1 + below(5000))
        const fields = { path: at, data: data(), acl: OPEN, flags: 5 + below(2), ttl }
        return { type: Op.createTtl, body: requests.CreateTtlRequest.encode(fields) }
      }
      case 8: {
        const fields = { path: at, data: data(), acl: OPEN, flags: 4 }
        return { type: Op.createContainer, body: requests.CreateRequest.encode(fields) }
      }
      default: {
        const fields = { path: at, data: data(), acl: pick([OPEN, DIGEST]), flags: below(5) }
        return {
          type: pick([Op.create, Op.create2]),
          body: requests.CreateRequest.encode(fields),
        }
      }
    }
  }
  return Array.from({ length: count }, () => ({
    client: below(CLIENTS),
    ...request(),
    durable: below(6) === 0 ? random() : 0,
  }))
}

/** What is left of a run: every transaction, every answer, and the digest. */
function run(steps: readonly Step[], together: boolean) {
  const bench = new PipelineBench()
  const clients = Array.from({ length: CLIENTS }, () => bench.client())
  const answers: Reply[][] = clients.map(() => [])
  let durableCount = bench.txns.length
  /** Makes so much of what is in flight durable, and takes the answers. */
  const collect = (share: number): void => {
    const inFlight = bench.txns.length - durableCount
    if (inFlight === 0) return
    durableCount += Math.ceil(inFlight * share)
    bench.pipeline.onDurable(bench.txns[durableCount - 1]!.txn.zxid)
    for (const [index, client] of clients.entries()) answers[index]!.push(...client.replies())
  }
  for (const { client, type, body, durable } of steps) {
    clients[client]!.send(type, body)
    if (!together) collect(1)
    else if (durable > 0) collect(durable)
  }
  collect(1)
  // One session ends: its ephemerals, wherever they come from, go with it.
  clients[0]!.send(Op.closeSession)
  collect(1)
  expect(bench.tree.treeDigest).toBe(bench.tree.digestFromScratch())
  return { txns: bench.txns, answers, digest: bench.tree.treeDigest }
}

test.each([1, 2, 3, 4, 5, 6])(
  'in batches or one by one, the same transactions and answers, of seed %i (I-12, I-20, I-27)',
  (seed) => {
    const steps = stepsOf(seed, 1500)
    const [alone, together] = [run(steps, false), run(steps, true)]
    expect(together.txns).toEqual(alone.txns)
    expect(together.digest).toBe(alone.digest)
    expect(together.answers).toEqual(alone.answers)
    const done = alone.txns.filter(({ txn }) => txn.type !== Op.error)
    expect(done.length).toBeGreaterThan(steps.length / 4)
  },
)
