/**
 * Requests at the limits of a frame: they are answered like small ones, cost no more than in
 * proportion, and a bystander's session, watch and answers stay.
 */
import { describe, expect, test } from 'vitest'
import type { Acl } from '../../../ensemble/protocol/acl.ts'
import { Code } from '../../../ensemble/protocol/error-codes.ts'
import { MultiRequest, MultiResponse, type MultiOp } from '../../../ensemble/protocol/multi.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import * as requests from '../../../ensemble/protocol/requests.ts'
import * as watches from '../../../ensemble/protocol/watches.ts'
import {
  eventOf,
  PipelineBench,
  type BenchClient,
  type Reply,
} from '../../support/pipeline-bench.ts'

const OPEN: Acl[] = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]
/** `jute.maxbuffer`, Apache's default. */
const FRAME_BYTES_MAX = 0xfffff
/** Many times what any of these takes here; what is not in proportion takes more. */
const CPU_MS_MAX = 4000

class Bystander {
  readonly #bench: PipelineBench
  readonly #client: BenchClient

  constructor(bench: PipelineBench) {
    this.#bench = bench
    this.#client = bench.client()
    this.#ask(Op.create, created('/bystander'))
  }

  /** Watches, writes and reads: everything comes, and at once. */
  check(): void {
    this.#ask(Op.getData, requests.GetDataRequest.encode({ path: '/bystander', watch: true }))
    const set = requests.SetDataRequest.encode({ path: '/bystander', data: null, version: -1 })
    const [event, reply] = this.#ask(Op.setData, set)
    expect(eventOf(event!)).toMatchObject({ type: 3, path: '/bystander' })
    expect(reply?.err).toBe(Code.ok)
  }

  #ask(type: number, body: Buffer): Reply[] {
    this.#client.send(type, body)
    this.#bench.durable()
    return this.#client.replies()
  }
}

function created(path: string, acl: Acl[] = OPEN, flags = 0): Buffer {
  return requests.CreateRequest.encode({ path, data: null, acl, flags })
}

/** Sends one request, with a bystander before and after it. */
function send(type: number, body: Buffer, bench = new PipelineBench()): Reply[] {
  expect(body.length + 8).toBeLessThanOrEqual(FRAME_BYTES_MAX)
  const bystander = new Bystander(bench)
  const client = bench.client()
  bystander.check()
  const before = process.cpuUsage()
  client.send(type, body)
  bench.durable()
  const replies = client.replies()
  const { user, system } = process.cpuUsage(before)
  expect((user + system) / 1000).toBeLessThan(CPU_MS_MAX)
  bystander.check()
  expect(bench.tree.treeDigest).toBe(bench.tree.digestFromScratch())
  return replies
}

describe('a request as large as a frame (X-3)', () => {
  const many = <T>(length: number, of: (at: number) => T): T[] =>
    Array.from({ length }, (_, at) => of(at))
  const creates = many<MultiOp>(12_000, (at) => ({
    type: Op.create,
    path: `/n${at}`,
    data: null,
    acl: OPEN,
    flags: 0,
  }))

  test('a multi of forty thousand checks', () => {
    const ops = many<MultiOp>(40_000, () => ({ type: Op.check, path: '/', version: -1 }))
    expect(send(Op.multi, MultiRequest.encode(ops))).toMatchObject([{ err: Code.ok }])
  })

  test('a multi of creates for all ids of its connection, which would be gigabytes of log (B-40)', () => {
    const bench = new PipelineBench()
    const client = bench.client()
    const packet = { type: 0, scheme: 'digest', auth: Buffer.from(`${'u'.repeat(1_000_000)}:p`) }
    client.send(Op.auth, requests.AuthPacket.encode(packet), -4)
    const acl = [{ perms: 31, id: { scheme: 'auth', id: '' } }]
    const creates = (count: number) =>
      MultiRequest.encode(
        Array.from({ length: count }, (_, index): MultiOp => {
          return { type: Op.create, path: `/${index}`, data: null, acl, flags: 0 }
        }),
      )
    client.send(Op.multi, creates(10_000))
    client.send(Op.multi, creates(7))
    bench.durable()
    const [, refused, done] = client.replies()
    expect(MultiResponse.decode(refused!.body)[8]).toMatchObject({ err: Code.invalidAcl })
    expect(MultiResponse.decode(done!.body)).toHaveLength(7)
    expect(bench.tree.numChildren(bench.tree.find('/'))).toBe(8)
  })

  test('a multi of twelve thousand creates, and one that fails at its end', () => {
    const bench = new PipelineBench()
    const body = MultiRequest.encode([...creates, { type: Op.delete, path: '/no', version: -1 }])
    const nodes = bench.tree.nodeCount
    expect(send(Op.multi, body, bench)).toHaveLength(1)
    expect(bench.tree.nodeCount).toBe(nodes + 1) // the bystander's
    expect(send(Op.multi, MultiRequest.encode(creates))).toMatchObject([{ err: Code.ok }])
  })

  test('a list that says it has more entries than the frame has bytes', () => {
    const body = created('/x')
    // Behind the path (6 bytes) and the data (4) is the count of the list. One below -1 is none, and
    // what were entries are flags that do not exist.
    for (const [count, err] of [
      [0x7fff_ffff, Code.marshallingError],
      [1_000_000, Code.marshallingError],
      [-2, Code.badArguments],
    ] as const) {
      const changed = Buffer.from(body)
      changed.writeInt32BE(count, 10)
      expect(send(Op.create, changed)[0]?.err).toBe(err)
    }
  })

  test('fifty thousand reads in one', () => {
    const ops = many<MultiOp>(50_000, () => ({ type: Op.getChildren, path: '/', watch: false }))
    const [reply] = send(Op.multiRead, MultiRequest.encode(ops))
    expect(reply?.err).toBe(Code.ok)
  })
})

describe('a path as long as a frame (X-4)', () => {
  test.each<[string, string, number]>([
    ['one name', `/${'x'.repeat(1_000_000)}`, Code.ok],
    ['three hundred thousand names', '/a'.repeat(300_000), Code.noNode],
    ['slashes', '/'.repeat(1_000_000), Code.noNode],
    ['no slash at all', 'x'.repeat(1_000_000), Code.badArguments],
    ['dots', `/${'.'.repeat(1_000_000)}`, Code.ok],
  ])('%s', (_what, path, err) => {
    const bench = new PipelineBench()
    expect(send(Op.create, created(path), bench)[0]?.err).toBe(err)
    const exists = requests.ExistsRequest.encode({ path, watch: true })
    const isThere = err === Code.ok
    expect(send(Op.exists, exists, bench)[0]?.err).toBe(isThere ? Code.ok : Code.noNode)
    for (const mode of [0, 1]) {
      const add = watches.AddWatchRequest.encode({ path, mode })
      expect(send(Op.addWatch, add, bench)[0]?.err).toBe(Code.ok)
    }
  })
})

describe('lists and credentials without end (X-5)', () => {
  function authenticate(client: BenchClient, user: string): Reply {
    const auth = Buffer.from(`${user}:password`)
    client.send(Op.auth, requests.AuthPacket.encode({ type: 0, scheme: 'digest', auth }), -4)
    return client.replies().at(-1)!
  }

  test('ids of one connection have a bound, above which it ends', () => {
    const bench = new PipelineBench()
    const bystander = new Bystander(bench)
    const client = bench.client()
    const before = process.cpuUsage()
    let accepted = 0
    while (accepted < 10_000 && authenticate(client, `u${accepted}`).err === Code.ok) accepted++
    expect(accepted).toBe(127) // the address is one too
    expect(bench.closed.map(({ link }) => link)).toEqual([client.link])
    const { user, system } = process.cpuUsage(before)
    expect((user + system) / 1000).toBeLessThan(CPU_MS_MAX)
    bystander.check()
  })

  test('the same credentials ten thousand times are one id', () => {
    const client = new PipelineBench().client()
    for (let at = 0; at < 10_000; at++) expect(authenticate(client, 'same').err).toBe(Code.ok)
    expect(client.link.authIds).toHaveLength(2)
  })

  test('ids of a megabyte each have a bound too', () => {
    const client = new PipelineBench().client()
    expect(authenticate(client, 'x'.repeat(900_000)).err).toBe(Code.ok)
    expect(authenticate(client, 'y'.repeat(900_000)).err).toBe(Code.authFailed)
  })

  test('a list of `auth` entries that would stand for millions of ids is refused', () => {
    const bench = new PipelineBench()
    const client = bench.client()
    for (let at = 0; at < 100; at++) authenticate(client, `u${at}`)
    const acl = Array.from({ length: 40_000 }, (_, at) => ({
      perms: 1,
      id: { scheme: 'auth', id: at.toString(36) },
    }))
    client.send(Op.create, created('/auth', acl))
    bench.durable()
    expect(client.replies().at(-1)?.err).toBe(Code.invalidAcl)
  })

  test('a thousand reads of a node with twenty thousand entries', () => {
    const bench = new PipelineBench()
    const acl = Array.from({ length: 20_000 }, (_, at) => ({
      perms: at === 19_999 ? 1 : 30,
      id: { scheme: 'ip', id: at === 19_999 ? '127.0.0.1' : `10.${at >> 8}.${at & 255}.1` },
    }))
    expect(send(Op.create, created('/acl', acl), bench)[0]?.err).toBe(Code.ok)
    const client = bench.client()
    const body = requests.GetDataRequest.encode({ path: '/acl', watch: false })
    const before = process.cpuUsage()
    for (let at = 0; at < 1000; at++) client.send(Op.getData, body)
    const { user, system } = process.cpuUsage(before)
    expect((user + system) / 1000).toBeLessThan(CPU_MS_MAX)
    expect(client.replies().every(({ err }) => err === Code.ok)).toBe(true)
    const set = requests.SetDataRequest.encode({ path: '/acl', data: null, version: -1 })
    client.send(Op.setData, set)
    bench.durable()
    expect(client.replies()[0]?.err).toBe(Code.noAuth)
  })
})

describe('lists of watches as long as a frame (X-6)', () => {
  const none = { dataWatches: [], existWatches: [], childWatches: [] }

  test.each([0n, 0x7fff_ffff_ffff_ffffn, -1n])(
    'two hundred thousand times the root, seen up to zxid %i',
    (relativeZxid) => {
      const bench = new PipelineBench()
      const dataWatches = Array.from({ length: 200_000 }, () => '/')
      const body = watches.SetWatches.encode({ ...none, relativeZxid, dataWatches })
      const replies = send(Op.setWatches, body, bench)
      expect(replies.at(-1)?.err).toBe(Code.ok)
      expect(replies.length).toBe(relativeZxid < 0n ? 200_001 : 1)
      expect(bench.watches.count).toBeLessThanOrEqual(3)
    },
  )

  test('eighty thousand paths of each mode, which go with their connection', () => {
    const bench = new PipelineBench()
    const paths = Array.from({ length: 80_000 }, (_, at) => `/p${at}`)
    for (const name of ['persistentWatches', 'persistentRecursiveWatches'] as const) {
      const lists = { ...none, persistentWatches: [], persistentRecursiveWatches: [] }
      const body = watches.SetWatches2.encode({ ...lists, relativeZxid: 0n, [name]: paths })
      const client = bench.client()
      client.send(Op.setWatches2, body)
      expect(client.replies()).toMatchObject([{ err: Code.ok }])
      expect(bench.watches.count).toBeGreaterThanOrEqual(80_000)
      bench.pipeline.disconnected(client.link)
      expect(bench.watches.count).toBe(0)
    }
  })

  test.each([2, -1, 0x7fff_ffff])('addWatch of mode %i is none', (mode) => {
    const body = watches.AddWatchRequest.encode({ path: '/a', mode })
    expect(send(Op.addWatch, body)[0]?.err).toBe(Code.marshallingError)
  })
})

test('nodes below others are counted once for many who ask, and anew after each write (X-5)', () => {
  const bench = new PipelineBench({})
  const client = bench.client()
  const ask = (path: string): number => {
    const value = { path }
    const record = requests.GetAllChildrenNumberRequest
    return client.call(Op.getAllChildrenNumber, { record, value }).body.readInt32BE(0)
  }
  const create = (path: string): void => {
    const value = { path, data: null, acl: OPEN, flags: 0 }
    expect(client.call(Op.create, { record: requests.CreateRequest, value }).err).toBe(Code.ok)
  }
  create('/many')
  for (let at = 0; at < 5000; at++) create(`/many/${at}`)
  const before = process.cpuUsage()
  for (let count = 0; count < 20_000; count++) expect(ask('/many')).toBe(5000)
  const { user, system } = process.cpuUsage(before)
  expect((user + system) / 1000).toBeLessThan(CPU_MS_MAX)
  create('/many/0/more')
  expect([ask('/many'), ask('/many/0'), ask('/')]).toEqual([5001, 1, 5005])
  expect(ask('/')).toBe(5005)
})
