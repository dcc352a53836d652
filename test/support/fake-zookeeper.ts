/**
 * A ZooKeeper in memory with the operations that failover uses, for unit tests with a step clock.
 *
 * Every operation travels `latencyMs` there and back on the clock; writes are committed in the
 * middle. Faults per session: `cut` (the connection is lost: what is on its way has an unknown
 * outcome), `expire`, `pause` is the test's (see failover-world.ts). Sessions expire by themselves
 * when they were cut for longer than their timeout.
 */
import type { Clock } from '../../ensemble/sys/clock.ts'
import type {
  Coordination,
  CreateOptions,
  NodeStat,
  SessionOptions,
  SessionState,
  WatchOption,
} from '../../failover/coordination.ts'

interface Node {
  data: Buffer | null
  czxid: bigint
  mzxid: bigint
  version: number
  owner: bigint
  sequence: number
}

type Watch = (event: { readonly type: string }) => void

export class FakeError extends Error {
  readonly code: string
  constructor(code: string) {
    super(code)
    this.code = code
  }
}

export class FakeZooKeeper {
  readonly clock: Clock
  readonly nodes = new Map<string, Node>()
  readonly sessions = new Map<bigint, FakeSession | null>()
  readonly #expiry = new Map<bigint, () => void>()
  latencyMs = 2
  minSessionTimeoutMs = 0
  zxid = 0x1_0000_0000n
  /** Told after each committed write, before anybody hears of it. */
  onWrite: (path: string, by: bigint) => void = () => {}
  #nextSession = 0x1000n

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** @param clock of the process behind it, which hears nothing while it is paused */
  openSession(options: SessionOptions, clock: Clock = this.clock): FakeSession {
    return new FakeSession(this, options, clock)
  }

  attach(session: FakeSession, wanted: bigint | null): bigint | null {
    if (wanted !== null) {
      if (!this.sessions.has(wanted)) return null
      const before = this.sessions.get(wanted)
      if (before !== null && before !== undefined && before !== session) before.drop('disconnected')
    }
    const id = wanted ?? this.#nextSession++
    this.sessions.set(id, session)
    this.#expiry.get(id)?.()
    return id
  }

  /** The session lost its connection: it expires unless it comes back in time. */
  lost(id: bigint, timeoutMs: number): void {
    if (!this.sessions.has(id)) return
    this.sessions.set(id, null)
    const timer = this.clock.setTimer(timeoutMs, () => this.expire(id))
    this.#expiry.set(id, () => timer.cancel())
  }

  expire(id: bigint): void {
    const session = this.sessions.get(id)
    if (!this.sessions.delete(id)) return
    for (const [path, node] of Array.from(this.nodes)) if (node.owner === id) this.remove(path, id)
    session?.drop('expired')
  }

  ephemeralsOf(id: bigint): string[] {
    return [...this.nodes].filter(([, node]) => node.owner === id).map(([path]) => path)
  }

  create(path: string, data: Buffer | null, owner: bigint, sequential: boolean): string {
    const parent = path.slice(0, path.lastIndexOf('/')) || '/'
    const above = this.nodes.get(parent)
    if (above === undefined && parent !== '/') throw new FakeError('noNode')
    let final = path
    if (sequential && above !== undefined) {
      final = `${path}${String(above.sequence++).padStart(10, '0')}`
    }
    if (this.nodes.has(final)) throw new FakeError('nodeExists')
    const zxid = ++this.zxid
    this.nodes.set(final, { data, czxid: zxid, mzxid: zxid, version: 0, owner, sequence: 0 })
    this.onWrite(final, owner)
    this.#fire(final, 'created')
    this.#fireChildren(parent)
    return final
  }

  set(path: string, data: Buffer | null, version: number, by: bigint): NodeStat {
    const node = this.nodes.get(path)
    if (node === undefined) throw new FakeError('noNode')
    if (version !== -1 && version !== node.version) throw new FakeError('badVersion')
    node.data = data
    node.version++
    node.mzxid = ++this.zxid
    this.onWrite(path, by)
    const stat = statOf(node)
    this.#fire(path, 'dataChanged')
    return stat
  }

  remove(path: string, by: bigint, version = -1): void {
    const node = this.nodes.get(path)
    if (node === undefined) throw new FakeError('noNode')
    if (version !== -1 && version !== node.version) throw new FakeError('badVersion')
    if (this.childrenOf(path).length > 0) throw new FakeError('notEmpty')
    this.nodes.delete(path)
    this.zxid++
    this.onWrite(path, by)
    this.#fire(path, 'deleted')
    this.#fireChildren(path.slice(0, path.lastIndexOf('/')) || '/')
  }

  removeTree(path: string): void {
    for (const child of this.childrenOf(path)) this.removeTree(`${path}/${child}`)
    this.remove(path, 0n)
  }

  childrenOf(path: string): string[] {
    const prefix = path === '/' ? '/' : `${path}/`
    return [...this.nodes.keys()]
      .filter((one) => one.startsWith(prefix) && !one.slice(prefix.length).includes('/'))
      .map((one) => one.slice(prefix.length))
  }

  text(path: string): string | null {
    return this.nodes.get(path)?.data?.toString('utf8') ?? null
  }

  #fire(path: string, type: string): void {
    for (const session of this.sessions.values()) session?.fire(path, type)
  }

  #fireChildren(path: string): void {
    for (const session of this.sessions.values()) session?.fireChildren(path)
  }
}

export class FakeSession implements Coordination {
  readonly #ensemble: FakeZooKeeper
  readonly #options: SessionOptions
  readonly #clock: Clock
  readonly #listeners = new Set<(state: SessionState) => void>()
  readonly #watches = new Map<string, Set<Watch>>()
  readonly #childWatches = new Map<string, Set<Watch>>()
  #inFlight = new Set<(error: FakeError) => void>()
  state: SessionState = 'connecting'
  sessionId = 0n
  readonly sessionPassword: Buffer
  readonly sessionTimeoutMs: number
  /** While true no connection can be made. */
  unreachable = false
  /** The process behind it is gone: nothing is delivered any more. */
  isDead = false

  constructor(ensemble: FakeZooKeeper, options: SessionOptions, clock: Clock) {
    this.#ensemble = ensemble
    this.#clock = clock
    this.#options = options
    this.sessionPassword = options.session?.password ?? Buffer.from('secret')
    this.sessionTimeoutMs = Math.max(options.sessionTimeoutMs, ensemble.minSessionTimeoutMs)
  }

  start(): void {
    this.#hear(() => this.connect())
  }

  connect(): void {
    if (this.isDead || this.unreachable || this.state === 'connected') return
    const wanted = this.sessionId !== 0n ? this.sessionId : (this.#options.session?.id ?? null)
    const id = this.#ensemble.attach(this, wanted)
    if (id === null) return this.drop('expired')
    this.sessionId = id
    this.#enter('connected')
    // What changed while we were away fires the watches, as SetWatches does.
    for (const path of Array.from(this.#watches.keys())) this.fire(path, 'dataChanged')
    for (const path of Array.from(this.#childWatches.keys())) this.fireChildren(path)
  }

  onState(listener: (state: SessionState) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Loses the connection; `forMs` later it comes back, if the session lives. */
  cut(forMs: number): void {
    if (this.state !== 'connected') return
    this.unreachable = true
    this.#ensemble.lost(this.sessionId, this.sessionTimeoutMs)
    this.drop('disconnected')
    this.#ensemble.clock.setTimer(forMs, () => {
      this.unreachable = false
      this.connect()
    })
  }

  /** The process was killed: the session ends by its timeout. */
  kill(): void {
    this.isDead = true
    this.#listeners.clear()
    if (this.state === 'connected') this.#ensemble.lost(this.sessionId, this.sessionTimeoutMs)
    this.state = 'closed'
  }

  drop(state: SessionState): void {
    const inFlight = this.#inFlight
    this.#inFlight = new Set()
    this.#enter(state)
    const code = state === 'expired' ? 'sessionExpired' : 'connectionLoss'
    for (const reject of inFlight) reject(new FakeError(code))
    if (state === 'disconnected' && !this.unreachable) {
      this.#ensemble.clock.setTimer(10, () => this.connect())
    }
  }

  #enter(state: SessionState): void {
    this.state = state
    for (const listener of Array.from(this.#listeners)) listener(state)
  }

  create(path: string, data: Buffer | string | null, options: CreateOptions = {}) {
    return this.#write(() => {
      const mode = options.mode ?? 'persistent'
      const owner = mode === 'ephemeral' ? this.sessionId : 0n
      const sequential = mode === 'persistent-sequential'
      return { path: this.#ensemble.create(path, bytesOf(data), owner, sequential) }
    })
  }

  set(path: string, data: Buffer | string | null, version = -1): Promise<NodeStat> {
    return this.#write(() => this.#ensemble.set(path, bytesOf(data), version, this.sessionId))
  }

  delete(path: string, version = -1): Promise<void> {
    return this.#write(() => this.#ensemble.remove(path, this.sessionId, version))
  }

  get(path: string, options: WatchOption = {}) {
    return this.#write(() => {
      const node = this.#ensemble.nodes.get(path)
      if (node === undefined) throw new FakeError('noNode')
      this.#watch(this.#watches, path, options)
      return { data: node.data === null ? null : Buffer.from(node.data), stat: statOf(node) }
    })
  }

  exists(path: string, options: WatchOption = {}): Promise<NodeStat | null> {
    return this.#write(() => {
      const node = this.#ensemble.nodes.get(path)
      this.#watch(this.#watches, path, options)
      return node === undefined ? null : statOf(node)
    })
  }

  getChildren(path: string, options: WatchOption = {}) {
    return this.#write(() => {
      if (!this.#ensemble.nodes.has(path)) throw new FakeError('noNode')
      this.#watch(this.#childWatches, path, options)
      return { children: this.#ensemble.childrenOf(path) }
    })
  }

  sync(): Promise<void> {
    return this.#write(() => {})
  }

  async close(): Promise<void> {
    if (this.state === 'connected') {
      await this.#write(() => this.#ensemble.expire(this.sessionId)).catch(() => {})
    }
    this.state = 'closed'
    this.#listeners.clear()
  }

  fire(path: string, type: string): void {
    this.#fireSet(this.#watches, path, type)
  }

  fireChildren(path: string): void {
    this.#fireSet(this.#childWatches, path, 'childrenChanged')
  }

  #fireSet(set: Map<string, Set<Watch>>, path: string, type: string): void {
    const watches = set.get(path)
    if (watches === undefined || this.state !== 'connected') return
    set.delete(path)
    this.#hear(() => {
      if (this.state === 'connected') for (const watch of watches) watch({ type })
      // Lost on the way: the reconnection tells, as the watch is registered again by then.
      else set.set(path, new Set([...(set.get(path) ?? []), ...watches]))
    })
  }

  #watch(set: Map<string, Set<Watch>>, path: string, { watch }: WatchOption): void {
    if (watch === undefined) return
    set.set(path, new Set([...(set.get(path) ?? []), watch]))
  }

  /** There after half the latency, committed, and back after the other half. */
  #write<T>(commit: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.state === 'expired' || this.state === 'closed') {
        reject(new FakeError('sessionExpired'))
        return
      }
      if (this.state !== 'connected') {
        reject(new FakeError('connectionLoss'))
        return
      }
      this.#inFlight.add(reject)
      this.#later(() => {
        // What was sent arrives, also when the answer finds nobody any more.
        if (!this.#ensemble.sessions.has(this.sessionId)) return
        let finish: () => void
        try {
          const value = commit()
          finish = () => resolve(value)
        } catch (error) {
          finish = () => reject(error as Error) // FakeError by construction
        }
        this.#hear(() => {
          if (this.#inFlight.delete(reject)) finish()
        })
      })
    })
  }

  /** On its way to the ensemble: arrives also when the process has died since. */
  #later(run: () => void): void {
    this.#ensemble.clock.setTimer(this.#ensemble.latencyMs / 2, run)
  }

  #hear(run: () => void): void {
    this.#clock.setTimer(this.#ensemble.latencyMs / 2, () => {
      if (!this.isDead) run()
    })
  }
}

function statOf(node: Node): NodeStat {
  const { czxid, mzxid, version, owner } = node
  return { czxid, mzxid, version, ephemeralOwner: owner }
}

function bytesOf(data: Buffer | string | null): Buffer | null {
  return typeof data === 'string' ? Buffer.from(data) : data
}
