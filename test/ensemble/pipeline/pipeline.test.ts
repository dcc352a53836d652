/** The order of things in the pipeline: durable before shown, replies in order, events first. */
import { describe, expect, test } from 'vitest'
import { Code } from '../../../ensemble/protocol/error-codes.ts'
import { MultiRequest, MultiResponse } from '../../../ensemble/protocol/multi.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import * as replies from '../../../ensemble/protocol/replies.ts'
import * as requests from '../../../ensemble/protocol/requests.ts'
import { SetWatches } from '../../../ensemble/protocol/watches.ts'
import { zxidAfter } from '../../../ensemble/protocol/zxid.ts'
import { apachePasswords } from '../../../ensemble/session/session-passwords.ts'
import { eventOf, PipelineBench, type BenchClient } from '../../support/pipeline-bench.ts'

const OPEN = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]

function create(
  path: string,
  flags = 0,
  data: Buffer | null = Buffer.from('x'),
  acl = OPEN,
): Buffer {
  return requests.CreateRequest.encode({ path, data, acl, flags })
}

function setData(path: string, data: string, version = -1): Buffer {
  return requests.SetDataRequest.encode({ path, data: Buffer.from(data), version })
}

function get(path: string, watch = false): Buffer {
  return requests.GetDataRequest.encode({ path, watch })
}

function made(bench: PipelineBench, client: BenchClient, ...paths: string[]): void {
  for (const path of paths) client.send(Op.create, create(path))
  bench.durable()
  expect(client.replies().map((reply) => reply.err)).toEqual(paths.map(() => 0))
}

describe('writes', () => {
  test('nothing is answered or shown before it is durable (I-6, I-9)', () => {
    const bench = new PipelineBench()
    const [writer, reader] = [bench.client(), bench.client()]
    writer.send(Op.create, create('/a'))
    reader.send(Op.exists, requests.ExistsRequest.encode({ path: '/a', watch: false }))
    expect(writer.replies()).toEqual([])
    expect(reader.replies()[0]?.err).toBe(Code.noNode)
    bench.durable()
    expect(writer.replies()[0]?.err).toBe(Code.ok)
  })

  test('each is checked against those in flight before it (I-20)', () => {
    const bench = new PipelineBench()
    const client = bench.client()
    client.send(Op.create, create('/a'))
    client.send(Op.create, create('/a'))
    client.send(Op.create, create('/a/b'))
    client.send(Op.delete, requests.DeleteRequest.encode({ path: '/a', version: -1 }))
    client.send(Op.delete, requests.DeleteRequest.encode({ path: '/a/b', version: -1 }))
    client.send(Op.delete, requests.DeleteRequest.encode({ path: '/a', version: -1 }))
    client.send(Op.setData, setData('/a', 'y'))
    bench.durable()
    expect(client.replies().map((reply) => reply.err)).toEqual([
      Code.ok,
      Code.nodeExists,
      Code.ok,
      Code.notEmpty,
      Code.ok,
      Code.ok,
      Code.noNode,
    ])
  })

  test('a failed write uses a zxid and leaves an error transaction without a digest', () => {
    const bench = new PipelineBench()
    const client = bench.client()
    const before = bench.txns.length
    client.send(Op.setData, setData('/missing', 'y'))
    expect(bench.txns[before]).toMatchObject({
      txn: { type: Op.error, err: Code.noNode },
      treeDigest: null,
    })
    bench.durable()
    expect(client.replies()[0]).toMatchObject({ err: Code.noNode, zxid: 2n })
  })

  test('a body that cannot be read answers a marshalling error with a zxid of its own (N-17, X-3)', () => {
    const bench = new PipelineBench()
    const client = bench.client()
    client.send(Op.create, create('/a').subarray(0, 9))
    client.send(Op.create, create('/b'))
    bench.durable()
    expect(client.replies().map(({ err, zxid }) => [err, zxid])).toEqual([
      [Code.marshallingError, 2n],
      [Code.ok, 3n],
    ])
  })

  test('sequential names follow the number of children ever created (I-28)', () => {
    const bench = new PipelineBench()
    const client = bench.client()
    client.send(Op.create, create('/q'))
    for (let i = 0; i < 3; i++) client.send(Op.create, create('/q/n-', 2))
    client.send(Op.delete, requests.DeleteRequest.encode({ path: '/q/n-0000000002', version: -1 }))
    client.send(Op.create, create('/q/n-', 2))
    bench.durable()
    const names = client
      .replies()
      .filter((_, index) => index !== 4)
      .map((reply) => replies.CreateResponse.decode(reply.body).path)
    expect(names).toEqual([
      '/q',
      '/q/n-0000000000',
      '/q/n-0000000001',
      '/q/n-0000000002',
      '/q/n-0000000003',
    ])
  })

  test.each([
    ['an unknown flag', 7, Code.badArguments],
    ['a TTL flag without a TTL', 5, Code.badArguments],
  ])('create with %s is refused', (_, flags, err) => {
    const client = new PipelineBench()
    const session = client.client()
    session.send(Op.create, create('/a', flags))
    client.durable()
    expect(session.replies()[0]?.err).toBe(err)
  })

  test('the poison request, createTTL with a flag of no TTL and ttl < 0, is refused (X-3)', () => {
    const bench = new PipelineBench()
    const client = bench.client()
    const value = { path: '/a', data: null, acl: OPEN, flags: 0, ttl: -5n }
    expect(client.call(Op.createTtl, { record: requests.CreateTtlRequest, value }).err).toBe(
      Code.badArguments,
    )
  })
})

describe('order', () => {
  test('a read waits for the writes of its own session, not for others (I-22, I-25)', () => {
    const bench = new PipelineBench()
    const [one, other] = [bench.client(), bench.client()]
    made(bench, one, '/a')
    one.send(Op.setData, setData('/a', 'new'))
    const read = one.send(Op.getData, get('/a'))
    const ping = one.send(Op.ping, Buffer.alloc(0), -2)
    other.send(Op.getData, get('/a'))
    expect(one.replies()).toEqual([])
    expect(replies.GetDataResponse.decode(other.replies()[0]!.body).data?.toString()).toBe('x')
    bench.durable()
    const answers = one.replies()
    expect(answers.map((reply) => reply.xid).slice(1)).toEqual([read, ping])
    expect(replies.GetDataResponse.decode(answers[1]!.body).data?.toString()).toBe('new')
  })

  test('a read between two writes sees the first alone, at the zxid in its header (I-23)', () => {
    const bench = new PipelineBench()
    const client = bench.client()
    made(bench, client, '/a')
    client.send(Op.setData, setData('/a', 'one'))
    client.send(Op.getData, get('/a'))
    client.send(Op.setData, setData('/a', 'two'))
    bench.durable()
    const [first, read] = client.replies()
    expect(replies.GetDataResponse.decode(read!.body).data?.toString()).toBe('one')
    expect(read!.zxid).toBe(first!.zxid)
  })

  test('the event comes before the reply that shows the change, own reply included (I-40)', () => {
    const bench = new PipelineBench()
    const client = bench.client()
    made(bench, client, '/a')
    client.send(Op.getData, get('/a', true))
    client.send(Op.setData, setData('/a', 'one'))
    client.send(Op.setData, setData('/a', 'two'))
    bench.durable()
    const [, event, first, second] = client.replies()
    expect(eventOf(event!)).toEqual({ type: 3, path: '/a', zxid: first!.zxid })
    expect(second!.err).toBe(Code.ok) // one-shot: the second write fired nothing (I-41)
  })

  test('an unknown operation is answered in its turn, and the connection ends', () => {
    const bench = new PipelineBench()
    const client = bench.client()
    client.send(Op.create, create('/a'))
    client.send(4242)
    client.send(Op.create, create('/b'))
    bench.durable()
    const answers = client.replies()
    expect(answers.slice(0, 2).map(({ err, zxid }) => [err, zxid])).toEqual([
      [Code.ok, 2n],
      [Code.unimplemented, -1n],
    ])
    expect(bench.closed.map(({ why }) => why)).toEqual(['unknown operation 4242'])
  })

  test('check outside a multi never reaches the log (B-41)', () => {
    const bench = new PipelineBench()
    const client = bench.client()
    const before = bench.txns.length
    client.send(Op.check, requests.CheckVersionRequest.encode({ path: '/', version: -1 }))
    expect(client.replies()[0]?.err).toBe(Code.unimplemented)
    expect(bench.txns.length).toBe(before)
  })
})

describe('multi', () => {
  test('all or nothing: a failed one leaves no trace for those behind it (I-27)', () => {
    const bench = new PipelineBench()
    const client = bench.client()
    const acl = OPEN
    client.send(
      Op.multi,
      MultiRequest.encode([
        { type: Op.create, path: '/m', data: null, acl, flags: 0 },
        { type: Op.create, path: '/m/e', data: null, acl, flags: 1 },
        { type: Op.check, path: '/none', version: 0 },
        { type: Op.delete, path: '/m', version: -1 },
      ]),
    )
    client.send(Op.create, create('/m/x'))
    client.send(Op.create, create('/m'))
    bench.durable()
    const [multi, orphan, again] = client.replies()
    expect(multi!.err).toBe(Code.ok)
    expect(MultiResponse.decode(multi!.body)).toEqual(
      [Code.ok, Code.ok, Code.noNode, Code.runtimeInconsistency].map((err) => ({
        type: Op.error,
        err,
      })),
    )
    expect([orphan!.err, again!.err]).toEqual([Code.noNode, Code.ok])
  })

  test('each part sees those before it, and every stat has the one zxid (I-27)', () => {
    const bench = new PipelineBench()
    const client = bench.client()
    const acl = OPEN
    client.send(
      Op.multi,
      MultiRequest.encode([
        { type: Op.create2, path: '/m', data: null, acl, flags: 0 },
        { type: Op.create, path: '/m/n-', data: null, acl, flags: 2 },
        { type: Op.create, path: '/m/n-', data: null, acl, flags: 2 },
        { type: Op.setData, path: '/m', data: Buffer.from('a'), version: 0 },
        { type: Op.setData, path: '/m', data: Buffer.from('b'), version: 1 },
        { type: Op.check, path: '/m', version: 2 },
      ]),
    )
    bench.durable()
    const [multi] = client.replies()
    const results = MultiResponse.decode(multi!.body)
    expect(results).toMatchObject([
      { type: Op.create2, path: '/m', stat: { czxid: multi!.zxid, numChildren: 0 } },
      { type: Op.create, path: '/m/n-0000000000' },
      { type: Op.create, path: '/m/n-0000000001' },
      { type: Op.setData, stat: { version: 1, mzxid: multi!.zxid } },
      { type: Op.setData, stat: { version: 2, mzxid: multi!.zxid } },
      { type: Op.check },
    ])
  })

  test.each([
    ['a read inside', [{ type: Op.getData, path: '/', watch: false }]],
    ['a flag nobody knows', [{ type: Op.create, path: '/x', data: null, acl: OPEN, flags: 9 }]],
    ['no ACL list', [{ type: Op.create, path: '/x', data: null, acl: null, flags: 0 }]],
  ] as const)('with %s is refused whole', (_, ops) => {
    const bench = new PipelineBench()
    const client = bench.client()
    client.send(Op.multi, MultiRequest.encode(ops))
    bench.durable()
    expect(client.replies()[0]).toMatchObject({ err: Code.marshallingError, body: Buffer.alloc(0) })
  })
})

describe('sessions', () => {
  test('ephemerals go in the transaction that ends the session, those in flight too (I-50, B-52)', () => {
    const bench = new PipelineBench()
    const [owner, watcher] = [bench.client(), bench.client()]
    made(bench, owner, '/e')
    owner.send(Op.create, create('/e/1', 1))
    bench.durable()
    watcher.send(Op.getChildren, requests.GetChildrenRequest.encode({ path: '/e', watch: true }))
    watcher.replies()
    owner.send(Op.create, create('/e/2', 1))
    owner.send(Op.closeSession)
    const close = bench.txns.at(-1)!.txn
    expect(close).toMatchObject({ type: Op.closeSession, paths: ['/e/1', '/e/2'] })
    bench.durable()
    expect(bench.tree.find('/e/1') + bench.tree.find('/e/2')).toBe(0)
    expect(owner.replies().at(-1)?.err).toBe(Code.ok)
    expect(bench.closed.map(({ link }) => link)).toContain(owner.link)
    expect(eventOf(watcher.replies()[0]!)).toMatchObject({ type: 4, path: '/e' })
  })

  test('without TTL nodes, a session with 0xff on top owns its ephemerals as any other (I-50)', () => {
    const bench = new PipelineBench({ extendedTypesEnabled: false }, { serverId: 0xff })
    const owner = bench.client()
    expect(BigInt.asUintN(64, owner.link.session!.id) >> 56n).toBe(0xffn)
    made(bench, owner, '/e')
    owner.send(Op.create, create('/e/1', 1))
    owner.send(Op.create, create('/e/1/child'))
    owner.send(Op.closeSession)
    expect(bench.txns.at(-1)!.txn).toMatchObject({ type: Op.closeSession, paths: ['/e/1'] })
    bench.durable()
    expect(owner.replies()[1]?.err).toBe(Code.noChildrenForEphemerals)
    expect(bench.tree.find('/e/1')).toBe(0)
  })

  test('the end of a session with very many ephemerals goes into the log without their list (B-40)', () => {
    const bench = new PipelineBench({ frameBytesMax: 1000 })
    const [few, many] = [bench.client(), bench.client()]
    few.send(Op.create, create('/few', 1))
    for (let i = 0; i < 100; i++) many.send(Op.create, create(`/many-${i}`, 1))
    bench.durable()
    few.send(Op.closeSession)
    many.send(Op.closeSession)
    const lists = bench.txns
      .slice(-2)
      .map(({ txn }) => (txn.type === Op.closeSession ? txn.paths : []))
    expect(lists).toEqual([['/few'], null])
    bench.durable()
    expect(bench.tree.ephemeralCount).toBe(0)
    expect(many.replies().at(-1)?.err).toBe(Code.ok)
    // Nothing of it is left among what is pending: the names are free at once.
    const next = bench.client()
    made(bench, next, '/many-7')
  })

  test('a session expires once, after its timeout and not before (I-50, I-51, I-52)', () => {
    const bench = new PipelineBench()
    const client = bench.client()
    made(bench, client, '/a')
    client.send(Op.create, create('/a/e', 1))
    bench.durable()
    const before = bench.txns.length
    bench.advance(9000)
    bench.pipeline.expireSessions()
    expect(bench.txns.length).toBe(before)
    client.send(Op.ping, Buffer.alloc(0), -2)
    bench.advance(9000)
    bench.pipeline.expireSessions()
    expect(bench.txns.length).toBe(before)
    bench.advance(3001)
    bench.pipeline.expireSessions()
    bench.pipeline.expireSessions()
    expect(bench.txns.slice(before).map(({ txn }) => txn.type)).toEqual([Op.closeSession])
    client.send(Op.create, create('/a/late'))
    bench.durable()
    expect(bench.tree.find('/a/e')).toBe(0)
    expect(bench.tree.find('/a/late')).toBe(0) // I-53
    expect(client.link.isClosing).toBe(true)
  })

  test('a resumed session keeps its ephemerals, and the former connection ends', () => {
    const bench = new PipelineBench()
    const first = bench.client()
    made(bench, first, '/a')
    const { sessionId, passwd } = first.welcomed!
    const second = bench.connection()
    second.connect({ sessionId, passwd })
    expect(second.welcome()).toMatchObject({ sessionId, timeOut: 10_000 })
    expect(first.link.isClosing).toBe(true)
    expect(second.link.isClosing).toBe(false)
  })

  test('a resumed session is welcomed once what it wrote before is applied (I-25)', () => {
    const bench = new PipelineBench()
    const first = bench.client()
    const { sessionId, passwd } = first.welcomed!
    bench.client().send(Op.create, create('/other'))
    bench.durable()
    first.send(Op.create, create('/lock'))
    bench.pipeline.disconnected(first.link)
    const second = bench.connection()
    second.connect({ sessionId, passwd })
    expect(second.frames()).toEqual([])
    // A third one takes over, and the second is not welcomed any more.
    const third = bench.connection()
    third.connect({ sessionId, passwd })
    bench.durable()
    expect(second.frames()).toEqual([])
    expect(third.welcome()).toMatchObject({ sessionId })
    third.send(Op.exists, requests.ExistsRequest.encode({ path: '/lock', watch: false }))
    expect(third.replies()).toMatchObject([{ err: Code.ok }])
  })

  test('a resumed session whose end is in flight is refused, not welcomed', () => {
    const bench = new PipelineBench()
    const first = bench.client()
    const { sessionId, passwd } = first.welcomed!
    first.send(Op.create, create('/a'))
    const { zxid } = bench.txns.at(-1)!.txn
    bench.pipeline.disconnected(first.link)
    const second = bench.connection()
    second.connect({ sessionId, passwd })
    bench.advance(20_000)
    bench.pipeline.expireSessions()
    bench.pipeline.onDurable(zxid)
    expect(second.welcome()).toMatchObject({ sessionId: 0n, timeOut: 0 })
    expect(second.link.isClosing).toBe(true)
    bench.durable()
  })

  test('a session is in no snapshot before its creation is durable, and until its end is (I-11, I-50, B-37)', () => {
    const bench = new PipelineBench()
    const client = bench.connection()
    client.connect()
    expect(bench.sessions.timeouts().size).toBe(0)
    bench.durable()
    expect([...bench.sessions.timeouts().values()]).toEqual([10_000])
    client.send(Op.closeSession)
    expect(bench.sessions.timeouts().size).toBe(1)
    bench.durable()
    expect(bench.sessions.timeouts().size).toBe(0)
  })

  test('a wrong password is refused and leaves the owner alone (S-20, N-8)', () => {
    const bench = new PipelineBench()
    const owner = bench.client()
    const { sessionId } = owner.welcomed!
    const thief = bench.connection()
    thief.connect({ sessionId, passwd: apachePasswords().of(sessionId) })
    expect(thief.welcome()).toMatchObject({ sessionId: 0n, timeOut: 0, passwd: Buffer.alloc(16) })
    expect(thief.link.isClosing).toBe(true)
    expect(owner.link.isClosing).toBe(false)
    owner.send(Op.create, create('/mine'))
    bench.durable()
    expect(owner.replies()[0]?.err).toBe(Code.ok)
  })

  test('a client that has seen a later zxid is turned away (I-24)', () => {
    const bench = new PipelineBench()
    const client = bench.connection()
    client.connect({ lastZxidSeen: 99n })
    expect(bench.closed.map(({ why }) => why)).toEqual([
      'the client has seen a later zxid than this server',
    ])
  })

  test('timeouts are clamped to what the server grants', () => {
    const bench = new PipelineBench()
    for (const [asked, granted] of [
      [-1, 4000],
      [5000, 5000],
      [1_000_000, 40_000],
    ] as const) {
      const client = bench.connection()
      client.connect({ timeOut: asked })
      bench.durable()
      expect(client.welcome().timeOut).toBe(granted)
    }
  })

  test('requests sent behind the connect request are served once the session is there', () => {
    const bench = new PipelineBench()
    const client = bench.connection()
    client.connect()
    client.send(Op.getData, get('/'))
    bench.durable()
    const writer = client.link.takeReplies()!
    const bytes = writer.written()
    expect(bytes.readInt32BE(0)).toBe(37) // the connect response comes first
    expect(bytes.readInt32BE(41 + 4)).toBe(1) // then the reply to xid 1
  })
})

describe('access', () => {
  const readOnlyForBob = [
    { perms: 1, id: { scheme: 'digest', id: 'bob:ikIaKsbtGweaHnb/jKn7OHqbunM=' } },
  ]

  function authenticate(client: BenchClient, scheme: string, auth: string): void {
    client.send(
      Op.auth,
      requests.AuthPacket.encode({ type: 0, scheme, auth: Buffer.from(auth) }),
      -4,
    )
  }

  test('a node is closed to those whom its list does not name (S-10)', () => {
    const bench = new PipelineBench()
    const [bob, eve] = [bench.client(), bench.client()]
    authenticate(bob, 'digest', 'bob:pw')
    bob.send(Op.create, create('/b', 0, Buffer.from('s'), readOnlyForBob))
    bench.durable()
    expect(bob.replies().map((reply) => reply.err)).toEqual([0, 0])
    bob.send(Op.getData, get('/b'))
    eve.send(Op.getData, get('/b'))
    eve.send(Op.exists, requests.ExistsRequest.encode({ path: '/b', watch: false }))
    bob.send(Op.setData, setData('/b', 'y'))
    bench.durable()
    expect(bob.replies().map((reply) => reply.err)).toEqual([0, Code.noAuth])
    expect(eve.replies().map((reply) => reply.err)).toEqual([Code.noAuth, Code.noAuth])
  })

  test('an event is not sent to those who may not read the node (CVE-2024-23944)', () => {
    const bench = new PipelineBench()
    const [bob, eve] = [bench.client(), bench.client()]
    made(bench, bob, '/b')
    eve.send(Op.getData, get('/b', true))
    eve.replies()
    authenticate(bob, 'digest', 'bob:pw')
    const acl = [{ perms: 31, id: readOnlyForBob[0]!.id }]
    bob.send(Op.setAcl, requests.SetAclRequest.encode({ path: '/b', acl, version: -1 }))
    bob.send(Op.setData, setData('/b', 'y'))
    bench.durable()
    expect(bob.replies().map((reply) => reply.err)).toEqual([0, 0, 0])
    expect(eve.replies()).toEqual([])
    expect(bench.watches.isEmpty).toBe(true) // consumed all the same
  })

  test('setWatches does not tell of nodes that its client may not read (I-30, CVE-2024-23944)', () => {
    const bench = new PipelineBench()
    const [bob, eve] = [bench.client(), bench.client()]
    authenticate(bob, 'digest', 'bob:pw')
    bob.send(Op.create, create('/b', 0, Buffer.from('s'), readOnlyForBob))
    bench.durable()
    bob.replies()
    for (const client of [eve, bob]) {
      const value = {
        relativeZxid: 0n,
        dataWatches: ['/b', '/gone'],
        existWatches: ['/b'],
        childWatches: ['/b'],
      }
      client.send(Op.setWatches, SetWatches.encode(value), -8)
    }
    const eventsOf = (client: BenchClient) => client.replies().filter(({ xid }) => xid === -1)
    // Only that a node is gone, which anybody may know.
    expect(eventsOf(eve)).toHaveLength(1)
    expect(eventsOf(bob)).toHaveLength(4)
  })

  test('requests behind a setACL are checked by the new list, durable or not (N-18, S-11)', () => {
    const bench = new PipelineBench()
    const [bob, eve] = [bench.client(), bench.client()]
    made(bench, bob, '/b')
    authenticate(bob, 'digest', 'bob:pw')
    const acl = [{ perms: 31, id: readOnlyForBob[0]!.id }]
    eve.send(Op.setData, setData('/b', 'x'))
    eve.send(Op.setAcl, requests.SetAclRequest.encode({ path: '/b', acl, version: -1 }))
    eve.send(Op.setData, setData('/b', 'y'))
    eve.send(Op.getData, get('/b'))
    bob.send(Op.setData, setData('/b', 'z'))
    bench.durable()
    const errors = eve.replies().map((reply) => reply.err)
    expect(errors).toEqual([Code.ok, Code.ok, Code.noAuth, Code.noAuth])
    expect(bob.replies().map((reply) => reply.err)).toEqual([0, 0])
  })

  test('a refused authentication ends the connection, not the session (S-1)', () => {
    const bench = new PipelineBench()
    const client = bench.client()
    authenticate(client, 'nonsense', 'x')
    expect(client.replies()[0]).toMatchObject({ xid: -4, err: Code.authFailed, zxid: 0n })
    expect(client.link.isClosing).toBe(true)
    expect(bench.sessions.get(client.welcomed!.sessionId)).toBeDefined()
  })

  test('the super user passes every list', () => {
    const bench = new PipelineBench()
    const [bob, root] = [bench.client(), bench.client()]
    bob.send(Op.create, create('/b', 0, null, readOnlyForBob))
    bench.durable()
    authenticate(root, 'digest', 'super:admin')
    root.send(Op.setData, setData('/b', 'y'))
    bench.durable()
    expect(root.replies().map((reply) => reply.err)).toEqual([0, 0])
  })
})

test('setWatches reports what changed meanwhile and registers the rest (I-42)', () => {
  const bench = new PipelineBench()
  const client = bench.client()
  made(bench, client, '/changed', '/same', '/parent', '/there')
  const seen = bench.tree.lastZxid
  client.send(Op.setData, setData('/changed', 'y'))
  client.send(Op.create, create('/parent/child'))
  bench.durable()
  client.replies()
  const value = {
    relativeZxid: seen,
    dataWatches: ['/changed', '/same', '/gone'],
    existWatches: ['/there', '/not-yet'],
    childWatches: ['/parent', '/same'],
  }
  client.send(Op.setWatches, SetWatches.encode(value), -8)
  const answers = client.replies()
  expect(answers.slice(0, -1).map(eventOf)).toEqual([
    { type: 3, path: '/changed', zxid: -1n },
    { type: 2, path: '/gone', zxid: -1n },
    { type: 1, path: '/there', zxid: -1n },
    { type: 4, path: '/parent', zxid: -1n },
  ])
  expect(answers.at(-1)).toMatchObject({ xid: -8, err: Code.ok })
  client.send(Op.setData, setData('/same', 'z'))
  client.send(Op.create, create('/not-yet'))
  bench.durable()
  const events = client.replies().filter((reply) => reply.xid === -1)
  expect(events.map(eventOf)).toMatchObject([
    { type: 3, path: '/same' },
    { type: 1, path: '/not-yet' },
  ])
})

test('a multiRead that names a large node thousands of times is refused, not answered with gigabytes (F-20, X-3)', () => {
  const bench = new PipelineBench()
  const client = bench.client()
  client.send(Op.create, create('/big', 0, Buffer.alloc(900_000)))
  bench.durable()
  client.replies()
  const ops = Array.from({ length: 1000 }, () => ({ type: Op.getData, path: '/big', watch: false }))
  const xid = client.send(Op.multiRead, MultiRequest.encode(ops))
  expect(client.replies()).toEqual([
    { xid, zxid: bench.tree.lastZxid, err: Code.marshallingError, body: Buffer.alloc(0) },
  ])
})

test('a container that was made anew, and a TTL node that was just written, are not reaped (I-58)', () => {
  const bench = new PipelineBench()
  const client = bench.client()
  const acl = OPEN
  client.send(
    Op.createContainer,
    requests.CreateRequest.encode({ path: '/c', data: null, acl, flags: 4 }),
  )
  client.send(
    Op.createTtl,
    requests.CreateTtlRequest.encode({ path: '/t', data: null, acl, flags: 5, ttl: 1000n }),
  )
  bench.durable()
  bench.advance(5000)
  client.send(Op.setData, setData('/t', 'still needed'))
  bench.pipeline.reap('/c')
  bench.pipeline.reap('/t')
  bench.durable()
  expect([bench.tree.find('/c'), bench.tree.find('/t')]).not.toContain(0)
  bench.advance(5000)
  bench.pipeline.reap('/t')
  bench.durable()
  expect(bench.tree.find('/t')).toBe(0)
})

test('the counter of zxids skips 0 where it overflows (B-27)', () => {
  expect(zxidAfter(0x5_ffff_fffen)).toBe(0x5_ffff_ffffn)
  expect(zxidAfter(0x5_ffff_ffffn)).toBe(0x6_0000_0001n)
})
