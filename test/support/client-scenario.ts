/**
 * What every ZooKeeper does, as the client sees it: the same steps against Apache's server and ours.
 * Each step uses nodes of its own below `/scenario-<name>`, so that they run in any order.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import {
  acl,
  connect,
  json,
  Perms,
  ZkError,
  type Client,
  type ClientState,
  type ConnectOptions,
  type WatchEvent,
} from '../../ensemble/client/index.ts'

export interface ScenarioServer {
  /** `host:port` of one server, without chroot. */
  readonly connectString: string
  /** Stops the server and starts it again on the same port and data; resolves when it is gone and starting. */
  restart(): Promise<void>
}

type Step = (server: ScenarioServer) => Promise<void>

/** Waits for a condition, with a deadline. */
export async function until(what: string, isSo: () => boolean, deadlineMs = 15_000): Promise<void> {
  const endMs = performance.now() + deadlineMs
  while (!isSo()) {
    if (performance.now() > endMs) throw new Error(`not within ${deadlineMs} ms: ${what}`)
    await delay(10)
  }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'ok'
  } catch (error) {
    if (error instanceof ZkError) return error.code
    throw error
  }
}

/** A client whose chroot `/scenario-<name>` exists. */
async function open(
  server: ScenarioServer,
  name: string,
  options: ConnectOptions = {},
): Promise<Client> {
  await using root = await connect(server.connectString)
  const code = await codeOf(root.create(`/scenario-${name}`))
  expect(['ok', 'nodeExists']).toContain(code)
  return connect(`${server.connectString}/scenario-${name}`, { sessionTimeoutMs: 8000, ...options })
}

function recorder(): { events: string[]; watch: (event: WatchEvent) => void } {
  const events: string[] = []
  return {
    events,
    watch: (event) => {
      if (event.type !== 'session') events.push(`${event.type} ${event.path}`)
    },
  }
}

export const clientScenario: Readonly<Record<string, Step>> = {
  async 'nodes are created, read, written and deleted'(server) {
    await using zk = await open(server, 'nodes')
    expect(zk.state).toBe('connected')
    expect(zk.sessionId).not.toBe(0n)
    const { path, stat } = await zk.create('/a', 'one')
    expect(path).toBe('/a')
    expect(stat).toMatchObject({ version: 0, dataLength: 3, ephemeralOwner: 0n, numChildren: 0 })
    const found = await zk.get('/a')
    expect(found.data).toEqual(Buffer.from('one'))
    expect(found.stat).toEqual(stat)
    const after = await zk.set('/a', 'two', 0)
    expect(after).toMatchObject({ version: 1, czxid: stat.czxid })
    expect(after.mzxid).toBeGreaterThan(stat.mzxid)
    expect(zk.lastZxid).toBeGreaterThanOrEqual(after.mzxid)
    expect(await zk.exists('/a')).toEqual(after)
    expect(await zk.exists('/none')).toBeNull()
    await zk.create('/a/b', null)
    await zk.create('/a/c', Buffer.alloc(0))
    // Null and empty are different values.
    expect((await zk.get('/a/b')).data).toBeNull()
    expect((await zk.get('/a/c')).data).toEqual(Buffer.alloc(0))
    const { children } = await zk.getChildren('/a')
    expect(children.toSorted()).toEqual(['b', 'c'])
    expect(await zk.getAllChildrenNumber('/a')).toBe(2)
    await zk.sync('/a')

    expect(await codeOf(zk.create('/a'))).toBe('nodeExists')
    expect(await codeOf(zk.create('/x/y'))).toBe('noNode')
    expect(await codeOf(zk.set('/a', 'x', 0))).toBe('badVersion')
    expect(await codeOf(zk.delete('/a'))).toBe('notEmpty')
    expect(await codeOf(zk.delete('/a/b', 7))).toBe('badVersion')
    expect(await codeOf(zk.get('/none'))).toBe('noNode')
    expect(await codeOf(zk.getChildren('/none'))).toBe('noNode')
    await zk.delete('/a/b', 0)
    await zk.delete('/a/c')
    await zk.delete('/a', 1)
    expect(await zk.exists('/a')).toBeNull()
  },

  async 'kinds of nodes'(server) {
    await using zk = await open(server, 'kinds')
    const first = await zk.create('/s-', null, { mode: 'persistent-sequential' })
    const second = await zk.create('/s-', null, { mode: 'persistent-sequential' })
    expect(first.path).toBe('/s-0000000000')
    expect(second.path).toBe('/s-0000000001')
    const ephemeral = await zk.create('/e', null, { mode: 'ephemeral' })
    expect(ephemeral.stat.ephemeralOwner).toBe(zk.sessionId)
    await zk.create('/e-', null, { mode: 'ephemeral-sequential' })
    expect((await zk.getEphemerals()).toSorted()).toEqual(['/e', '/e-0000000003'])
    expect(await codeOf(zk.create('/e/child'))).toBe('noChildrenForEphemerals')
    await zk.create('/container', null, { mode: 'container' })
    await zk.create('/container/child')
    expect((await zk.getChildren('/container')).children).toEqual(['child'])
    // Directly below the chroot, in a sequence of its own.
    await zk.create('/n')
    const named = await zk.create('/n/', null, { mode: 'persistent-sequential' })
    expect(named.path).toBe('/n/0000000000')
    const deep = await zk.create('/p/q/r', 'x', { parents: true })
    expect(deep.path).toBe('/p/q/r')
    const other = await open(server, 'kinds')
    expect((await other.exists('/e'))?.ephemeralOwner).toBe(zk.sessionId)
    expect(await other.getEphemerals()).toEqual([])
    await zk.close()
    // closeSession was answered: its nodes are gone.
    await other.sync()
    expect(await other.exists('/e')).toBeNull()
    await other.close()
  },

  async 'nodes with a TTL, where the server has them'(server) {
    await using zk = await open(server, 'ttl')
    const code = await codeOf(zk.create('/t', 'x', { ttlMs: 60_000 }))
    expect(['ok', 'unimplemented']).toContain(code)
    if (code === 'ok') expect((await zk.get('/t')).data?.toString()).toBe('x')
  },

  async 'parents and the chroot itself are made on request'(server) {
    await using zk = await connect(`${server.connectString}/scenario-chroot/deep/er`)
    expect(await codeOf(zk.create('/a'))).toBe('noNode')
    expect((await zk.create('/a/b', null, { parents: true })).path).toBe('/a/b')
    expect((await zk.getChildren('/')).children).toEqual(['a'])
  },

  async 'a transaction happens all or not at all'(server) {
    await using zk = await open(server, 'transaction')
    const { stat } = await zk.create('/a', 'x')
    const [checked, created, changed] = await zk
      .transaction()
      .check('/a', 0)
      .create('/a/s-', 'y', { mode: 'persistent-sequential' })
      .set('/a', 'z', 0)
      .commit()
    expect(checked).toBeUndefined()
    expect(created.path).toBe('/a/s-0000000000')
    expect(changed.version).toBe(1)
    // One zxid for all of it.
    expect(created.stat?.czxid).toBe(changed.mzxid)
    expect(changed.czxid).toBe(stat.czxid)

    const failed = zk.transaction().create('/b').check('/a', 7).delete('/a/s-0000000000').commit()
    const error = await failed.catch((e: unknown) => e as ZkError)
    expect(error).toMatchObject({ code: 'badVersion', path: '/a', opIndex: 1, outcome: 'notDone' })
    expect(await zk.exists('/b')).toBeNull()
    expect(await zk.transaction().commit()).toEqual([])

    const reads = await zk.multiRead([{ get: '/a' }, { getChildren: '/a' }, { get: '/none' }])
    expect(reads[0]).toMatchObject({ kind: 'data', data: Buffer.from('z') })
    expect(reads[1]).toEqual({ kind: 'children', children: ['s-0000000000'] })
    expect(reads[2]).toMatchObject({ code: 'noNode', path: '/none' })
  },

  async 'a thousand requests in flight are answered in order (I-22)'(server) {
    await using zk = await open(server, 'pipeline')
    await zk.create('/n', '')
    const order: number[] = []
    const versions: number[] = []
    await Promise.all(
      Array.from({ length: 1000 }, async (_, i) => {
        const stat = await zk.set('/n', String(i))
        order.push(i)
        versions.push(stat.version)
      }),
    )
    const expected = Array.from({ length: 1000 }, (_, i) => i)
    expect(order).toEqual(expected)
    expect(versions).toEqual(expected.map((i) => i + 1))
    expect((await zk.get('/n')).data?.toString()).toBe('999')
  },

  async 'one-shot watches (I-40, I-41)'(server) {
    await using zk = await open(server, 'watches')
    await using other = await open(server, 'watches')
    await zk.create('/p')
    const { events, watch } = recorder()
    expect(await zk.exists('/p/a', { watch })).toBeNull()
    await zk.getChildren('/p', { watch })
    await other.create('/p/a', 'x')
    await until('both events', () => events.length === 2)
    expect(events).toEqual(['created /p/a', 'childrenChanged /p'])
    events.length = 0
    await zk.get('/p/a', { watch })
    await zk.getChildren('/p/a', { watch })
    // Our own write: the event is there before the reply.
    await zk.set('/p/a', 'y')
    expect(events).toEqual(['dataChanged /p/a'])
    await zk.set('/p/a', 'z')
    expect(events).toHaveLength(1)
    await zk.get('/p/a', { watch })
    await zk.delete('/p/a')
    // One frame for the data and the child watch, and one call for one function.
    expect(events).toEqual(['dataChanged /p/a', 'deleted /p/a'])
    await zk.create('/p/a')
    await zk.delete('/p/a')
    expect(events).toHaveLength(2)
  },

  async 'persistent watches (I-43)'(server) {
    await using zk = await open(server, 'persistent')
    await zk.create('/p')
    const one = recorder()
    const all = recorder()
    await zk.addWatch('/p', {}, one.watch)
    await zk.addWatch('/', { recursive: true }, all.watch)
    await zk.create('/p/a')
    await zk.create('/p/a/b')
    await zk.set('/p/a', 'x')
    await zk.set('/p', 'x')
    await zk.delete('/p/a/b')
    await zk.delete('/p/a')
    expect(one.events).toEqual(['childrenChanged /p', 'dataChanged /p', 'childrenChanged /p'])
    expect(all.events).toEqual([
      'created /p/a',
      'created /p/a/b',
      'dataChanged /p/a',
      'dataChanged /p',
      'deleted /p/a/b',
      'deleted /p/a',
    ])
    await zk.removeWatches('/p', { type: 'any', watcher: one.watch })
    expect(await codeOf(zk.removeWatches('/p'))).toBe('noWatcher')
    await zk.removeWatches('/', { type: 'persistentRecursive' })
    await zk.set('/p', 'y')
    expect([one.events.length, all.events.length]).toEqual([3, 6])
  },

  async 'watches in their numbers'(server) {
    await using zk = await open(server, 'many')
    const { events, watch } = recorder()
    const paths = Array.from({ length: 300 }, (_, i) => `/n${i}`)
    await Promise.all(paths.map((path) => zk.create(path)))
    await Promise.all(paths.map((path) => zk.get(path, { watch })))
    await Promise.all(paths.map((path) => zk.delete(path)))
    expect(events).toEqual(paths.map((path) => `deleted ${path}`))
  },

  async 'access control'(server) {
    await using zk = await open(server, 'acl')
    await using stranger = await open(server, 'acl')
    expect(await codeOf(zk.create('/secret', 'x', { acl: acl.creatorAll }))).toBe('invalidAcl')
    await zk.addAuth('digest', 'alice:pw')
    await zk.create('/secret', 'x', { acl: acl.creatorAll })
    await zk.create('/shared', 'x', { acl: [...acl.digest('alice', 'pw'), ...acl.readUnsafe] })
    expect(await codeOf(stranger.get('/secret'))).toBe('noAuth')
    expect(await codeOf(stranger.set('/shared', 'y'))).toBe('noAuth')
    expect((await stranger.get('/shared')).data?.toString()).toBe('x')
    const found = await zk.getAcl('/secret')
    expect(found.acl).toEqual(acl.digest('alice', 'pw'))
    expect(found.acl[0]?.id.id).toBe('alice:V55/p2T0OpjQ+low3NVAH4aLvm0=')
    const stat = await zk.setAcl('/secret', acl.world(Perms.read), 0)
    expect(stat.aversion).toBe(1)
    expect((await stranger.get('/secret')).data?.toString()).toBe('x')
    expect(await codeOf(zk.setAcl('/secret', acl.openUnsafe))).toBe('noAuth')
    const me = await zk.whoAmI()
    expect(me.map((info) => info.scheme).toSorted()).toEqual(['digest', 'ip'])
    expect(me.find((info) => info.scheme === 'digest')?.id).toBe('alice')
  },

  async 'refused credentials are final'(server) {
    await using zk = await open(server, 'auth')
    expect(await codeOf(zk.addAuth('no-such-scheme', 'x'))).toBe('authFailed')
    expect(zk.state).toBe('auth-failed')
    expect(await codeOf(zk.get('/'))).toBe('authFailed')
  },

  async 'a session is resumed by its id and password'(server) {
    const first = await open(server, 'resume')
    await first.create('/e', null, { mode: 'ephemeral' })
    const session = {
      id: first.sessionId,
      password: first.sessionPassword,
      lastZxid: first.lastZxid,
    }
    await using second = await open(server, 'resume', { session })
    expect(second.sessionId).toBe(session.id)
    expect((await second.exists('/e'))?.ephemeralOwner).toBe(session.id)
    await second.close()
    await until('the first client has noticed', () => first.state === 'expired')
    await first.close()
    const again = connect(server.connectString, { session })
    expect(await codeOf(again)).toBe('sessionExpired')
    const wrong = connect(server.connectString, {
      session: { ...session, password: Buffer.alloc(16, 1) },
    })
    expect(await codeOf(wrong)).toBe('sessionExpired')
  },

  async 'values and children, as they change'(server) {
    await using zk = await open(server, 'iterables')
    await using other = await open(server, 'iterables')
    const aborter = new AbortController()
    const values: unknown[] = []
    const changes: string[] = []
    const loops = [
      (async () => {
        for await (const value of zk.values('/v', json(), { signal: aborter.signal }))
          values.push(value)
      })(),
      (async () => {
        for await (const change of zk.children('/v', { signal: aborter.signal })) {
          changes.push(`+${change.added.join()} -${change.removed.join()} =${change.all.join()}`)
        }
      })(),
    ]
    await other.create('/v', '{"n":1}')
    await until('the first value', () => values.length === 1 && changes.length === 1)
    await other.set('/v', '{"n":2}')
    await until('the second value', () => values.length === 2)
    await other.create('/v/a')
    await until('a child', () => changes.length === 2)
    await other.delete('/v/a')
    await until('no child', () => changes.length === 3)
    aborter.abort()
    await Promise.all(loops)
    expect(values).toEqual([{ n: 1 }, { n: 2 }])
    expect(changes).toEqual(['+ - =', '+a - =a', '+ -a ='])
  },

  async 'an election: one leader at a time, with growing tokens'(server) {
    await using one = await open(server, 'election')
    await using two = await open(server, 'election')
    const first = await one.election('/leader', { id: 'one' }).win()
    expect(await two.election('/leader').leader()).toEqual({ id: 'one', token: first.token })
    expect(first.leaseMs).toBeGreaterThan(0)
    expect(first.leaseMs).toBeLessThanOrEqual(one.sessionTimeoutMs / 2)

    // Who gives up leaves no place in line.
    const aborter = new AbortController()
    const abandoned = two.election('/leader', { id: 'two' }).win({ signal: aborter.signal })
    const inLine = async () => (await two.getChildren('/leader')).children.length
    while ((await inLine()) < 2) await delay(10)
    aborter.abort()
    expect(await codeOf(abandoned)).toBe('operationTimeout')
    while ((await inLine()) > 1) await delay(10)

    let isTwo = false
    const waiting = two
      .election('/leader', { id: 'two' })
      .win()
      .then((grant) => {
        isTwo = true
        return grant
      })
    while ((await inLine()) < 2) await delay(10)
    expect(isTwo).toBe(false)
    await first.release()
    expect(first.signal.aborted).toBe(true)
    expect(first.leaseMs).toBe(0)
    await using second = await waiting
    expect(second.token).toBeGreaterThan(first.token)
    expect((await one.election('/leader').leader())?.id).toBe('two')

    // Somebody deletes the node by hand: the holder is told.
    await one.delete(second.path)
    await until('the leader knows', () => second.signal.aborted)
  },

  async 'a lock excludes, and a closed session frees it'(server) {
    const clients = await Promise.all([1, 2, 3].map(() => open(server, 'lock')))
    const tokens: bigint[] = []
    let holders = 0
    await Promise.all(
      clients.flatMap((zk) =>
        [1, 2, 3].map(async () => {
          await using held = await zk.lock('/locks/a').acquire()
          expect(++holders).toBe(1)
          tokens.push(held.token)
          await delay(1)
          holders--
        }),
      ),
    )
    expect(tokens).toHaveLength(9)
    expect(tokens.toSorted((a, b) => Number(a - b))).toEqual(tokens)
    const [one, two, three] = clients
    const held = await one!.lock('/locks/a').acquire()
    const next = two!.lock('/locks/a').acquire()
    await one!.close()
    expect(held.signal.aborted).toBe(true)
    expect((await next).token).toBeGreaterThan(held.token)
    await Promise.all([two!.close(), three!.close()])
  },

  async 'a large value, and one too large'(server) {
    await using zk = await open(server, 'large')
    const data = Buffer.alloc(1_000_000, 'x')
    await zk.create('/l', data)
    expect((await zk.get('/l')).data?.equals(data)).toBe(true)
    expect(await codeOf(zk.set('/l', Buffer.alloc(1_100_000)))).toBe('badArguments')
    expect(zk.state).toBe('connected')
  },

  async 'a restart of the server: session, ephemerals and watches survive (I-42)'(server) {
    const states: ClientState[] = []
    await using zk = await open(server, 'restart', { sessionTimeoutMs: 20_000 })
    zk.onState((state) => states.push(state))
    await zk.create('/e', 'x', { mode: 'ephemeral' })
    const one = recorder()
    const tree = recorder()
    await zk.get('/e', { watch: one.watch })
    await zk.addWatch('/', { recursive: true }, tree.watch)
    const aborter = new AbortController()
    const values: string[] = []
    const loop = (async () => {
      const codec = {
        decode: (b: Buffer | null) => String(b),
        encode: (v: string) => Buffer.from(v),
      }
      for await (const value of zk.values('/e', codec, { signal: aborter.signal }))
        values.push(value)
    })()
    await until('the first value', () => values.length === 1)
    const { sessionId } = zk

    await server.restart()
    // Asked for while there may be no connection: it waits, or says that its outcome is unknown.
    const code = await codeOf(zk.exists('/e'))
    expect(['ok', 'connectionLoss']).toContain(code)
    await until(
      'a new connection',
      () => states.at(-1) === 'connected' && zk.state === 'connected',
      60_000,
    )
    expect(states).toEqual(['disconnected', 'connected'])
    expect(zk.sessionId).toBe(sessionId)
    expect((await zk.exists('/e'))?.ephemeralOwner).toBe(sessionId)
    expect(one.events).toEqual([])
    await zk.set('/e', 'y')
    expect(one.events).toEqual(['dataChanged /e'])
    expect(tree.events).toEqual(['dataChanged /e'])
    await until('the second value', () => values.length === 2)
    aborter.abort()
    await loop
    expect(values).toEqual(['x', 'y'])
  },
}
