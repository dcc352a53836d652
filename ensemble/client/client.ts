/**
 * The client: operations with promises, watches with callbacks, over one session.
 *
 * The decisions are in `session-machine.ts`; this class performs its effects on what `sys` gives,
 * and calls the application back. Invariants:
 * 1. The application sees replies, events and states in the order in which they came in (I-22, I-40).
 *    A promise's continuation runs later than a callback, so an event behind a reply waits until
 *    the continuations of that reply have run.
 * 2. All requests made in one turn leave in one write.
 * 3. One timer at most; when it fires, bytes that have arrived are read before time is judged, so
 *    that a process that was busy does not take the server for silent.
 *
 * Long because a person looks for every operation here; what is longer than a request lives beside it.
 */
import type { Reader } from '../jute/reader.ts'
import type { RecordType } from '../jute/record.ts'
import type { Acl } from '../protocol/acl.ts'
import {
  MultiRequest,
  MultiResponse,
  type MultiReadOp,
  type MultiResult,
} from '../protocol/multi.ts'
import { Op } from '../protocol/op-codes.ts'
import { parentOf, validatePath } from '../protocol/paths.ts'
import * as replies from '../protocol/replies.ts'
import * as requests from '../protocol/requests.ts'
import type { Stat } from '../protocol/stat.ts'
import {
  AddWatchMode,
  AddWatchRequest,
  CheckWatchesRequest,
  RemoveWatchesRequest,
} from '../protocol/watches.ts'
import type { Clock, Timer } from '../sys/clock.ts'
import type { Connection, Network } from '../sys/network.ts'
import type { Random } from '../sys/random.ts'
import { Call, type CallSpec, type Watcher } from './call.ts'
import type { Codec } from './codecs.ts'
import { addressText, parseConnectString } from './connect-string.ts'
import { createBody, dataBytes, type CreateOptions, type Data } from './create.ts'
import { Election, Lock, type ElectionOptions } from './election.ts'
import { callOut, Emitter } from './emitter.ts'
import { codeNameOf, ZkError } from './errors.ts'
import { childrenOf, valuesOf, type ChildrenChange, type IterateOptions } from './iterables.ts'
import { saslCredentials, type SaslCredentials } from './sasl-login.ts'
import {
  SessionMachine,
  type AuthEntry,
  type Effect,
  type SessionEvent,
  type SessionState,
  type WatchOnReply,
} from './session-machine.ts'
import { Transaction, type Created } from './transaction.ts'
import { WATCHER_TYPES, type WatcherType } from './watch-registry.ts'

export interface ClientOptions {
  /** What to ask for; see `client.sessionTimeoutMs` for what was granted. */
  sessionTimeoutMs?: number
  /**
   * Credentials for every connection, such as `{ scheme: 'digest', auth: 'user:password' }`. With the
   * scheme `sasl`, once at most, the client logs in by DIGEST-MD5 before anything else.
   */
  auth?: readonly { scheme: string; auth: Uint8Array | string }[]
  /** Accept a server that has lost its quorum: reads only, see `client.isReadOnly`. */
  readOnly?: boolean
  /** Closes the client when it aborts. */
  signal?: AbortSignal
  /** Resumes a session; it counts as expired when the ensemble does not know it any more. */
  session?: { id: bigint; password: Uint8Array; lastZxid?: bigint }
  /** Declare the session expired after 4/3 of its timeout without a word from a server (default). */
  ownExpiry?: boolean
  /** Requests unanswered and waiting together, 100,000 when absent; one more rejects at once. */
  requestsMax?: number
  /** The servers' jute.maxbuffer, 0xfffff when absent: a larger request is not sent. */
  requestBytesMax?: number
  /** Longest frame accepted from a server; 16 MiB when absent. */
  replyBytesMax?: number
  /** How long `close` may wait for the server; 2000, and at most the session timeout. */
  closeTimeoutMs?: number
}

export interface ClientSys {
  readonly clock: Clock
  readonly random: Random
  readonly network: Network
}

export interface SignalOption {
  signal?: AbortSignal | undefined
}
export interface ReadOptions extends SignalOption {
  /** Called once: when what was read changes, or the session's state does. */
  watch?: Watcher | undefined
}

type ClientEffect = Effect<Call, Watcher>
type Delivery = Extract<ClientEffect, { kind: 'reply' | 'fail' | 'event' | 'state' | 'auth' }>

/** Never below the chroot: the same for every client of the ensemble. */
const CONFIG_PATH = '/zookeeper/config'
/** Ancestors may vanish while they are being created (containers, TTL): give up after so many. */
const CREATE_PARENTS_ATTEMPTS = 8

export class Client {
  readonly #sys: ClientSys
  readonly #chroot: string
  readonly #servers: string
  readonly #closeTimeoutMs: number
  readonly #machine: SessionMachine<Call, Watcher>
  readonly #states = new Emitter<SessionState>()
  readonly #failures = new Emitter<string>()
  readonly #authWaiters = new Map<AuthEntry, { resolve: () => void; reject: (e: Error) => void }>()

  #connection: Connection | null = null
  #timer: Timer | null = null
  #timerAtMs = Infinity
  #deliveries: Delivery[] = []
  #isDelivering = false
  /** A promise was settled in this turn: its continuations have yet to run. */
  #hasSettled = false
  #lastFailure: string | null = null
  #closed: Promise<void> | null = null

  constructor(servers: string, options: ClientOptions, sys: ClientSys) {
    const parsed = parseConnectString(servers)
    const sessionTimeoutMs = options.sessionTimeoutMs ?? 10_000
    if (!(sessionTimeoutMs >= 1 && sessionTimeoutMs <= 0x7fff_ffff)) {
      throw new ZkError('badArguments', { message: `sessionTimeoutMs is ${sessionTimeoutMs}` })
    }
    const auth = (options.auth ?? []).map(authEntry)
    this.#sys = sys
    this.#chroot = parsed.chroot
    this.#servers = parsed.servers.map(addressText).join(',')
    this.#closeTimeoutMs = options.closeTimeoutMs ?? 2000
    this.#machine = new SessionMachine(
      {
        servers: parsed.servers,
        sessionTimeoutMs: Math.round(sessionTimeoutMs),
        readOnly: options.readOnly ?? false,
        session:
          options.session === undefined
            ? null
            : { ...options.session, password: Buffer.from(options.session.password) },
        auth: auth.filter(({ scheme }) => scheme !== 'sasl'),
        sasl: saslOf(auth),
        requestsMax: options.requestsMax ?? 100_000,
        requestBytesMax: options.requestBytesMax ?? 0xfffff,
        replyBytesMax: options.replyBytesMax ?? 16 * 1024 * 1024,
        ownExpiry: options.ownExpiry ?? true,
      },
      sys.random,
    )
    const signal = options.signal
    if (signal === undefined) return
    const onAbort = () => void this.close()
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort)
    // A signal that outlives the client must not keep it.
    this.onState(() => {
      if (this.#machine.isOver) signal.removeEventListener('abort', onAbort)
    })
  }

  // The session -------------------------------------------------------------------------------

  /** Starts to connect. Requests made before wait for the connection. */
  start(): void {
    if (this.#machine.isOver) return
    this.#machine.onStart(this.#nowMs())
    this.#step()
  }

  get state(): SessionState {
    return this.#machine.state
  }

  /** 0n before the first connection. */
  get sessionId(): bigint {
    return this.#machine.sessionId
  }

  get sessionPassword(): Buffer {
    return this.#machine.password
  }

  /** As granted by the server; as asked for before the first connection. */
  get sessionTimeoutMs(): number {
    return this.#machine.timeoutMs
  }

  /** The highest zxid that this session has seen. */
  get lastZxid(): bigint {
    return this.#machine.lastZxid
  }

  /**
   * The monotonic time at which the last request was sent that a server has answered: the session
   * was alive at some later time, so a lease may be counted from here. A read or a ping is answered by
   * one server alone, which tells the leader up to half a tick later.
   */
  get lastHeardMs(): number {
    return this.#machine.lastHeardMs
  }

  /** Connected to a server that has lost its quorum. */
  get isReadOnly(): boolean {
    return this.state === 'connected' && this.#machine.isReadOnlyServer
  }

  /** `host:port` of the server that we are connected to. */
  get server(): string | null {
    const server = this.#machine.server
    return this.state === 'connected' && server !== null ? addressText(server) : null
  }

  /** Why the last connection, or attempt to make one, ended. */
  get lastFailure(): string | null {
    return this.#lastFailure
  }

  /** Calls `listener` whenever a connection, or an attempt to make one, has ended, with the reason. */
  onFailure(listener: (why: string) => void): () => void {
    return this.#failures.add(listener)
  }

  /** Requests that wait for a connection or for their reply. */
  get pendingRequests(): number {
    return this.#machine.pendingRequests
  }

  /** Calls `listener` with every new state, until the returned function is called. */
  onState(listener: (state: SessionState) => void): () => void {
    return this.#states.add(listener)
  }

  /**
   * Resolves when connected, at once if we are.
   * @throws ZkError `sessionExpired`, `authFailed` when that will not be; `operationTimeout` when
   *   `signal` aborts
   */
  async connected(options: SignalOption = {}): Promise<void> {
    const { signal } = options
    await new Promise<void>((resolve, reject) => {
      const settle = (error: ZkError | null) => {
        stop()
        signal?.removeEventListener('abort', onAbort)
        if (error === null) resolve()
        else reject(error)
      }
      const onState = (state: SessionState) => {
        if (state === 'connected') settle(null)
        else if (state !== 'connecting' && state !== 'disconnected') settle(this.#overError(state))
      }
      const onAbort = () => settle(this.#notConnectedError(signal?.reason))
      const stop = this.#states.add(onState)
      signal?.addEventListener('abort', onAbort)
      if (signal?.aborted === true) onAbort()
      else onState(this.state)
    })
  }

  #notConnectedError(cause: unknown): ZkError {
    const last = this.#lastFailure === null ? '' : `; last failure: ${this.#lastFailure}`
    const message = `not connected to ${this.#servers}${last}`
    return new ZkError('operationTimeout', { message, cause, outcome: 'notDone' })
  }

  #overError(state: SessionState): ZkError {
    const code = state === 'auth-failed' ? 'authFailed' : 'sessionExpired'
    return new ZkError(code, { message: `the session is ${state}`, outcome: 'notDone' })
  }

  /**
   * Ends the session, and with it its ephemeral nodes. Never rejects: if no server can be reached in
   * time, the session ends by its timeout.
   */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      const closeSession = new Call(
        { type: Op.closeSession, decode: () => undefined },
        () => resolve(),
        () => resolve(),
        () => {},
      )
      const waitMs = Math.min(this.#closeTimeoutMs, this.sessionTimeoutMs)
      this.#machine.close(closeSession, this.#nowMs() + waitMs)
      this.#step()
    })
    return this.#closed
  }

  /**
   * Drops the connection and leaves the session to its timeout, with its ephemeral nodes; somebody
   * with `sessionId` and `sessionPassword` may still resume it. Pending requests fail.
   */
  abandon(): void {
    this.#machine.leave()
    this.#step()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * Adds credentials to this and every later connection.
   * @throws ZkError `authFailed`: the server refused them, and the client is in state `auth-failed`
   */
  addAuth(scheme: string, auth: Uint8Array | string): Promise<void> {
    const entry = authEntry({ scheme, auth })
    if (scheme === 'sasl') {
      const message = 'SASL credentials are given to connect: a login comes before all requests'
      return Promise.reject(new ZkError('badArguments', { message, outcome: 'notDone' }))
    }
    if (this.#machine.isOver) return Promise.reject(this.#overError(this.state))
    const done = new Promise<void>((resolve, reject) => {
      this.#authWaiters.set(entry, { resolve, reject })
    })
    this.#machine.addAuth(entry)
    this.#step()
    return done
  }

  // Nodes -------------------------------------------------------------------------------------

  /**
   * Creates a node.
   *
   * @param path absolute, below the chroot; of a sequential node the part before the number
   * @returns the final path, and the stat
   * @throws ZkError `nodeExists`, `noNode` (no parent), `noChildrenForEphemerals`, `noAuth`,
   *   `invalidAcl`, `quotaExceeded`; `connectionLoss`: unknown whether it exists now
   */
  async create(path: string, data: Data = null, options: CreateOptions = {}): Promise<Created> {
    const mode = options.mode ?? 'persistent'
    const target = this.#toServer(path, mode.endsWith('sequential'))
    const body = createBody(target, data, mode, options)
    const send = () => this.#create(path, body, options.signal)
    if (options.parents !== true) return send()
    for (let attempt = 1; ; attempt++) {
      try {
        return await send()
      } catch (error) {
        const isMissing = error instanceof ZkError && error.code === 'noNode'
        if (!isMissing || attempt === CREATE_PARENTS_ATTEMPTS) throw error
      }
      await this.#createAncestors(target, options)
    }
  }

  async #create(
    path: string,
    body: ReturnType<typeof createBody>,
    signal: AbortSignal | undefined,
  ): Promise<Created> {
    const spec = { type: body.type, path, signal }
    const created = await (body.type === Op.createTtl
      ? this.#call(spec, requests.CreateTtlRequest, body, replies.Create2Response)
      : this.#call(spec, requests.CreateRequest, body, replies.Create2Response))
    return { path: this.#fromServer(created.path ?? ''), stat: created.stat }
  }

  /** Goes up to the first ancestor that exists or can be made, then down again. */
  async #createAncestors(target: string, options: CreateOptions): Promise<void> {
    const missing: string[] = []
    for (let at = parentOf(target); at !== '/' && at !== ''; at = parentOf(at)) {
      if (await this.#createIfMissing(at, options)) break
      missing.push(at)
    }
    for (const path of missing.toReversed()) await this.#createIfMissing(path, options)
  }

  /** @returns whether the node exists now; false: its parent is missing */
  async #createIfMissing(target: string, options: CreateOptions): Promise<boolean> {
    const body = createBody(target, null, 'persistent', { acl: options.acl })
    try {
      await this.#create(this.#fromServer(target), body, options.signal)
      return true
    } catch (error) {
      if (!(error instanceof ZkError)) throw error
      if (error.code === 'nodeExists') return true
      if (error.code === 'noNode') return false
      throw error
    }
  }

  /** @throws ZkError `noNode`, `badVersion`, `notEmpty`, `noAuth`; `connectionLoss`: unknown */
  async delete(path: string, version = -1, options: SignalOption = {}): Promise<void> {
    const target = this.#toServer(path)
    const spec = { type: Op.delete, path, signal: options.signal }
    await this.#call(spec, requests.DeleteRequest, { path: target, version }, null)
  }

  /**
   * Reads a node. The data is the caller's own copy.
   * @throws ZkError `noNode` (then no watch is set), `noAuth`, `connectionLoss`
   */
  async get(path: string, options: ReadOptions = {}): Promise<{ data: Buffer | null; stat: Stat }> {
    return this.#get(path, this.#toServer(path), options)
  }

  #get(
    path: string,
    target: string,
    options: ReadOptions,
  ): Promise<{ data: Buffer | null; stat: Stat }> {
    const body = { path: target, watch: options.watch !== undefined }
    return this.#send({
      type: Op.getData,
      path,
      encode: (writer) => requests.GetDataRequest.write(writer, body),
      decode: readData,
      watch: watchOf('data', target, options),
      signal: options.signal,
    })
  }

  /**
   * Replaces the data of a node, if its version still matches.
   *
   * @param version expected data version, or -1 for any
   * @returns the stat after the write; its `mzxid` is the write's zxid
   * @throws ZkError `noNode`, `badVersion`, `noAuth`: nothing was written; `connectionLoss`: unknown
   */
  async set(path: string, data: Data, version = -1, options: SignalOption = {}): Promise<Stat> {
    const body = { path: this.#toServer(path), data: dataBytes(data), version }
    const spec = { type: Op.setData, path, signal: options.signal }
    const reply = await this.#call(spec, requests.SetDataRequest, body, replies.SetDataResponse)
    return reply.stat
  }

  /** The stat of a node, or null when there is none; a watch is set in both cases. */
  async exists(path: string, options: ReadOptions = {}): Promise<Stat | null> {
    const target = this.#toServer(path)
    const body = { path: target, watch: options.watch !== undefined }
    return this.#send<Stat | null>({
      type: Op.exists,
      path,
      encode: (writer) => requests.ExistsRequest.write(writer, body),
      decode: (reader) => replies.ExistsResponse.read(reader).stat,
      watch: watchOf('exist', target, options),
      signal: options.signal,
      whenNoNode: null,
    })
  }

  /** Names of the children, in no order, and the stat of the node itself. */
  async getChildren(
    path: string,
    options: ReadOptions = {},
  ): Promise<{ children: string[]; stat: Stat }> {
    const target = this.#toServer(path)
    const spec = {
      type: Op.getChildren2,
      path,
      watch: watchOf('child', target, options),
      signal: options.signal,
    }
    const body = { path: target, watch: options.watch !== undefined }
    const reply = await this.#call(
      spec,
      requests.GetChildren2Request,
      body,
      replies.GetChildren2Response,
    )
    return { children: strings(reply.children), stat: reply.stat }
  }

  async getAcl(path: string, options: SignalOption = {}): Promise<{ acl: Acl[]; stat: Stat }> {
    const spec = { type: Op.getAcl, path, signal: options.signal }
    const body = { path: this.#toServer(path) }
    const reply = await this.#call(spec, requests.GetAclRequest, body, replies.GetAclResponse)
    return { acl: reply.acl ?? [], stat: reply.stat }
  }

  /** @param version expected version of the ACL (`stat.aversion`), or -1 for any */
  async setAcl(
    path: string,
    acl: readonly Acl[],
    version = -1,
    options: SignalOption = {},
  ): Promise<Stat> {
    const spec = { type: Op.setAcl, path, signal: options.signal }
    const body = { path: this.#toServer(path), acl: [...acl], version }
    const reply = await this.#call(spec, requests.SetAclRequest, body, replies.SetAclResponse)
    return reply.stat
  }

  /** After it, reads of this session see everything acknowledged to anybody before it was called. */
  async sync(path = '/', options: SignalOption = {}): Promise<void> {
    const spec = { type: Op.sync, path, signal: options.signal }
    await this.#call(spec, requests.SyncRequest, { path: this.#toServer(path) }, null)
  }

  /** Writes that happen all or not at all: `zk.transaction().check('/a', 3).set('/a', x).commit()`. */
  transaction(): Transaction {
    return new Transaction({
      call: (spec) => this.#send(spec),
      toServer: (path, isSequential) => this.#toServer(path, isSequential),
      fromServer: (path) => this.#fromServer(path),
    })
  }

  /** Several reads in one request, each with its own outcome, all at one zxid. */
  async multiRead(
    reads: readonly ({ readonly get: string } | { readonly getChildren: string })[],
    options: SignalOption = {},
  ): Promise<(ReadResult | ZkError)[]> {
    const paths = reads.map((read) => ('get' in read ? read.get : read.getChildren))
    const ops = reads.map((read, i): MultiReadOp => {
      const type = 'get' in read ? Op.getData : Op.getChildren
      return { type, path: this.#toServer(paths[i]!), watch: false }
    })
    const results = await this.#send({
      type: Op.multiRead,
      encode: (writer) => MultiRequest.write(writer, ops),
      decode: (reader) => MultiResponse.read(reader).map(ownData),
      signal: options.signal,
    })
    return results.map((result, i) => readResult(result, paths[i]))
  }

  /** Paths of this session's ephemeral nodes that start with `prefix`. */
  async getEphemerals(prefix = '/', options: SignalOption = {}): Promise<string[]> {
    const spec = { type: Op.getEphemerals, path: prefix, signal: options.signal }
    const body = { prefixPath: prefix === '/' ? this.#chroot || '/' : this.#chroot + prefix }
    const reply = await this.#call(
      spec,
      requests.GetEphemeralsRequest,
      body,
      replies.GetEphemeralsResponse,
    )
    // The prefix is one of text: `/app` also matches `/apple`, which is not below the chroot.
    const isBelow = (path: string) => this.#chroot === '' || path.startsWith(`${this.#chroot}/`)
    return strings(reply.ephemerals)
      .filter(isBelow)
      .map((path) => this.#fromServer(path))
  }

  /** How many nodes there are below `path`, at any depth. */
  async getAllChildrenNumber(path: string, options: SignalOption = {}): Promise<number> {
    const spec = { type: Op.getAllChildrenNumber, path, signal: options.signal }
    const reply = await this.#call(
      spec,
      requests.GetAllChildrenNumberRequest,
      { path: this.#toServer(path) },
      replies.GetAllChildrenNumberResponse,
    )
    return reply.totalNumber
  }

  /** Who this connection is, to the server. */
  async whoAmI(options: SignalOption = {}): Promise<{ scheme: string; id: string }[]> {
    const { clientInfo } = await this.#send({
      type: Op.whoAmI,
      decode: (reader) => replies.WhoAmIResponse.read(reader),
      signal: options.signal,
    })
    return (clientInfo ?? []).map((info) => ({
      scheme: info.authScheme ?? '',
      id: info.user ?? '',
    }))
  }

  // The ensemble's configuration ------------------------------------------------------------------

  /** The text of the ensemble's dynamic configuration; its path knows no chroot. */
  async getConfig(options: ReadOptions = {}): Promise<{ data: Buffer | null; stat: Stat }> {
    return this.#get(CONFIG_PATH, CONFIG_PATH, options)
  }

  /**
   * Changes the ensemble's membership: by `joining` and `leaving`, or to `members`.
   * @param change `version` is the configuration's expected version (hex in its text), or -1n
   */
  async reconfig(
    change: { joining?: string; leaving?: string; members?: string; version?: bigint },
    options: SignalOption = {},
  ): Promise<{ data: Buffer | null; stat: Stat }> {
    const body = {
      joiningServers: change.joining ?? null,
      leavingServers: change.leaving ?? null,
      newMembers: change.members ?? null,
      curConfigId: change.version ?? -1n,
    }
    return this.#send({
      type: Op.reconfig,
      path: CONFIG_PATH,
      encode: (writer) => requests.ReconfigRequest.write(writer, body),
      decode: readData,
      signal: options.signal,
    })
  }

  // Watches -------------------------------------------------------------------------------------

  /**
   * Calls `watcher` for every change of a node from now on, or with `recursive` of all nodes below
   * it too (then without `childrenChanged`). Changes while disconnected are not reported: read again
   * when a `session` event says `connected`.
   */
  async addWatch(
    path: string,
    options: SignalOption & { recursive?: boolean },
    watcher: Watcher,
  ): Promise<void> {
    const target = this.#toServer(path)
    const kind = options.recursive === true ? 'persistentRecursive' : 'persistent'
    const spec = {
      type: Op.addWatch,
      path,
      watch: { path: target, kind, watcher } as const,
      signal: options.signal,
    }
    await this.#call(spec, AddWatchRequest, { path: target, mode: AddWatchMode[kind] }, null)
  }

  /**
   * Removes watches of a node: those of one watcher, or all of a type.
   *
   * @param options `local`: forget them also when the server cannot be asked
   * @throws ZkError `noWatcher`: there was none
   */
  async removeWatches(
    path: string,
    options: SignalOption & { type?: WatcherType; watcher?: Watcher; local?: boolean } = {},
  ): Promise<void> {
    const target = this.#toServer(path)
    const { type = 'any', watcher } = options
    const watches = this.#machine.watches
    if (!watches.has(type, target, watcher)) throw new ZkError('noWatcher', { path })
    // The server has one watch for all watchers of this client: it goes with the last of them.
    const isShared = watcher !== undefined && watches.hasOthers(type, target, watcher)
    const body = { path: target, type: WATCHER_TYPES[type].number }
    try {
      const spec = { path, signal: options.signal }
      await (isShared
        ? this.#call({ ...spec, type: Op.checkWatches }, CheckWatchesRequest, body, null)
        : this.#call({ ...spec, type: Op.removeWatches }, RemoveWatchesRequest, body, null))
    } catch (error) {
      if (options.local === true) watches.remove(type, target, watcher)
      throw error
    }
    watches.remove(type, target, watcher)
  }

  /** The types of the watches that this client has on `path` itself. */
  watchTypesOf(path: string): WatcherType[] {
    const target = this.#toServer(path)
    const watches = this.#machine.watches
    const types = ['children', 'data', 'persistent', 'persistentRecursive'] as const
    return types.filter((type) => watches.has(type, target))
  }

  /** Stops calling `watcher` for `path`, without asking the server: its late events are dropped. */
  forget(path: string, watcher: Watcher): void {
    this.#machine.watches.remove('any', this.#toServer(path), watcher)
  }

  /**
   * The value of a node, then each newer one; waits while the node does not exist. A slow consumer
   * skips values in between. Ends when `signal` aborts or the client is closed.
   * @throws what the codec throws; ZkError `sessionExpired`, `noAuth`
   */
  values<T>(
    path: string,
    codec: Codec<T>,
    options: IterateOptions = {},
  ): AsyncGenerator<T, void, undefined> {
    return valuesOf(this, path, codec, options)
  }

  /** The children of a node, then each change of them; a node that goes has lost all its children. */
  children(
    path: string,
    options: IterateOptions = {},
  ): AsyncGenerator<ChildrenChange, void, undefined> {
    return childrenOf(this, path, options)
  }

  /** Candidates for one role: at most one of them holds it, in the order of their coming. */
  election(path: string, options: ElectionOptions = {}): Election {
    this.#toServer(path)
    return new Election(this, this.#sys, path, options)
  }

  /** A lock among processes, with a fencing token. */
  lock(path: string, options: ElectionOptions = {}): Lock {
    this.#toServer(path)
    return new Lock(this, this.#sys, path, options)
  }

  // Requests --------------------------------------------------------------------------------------

  #toServer(path: string, isSequential = false): string {
    const problem = validatePath(path, isSequential)
    if (problem !== null) throw new ZkError('badArguments', { path, message: problem })
    if (this.#chroot === '') return path
    return path === '/' && !isSequential ? this.#chroot : this.#chroot + path
  }

  /** Strips the chroot; what is not below it stays as it is. */
  #fromServer(path: string): string {
    if (this.#chroot === '') return path
    if (path === this.#chroot) return '/'
    return path.startsWith(`${this.#chroot}/`) ? path.slice(this.#chroot.length) : path
  }

  async #call<Q, P>(
    spec: Omit<CallSpec<P>, 'encode' | 'decode'>,
    request: RecordType<Q>,
    body: Parameters<RecordType<Q>['write']>[1],
    reply: RecordType<P> | null,
  ): Promise<P> {
    return this.#send<P>({
      ...spec,
      encode: (writer) => request.write(writer, body),
      // Without a reply record P is not used by the caller.
      decode: (reader) => (reply === null ? (undefined as P) : reply.read(reader)),
    })
  }

  #send<T>(spec: CallSpec<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (spec.signal?.aborted === true) {
        const context = { path: spec.path, cause: spec.signal.reason, message: 'aborted before' }
        return reject(new ZkError('operationTimeout', context))
      }
      // True because the machine hands back what this very spec's decode made.
      const settle = resolve as (value: unknown) => void
      const call = new Call(spec, settle, reject, (abandoned) => this.#machine.abandon(abandoned))
      try {
        this.#machine.submit(call)
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        call.fail(new ZkError('badArguments', { path: spec.path, cause: error, message }))
      }
      this.#step()
    })
  }

  // Effects ---------------------------------------------------------------------------------------

  #nowMs(): number {
    return this.#sys.clock.monotonicMs()
  }

  /** Performs what the machine wants after an input. */
  #step(): void {
    for (const effect of this.#machine.takeEffects()) this.#perform(effect)
    this.#setTimer()
    this.#deliver()
  }

  #perform(effect: ClientEffect): void {
    switch (effect.kind) {
      case 'connect':
        return this.#connect(effect.target)
      case 'disconnect': {
        const connection = this.#connection
        this.#connection = null
        return connection?.destroy()
      }
      case 'flush':
        return this.#sys.clock.defer(() => this.#flush())
      case 'lost':
        this.#lastFailure = effect.why
        return this.#failures.emit(effect.why)
      default:
        this.#deliveries.push(effect)
    }
  }

  #connect(target: { host: string; port: number }): void {
    const connection = this.#sys.network.connect(target, {
      onConnect: () => {
        if (this.#connection !== connection) return
        this.#machine.onOpened(this.#nowMs())
        this.#step()
      },
      onData: (chunk) => {
        if (this.#connection !== connection) return
        this.#machine.onBytes(chunk, this.#nowMs())
        this.#step()
      },
      onClose: (error) => {
        if (this.#connection !== connection) return
        this.#connection = null
        this.#machine.onClosed(error ?? null, this.#nowMs())
        this.#step()
      },
    })
    this.#connection = connection
  }

  #flush(): void {
    const bytes = this.#machine.takeBytes(this.#nowMs())
    if (bytes.length > 0) this.#connection?.write(bytes)
    this.#setTimer()
  }

  #setTimer(): void {
    const wakeAtMs = this.#machine.wakeAtMs
    if (wakeAtMs === Infinity) {
      this.#timer?.cancel()
      this.#timer = null
      this.#timerAtMs = Infinity
      return
    }
    // One that fires too early is set again then; that is cheaper than moving it with every packet.
    if (this.#timer !== null && this.#timerAtMs <= wakeAtMs) return
    this.#timer?.cancel()
    this.#timerAtMs = wakeAtMs
    const delayMs = Math.max(0, Math.ceil(wakeAtMs - this.#nowMs()))
    this.#timer = this.#sys.clock.setTimer(delayMs, () => {
      this.#timer = null
      this.#timerAtMs = Infinity
      this.#sys.clock.defer(() => {
        this.#machine.onTick(this.#nowMs())
        this.#step()
      })
    })
  }

  /** Hands out what came in, in order; see invariant 1. */
  #deliver(): void {
    if (this.#isDelivering || this.#deliveries.length === 0) return
    this.#isDelivering = true
    const deliveries = this.#deliveries
    let at = 0
    for (; at < deliveries.length; at++) {
      const delivery = deliveries[at]!
      const isCallback = delivery.kind === 'event' || delivery.kind === 'state'
      if (isCallback && this.#hasSettled) break
      if (isCallback) this.#callBack(delivery)
      else this.#settle(delivery)
    }
    this.#deliveries = deliveries.slice(at)
    this.#isDelivering = false
  }

  #settle(delivery: Extract<Delivery, { kind: 'reply' | 'fail' | 'auth' }>): void {
    if (!this.#hasSettled) {
      this.#hasSettled = true
      this.#sys.clock.defer(() => this.#onTurnOver())
    }
    if (delivery.kind === 'reply') delivery.request.reply(delivery.err, delivery.value)
    else if (delivery.kind === 'auth') this.#settleAuth(delivery.auth, delivery.code)
    else {
      const { request, code, outcome, cause } = delivery
      const message = cause?.message
      const context = message === undefined ? {} : { message, cause }
      request.fail(new ZkError(code, { path: request.path, outcome, ...context }))
    }
  }

  /** The continuations of what was settled have run. */
  #onTurnOver(): void {
    this.#hasSettled = false
    this.#deliver()
  }

  #settleAuth(auth: AuthEntry, code: ZkError['code']): void {
    const waiter = this.#authWaiters.get(auth)
    if (waiter === undefined) return
    this.#authWaiters.delete(auth)
    if (code === 'ok') waiter.resolve()
    else waiter.reject(new ZkError(code, { message: `scheme ${auth.scheme}` }))
  }

  #callBack(delivery: Extract<Delivery, { kind: 'event' | 'state' }>): void {
    if (delivery.kind === 'state') {
      this.#states.emit(delivery.state)
      if (!this.#machine.isOver) return
      for (const waiter of this.#authWaiters.values()) waiter.reject(this.#overError(this.state))
      this.#authWaiters.clear()
      return
    }
    const event: SessionEvent = { ...delivery.event, path: this.#fromServer(delivery.event.path) }
    for (const watcher of delivery.watchers) callOut(() => watcher(event))
  }
}

/** Of `multiRead`: `children` for one that asked for children, else `data` and `stat`. */
export type ReadResult =
  | { readonly kind: 'data'; readonly data: Buffer | null; readonly stat: Stat }
  | { readonly kind: 'children'; readonly children: string[] }

function readResult(result: MultiResult, path: string | undefined): ReadResult | ZkError {
  switch (result.type) {
    case Op.getData:
      return { kind: 'data', data: result.data, stat: result.stat }
    case Op.getChildren:
      return { kind: 'children', children: strings(result.children) }
    case Op.error:
      return new ZkError(codeNameOf(result.err), { path })
    default:
      return new ZkError('marshallingError', { path, message: `result of type ${result.type}` })
  }
}

function ownData(result: MultiResult): MultiResult {
  return result.type === Op.getData ? { ...result, data: own(result.data) } : result
}

function readData(reader: Reader): { data: Buffer | null; stat: Stat } {
  const reply = replies.GetDataResponse.read(reader)
  return { data: own(reply.data), stat: reply.stat }
}

/** A copy: the view that was read pins the whole chunk that the network delivered. */
function own(data: Buffer | null): Buffer | null {
  return data === null ? null : Buffer.from(data)
}

function strings(values: readonly (string | null)[] | null): string[] {
  return (values ?? []).map((value) => value ?? '')
}

function watchOf(
  kind: 'data' | 'exist' | 'child',
  path: string,
  options: ReadOptions,
): WatchOnReply<Watcher> | null {
  return options.watch === undefined ? null : { path, kind, watcher: options.watch }
}

function saslOf(auth: readonly AuthEntry[]): SaslCredentials | null {
  const [entry, ...more] = auth.filter(({ scheme }) => scheme === 'sasl')
  if (entry === undefined) return null
  const credentials = saslCredentials(entry.auth)
  if (credentials !== null && more.length === 0) return credentials
  throw new ZkError('badArguments', { message: 'SASL wants one user:password' })
}

function authEntry({ scheme, auth }: { scheme: string; auth: Uint8Array | string }): AuthEntry {
  return { scheme, auth: typeof auth === 'string' ? Buffer.from(auth) : Buffer.from(auth) }
}
