/** The client over a fake network and a clock that is stepped: what the application sees, in order. */
import { afterEach, expect, test, vi } from 'vitest'
import { Client, type ClientOptions } from '../../../ensemble/client/client.ts'
import { json, string } from '../../../ensemble/client/codecs.ts'
import type { ZkError } from '../../../ensemble/client/errors.ts'
import type { SessionEvent } from '../../../ensemble/client/session-machine.ts'
import type { Writer } from '../../../ensemble/jute/writer.ts'
import { Code, type CodeName } from '../../../ensemble/protocol/error-codes.ts'
import { MultiResponse, type MultiResult } from '../../../ensemble/protocol/multi.ts'
import * as replies from '../../../ensemble/protocol/replies.ts'
import { FakeNetwork } from '../../support/fake-network.ts'
import { StepClock } from '../../support/step-clock.ts'
import {
  connectResponse,
  event,
  readRequest,
  reply,
  type SeenRequest,
} from '../../support/zk-frames.ts'

const stat = {
  czxid: 1n,
  mzxid: 2n,
  ctime: 0,
  mtime: 0,
  version: 0,
  cversion: 0,
  aversion: 0,
  ephemeralOwner: 0n,
  dataLength: 0,
  numChildren: 0,
  pzxid: 1n,
}

class Rig {
  readonly clock = new StepClock()
  readonly network = new FakeNetwork()
  readonly client: Client
  zxid = 10n

  constructor(options: ClientOptions = {}, servers = 'a:1,b:2') {
    const random = { uint32: () => 0, secureBytes: (length: number) => Buffer.alloc(length) }
    this.client = new Client(servers, options, { clock: this.clock, network: this.network, random })
  }

  /** Lets the connection that is being made succeed, and returns what was sent behind its greeting. */
  async grant(session = { id: 5n, timeoutMs: 9000 }): Promise<SeenRequest[]> {
    await this.clock.settle()
    const connection = this.network.last
    connection.accept()
    await this.clock.settle()
    expect(connection.takeFrames()).toHaveLength(1)
    connection.receive(connectResponse(session))
    return this.requests()
  }

  async requests(): Promise<SeenRequest[]> {
    await this.clock.settle()
    return this.network.last.takeFrames().map(readRequest)
  }

  ok(xid: number, body: (writer: Writer) => void = () => {}): Buffer {
    return reply({ xid, zxid: ++this.zxid }, body)
  }

  error(xid: number, code: CodeName): Buffer {
    return reply({ xid, zxid: ++this.zxid, err: Code[code] })
  }

  data(xid: number, text: string, changes: Partial<typeof stat> = {}): Buffer {
    const body = { data: Buffer.from(text), stat: { ...stat, ...changes } }
    return this.ok(xid, (writer) => replies.GetDataResponse.write(writer, body))
  }

  children(xid: number, children: string[]): Buffer {
    return this.ok(xid, (writer) => replies.GetChildren2Response.write(writer, { children, stat }))
  }
}

const rigs: Rig[] = []
async function connected(options: ClientOptions = {}, servers = 'a:1,b:2'): Promise<Rig> {
  const rig = new Rig(options, servers)
  rigs.push(rig)
  rig.client.start()
  await rig.grant()
  expect(rig.client.state).toBe('connected')
  return rig
}

afterEach(async () => {
  for (const rig of rigs.splice(0)) {
    const closed = rig.client.close()
    await rig.clock.advance(20_000)
    await closed
    expect(rig.clock.timers).toBe(0)
  }
})

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => {
      throw new Error('it succeeded')
    },
    (error: unknown) => error as ZkError,
  )

test('requests of one turn leave in one write, in their order (I-22)', async () => {
  const rig = await connected()
  const results = [rig.client.get('/a'), rig.client.exists('/b'), rig.client.set('/c', 'x')]
  await rig.clock.settle()
  expect(rig.network.last.writes).toHaveLength(1)
  const requests = await rig.requests()
  expect(requests.map((r) => [r.xid, r.name, r.body['path']])).toEqual([
    [1, 'getData', '/a'],
    [2, 'exists', '/b'],
    [3, 'setData', '/c'],
  ])
  rig.network.last.receive(
    Buffer.concat([
      rig.data(1, 'A'),
      rig.error(2, 'noNode'),
      rig.ok(3, (writer) => replies.SetDataResponse.write(writer, { stat })),
    ]),
  )
  expect(await Promise.all(results)).toEqual([{ data: Buffer.from('A'), stat }, null, stat])
  expect(rig.client.lastZxid).toBe(13n)
})

test('replies cut at every byte are the same replies', async () => {
  const rig = await connected()
  const results = [rig.client.get('/a'), rig.client.get('/b')]
  await rig.requests()
  const bytes = Buffer.concat([rig.data(1, 'A'), event(3, '/none', 12n), rig.data(2, 'B')])
  for (const byte of bytes) rig.network.last.receive(Buffer.from([byte]))
  expect((await Promise.all(results)).map((r) => r.data?.toString())).toEqual(['A', 'B'])
})

test('an event is seen after the replies before it and before those behind it (I-40)', async () => {
  const rig = await connected()
  const seen: string[] = []
  const watch = (e: SessionEvent) => seen.push(`${e.type} ${e.path} ${e.zxid}`)
  // A continuation far down a chain of promises, as in real code.
  const read = async (path: string) => {
    const found = await (async () => (await rig.client.get(path, { watch })).data)()
    await Promise.resolve()
    seen.push(`${path}=${found?.toString()}`)
  }
  const reads = [read('/a'), read('/b')]
  await rig.requests()
  const frames = [rig.data(1, 'old'), event(3, '/a', 12n), rig.data(2, 'B')]
  rig.network.last.receive(Buffer.concat(frames))
  await rig.clock.settle()
  await Promise.all(reads)
  expect(seen).toEqual(['/a=old', 'dataChanged /a 12', '/b=B'])
})

test('a lost connection says whether a request may have been done (I-21)', async () => {
  const rig = await connected()
  const sent = failure(rig.client.set('/sent', 'x'))
  await rig.requests()
  const unsent = failure(rig.client.set('/unsent', 'x'))
  rig.network.last.cut(new Error('ECONNRESET'))
  expect(await sent).toMatchObject({ code: 'connectionLoss', path: '/sent', outcome: 'unknown' })
  expect(await unsent).toMatchObject({
    code: 'connectionLoss',
    path: '/unsent',
    outcome: 'notDone',
  })
  expect((await sent).message).toContain('unknown')
  expect((await sent).cause).toMatchObject({ message: 'ECONNRESET' })
  expect(rig.client.lastFailure).toMatch(/^[ab]:\d: ECONNRESET$/)

  // The next one waits for the next connection, which goes to the other server with the session.
  const later = rig.client.get('/later')
  await rig.clock.advance(1000)
  const hosts = rig.network.connections.map((connection) => connection.remoteAddress)
  expect(hosts.toSorted()).toEqual(['a', 'b'])
  expect((await rig.grant()).map((r) => r.body['path'])).toEqual(['/later'])
  rig.network.last.receive(rig.data(3, 'z'))
  expect((await later).data?.toString()).toBe('z')
})

test('an aborted operation never claims that it was not done; its reply is passed over', async () => {
  const rig = await connected()
  const aborter = new AbortController()
  const seen: SessionEvent[] = []
  const first = failure(
    rig.client.get('/a', { signal: aborter.signal, watch: (e) => seen.push(e) }),
  )
  const second = rig.client.get('/b')
  await rig.requests()
  aborter.abort(new Error('enough'))
  expect(await first).toMatchObject({ code: 'operationTimeout', outcome: 'unknown', path: '/a' })
  rig.network.last.receive(Buffer.concat([rig.data(1, 'A'), event(3, '/a'), rig.data(2, 'B')]))
  expect((await second).data?.toString()).toBe('B')
  expect(seen).toEqual([])
  const late = failure(rig.client.set('/c', 'x', -1, { signal: aborter.signal }))
  expect(await late).toMatchObject({ code: 'operationTimeout' })
  expect(await rig.requests()).toEqual([])
})

test('data given to a waiting request is the data at the time of the call', async () => {
  const rig = new Rig()
  rigs.push(rig)
  const data = Buffer.from('before')
  const done = rig.client.set('/a', data)
  data.write('after!')
  rig.client.start()
  const [request] = await rig.grant()
  expect(request?.body['data']).toEqual(Buffer.from('before'))
  rig.network.last.receive(rig.ok(1, (writer) => replies.SetDataResponse.write(writer, { stat })))
  await done
})

test('the chroot is added to every path, and taken from every path that comes back', async () => {
  const rig = await connected({}, 'a:1/app')
  const seen: string[] = []
  const results = [
    rig.client.getChildren('/', { watch: (e) => seen.push(e.path) }).then((r) => r.children),
    rig.client.create('/x-', null, { mode: 'ephemeral-sequential' }).then((r) => r.path),
    rig.client.getConfig().then((r) => r.data?.toString()),
    rig.client.getEphemerals().then((paths) => paths.join()),
    rig.client
      .transaction()
      .create('/y', 'd')
      .commit()
      .then(([y]) => y.path),
  ]
  const requests = await rig.requests()
  expect(requests.map((r) => r.body['path'] ?? r.body['prefixPath'])).toEqual([
    '/app',
    '/app/x-',
    '/zookeeper/config',
    '/app',
    undefined,
  ])
  const multi: MultiResult[] = [{ type: 15, path: '/app/y', stat }]
  rig.network.last.receive(
    Buffer.concat([
      rig.children(1, ['x']),
      event(4, '/app', 11n),
      rig.ok(2, (w) => replies.Create2Response.write(w, { path: '/app/x-0000000001', stat })),
      rig.data(3, 'server.1=…'),
      rig.ok(4, (w) =>
        replies.GetEphemeralsResponse.write(w, { ephemerals: ['/app/e', '/apple/f'] }),
      ),
      rig.ok(5, (w) => MultiResponse.write(w, multi)),
    ]),
  )
  await rig.clock.settle()
  expect(await Promise.all(results)).toEqual([['x'], '/x-0000000001', 'server.1=…', '/e', '/y'])
  expect(seen).toEqual(['/'])
})

test('a failed transaction names the operation that failed (I-27)', async () => {
  const rig = await connected()
  const failed = failure(
    rig.client.transaction().check('/a', 3).set('/b', 'x').delete('/c').commit(),
  )
  await rig.requests()
  const multi: MultiResult[] = [0, Code.badVersion, Code.runtimeInconsistency].map((err) => ({
    type: -1,
    err,
  }))
  rig.network.last.receive(rig.ok(1, (w) => MultiResponse.write(w, multi)))
  expect(await failed).toMatchObject({
    code: 'badVersion',
    path: '/b',
    opIndex: 1,
    outcome: 'notDone',
  })
})

test('what a caller got wrong is refused without a request', async () => {
  const rig = await connected()
  const wrong = [
    rig.client.get('no-slash'),
    rig.client.create('/a/'),
    rig.client.create('/a', null, { mode: 'ephemeral', ttlMs: 5 }),
    rig.client.set('/a', Buffer.alloc(2_000_000)),
  ]
  const codes = await Promise.all(wrong.map((p) => failure(p).then((e) => e.code)))
  expect(codes).toEqual(Array(4).fill('badArguments'))
  expect(await rig.requests()).toEqual([])
})

test('session events reach watchers and listeners; expiry ends everything (I-42)', async () => {
  const rig = await connected()
  const seen: string[] = []
  rig.client.onState((state) => seen.push(`state ${state}`))
  void rig.client.get('/a', { watch: (e) => seen.push(`watch ${e.type} ${e.state}`) })
  await rig.requests()
  rig.network.last.receive(rig.data(1, 'A'))
  await rig.clock.settle()
  rig.network.last.cut()
  const waiting = failure(rig.client.get('/b'))
  await rig.clock.advance(1000)
  await rig.clock.settle()
  rig.network.last.accept()
  await rig.clock.settle()
  rig.network.last.receive(connectResponse({ id: 0n, timeoutMs: 0 }))
  await rig.clock.settle()
  expect(seen).toEqual([
    'state disconnected',
    'watch session disconnected',
    'state expired',
    'watch session expired',
  ])
  expect(await waiting).toMatchObject({ code: 'sessionExpired', outcome: 'notDone' })
  expect(await failure(rig.client.get('/c'))).toMatchObject({ code: 'sessionExpired' })
  expect(await failure(rig.client.connected())).toMatchObject({ code: 'sessionExpired' })
})

test('lastHeardMs is when an answered request was sent, not when the answer came', async () => {
  const rig = await connected()
  const grantedAt = rig.client.lastHeardMs
  expect(grantedAt).toBe(1000)
  await rig.clock.advance(500)
  const read = rig.client.get('/a')
  await rig.requests()
  await rig.clock.advance(700)
  expect(rig.client.lastHeardMs).toBe(1000)
  rig.network.last.receive(rig.data(1, 'A'))
  await read
  expect(rig.client.lastHeardMs).toBe(1500)
})

test('pings keep an idle session, and their silence ends the connection', async () => {
  const rig = await connected()
  await rig.clock.advance(3000)
  expect((await rig.requests()).map((r) => r.name)).toEqual(['ping'])
  rig.network.last.receive(reply({ xid: -2, zxid: 99n }))
  expect(rig.client.lastHeardMs).toBe(4000)
  expect(rig.client.lastZxid).toBe(0n)
  await rig.clock.advance(5999)
  expect(rig.client.state).toBe('connected')
  await rig.clock.advance(2)
  expect(rig.client.state).toBe('disconnected')
  expect(rig.network.connections[0]?.isClosed).toBe(true)
})

test('close sends closeSession behind what was asked before, and is idempotent', async () => {
  const rig = await connected()
  const set = rig.client.set('/a', 'x')
  const closed = Promise.all([rig.client.close(), rig.client.close()])
  const requests = await rig.requests()
  expect(requests.map((r) => r.name)).toEqual(['setData', 'closeSession'])
  rig.network.last.receive(rig.ok(1, (w) => replies.SetDataResponse.write(w, { stat })))
  rig.network.last.receive(rig.ok(2))
  await closed
  await set
  expect(rig.client.state).toBe('closed')
  expect(rig.network.last.isClosed).toBe(true)
})

test('parents are created from the first ancestor that exists downwards', async () => {
  const rig = await connected()
  const created = rig.client.create('/a/b/c', 'x', { parents: true })
  const seen: string[] = []
  const exists = new Set(['/a'])
  for (let xid = 1; xid <= 4; xid++) {
    const [request] = await rig.requests()
    const path = String(request?.body['path'])
    seen.push(path)
    const parent = path.slice(0, path.lastIndexOf('/'))
    const isThere = exists.has(parent)
    if (isThere) exists.add(path)
    rig.network.last.receive(
      isThere
        ? rig.ok(xid, (w) => replies.Create2Response.write(w, { path, stat }))
        : rig.error(xid, 'noNode'),
    )
    if (path === '/a/b/c' && isThere) break
  }
  expect((await created).path).toBe('/a/b/c')
  expect(seen).toEqual(['/a/b/c', '/a/b', '/a/b/c'])
})

test('removing one of several watchers leaves the watch of the server alone', async () => {
  const rig = await connected()
  const first = () => {}
  const second = vi.fn()
  const reads = [rig.client.get('/a', { watch: first }), rig.client.get('/a', { watch: second })]
  await rig.requests()
  rig.network.last.receive(Buffer.concat([rig.data(1, 'A'), rig.data(2, 'A')]))
  await Promise.all(reads)
  const removed = rig.client.removeWatches('/a', { type: 'data', watcher: first })
  expect((await rig.requests()).map((r) => [r.name, r.body['type']])).toEqual([['checkWatches', 2]])
  rig.network.last.receive(rig.ok(3))
  await removed
  const removedLast = rig.client.removeWatches('/a', { watcher: second })
  expect((await rig.requests()).map((r) => [r.name, r.body['type']])).toEqual([
    ['removeWatches', 3],
  ])
  rig.network.last.receive(rig.ok(4))
  await removedLast
  expect(await failure(rig.client.removeWatches('/a'))).toMatchObject({ code: 'noWatcher' })
})

test('values: the current one, then newer ones, over a reconnect and a missing node', async () => {
  const rig = await connected()
  const aborter = new AbortController()
  const seen: unknown[] = []
  const loop = (async () => {
    for await (const value of rig.client.values('/v', json(), { signal: aborter.signal }))
      seen.push(value)
  })()
  const answer = async (name: string, bytes: (xid: number) => Buffer) => {
    const [request] = await rig.requests()
    expect(request?.name).toBe(name)
    rig.network.last.receive(bytes(request!.xid))
    await rig.clock.settle()
  }
  await answer('getData', (xid) => rig.error(xid, 'noNode'))
  await answer('exists', (xid) => rig.error(xid, 'noNode'))
  expect(seen).toEqual([])
  rig.network.last.receive(event(1, '/v'))
  await answer('getData', (xid) => rig.data(xid, '1', { mzxid: 20n }))
  expect(seen).toEqual([1])

  rig.network.last.cut()
  await rig.clock.advance(1000)
  const restored = await rig.grant()
  expect(restored.map((r) => [r.name, r.body['dataWatches']])).toEqual([['setWatches', ['/v']]])
  rig.network.last.receive(Buffer.concat([event(3, '/v'), rig.ok(-8)]))
  // The connection is lost while the value is read: it is read again on the next one.
  expect((await rig.requests()).map((r) => r.name)).toEqual(['getData'])
  rig.network.last.cut()
  await rig.clock.advance(2000)
  const again = await rig.grant()
  expect(again.map((r) => r.name)).toEqual(['getData'])
  rig.network.last.receive(rig.data(again[0]!.xid, '2', { mzxid: 30n }))
  await rig.clock.settle()
  // Touched by an event of a change that was seen already: not yielded twice.
  rig.network.last.receive(event(3, '/v'))
  await answer('getData', (xid) => rig.data(xid, '2', { mzxid: 30n }))
  expect(seen).toEqual([1, 2])
  aborter.abort()
  await loop
})

test('values end with the client, and throw when the session expires', async () => {
  const rig = await connected()
  const first = (async () => {
    for await (const value of rig.client.values('/v', string)) expect(value).toBe('x')
  })()
  const [request] = await rig.requests()
  rig.network.last.receive(rig.data(request!.xid, 'x'))
  await rig.clock.settle()
  rig.network.last.cut()
  const failed = failure(first)
  await rig.clock.advance(30_000)
  expect(rig.client.state).toBe('expired')
  expect(await failed).toMatchObject({ code: 'sessionExpired' })
})

test('children: what was added and removed', async () => {
  const rig = await connected()
  const seen: unknown[] = []
  const loop = (async () => {
    for await (const change of rig.client.children('/c')) seen.push(change)
  })()
  const answer = async (bytes: (xid: number) => Buffer) => {
    const [request] = await rig.requests()
    rig.network.last.receive(bytes(request!.xid))
    await rig.clock.settle()
  }
  await answer((xid) => rig.children(xid, ['b', 'a']))
  rig.network.last.receive(event(4, '/c'))
  await answer((xid) => rig.children(xid, ['b', 'c']))
  rig.network.last.receive(event(2, '/c'))
  await answer((xid) => rig.error(xid, 'noNode'))
  await answer((xid) => rig.error(xid, 'noNode'))
  expect(seen).toEqual([
    { added: ['a', 'b'], removed: [], all: ['a', 'b'] },
    { added: ['c'], removed: ['a'], all: ['b', 'c'] },
    { added: [], removed: ['b', 'c'], all: [] },
  ])
  const closed = rig.client.close()
  const [closing] = await rig.requests()
  rig.network.last.receive(rig.ok(closing!.xid))
  await rig.clock.settle()
  await closed
  await loop
})

test('credentials: addAuth resolves with the reply, and refused ones are final', async () => {
  const rig = await connected({ auth: [{ scheme: 'digest', auth: 'a:b' }] })
  const more = rig.client.addAuth('digest', 'c:d')
  expect((await rig.requests()).map((r) => r.name)).toEqual(['auth'])
  rig.network.last.receive(Buffer.concat([reply({ xid: -4 }), reply({ xid: -4 })]))
  await more
  const refused = failure(rig.client.addAuth('nonsense', ''))
  const read = failure(rig.client.get('/a'))
  await rig.requests()
  rig.network.last.receive(reply({ xid: -4, err: Code.authFailed }))
  expect(await refused).toMatchObject({ code: 'authFailed' })
  expect(await read).toMatchObject({ code: 'authFailed' })
  expect(rig.client.state).toBe('auth-failed')
})

test('a grant ends before the session can have ended, and a lost create is found again (H-9)', async () => {
  const rig = await connected({}, 'a:1')
  const winning = rig.client.election('/leader', { id: 'me' }).win()
  const [create] = await rig.requests()
  expect(create).toMatchObject({ name: 'create2', body: { flags: 3, data: Buffer.from('me') } })
  const name = `${String(create?.body['path']).split('/')[2]}0000000007`
  // The reply is lost, the node is there.
  rig.network.last.cut()
  await rig.clock.advance(2000)
  const [sync] = await rig.grant()
  expect(sync).toMatchObject({ name: 'sync', body: { path: '/leader' } })
  rig.network.last.receive(rig.ok(sync!.xid))
  const path = `/leader/${name}`
  const answer = async (request: string, bytes: (xid: number) => Buffer) => {
    const [seen] = await rig.requests()
    expect(seen?.name).toBe(request)
    rig.network.last.receive(bytes(seen!.xid))
    await rig.clock.settle()
  }
  const exists = (xid: number) =>
    rig.ok(xid, (w) => replies.ExistsResponse.write(w, { stat: { ...stat, czxid: 77n } }))
  const inLine = (xid: number) => rig.children(xid, ['_c_ff-n-0000000008', name])
  await answer('getChildren2', inLine)
  await answer('exists', exists)
  await answer('getChildren2', inLine)
  const grant = await winning
  expect(grant).toMatchObject({ token: 77n, path })
  await answer('exists', exists)
  const heardMs = rig.client.lastHeardMs
  expect(grant.leaseMs).toBe(heardMs + 4500 - rig.clock.monotonicMs())

  // A ping is answered: the lease counts from its send.
  await rig.clock.advance(3000)
  expect((await rig.requests()).map((r) => r.name)).toEqual(['ping'])
  rig.network.last.receive(reply({ xid: -2, zxid: 99n }))
  expect(rig.client.lastHeardMs).toBe(heardMs + 3000)
  await rig.clock.advance(4499)
  expect(grant.signal.aborted).toBe(false)
  await rig.clock.advance(1)
  expect(grant.signal.aborted).toBe(true)
  expect(grant.leaseMs).toBe(0)
})
