/**
 * Requests that no good client sends, and what Apache 3.9.5 answers: found by the differential run
 * (test/interop/differential.test.ts), each kind once.
 */
import { describe, expect, test } from 'vitest'
import { Writer } from '../../../ensemble/jute/writer.ts'
import type { Acl } from '../../../ensemble/protocol/acl.ts'
import { Code } from '../../../ensemble/protocol/error-codes.ts'
import {
  MultiHeader,
  MultiRequest,
  MultiResponse,
  type MultiOp,
} from '../../../ensemble/protocol/multi.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import * as replies from '../../../ensemble/protocol/replies.ts'
import * as requests from '../../../ensemble/protocol/requests.ts'
import * as watches from '../../../ensemble/protocol/watches.ts'
import {
  eventOf,
  PipelineBench,
  type BenchClient,
  type Reply,
} from '../../support/pipeline-bench.ts'

const OPEN: Acl[] = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]
const DATA = Buffer.from('x')

interface Lists {
  dataWatches: (string | null)[] | null
  existWatches: (string | null)[] | null
  childWatches: (string | null)[] | null
}

function ask(bench: PipelineBench, client: BenchClient, type: number, body: Buffer): Reply {
  client.send(type, body)
  bench.durable()
  return client.replies().at(-1)!
}

function createOp(path: string | null, flags = 0, acl: Acl[] | null = OPEN): MultiOp {
  return { type: Op.create, path, data: DATA, acl, flags }
}

describe('a multi that cannot be read is refused as a whole, whatever fails before (X-3)', () => {
  const missing: MultiOp = { type: Op.delete, path: '/missing', version: -1 }
  test.each<[string, MultiOp]>([
    ['an unknown flag', createOp('/a', 7)],
    ['a TTL flag without a ttl', createOp('/a', 5)],
    ['no ACL list', createOp('/a', 0, null)],
    ['no path', { type: Op.setData, path: null, data: DATA, version: -1 }],
    ['an id that is null', createOp('/a', 0, [{ perms: 31, id: { scheme: 'world', id: null } }])],
  ])('%s', (what, op) => {
    const bench = new PipelineBench()
    const client = bench.client()
    const ops = what.startsWith('an id') ? [createOp('/b'), op] : [missing, op]
    const reply = ask(bench, client, Op.multi, MultiRequest.encode(ops))
    expect(reply).toMatchObject({ err: Code.marshallingError, zxid: 2n })
    expect(reply.body).toHaveLength(0)
    expect(bench.tree.find('/b')).toBe(0)
  })

  test('createTTL with a flag of no TTL is a create: its result has no stat', () => {
    const bench = new PipelineBench()
    const ops: MultiOp[] = [
      { type: Op.createTtl, path: '/p', data: DATA, acl: OPEN, flags: 2, ttl: 5n },
      { type: Op.createTtl, path: '/c', data: DATA, acl: OPEN, flags: 4, ttl: 5n },
    ]
    const reply = ask(bench, bench.client(), Op.multi, MultiRequest.encode(ops))
    const results = MultiResponse.decode(reply.body)
    expect(results[0]).toEqual({ type: Op.create, path: '/p0000000000' })
    expect(results[1]?.type).toBe(Op.create2)
  })
})

describe('multiRead', () => {
  test('ends at a path that is null, with the results so far behind the error', () => {
    const bench = new PipelineBench()
    const ops: MultiOp[] = [
      { type: Op.getChildren, path: '/zookeeper/quota', watch: false },
      { type: Op.getData, path: null, watch: false },
    ]
    const reply = ask(bench, bench.client(), Op.multiRead, MultiRequest.encode(ops))
    expect(reply.err).toBe(Code.marshallingError)
    expect(MultiResponse.decode(reply.body)).toEqual([{ type: Op.getChildren, children: [] }])
  })

  test('with a create that cannot be read has no results', () => {
    const bench = new PipelineBench()
    const body = MultiRequest.encode([createOp('/a', 7)])
    const reply = ask(bench, bench.client(), Op.multiRead, body)
    expect(reply).toMatchObject({ err: Code.marshallingError, body: Buffer.alloc(0) })
  })
})

describe('setWatches goes list by list, up to what is missing (X-3, X-6)', () => {
  const lists = { dataWatches: ['/gone'], existWatches: ['/zookeeper'], childWatches: ['/gone2'] }
  test.each<[string, Partial<Lists>, string[]]>([
    ['nothing', {}, ['/gone', '/zookeeper', '/gone2']],
    ['the last list', { childWatches: null }, ['/gone', '/zookeeper']],
    ['a path of the second', { existWatches: ['/zookeeper', null] }, ['/gone', '/zookeeper']],
    ['the first list', { dataWatches: null }, []],
  ])('without %s', (_, change, told) => {
    const bench = new PipelineBench()
    const client = bench.client()
    client.send(Op.setWatches, watches.SetWatches.encode({ relativeZxid: 0n, ...lists, ...change }))
    const answers = client.replies()
    const reply = answers.pop()!
    expect(answers.map((event) => eventOf(event).path)).toEqual(told)
    expect(reply.err).toBe(told.length === 3 ? Code.ok : Code.marshallingError)
  })
})

describe('a path that is null', () => {
  test.each<[string, number, Buffer, number]>([
    [
      'create',
      Op.create,
      requests.CreateRequest.encode({ path: null, data: DATA, acl: OPEN, flags: 0 }),
      Code.marshallingError,
    ],
    [
      'delete',
      Op.delete,
      requests.DeleteRequest.encode({ path: null, version: -1 }),
      Code.marshallingError,
    ],
    [
      'setData',
      Op.setData,
      requests.SetDataRequest.encode({ path: null, data: DATA, version: -1 }),
      Code.badArguments,
    ],
    [
      'setACL',
      Op.setAcl,
      requests.SetAclRequest.encode({ path: null, acl: OPEN, version: -1 }),
      Code.badArguments,
    ],
    [
      'deleteContainer',
      Op.deleteContainer,
      requests.DeleteContainerRequest.encode({ path: null }),
      Code.marshallingError,
    ],
    [
      'getData',
      Op.getData,
      requests.GetDataRequest.encode({ path: null, watch: false }),
      Code.marshallingError,
    ],
    [
      'checkWatches',
      Op.checkWatches,
      watches.CheckWatchesRequest.encode({ path: null, type: 1 }),
      Code.noWatcher,
    ],
  ])('of %s', (_, type, body, err) => {
    const bench = new PipelineBench()
    expect(ask(bench, bench.client(), type, body).err).toBe(err)
  })
})

test('reconfig and deleteContainer are read before they are refused (X-3)', () => {
  const bench = new PipelineBench()
  const client = bench.client()
  for (const type of [Op.reconfig, Op.deleteContainer]) {
    expect(ask(bench, client, type, Buffer.alloc(3)).err).toBe(Code.marshallingError)
  }
})

test('a SASL request without a whole token ends the connection, an empty one does not', () => {
  const bench = new PipelineBench()
  const client = bench.client()
  const whole = requests.GetSaslRequest.encode({ token: Buffer.alloc(0) })
  expect(ask(bench, client, Op.sasl, whole)).toMatchObject({ err: Code.ok, zxid: 0n })
  client.send(Op.sasl, Buffer.from([0, 0, 0, 4, 1]))
  expect(client.replies()).toEqual([])
  expect(bench.closed[0]?.link).toBe(client.link)
})

test.each([
  [null, 2],
  ['', 2],
  [' \t', 2],
  [' / ', 2],
  ['/e', 2],
  ['/e1', 1],
  ['\u00a0', 0],
])('getEphemerals of prefix %j finds %i of two', (prefixPath, count) => {
  const bench = new PipelineBench()
  const client = bench.client()
  for (const path of ['/e1', '/e2']) {
    ask(
      bench,
      client,
      Op.create,
      requests.CreateRequest.encode({ path, data: null, acl: OPEN, flags: 1 }),
    )
  }
  const body = requests.GetEphemeralsRequest.encode({ prefixPath })
  const reply = ask(bench, client, Op.getEphemerals, body)
  expect(replies.GetEphemeralsResponse.decode(reply.body).ephemerals).toHaveLength(count)
})

test('getAllChildrenNumber of the empty path counts the root too', () => {
  const bench = new PipelineBench()
  const client = bench.client()
  const count = (path: string) =>
    replies.GetAllChildrenNumberResponse.decode(
      ask(
        bench,
        client,
        Op.getAllChildrenNumber,
        requests.GetAllChildrenNumberRequest.encode({ path }),
      ).body,
    ).totalNumber
  expect(count('')).toBe(count('/')! + 1)
})

test('a session that is resumed has the timeout that its new connection was granted', () => {
  const bench = new PipelineBench()
  const client = bench.client()
  const { sessionId, passwd } = client.welcomed!
  const next = bench.connection()
  next.connect({ sessionId, passwd, timeOut: 30_000 })
  expect(next.welcome().timeOut).toBe(30_000)
  bench.advance(20_000)
  bench.pipeline.expireSessions()
  expect(bench.sessions.get(sessionId)?.isClosing).toBe(false)
  const last = bench.connection()
  last.connect({ sessionId, passwd, timeOut: 1 })
  expect(last.welcome().timeOut).toBe(4000)
})

test('a multi without its end is refused, an empty one is not', () => {
  const bench = new PipelineBench()
  const client = bench.client()
  const writer = new Writer(32)
  MultiHeader.write(writer, { type: Op.delete, done: false, err: -1 })
  requests.DeleteRequest.write(writer, { path: '/a', version: -1 })
  expect(ask(bench, client, Op.multi, writer.take()).err).toBe(Code.marshallingError)
  expect(ask(bench, client, Op.multi, MultiRequest.encode([])).err).toBe(Code.ok)
})

test('a watch is found again under a path outside the BMP, as Java encodes it (X-3)', () => {
  const bench = new PipelineBench()
  const client = bench.client()
  const path = '/😀'
  expect(
    ask(bench, client, Op.exists, requests.ExistsRequest.encode({ path, watch: true })),
  ).toMatchObject({ err: Code.noNode })
  const body = watches.CheckWatchesRequest.encode({ path, type: watches.WatcherType.data })
  expect(ask(bench, client, Op.checkWatches, body)).toMatchObject({ err: Code.ok })
  expect(ask(bench, client, Op.removeWatches, body)).toMatchObject({ err: Code.ok })
})
