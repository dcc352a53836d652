/** Bounds on what clients may ask of a whole server: who is refused, how it is told, who is not. */
import { describe, expect, test } from 'vitest'
import type { ConnectResponse } from '../../../ensemble/protocol/connect.ts'
import { Code } from '../../../ensemble/protocol/error-codes.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import * as requests from '../../../ensemble/protocol/requests.ts'
import { defaultLimits, type LimitSettings } from '../../../ensemble/server/index.ts'
import { PeerBench, requestFrame, type BenchSocket } from '../../support/peer-bench.ts'

const OPEN = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]
const PING = { type: Op.ping, body: Buffer.alloc(0), xid: -2 }

function create(path: string, { data = 'x', flags = 0 } = {}): Buffer {
  return requests.CreateRequest.encode({ path, data: Buffer.from(data), acl: OPEN, flags })
}

function exists(path: string, watch = false): Buffer {
  return requests.ExistsRequest.encode({ path, watch })
}

function limits(given: Partial<LimitSettings>): { limits: LimitSettings } {
  return { limits: { ...defaultLimits, ...given } }
}

/** Everybody else is served as ever. */
async function expectServed(bench: PeerBench, bystander: BenchSocket): Promise<void> {
  bystander.request(PING.type, PING.body, PING.xid)
  const xid = bystander.request(Op.setData, setRoot())
  const got: number[] = []
  await bench.until(() => {
    got.push(...bystander.replies().map((reply) => reply.xid))
    return got.includes(xid)
  })
  expect(got).toEqual([-2, xid])
}

function setRoot(): Buffer {
  return requests.SetDataRequest.encode({ path: '/', data: Buffer.from('x'), version: -1 })
}

async function welcomeOf(bench: PeerBench, client: BenchSocket): Promise<ConnectResponse> {
  let welcome: ConnectResponse | null = null
  await bench.until(() => (welcome ??= client.welcome()) !== null)
  return welcome!
}

/** Replies of a client, once there are so many. */
async function repliesOf(bench: PeerBench, client: BenchSocket, count: number) {
  const replies = client.replies()
  await bench.until(() => {
    replies.push(...client.replies())
    return replies.length >= count
  })
  return replies
}

describe('connections (S-15)', () => {
  test('beyond maxClientCnxns of one address are closed, with one line; others come in', async () => {
    await using bench = await PeerBench.start({ maxClientCnxns: 2 })
    const first = await bench.client()
    const second = bench.dial()
    const [third, fourth] = [bench.dial(), bench.dial()]
    expect([second, third, fourth].map(({ isDestroyed }) => isDestroyed)).toEqual([
      false,
      true,
      true,
    ])
    await bench.client('10.0.0.2')
    await expectServed(bench, first)
    expect(bench.warnings).toMatchObject([
      { fields: { address: '10.0.0.1', limit: 'maxClientCnxns=2 for one address' } },
    ])
    expect(await bench.metric('connection_rejected')).toBe(2)
  })

  test('beyond maxCnxns of all are closed', async () => {
    await using bench = await PeerBench.start({ maxCnxns: 2 })
    const first = await bench.client('10.0.0.1')
    await bench.client('10.0.0.2')
    const third = bench.dial('10.0.0.3')
    expect(third.isDestroyed).toBe(true)
    await expectServed(bench, first)
    first.close()
    await bench.client('10.0.0.3')
  })

  test('that come too fast are closed at their connect request, and may try again', async () => {
    const throttle = {
      tokens: 1,
      fillTimeMs: 1000,
      fillCount: 1,
      freezeTimeMs: null,
      dropIncrease: 0.02,
      dropDecrease: 0.002,
      decreaseRatio: 0,
      weights: null,
    }
    await using bench = await PeerBench.start(limits({ connectionThrottle: throttle }))
    const first = await bench.client()
    const second = bench.dial()
    second.connect()
    await bench.until(() => second.isDestroyed)
    expect(bench.warnings).toMatchObject([{ fields: { limit: 'connection_throttle_tokens' } }])
    await expectServed(bench, first)
    await bench.advance(1500)
    await bench.client()
    expect(await bench.metric('connection_rejected')).toBe(1)
    expect(await bench.metric('max_connection_token_deficit')).toBe(1)
  })
})

describe('requests in work', () => {
  test('beyond request_throttle_max_requests wait, in their order, and all are answered (S-15)', async () => {
    await using bench = await PeerBench.start(limits({ requestsMax: 2 }))
    const [busy, other] = [await bench.client(), await bench.client()]
    const frames = Array.from({ length: 20 }, (_, index) =>
      requestFrame(index + 1, Op.create, create(`/${index}`)),
    )
    busy.send(Buffer.concat(frames))
    busy.request(Op.exists, exists('/19'), 21)
    other.request(Op.create, create('/other'), 1)
    const replies = await repliesOf(bench, busy, 21)
    expect(replies.map(({ xid }) => xid)).toEqual(Array.from({ length: 21 }, (_, i) => i + 1))
    expect(replies.every(({ err }) => err === Code.ok)).toBe(true)
    expect(await repliesOf(bench, other, 1)).toMatchObject([{ xid: 1, err: Code.ok }])
    expect(await bench.metric('request_throttle_wait_count')).toBeGreaterThan(15)
    expect(await bench.metric('outstanding_requests')).toBe(0)
  })

  test('that have waited for too long are answered THROTTLEDOP, and not done; pings are', async () => {
    await using bench = await PeerBench.start(limits({ requestsMax: 1, throttledOpWaitMs: 100 }))
    const client = await bench.client()
    const held = bench.holdDisk()
    client.request(Op.create, create('/first'))
    await bench.settle()
    client.request(Op.create, create('/second'))
    client.request(Op.ping, PING.body, -2)
    client.request(Op.exists, exists('/first'))
    await bench.advance(300)
    held.release()
    const replies = await repliesOf(bench, client, 4)
    expect(replies.map(({ xid, err }) => [xid, err])).toEqual([
      [1, Code.ok],
      [2, Code.throttledOp],
      [-2, Code.ok],
      [3, Code.throttledOp],
    ])
    expect(bench.peer.tree.find('/second')).toBe(0)
    expect(await bench.metric('throttled_ops')).toBe(2)
  })

  test('are dropped with their connection, but a closeSession still ends its session', async () => {
    await using bench = await PeerBench.start(limits({ requestsMax: 1 }))
    const [busy, gone, closing] = [await bench.client(), await bench.client(), await bench.client()]
    closing.request(Op.create, create('/ephemeral', { flags: 1 }))
    await repliesOf(bench, closing, 1)
    const held = bench.holdDisk()
    busy.request(Op.create, create('/busy'))
    await bench.settle()
    gone.request(Op.create, create('/gone'))
    closing.request(Op.closeSession)
    gone.close()
    closing.close()
    held.release()
    await bench.until(() => bench.peer.tree.find('/ephemeral') === 0)
    expect(bench.peer.tree.find('/gone')).toBe(0)
    expect(await bench.metric('stale_requests_dropped')).toBe(1)
    await expectServed(bench, await bench.client())
  })

  test.each(['before', 'while'])(
    'do nothing more when another connection has the session, resumed %s the first one ends',
    async (when) => {
      await using bench = await PeerBench.start(limits({ requestsMax: 1, dropStale: false }))
      const [busy, first, other] = [await bench.client(), bench.dial(), await bench.client()]
      first.connect()
      const { sessionId, passwd } = await welcomeOf(bench, first)
      const held = bench.holdDisk()
      busy.request(Op.create, create('/busy'))
      await bench.settle()
      first.request(Op.create, create('/late'))
      first.request(Op.closeSession)
      other.request(Op.create, create('/other'))
      if (when === 'before') first.close()
      const second = bench.dial()
      second.connect({ sessionId, passwd })
      expect(await welcomeOf(bench, second)).toMatchObject({ sessionId })
      second.request(Op.create, create('/mine', { flags: 1 }))
      held.release()
      // What was asked for behind them is done, so their turn has passed.
      for (const client of [other, second]) {
        expect(await repliesOf(bench, client, 1)).toMatchObject([{ err: Code.ok }])
      }
      const { tree } = bench.peer
      expect([tree.find('/late') === 0, tree.find('/mine') === 0]).toEqual([true, false])
      expect(first.replies()).toEqual([])
    },
  )

  test('wait in their connection while more is on its way to the log than memory should hold (F-22)', async () => {
    await using bench = await PeerBench.start()
    const client = await bench.client()
    const packet = { type: 0, scheme: 'digest', auth: Buffer.from(`${'u'.repeat(1_000_000)}:p`) }
    client.request(Op.auth, requests.AuthPacket.encode(packet), -4)
    await repliesOf(bench, client, 1)
    const acl = [{ perms: 31, id: { scheme: 'auth', id: '' } }]
    const held = bench.holdDisk()
    const frames = Array.from({ length: 45 }, (_, index) => {
      const fields = { path: `/${index}`, data: null, acl, flags: 0 }
      return requestFrame(index + 1, Op.create, requests.CreateRequest.encode(fields))
    })
    client.send(Buffer.concat(frames))
    await bench.settle()
    expect(await bench.metric('outstanding_requests')).toBeLessThan(40)
    expect(client.isPaused).toBe(true)
    held.release()
    const replies = await repliesOf(bench, client, 45)
    expect(replies.every(({ err }) => err === Code.ok)).toBe(true)
    expect(client.isPaused).toBe(false)
  })

  test('of a connection that is gone are done, where stale ones are not dropped', async () => {
    await using bench = await PeerBench.start(limits({ requestsMax: 1, dropStale: false }))
    const [busy, gone] = [await bench.client(), await bench.client()]
    const held = bench.holdDisk()
    busy.request(Op.create, create('/busy'))
    await bench.settle()
    gone.request(Op.create, create('/late', { flags: 1 }))
    gone.request(Op.setData, setRoot())
    gone.request(Op.closeSession)
    gone.close()
    held.release()
    await bench.until(() => bench.peer.sessions.size === 1)
    const { tree } = bench.peer
    expect([tree.find('/late'), tree.version(tree.find('/'))]).toEqual([0, 1])
  })

  test('older than their session’s timeout end the connection, where that is asked for', async () => {
    await using bench = await PeerBench.start({
      tickTimeMs: 1000,
      ...limits({ requestsMax: 1, staleLatencyCheck: true }),
    })
    const busy = bench.dial()
    busy.connect({ timeOut: 20_000 })
    await bench.until(() => busy.welcome() !== null)
    const late = await bench.client()
    const held = bench.holdDisk()
    busy.request(Op.create, create('/busy'))
    await bench.settle()
    late.request(Op.create, create('/late'))
    await bench.advance(12_000)
    await bench.until(() => late.hasEnded)
    held.release()
    expect(await repliesOf(bench, busy, 1)).toMatchObject([{ err: Code.ok }])
    expect(bench.peer.tree.find('/late')).toBe(0)
    expect(await bench.metric('stale_requests_dropped')).toBe(1)
    expect(busy.isDestroyed).toBe(false)
  })

  test('large ones have a sum of bytes: the connection of the next one ends, no other (S-15)', async () => {
    await using bench = await PeerBench.start(
      limits({ largeRequestBytes: 1000, largeRequestsBytesMax: 10_000 }),
    )
    const [first, second, bystander] = [
      await bench.client(),
      await bench.client(),
      await bench.client(),
    ]
    const held = bench.holdDisk()
    first.request(Op.create, create('/first', { data: 'x'.repeat(6000) }))
    await bench.settle()
    second.request(Op.create, create('/second', { data: 'x'.repeat(6000) }))
    await bench.until(() => second.isDestroyed)
    held.release()
    await expectServed(bench, bystander)
    expect(await repliesOf(bench, first, 1)).toMatchObject([{ err: Code.ok }])
    first.request(Op.create, create('/again', { data: 'x'.repeat(6000) }))
    expect(await repliesOf(bench, first, 1)).toMatchObject([{ err: Code.ok }])
    expect(await bench.metric('large_requests_rejected')).toBe(1)
    expect(bench.warnings).toHaveLength(1)
  })
})

describe('what one client may hold (S-15)', () => {
  test('ids: an auth packet beyond authIdsMax is refused, one that is known is not', async () => {
    await using bench = await PeerBench.start(limits({ authIdsMax: 3 }))
    const [client, bystander] = [await bench.client(), await bench.client()]
    const auth = (user: string): void => {
      const packet = { type: 0, scheme: 'digest', auth: Buffer.from(user) }
      client.request(Op.auth, requests.AuthPacket.encode(packet), -4)
    }
    for (const user of ['a:1', 'b:1', 'a:1', 'b:1', 'c:1']) auth(user)
    const replies = await repliesOf(bench, client, 5)
    expect(replies.map(({ err }) => err)).toEqual([0, 0, 0, 0, Code.authFailed])
    expect(client.hasEnded).toBe(true)
    expect(bench.warnings).toMatchObject([{ fields: { limit: 'auth_ids', most: 3 } }])
    expect(await bench.metric('auth_ids_client_limit_count')).toBe(1)
    await expectServed(bench, bystander)
  })

  test('watches: a request that would add one more is refused, and its session goes on', async () => {
    await using bench = await PeerBench.start(limits({ watchesMax: 2 }))
    const client = await bench.client()
    for (const path of ['/a', '/b', '/c']) client.request(Op.exists, exists(path, true))
    client.request(Op.exists, exists('/c'))
    const errors = (await repliesOf(bench, client, 4)).map(({ err }) => err)
    expect(errors).toEqual([Code.noNode, Code.noNode, Code.quotaExceeded, Code.noNode])
    expect(await bench.metric('watch_count')).toBe(2)
    expect(await bench.metric('watches_client_limit_count')).toBe(1)
  })

  test('ephemerals: those in flight count, other nodes do not (B-40)', async () => {
    await using bench = await PeerBench.start(limits({ ephemeralsMax: 2 }))
    const client = await bench.client()
    for (const path of ['/a', '/b', '/c']) client.request(Op.create, create(path, { flags: 1 }))
    client.request(Op.create, create('/d'))
    const errors = (await repliesOf(bench, client, 4)).map(({ err }) => err)
    expect(errors).toEqual([Code.ok, Code.ok, Code.quotaExceeded, Code.ok])
    expect(await bench.metric('ephemerals_client_limit_count')).toBe(1)
  })

  test('a reply larger than jute.maxbuffer is sent, as by Apache, and reported once', async () => {
    await using bench = await PeerBench.start({ frameBytesMax: 300 })
    const client = await bench.client()
    for (let i = 0; i < 40; i++) client.request(Op.create, create(`/node-${i}`))
    await repliesOf(bench, client, 40)
    const list = requests.GetChildrenRequest.encode({ path: '/', watch: false })
    client.request(Op.getChildren, list)
    client.request(Op.getChildren, list)
    const [first] = await repliesOf(bench, client, 2)
    expect(first!.body.length).toBeGreaterThan(300)
    expect(bench.warnings).toMatchObject([{ message: 'a reply is larger than jute.maxbuffer' }])
  })

  test('replies that it does not read: it is cut off, with a line and a count (F-22, N-9)', async () => {
    await using bench = await PeerBench.start({ unsentBytesMax: 50_000 })
    const [client, bystander] = [await bench.client(), await bench.client()]
    client.request(Op.create, create('/big', { data: 'x'.repeat(20_000) }))
    await repliesOf(bench, client, 1)
    client.reads = false
    const get = requests.GetDataRequest.encode({ path: '/big', watch: false })
    for (let i = 0; i < 4; i++) client.request(Op.getData, get)
    await bench.until(() => client.isDestroyed)
    await expectServed(bench, bystander)
    expect(bench.warnings).toHaveLength(1)
    expect(await bench.metric('unread_replies_client_limit_count')).toBe(1)
  })
})
