/**
 * One server: its store, its pipeline, its clients' connections and its timers, wired together.
 *
 * Everything from outside is in `sys`, so the simulator runs this file as it is. A turn is the
 * handling of all input that is there; at its end each connection gets one write and the log one
 * flush.
 *
 * Invariants:
 *  1. The port is open only while requests are served: clients of a server that starts wait for no
 *     answer (client-protocol 11.1).
 *  2. After the log has failed nothing is acknowledged any more: the peer ends (F-8).
 */
import { startHttpServices, type HttpServices } from '../admin/http-services.ts'
import { NamespaceMeter } from '../admin/namespace-meter.ts'
import { EdgeCounts, ServerMetrics } from '../admin/server-metrics.ts'
import type { RestoredState, ServerView, SnapshotInfo } from '../admin/server-view.ts'
import { Traffic } from '../admin/traffic.ts'
import { answerWord } from '../admin/four-letter-words.ts'
import { SaslAuthenticator, saslScheme } from '../auth/sasl.ts'
import { inMapOrder } from '../auth/id-order.ts'
import {
  digestScheme,
  ensembleScheme,
  ipScheme,
  x509Scheme,
  type AuthScheme,
} from '../auth/schemes.ts'
import type { ClientLimit } from '../pipeline/client-limits.ts'
import { ClientLink, ResponseSizes, WriterPool } from '../pipeline/client-link.ts'
import { Pipeline } from '../pipeline/pipeline.ts'
import { reapable } from '../pipeline/reaper.ts'
import { hex } from '../protocol/zxid.ts'
import { ExpiryBuckets } from '../session/expiry-buckets.ts'
import { SessionClock } from '../session/session-clock.ts'
import { SessionIds } from '../session/session-ids.ts'
import {
  apachePasswords,
  secretPasswords,
  type SessionPasswords,
} from '../session/session-passwords.ts'
import { SessionTable } from '../session/session-table.ts'
import {
  receiveSnapshot,
  refusalOf,
  storeRestored,
  type SnapshotContents,
} from '../store/restore.ts'
import { FREE_BYTES_MIN, openStore, type Store } from '../store/store.ts'
import { StoreError } from '../store/store-error.ts'
import { parseSnapshotName, VERSION_DIRECTORY } from '../store/file-names.ts'
import type { WrittenSnapshot } from '../store/snapshot-writer.ts'
import type { Timer } from '../sys/clock.ts'
import type { Host } from '../sys/host.ts'
import type { Connection } from '../sys/network.ts'
import { join } from '../sys/paths.ts'
import type { Schedules } from '../sys/schedules.ts'
import type { Fields } from '../sys/logger.ts'
import type { Sys } from '../sys/sys.ts'
import type { SecurePeer } from '../sys/tls.ts'
import type { Tree } from '../tree/tree.ts'
import { Watches } from '../tree/watches.ts'
import { ClientConnection, type ConnectionHost } from './client-connection.ts'
import { ClientPorts, type Arrival } from './client-ports.ts'
import { ConnectionThrottle } from './connection-throttle.ts'
import type { FirstBytes } from './first-bytes.ts'
import type { LimitSettings } from './limit-settings.ts'
import { LogLimiter } from './log-limiter.ts'
import { PauseMonitor } from './pause-monitor.ts'
import { PeerView, type PeerParts } from './peer-view.ts'
import { QuotaReports } from './quota-reports.ts'
import { Retention } from './retention.ts'
import { RequestGate, type GateHost } from './request-gate.ts'
import { readSecret } from './secret-file.ts'
import { reserveSessionIds } from './session-id-floor.ts'
import type { ServerSettings } from './server-settings.ts'
import { strayAnswer, strayName } from './stray-answer.ts'
import { SERVER_VERSION } from './version.ts'

export type PeerSys = Pick<Sys, 'clock' | 'random' | 'network' | 'tls' | 'files' | 'log'> & {
  /** Absent in a simulated world. */
  readonly host?: Host
  /** Times of day; absent in a simulated world. */
  readonly schedules?: Schedules
}

/** A lone server's id in session ids, as Apache's. */
const STANDALONE_ID = 1

/** Bytes on their way to the log beyond which no connection with writes in flight is read. */
const PENDING_LOG_BYTES_MAX = 32 * 1024 * 1024

/** Starts a server; resolves once it serves. */
export async function startPeer(settings: ServerSettings, sys: PeerSys): Promise<Peer> {
  const peer = new Peer(settings, sys)
  try {
    await peer.start()
  } catch (error) {
    await peer.abandon()
    throw error
  }
  return peer
}

export class Peer implements ConnectionHost {
  readonly settings: ServerSettings
  readonly writers = new WriterPool()
  readonly sizes = new ResponseSizes()
  readonly traffic = new Traffic(this.sizes)
  readonly metrics = new ServerMetrics()
  readonly edgeCounts = new EdgeCounts()
  readonly version = SERVER_VERSION
  /** Rejects, once, when the server cannot go on; it has closed its connections then. */
  readonly failed: Promise<never>

  readonly #sys: PeerSys
  readonly #connections = new Set<ClientConnection>()
  readonly #crowded = new Set<ClientConnection>()
  readonly #dirty: ClientConnection[] = []
  readonly #closers: (() => Promise<void>)[] = []
  readonly #ofLink = new WeakMap<ClientLink, ClientConnection>()
  readonly #strays = new LogLimiter()
  readonly #quotaReports: QuotaReports
  readonly #limitLines = new LogLimiter()
  readonly #idle: ExpiryBuckets<ClientConnection>
  readonly #sessionClock: SessionClock
  readonly #startedMs: number
  readonly #ports: ClientPorts
  #reportFailure!: (error: Error) => void

  // Held by themselves: looked up once, for they are told every request.
  readonly #readLatency = this.metrics.advanced.readlatency
  readonly #updateLatency = this.metrics.advanced.updatelatency
  readonly #propagation = this.metrics.advanced.propagation_latency
  readonly #readMeter = new NamespaceMeter(this.metrics.sets.read_per_namespace)
  readonly #writeMeter = new NamespaceMeter(this.metrics.sets.write_per_namespace)

  #view!: PeerView
  #hasView = false
  #http: HttpServices | null = null
  #lastSnapshot: SnapshotInfo | null = null
  #store!: Store
  #tree!: Tree
  #watches!: Watches<ClientLink>
  #sessions!: SessionTable
  #pipeline!: Pipeline
  /** null: nothing is asked of requests before the pipeline. */
  #gate: RequestGate | null = null
  readonly #connectionThrottle: ConnectionThrottle | null
  #timer: Timer | null = null
  #reapTimer: Timer | null = null
  #isTurnScheduled = false
  #isServing = false
  #isStoreOpen = false
  #snapshotting: Promise<void> | null = null
  #retention!: Retention
  #pauses: PauseMonitor | null = null
  #isClosing = false
  #isRestoring = false
  /** While the data are replaced: nobody is served, and the peer does not close before its end. */
  #switching: Promise<unknown> | null = null
  #onLastClosed: (() => void) | null = null

  constructor(settings: ServerSettings, sys: PeerSys) {
    this.settings = settings
    this.#sys = sys
    this.#ports = new ClientPorts(settings, sys)
    const nowMs = sys.clock.monotonicMs()
    this.#startedMs = nowMs
    this.#quotaReports = new QuotaReports(sys.log)
    // As Apache: it is sent. But a client with the same limit cannot read it, and will not get further.
    this.sizes.tellLarge(settings.frameBytesMax, (bytes) => {
      const fields = { bytes, limit: settings.frameBytesMax }
      this.#warnOfLimit('large reply', fields, 'a reply is larger than jute.maxbuffer')
    })
    const { connectionThrottle } = settings.limits
    this.#connectionThrottle =
      connectionThrottle === null ? null : new ConnectionThrottle(connectionThrottle, nowMs)
    // By the clock of sessions, which starts at 0: a pause of ours cuts nobody off (F-19).
    this.#idle = new ExpiryBuckets(settings.sessionlessCnxnTimeoutMs, 0)
    // A gap that counts in full: our own timer's period, and as much again for its lateness.
    this.#sessionClock = new SessionClock(settings.tickTimeMs, nowMs)
    this.failed = new Promise((_, reject) => (this.#reportFailure = reject))
    this.failed.catch(() => {})
  }

  // -- life ----------------------------------------------------------------------------------------

  async start(): Promise<void> {
    const { settings } = this
    // What is wrong with keys and certificates is found out before anything is touched.
    await this.#ports.prepare()
    await this.#open()
    this.#sys.log.info({ zxid: hex(this.lastZxid), clientPort: this.clientPort }, 'serving')
    // Clients are served already: what administration needs is loaded behind their backs.
    if (settings.admin !== null || settings.metrics !== null) {
      this.#http = await startHttpServices(this.#view, settings, this.#sys.log)
    }
  }

  /** Recovers what is on disk, and serves it. */
  async #open(): Promise<void> {
    const { settings } = this
    const { clock, files, random, log } = this.#sys
    const opened = await openStore(
      {
        ...settings,
        acceptDamage: settings.acceptDamagedLog,
        extendedTypes: settings.extendedTypesEnabled,
        onDurable: (zxid) => this.#onDurable(zxid),
        onFailure: (error) => this.#fail(error),
      },
      { files, clock, random, log },
    )
    if (opened.lastZxid === -1n) {
      await opened.store.close()
      const why =
        'there is no database, and db.autocreate is false: put an empty file `initialize` into the ' +
        'data directory to begin with an empty one'
      throw new StoreError(why, { file: settings.dataDir })
    }
    this.#store = opened.store
    this.#isStoreOpen = true
    this.#tree = opened.tree
    const nowOpenedMs = clock.monotonicMs()
    const nowMs = this.#sessionClock.advance(nowOpenedMs)
    const schemes = schemesOf(settings)
    this.#sessions = new SessionTable(settings.tickTimeMs, nowMs)
    for (const [id, timeoutMs] of opened.sessions) {
      this.#sessions.add(id, timeoutMs, nowMs)
      this.#sessions.opened(id)
    }
    this.#watches = new Watches<ClientLink>()
    this.#pipeline = new Pipeline({
      tree: this.#tree,
      sessions: this.#sessions,
      watches: this.#watches,
      passwords: await this.#passwords(),
      sessionIds: new SessionIds({
        serverId: STANDALONE_ID,
        wallMs: clock.wallMs(),
        floor: await reserveSessionIds(settings.dataDir, clock.wallMs(), { files }),
        known: [...opened.sessions.keys(), ...this.#tree.ephemeralSessions()],
      }),
      log: {
        append: (txn) => this.#store.append(txn),
      },
      edge: {
        close: (link, why) => this.#ofLink.get(link)?.end(why),
        answered: (_link, latencyMs, isWrite) => this.#answered(latencyMs, isWrite),
        applied: (latencyMs) => this.#propagation.add(latencyMs),
        wrote: (txn) => this.#writeMeter.noteTxn(txn),
        wroteAt: (bytes, start, end, writtenBytes) =>
          this.#writeMeter.noteWriteAt(bytes, start, end, writtenBytes),
        read: (bytes, start, end, dataBytes) =>
          this.#readMeter.noteRead(bytes, start, end, dataBytes),
        fired: (type, count) => this.metrics.watchersOf(type)?.add(count),
        denied: ({ remoteAddress: address }, why) => {
          this.#warnOfLimit(`denied ${address}`, { address, why }, 'authentication was refused')
        },
        limited: (sessionId, limit, most) => this.#limited(sessionId, limit, most),
        exceeded: (excess) => this.#quotaReports.note(excess, clock.monotonicMs()),
      },
      settings: {
        ...settings,
        schemes,
        sasl:
          settings.auth.sasl === null ? null : new SaslAuthenticator(settings.auth.sasl, random),
        enforcedSchemes: settings.auth.enforcedSchemes,
        allowSaslFailedClients: settings.auth.allowSaslFailedClients,
      },
    })
    if (RequestGate.isNeeded(settings.limits)) this.#gate = this.#makeGate(settings.limits)
    const { basic } = this.metrics
    basic.dbinittime.add(Math.round(nowOpenedMs - this.#startedMs))
    basic.startup_txns_loaded.add(opened.replayedCount)
    this.#lastSnapshot = await this.#snapshotOnDisk(opened.snapshot)
    this.#showView(schemes)
    this.#isServing = true
    // Ephemerals of sessions that nobody has: their end is a transaction like any other (I-54).
    this.#beginTurn()
    for (const id of opened.orphanSessions) this.#pipeline.endOrphan(id)
    await this.#ports.open((socket, arrival) => this.#arrive(socket, arrival))
    this.#tick()
    this.#reapTimer = clock.setTimer(settings.containerCheckIntervalMs, () => this.#reap())
    const store = this.#store
    this.#retention = new Retention({
      settings: settings.retention,
      createdByUs: opened.createdByUs,
      purge: (snapshots) => store.purge(snapshots),
      schedules: this.#sys.schedules ?? null,
      wallMs: () => clock.wallMs(),
      log,
    })
    void this.#retention.start()
    if (settings.pauses !== null) {
      const pauses = this.metrics.advanced.jvm_pause_time_ms
      this.#pauses = new PauseMonitor(settings.pauses, { clock, log, pauses })
      this.#pauses.start()
    }
  }

  /** Stops to serve; everything acknowledged is durable already. */
  async close(): Promise<void> {
    this.#isClosing = true
    await this.#switching?.catch(() => {})
    await this.#stop('the server is closing')
    this.#ports.close()
    await this.#http?.close()
    for (const release of this.#closers) await release()
    this.#sys.log.info({ zxid: hex(this.lastZxid) }, 'closed')
  }

  /** Ends what `#open` began; what was appended is durable then. */
  async #stop(why: string): Promise<void> {
    this.#isServing = false
    this.#timer?.cancel()
    this.#reapTimer?.cancel()
    this.#retention?.stop()
    this.#pauses?.stop()
    await this.#ports.shut()
    for (const connection of this.#connections) connection.abort(why)
    while (this.#snapshotting !== null) await this.#snapshotting
    if (this.#isStoreOpen) await this.#store.close()
    this.#isStoreOpen = false
  }

  /**
   * Goes back to a snapshot that somebody sends, as a new history (store/restore.ts). All sessions end.
   * Until the snapshot is read and found fit everything goes on; then nobody is served until the new
   * state is, or the old one where the disk did not take the new.
   *
   * @throws SnapshotError, StoreError: the state is the one before
   */
  async restore(body: AsyncIterable<Buffer>): Promise<RestoredState> {
    if (!this.#isServing || this.#isRestoring || this.#isClosing) {
      throw new Error('the server is starting, closing or restoring already')
    }
    this.#isRestoring = true
    try {
      const { dataDir } = this.settings
      const limits = { dataDir, freeBytesMin: FREE_BYTES_MIN }
      const contents = await receiveSnapshot(body, limits, this.#sys)
      const refusal = refusalOf(contents)
      if (refusal !== null) throw new StoreError(refusal, { file: 'the snapshot' })
      if (!this.#isServing || this.#isClosing) throw new Error('the server is closing')
      const switching = this.#switchTo(contents)
      this.#switching = switching
      return await switching
    } finally {
      this.#isRestoring = false
      this.#switching = null
    }
  }

  async #switchTo(contents: SnapshotContents): Promise<RestoredState> {
    const { clock, files, log } = this.#sys
    const { dataDir, digestEnabled, snapshotStream: stream } = this.settings
    const startedMs = clock.monotonicMs()
    const before = hex(this.lastZxid)
    log.warn({ zxid: before }, 'a snapshot is restored: all sessions end')
    await this.#stop('a snapshot is restored')
    // Their ends must not be told to the pipeline that comes.
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => (this.#onLastClosed = resolve))
    }
    this.#dirty.length = 0
    try {
      const seen = [this.#store.lastAppendedZxid]
      const to = { dataDir, seen, digestEnabled, stream }
      const { zxid, sessionsDropped, ephemeralsDropped } = await storeRestored(contents, to, {
        files,
        clock,
      })
      log.warn(
        { zxid: hex(zxid), before, sessionsDropped, ephemeralsDropped },
        'snapshot restored: a new history begins',
      )
      return { zxid }
    } finally {
      try {
        await this.#open()
        this.metrics.basic.restore_time.add(Math.round(clock.monotonicMs() - startedMs))
      } catch (error) {
        // Old or new, the state is whole on disk, and for the next start to serve.
        this.#fail(error as Error, 'what is on disk cannot be served')
      }
    }
  }

  /** Gives up a start that failed half way: a port that is taken leaves no store open. */
  async abandon(): Promise<void> {
    if (this.#isStoreOpen) await this.close()
    else this.#ports.close()
  }

  /** Calls `release` once everything is closed. */
  onClosed(release: () => Promise<void>): void {
    this.#closers.push(release)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Administration keeps its view while what it shows is replaced. */
  #showView(schemes: ReadonlyMap<string, AuthScheme>): void {
    const parts: PeerParts = {
      settings: this.settings,
      version: this.version,
      startedMs: this.#startedMs,
      traffic: this.traffic,
      metrics: this.metrics,
      edgeCounts: this.edgeCounts,
      tree: this.#tree,
      sessions: this.#sessions,
      watches: this.#watches,
      pipeline: this.#pipeline,
      schemes,
      connections: this.#connections,
      idle: this.#idle,
      clock: this.#sys.clock,
      files: this.#sys.files,
      quotaRefusals: this.#quotaReports.refused,
      host: this.#sys.host ?? null,
      state: {
        mode: () => this.mode,
        connectionDropRatio: () => this.#connectionThrottle?.dropRatio ?? 0,
        queuedRequests: () => this.#gate?.queuedCount ?? 0,
        clientPort: () => this.clientPort,
        secureClientPort: () => this.secureClientPort,
        handshakes: () => this.#ports.handshakes,
        sessionMs: () => this.#sessionMs(),
        lastSnapshot: () => this.#lastSnapshot,
        snapshotNow: () => this.#takeSnapshot(),
        restore: (body) => this.restore(body),
      },
    }
    if (this.#hasView) return this.#view.show(parts)
    this.#view = new PeerView(parts)
    this.#hasView = true
  }

  /** What `last_snapshot` tells before one was taken in this run: the one that was read. */
  async #snapshotOnDisk(name: string | null): Promise<SnapshotInfo | null> {
    const zxid = name === null ? undefined : parseSnapshotName(name)?.zxid
    if (name === null || zxid === undefined) return null
    const stat = await this.#sys.files.stat(join(this.settings.dataDir, VERSION_DIRECTORY, name))
    return { zxid, takenMs: stat?.modifiedMs ?? null }
  }

  async #passwords(): Promise<SessionPasswords> {
    if (this.settings.sessionPasswords === 'apache') return apachePasswords()
    return secretPasswords(await readSecret(this.settings.dataDir, this.#sys))
  }

  #arrive(socket: Connection, arrival: Arrival): ClientConnection {
    const connection = new ClientConnection(this, socket, arrival)
    // Whatever writes is part of a turn, and every turn ends with a flush.
    const edge = { wake: () => this.#dirty.push(connection) }
    const nowMs = this.#sys.clock.monotonicMs()
    const client = { address: socket.remoteAddress, port: socket.remotePort, nowMs }
    connection.link = new ClientLink(edge, this.writers, client, this.sizes)
    this.#ofLink.set(connection.link, connection)
    this.#connections.add(connection)
    const limit = this.#ports.enter(arrival, socket.remoteAddress)
    if (!this.#isServing) connection.abort('the server is closing')
    else if (limit !== null) this.#reject(connection, limit)
    else if (arrival.isSecuring && this.#ports.hasTooManyHandshakes) {
      this.edgeCounts.handshakesExceeded++
      connection.abort('too many TLS handshakes at once')
    } else {
      // A handshake must be done within what a connection without a session has, too.
      this.#idle.touch(connection, this.settings.sessionlessCnxnTimeoutMs, this.#sessionMs())
      if (!arrival.isSecuring) this.#notePlain(socket)
    }
    return connection
  }

  /** Those without TLS are counted where there is TLS to be had. */
  #notePlain({ remoteAddress }: Connection): void {
    if (this.settings.tls === null) return
    const isHere = /^(::1$|(::ffff:)?127\.)/i.test(remoteAddress)
    this.edgeCounts[isHere ? 'plainFromHere' : 'plainFromOthers']++
  }

  #fail(error: Error, what = 'the log has failed, nothing can be acknowledged'): void {
    this.#sys.log.fatal({ error: error.message }, what)
    this.#isServing = false
    this.#timer?.cancel()
    this.#reapTimer?.cancel()
    void this.#ports.shut()
    this.#ports.close()
    for (const connection of this.#connections) connection.abort('the server has failed')
    this.#reportFailure(error)
  }

  // -- turns ---------------------------------------------------------------------------------------

  connect(connection: ClientConnection, bytes: Buffer, start: number, end: number): void {
    this.#beginTurn()
    this.traffic.receivedTotal++
    if (this.#connectionThrottle !== null) {
      const isAdmitted = this.#admits(this.#connectionThrottle, bytes, start, end)
      if (!isAdmitted) return this.#reject(connection, 'connection_throttle_tokens')
    }
    this.#pipeline.connect(connection.link, bytes, start, end)
    const { session } = connection.link
    const timeoutMs = session?.timeoutMs ?? this.settings.sessionlessCnxnTimeoutMs
    this.#idle.touch(connection, timeoutMs, this.#sessionMs())
  }

  request(connection: ClientConnection, bytes: Buffer, start: number, end: number): void {
    if (!this.#isTurnScheduled) this.#beginTurn()
    this.traffic.receivedTotal++
    if (this.#gate === null) this.#pipeline.request(connection.link, bytes, start, end)
    else this.#gate.request(connection.link, bytes, start, end)
  }

  /** Whether there are tokens for this connect request. */
  #admits(throttle: ConnectionThrottle, bytes: Buffer, start: number, end: number): boolean {
    // One that is too short to name a session is refused as such.
    const isResumed = end - start >= 24 && bytes.readBigInt64BE(start + 16) !== 0n
    const nowMs = this.#sys.clock.monotonicMs()
    const chance = this.#sys.random.uint32() / 0x1_0000_0000
    const isAdmitted = throttle.admits({ isResumed, nowMs, chance })
    if (isAdmitted) this.metrics.basic.connection_token_deficit.add(throttle.deficit)
    return isAdmitted
  }

  /** A connection too many: refused with a line in the log, but not with one for each. */
  #reject(connection: ClientConnection, limit: string): void {
    this.edgeCounts.connectionsRejected++
    const { remoteAddress: address } = connection.socket
    this.#warnOfLimit(`connections ${address}`, { address, limit }, 'a connection was refused')
    connection.abort(`refused by ${limit}`)
  }

  #limited(sessionId: bigint, limit: ClientLimit, most: number): void {
    this.edgeCounts.noteLimited(limit)
    const session = `0x${BigInt.asUintN(64, sessionId).toString(16)}`
    this.#warnOfLimit(`${limit} ${session}`, { session, limit, most }, 'a client is at its limit')
  }

  unread(connection: ClientConnection): void {
    this.edgeCounts.noteLimited('unread_replies')
    const { remoteAddress: address, queuedBytes: bytes } = connection.socket
    const message = 'a client that does not read what it is sent was cut off'
    this.#warnOfLimit(`unread ${address}`, { address, bytes }, message)
  }

  #warnOfLimit(key: string, fields: Fields, message: string): void {
    const leftOut = this.#limitLines.leftOutBefore(key, this.#sys.clock.monotonicMs())
    if (leftOut === null) return
    this.#sys.log.warn({ ...fields, ...(leftOut > 0 && { leftOut }) }, message)
  }

  #makeGate(limits: LimitSettings): RequestGate {
    const pipeline = this.#pipeline
    const { clock } = this.#sys
    const host: GateHost = {
      get inFlightCount() {
        return pipeline.inFlightCount
      },
      get nowMs() {
        return clock.monotonicMs()
      },
      request: (link, bytes, start, end) => pipeline.request(link, bytes, start, end),
      lateWrite: (link, frame) => pipeline.lateWrite(link, frame),
      refuse: (link, frame, err) => pipeline.refuse(link, frame, err),
      touch: (link) => pipeline.touch(link),
      abort: (link, why) => {
        const address = link.remoteAddress
        this.#warnOfLimit(`requests ${address}`, { address, why }, 'a connection was closed')
        this.#ofLink.get(link)?.abort(why)
      },
    }
    const { request_throttle_queue_time_ms: queueTime } = this.metrics.advanced
    return new RequestGate(limits, host, this.edgeCounts, queueTime)
  }

  /** Lets requests pass that waited for room. */
  #runGate(): void {
    if (this.#gate === null) return
    this.#beginTurn()
    this.#gate.run()
  }

  /** Reads the clocks once for all input of this turn, and arranges for its end. */
  #beginTurn(): void {
    const { clock } = this.#sys
    const nowMs = clock.monotonicMs()
    this.#pipeline.beginTurn({
      nowMs,
      sessionMs: this.#sessionClock.advance(nowMs),
      wallMs: clock.wallMs(),
    })
    if (this.#isTurnScheduled) return
    this.#isTurnScheduled = true
    clock.defer(() => {
      this.#isTurnScheduled = false
      this.#endTurn()
    })
  }

  #endTurn(): void {
    if (!this.#isServing) return
    this.#flushLinks()
    this.#store.flush()
  }

  #onDurable(zxid: bigint): void {
    if (!this.#isServing) return
    const { clock } = this.#sys
    const nowMs = clock.monotonicMs()
    this.#pipeline.beginTurn({
      nowMs,
      sessionMs: this.#sessionClock.advance(nowMs),
      wallMs: clock.wallMs(),
    })
    const before = this.#pipeline.inFlightCount
    this.#pipeline.onDurable(zxid)
    this.#noteBatch(before - this.#pipeline.inFlightCount)
    this.#runGate()
    this.#flushLinks()
    for (const connection of this.#crowded) connection.updateFlow()
    this.#snapshotIfDue()
  }

  #flushLinks(): void {
    for (const connection of this.#dirty) connection.flush()
    this.#dirty.length = 0
  }

  #answered(latencyMs: number, isWrite: boolean): void {
    this.traffic.noteLatency(latencyMs)
    if (isWrite) this.#updateLatency.add(latencyMs)
    else this.#readLatency.add(latencyMs)
  }

  #noteBatch(txnCount: number): void {
    const { fsynctime, sync_processor_batch_size: batchSize } = this.metrics.basic
    const syncMs = Math.round(this.#store.lastWriteMs)
    fsynctime.add(syncMs)
    if (syncMs > this.settings.slowSyncMs) {
      this.edgeCounts.syncsSlow++
      this.#sys.log.warn({ syncMs, txnCount }, 'the log took long to reach the disk')
    }
    batchSize.add(txnCount)
  }

  #tick(): void {
    if (!this.#isServing) return
    this.#timer = this.#sys.clock.setTimer(this.settings.tickTimeMs / 2, () => this.#tick())
    this.#beginTurn()
    this.#pipeline.expireSessions()
    this.#runGate()
    for (const connection of this.#idle.due(this.#sessionMs())) this.#checkIdle(connection)
  }

  #sessionMs(): number {
    return this.#sessionClock.advance(this.#sys.clock.monotonicMs())
  }

  /** Removes containers and TTL nodes whose time has come, as many as a minute's share allows. */
  #reap(): void {
    if (!this.#isServing) return
    const { clock } = this.#sys
    const intervalMs = this.settings.containerCheckIntervalMs
    this.#reapTimer = clock.setTimer(intervalMs, () => this.#reap())
    this.#beginTurn()
    const { containersPerMinute, containerNeverUsedMs } = this.settings
    const countMax = Math.max(1, Math.floor((containersPerMinute * intervalMs) / 60_000))
    const paths = reapable(this.#tree, clock.wallMs(), countMax, containerNeverUsedMs)
    for (const path of paths) this.#pipeline.reap(path, containerNeverUsedMs)
  }

  /** A connection that stays silent beyond its session's timeout is closed; the session ages on. */
  #checkIdle(connection: ClientConnection): void {
    const { session, traffic } = connection.link
    if (session !== null && traffic.received !== connection.receivedAtCheck) {
      connection.receivedAtCheck = traffic.received
      this.#idle.touch(connection, session.timeoutMs, this.#sessionMs())
    } else {
      if (connection.arrival.isSecuring) this.edgeCounts.handshakesFailed++
      else this.edgeCounts.connectionsIdle++
      connection.abort('nothing was heard for too long')
    }
  }

  // -- snapshots -----------------------------------------------------------------------------------

  #snapshotIfDue(): void {
    // While one is taken, or purged behind, the next one waits to be asked for again.
    if (!this.#store.shouldSnapshot || this.#snapshotting !== null) return
    // A failure is logged; the log goes on, and the next snapshot may succeed (F-9).
    this.#takeSnapshot().catch(() => {})
  }

  /** Takes a snapshot, after the one under way. @throws StoreError */
  async #takeSnapshot(): Promise<WrittenSnapshot> {
    while (this.#snapshotting !== null) await this.#snapshotting
    if (!this.#isServing) throw new Error('the server is closing')
    const taking = this.#snapshot()
    this.#snapshotting = taking.then(
      () => {},
      () => {},
    )
    try {
      return await taking
    } finally {
      this.#snapshotting = null
    }
  }

  async #snapshot(): Promise<WrittenSnapshot> {
    const { clock } = this.#sys
    const startedMs = clock.monotonicMs()
    const outcome = await this.#store.snapshot(this.#tree.freeze(), this.#sessions.timeouts())
    if (!outcome.ok) {
      this.edgeCounts.snapshotsFailed++
      throw outcome.error
    }
    this.metrics.basic.snapshottime.add(Math.round(clock.monotonicMs() - startedMs))
    this.#lastSnapshot = { zxid: outcome.zxid, takenMs: clock.wallMs() }
    await this.#retention.afterSnapshot()
    return outcome
  }

  // -- what a connection asks of its host ----------------------------------------------------------

  get frameBytesMax(): number {
    return this.settings.frameBytesMax
  }

  get unsentBytesMax(): number {
    return this.settings.unsentBytesMax
  }

  answerWord(
    { arrival }: ClientConnection,
    word: string,
    argument: Buffer,
  ): string | Promise<string> | null {
    const { fourLetterWords } = this.settings
    return answerWord(word, argument, this.#view, fourLetterWords, arrival.port)
  }

  stray(connection: ClientConnection, kind: FirstBytes, bytes: Buffer): Buffer | null {
    const { remoteAddress: address, remotePort: port } = connection.socket
    const leftOut = this.#strays.leftOutBefore(address, this.#sys.clock.monotonicMs())
    if (leftOut !== null) {
      const what = strayName(kind)
      const more = leftOut === 0 ? {} : { leftOut }
      this.#sys.log.warn(
        { address, port, what, ...more },
        'the client port was sent what it does not speak',
      )
    }
    return strayAnswer(kind, bytes, { port: this.clientPort, adminUrl: this.#adminUrl })
  }

  get #adminUrl(): string | null {
    const { admin } = this.settings
    if (admin === null || this.adminPort === null) return null
    const isAnywhere = admin.address === '0.0.0.0' || admin.address === '::'
    const host = isAnywhere ? 'HOST' : admin.address
    return `http://${host}:${this.adminPort}${admin.commandUrl}`
  }

  secured(connection: ClientConnection, peer: SecurePeer | null): void {
    const { arrival, link, socket } = connection
    const ids = this.#ports.secured(arrival, peer)
    if (ids === null) {
      this.edgeCounts.handshakesFailed++
      return connection.abort('the subject of the client certificate cannot be read')
    }
    if (peer === null) this.#notePlain(socket)
    link.authIds = inMapOrder([...link.authIds, ...ids])
    const { sessionlessCnxnTimeoutMs } = this.settings
    this.#idle.touch(connection, sessionlessCnxnTimeoutMs, this.#sessionMs())
  }

  get isLogBehind(): boolean {
    return this.#store.pendingBytes > PENDING_LOG_BYTES_MAX
  }

  isCrowded(connection: ClientConnection): boolean {
    const { outstanding } = connection.link
    if (outstanding === 0) return false
    if (this.isLogBehind) return true
    const { globalOutstandingLimit } = this.settings
    if (this.#pipeline.inFlightCount > globalOutstandingLimit) return true
    return this.#gate !== null && this.#gate.queuedCount > globalOutstandingLimit
  }

  later(callback: () => void): void {
    this.#sys.clock.defer(callback)
  }

  paused(connection: ClientConnection, isPaused: boolean): void {
    if (isPaused) {
      this.edgeCounts.requestsPaused++
      this.#crowded.add(connection)
    } else this.#crowded.delete(connection)
  }

  closed(connection: ClientConnection, why: string, hasFailed: boolean): void {
    this.#connections.delete(connection)
    if (this.#connections.size === 0) this.#onLastClosed?.()
    this.#crowded.delete(connection)
    this.#idle.remove(connection)
    const address = connection.socket.remoteAddress
    const { link, arrival } = connection
    this.#ports.leave(arrival, address)
    // A client that only looks whether the port is open fails at TLS where nothing else is spoken.
    if (arrival.isSecuring && (arrival.port === 'secure' || hasFailed) && !link.isClosing) {
      this.edgeCounts.handshakesFailed++
    }
    if (link.session !== null && !link.isClosing && !link.isEnding) {
      this.edgeCounts.connectionsDropped++
    }
    this.#pipeline.disconnected(link)
    this.#sys.log.debug({ address, port: connection.socket.remotePort, why }, 'connection closed')
  }

  // -- what administration sees --------------------------------------------------------------------

  get mode(): 'standalone' | null {
    return this.#isServing ? 'standalone' : null
  }

  get clientPort(): number {
    return this.#ports.plainPort
  }

  /** Of TLS; -1 when there is none. */
  get secureClientPort(): number {
    return this.#ports.securePort
  }

  /** Of the HTTP admin server; null when there is none. */
  get adminPort(): number | null {
    return this.#http?.adminPort ?? null
  }

  /** Of the Prometheus endpoint; null when there is none. */
  get metricsPort(): number | null {
    return this.#http?.metricsPort ?? null
  }

  get lastZxid(): bigint {
    return this.#tree.lastZxid
  }

  get view(): ServerView {
    return this.#view
  }

  /** What the simulator's observer reads; never changed through it. */
  get tree(): Tree {
    return this.#tree
  }

  get sessions(): SessionTable {
    return this.#sessions
  }
}

function schemesOf({ auth, superDigest }: ServerSettings): ReadonlyMap<string, AuthScheme> {
  const schemes: AuthScheme[] = [ipScheme]
  if (auth.digestAlgorithm !== null) schemes.push(digestScheme(superDigest, auth.digestAlgorithm))
  if (auth.hasSaslScheme) schemes.push(saslScheme(auth.openSaslName))
  if (auth.hasX509Scheme) schemes.push(x509Scheme(auth.x509SuperUser))
  if (auth.ensembleNames !== null) {
    schemes.push(ensembleScheme(auth.ensembleNames === 'any' ? null : auth.ensembleNames))
  }
  return new Map(schemes.map((scheme) => [scheme.name, scheme]))
}
