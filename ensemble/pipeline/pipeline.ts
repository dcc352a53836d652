/**
 * The life of a request on a server that decides alone: request, transaction, durable, applied,
 * answered.
 *
 *     request ──▶ read: answered at once, or after this link's own writes
 *        └─────▶ write: prepared (zxid, checks) ──▶ log.append ──┐
 *     onDurable(zxid) ◀──────────── one fsync for many ──────────┘
 *        └─▶ for each transaction in zxid order: apply, events, reply, waiting reads of that link
 *
 * Invariants:
 *  1. Nothing is applied, shown or acknowledged before the log says that it is durable (I-9).
 *  2. Transactions are applied in zxid order, each once; zxids have no gaps (I-12).
 *  3. Requests of one link are answered in order (I-22); a read sees that link's earlier writes and,
 *     exactly, the state at the zxid in its reply's header (I-23, I-25).
 *  4. The event of a transaction goes out before any reply that shows it (I-40).
 *  5. A failed request uses a zxid and leaves an error transaction, as on Apache's servers.
 *  6. A session that comes back is welcomed once all that its former connection wrote is applied: what
 *     it reads then stays true, and no write of unknown outcome takes effect later (I-23).
 *
 * Pure: time comes in through `beginTurn`, bytes leave through links and the log.
 * Source: PrepRequestProcessor, SyncRequestProcessor, FinalRequestProcessor, 3.9.5.
 */
import { assert } from '../assert.ts'
import type { AuthId } from '../auth/schemes.ts'
import { highOf, lowOf } from '../jute/long-halves.ts'
import { Reader } from '../jute/reader.ts'
import { WireError } from '../jute/wire-error.ts'
import { Perm } from '../protocol/acl.ts'
import { ConnectRequest, ConnectResponse, refusal } from '../protocol/connect.ts'
import { Code } from '../protocol/error-codes.ts'
import { Op } from '../protocol/op-codes.ts'
import { Xid } from '../protocol/requests.ts'
import type { TxnBody, TxnRecord } from '../protocol/transactions.ts'
import { zxidAfter } from '../protocol/zxid.ts'
import type { SessionIds } from '../session/session-ids.ts'
import type { SessionPasswords } from '../session/session-passwords.ts'
import type { Session, SessionTable } from '../session/session-table.ts'
import type { Tree, TreeChange } from '../tree/tree.ts'
import type { Watches } from '../tree/watches.ts'
import { Authentication, type AuthenticationSettings } from './authentication.ts'
import type { ClientLink, WaitingRequest } from './client-link.ts'
import { DigestLog, type ZxidDigest } from './digest-log.ts'
import { OP_LABELS } from './op-labels.ts'
import { PendingChanges } from './pending-changes.ts'
import { PipelineCounts } from './pipeline-counts.ts'
import { Preparer, type Asker } from './prepare.ts'
import { QuotaCheck, type QuotaExcess } from './quota-check.ts'
import { Reads, writeEvent, type ReadMeter } from './reads.ts'
import { error, RequestPreparer } from './request-preparer.ts'
import { TxnWrite, type Write, type WriteMeter } from './writes.ts'

export interface PipelineSettings extends AuthenticationSettings {
  readonly minSessionTimeoutMs: number
  readonly maxSessionTimeoutMs: number
  readonly skipAcl: boolean
  readonly extendedTypesEnabled: boolean
  readonly reconfigEnabled: boolean
  readonly digestEnabled: boolean
  readonly enforceQuota: boolean
  /** `jute.maxbuffer`, which bounds what Apache's server reads of a log. */
  readonly frameBytesMax: number
}

/** Where transactions go to become durable. */
export interface TxnSink {
  append(txn: TxnRecord): void
}

/** What the edge is told. */
export interface PipelineEdge extends ReadMeter, WriteMeter {
  /** Close this connection once what is written has been sent. */
  close(link: ClientLink, why: string): void
  /** A client has not shown who it says it is. */
  denied(link: ClientLink, why: string): void
  /** How long a request took, from its arrival to its reply, in whole milliseconds. */
  answered(link: ClientLink, latencyMs: number, isWrite: boolean): void
  /** A transaction was applied, so long after it was made. */
  applied(latencyMs: number): void
  /** An event of this type was sent to so many. */
  fired(type: number, watcherCount: number): void
  /** A write goes beyond a quota. */
  exceeded(excess: QuotaExcess): void
}

/** What a transaction takes beside its paths: header, count and digest. */
const TXN_BYTES = 64

/** A session that comes back, and waits for its own writes. */
interface Returning {
  readonly link: ClientLink
  readonly session: Session
  readonly request: ConnectRequest
}

/** A request as it came: `[start, end)` of `bytes`, its header first. */
interface Frame {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
}

/** Who asks, and for which zxid: one object, for nobody keeps it. */
class CurrentAsker implements Asker {
  sessionId = 0n
  authIds: readonly AuthId[] = []
  zxid = 0n
  zxidHigh = 0
  zxidLow = 0
  time = 0
  ownIdBytes = 0

  set(sessionId: bigint, authIds: readonly AuthId[], zxid: bigint, time: number): this {
    this.sessionId = sessionId
    this.authIds = authIds
    this.zxid = zxid
    this.zxidHigh = highOf(zxid)
    this.zxidLow = lowOf(zxid) | 0
    this.time = time
    this.ownIdBytes = 0
    return this
  }
}

export class Pipeline {
  readonly counts = new PipelineCounts()
  readonly #tree: Tree
  readonly #sessions: SessionTable
  readonly #watches: Watches<ClientLink>
  readonly #passwords: SessionPasswords
  readonly #sessionIds: SessionIds
  readonly #log: TxnSink
  readonly #edge: PipelineEdge
  readonly #settings: PipelineSettings
  readonly #changes: PendingChanges
  readonly #preparer: Preparer
  readonly #requests: RequestPreparer
  readonly #reads: Reads
  readonly #authentication: Authentication
  readonly #reader = new Reader()
  readonly #inFlight: Write[] = []
  #inFlightStart = 0
  readonly #links = new Map<bigint, ClientLink>()
  #returning: Returning[] = []
  readonly #treeChanges: TreeChange[] = []
  readonly #digests = new DigestLog()
  #lastPreparedZxid: bigint
  readonly #asker = new CurrentAsker()
  #nowMs = 0
  #sessionMs = 0
  #wallMs = 0

  constructor(parts: {
    tree: Tree
    sessions: SessionTable
    watches: Watches<ClientLink>
    passwords: SessionPasswords
    sessionIds: SessionIds
    log: TxnSink
    edge: PipelineEdge
    settings: PipelineSettings
  }) {
    this.#tree = parts.tree
    this.#sessions = parts.sessions
    this.#watches = parts.watches
    this.#passwords = parts.passwords
    this.#sessionIds = parts.sessionIds
    this.#log = parts.log
    this.#edge = parts.edge
    this.#settings = parts.settings
    this.#changes = new PendingChanges(parts.tree, this.counts)
    const quota = new QuotaCheck(parts.tree, parts.settings, parts.edge.exceeded)
    this.#preparer = new Preparer(this.#changes, parts.settings, quota, parts.edge.limited)
    this.#requests = new RequestPreparer(this.#changes, this.#preparer, parts.settings)
    this.#reads = new Reads(parts.tree, parts.watches, parts.settings, parts.edge)
    const close = (link: ClientLink, why: string): void => this.#close(link, why)
    const { denied, limited } = parts.edge
    this.#authentication = new Authentication(parts.settings, this.counts, {
      close,
      denied,
      limited,
    })
    this.#lastPreparedZxid = parts.tree.lastZxid
  }

  /** Transactions prepared and not yet applied. */
  get inFlightCount(): number {
    return this.#inFlight.length - this.#inFlightStart
  }

  /** The tree's digest at every 128th transaction of this run. */
  get digests(): readonly ZxidDigest[] {
    return this.#digests.entries
  }

  get lastPreparedZxid(): bigint {
    return this.#lastPreparedZxid
  }

  /** Sets the time for all input until the next call. `sessionMs` ages sessions (F-19). */
  beginTurn(time: { nowMs: number; sessionMs: number; wallMs: number }): void {
    this.#nowMs = time.nowMs
    this.#sessionMs = time.sessionMs
    // Times in transactions never go back, whatever the wall clock does (F-17).
    if (time.wallMs > this.#wallMs) this.#wallMs = time.wallMs
  }

  /** The first frame of a connection. @throws WireError when it is none */
  connect(link: ClientLink, bytes: Buffer, start: number, end: number): void {
    const request = ConnectRequest.read(this.#reader.reset(bytes, start, end))
    link.hasReadOnlyFlag = request.readOnly !== undefined
    link.isStranger = this.#authentication.isStranger(link)
    link.traffic.received++
    this.counts.connectRequests++
    if (request.lastZxidSeen > this.#tree.lastZxid) {
      return this.#close(link, 'the client has seen a later zxid than this server')
    }
    if (request.sessionId !== 0n) return this.#resume(link, request)
    const timeoutMs = this.#granted(request)
    const id = this.#sessionIds.next()
    this.#attach(link, this.#sessions.add(id, timeoutMs, this.#sessionMs))
    this.#append(link, 0, Op.createSession, { type: Op.createSession, timeOut: timeoutMs })
  }

  /** Every later frame. @throws WireError when it has no request header */
  request(link: ClientLink, bytes: Buffer, start: number, end: number): void {
    if (link.isEnding || link.isClosing) return
    const reader = this.#reader.reset(bytes, start, end)
    const xid = reader.int()
    const type = reader.int()
    const { traffic } = link
    traffic.received++
    // Those of pings, auth packets and setWatches are negative, and no request of the application's.
    if (xid >= 0) traffic.lastCxid = xid
    traffic.lastOp = OP_LABELS.get(type) ?? 'NA'
    if (type === Op.auth) return this.#authentication.onAuthPacket(link, xid, reader)
    if (type === Op.sasl) return this.#authentication.onSaslToken(link, xid, reader)
    if (link.isStranger) return this.#authentication.refuse(link, xid)
    const session = link.session
    assert(session !== null, 'requests come after the connect request')
    this.#sessions.touch(session, this.#sessionMs)
    if (isWriteOp(type)) return this.#write(link, session, xid, type, reader)
    if (link.hasWritesInFlight) {
      const afterWrite = link.writesPrepared
      const err = Code.ok
      link.waiting.push({ bytes, start, end, afterWrite, receivedMs: this.#nowMs, err })
    } else this.#read(link, xid, type, reader, this.#nowMs)
  }

  /**
   * A write that has waited for its turn longer than its connection lasted: it is done, as on Apache's
   * servers, closeSession too; but not once another connection has the session, and nobody is there to be told.
   */
  lateWrite(link: ClientLink, { bytes, start, end }: Frame): void {
    const { session } = link
    if (link.isEnding || link.isStranger || session === null) return
    const reader = this.#reader.reset(bytes, start, end)
    const xid = reader.int()
    const type = reader.int()
    if (!link.hasMoved) return this.#write(link, session, xid, type, reader)
    this.#appendFor(session.id, null, xid, type, error(Code.sessionMoved))
  }

  /** Answers a request with an error, when its turn comes, and does not look at it. */
  refuse(link: ClientLink, { bytes, start, end }: Frame, err: number): void {
    if (link.isClosing || link.isEnding) return
    link.traffic.received++
    const xid = bytes.readInt32BE(start)
    if (link.hasWritesInFlight) {
      const afterWrite = link.writesPrepared
      link.waiting.push({ bytes, start, end, afterWrite, receivedMs: this.#nowMs, err })
    } else this.#answerError(link, xid, err, this.#nowMs)
  }

  /** Something was heard of a client. */
  touch(link: ClientLink): void {
    if (link.session !== null) this.#sessions.touch(link.session, this.#sessionMs)
  }

  /** The connection is gone; its session lives on. */
  disconnected(link: ClientLink): void {
    link.isGone = true
    link.isClosing = true
    link.waiting.length = 0
    this.#watches.removeWatcher(link)
    if (link.session !== null && this.#links.get(link.session.id) === link) {
      this.#links.delete(link.session.id)
    }
  }

  /** Ends the sessions whose time is up (I-51, I-52). */
  expireSessions(): void {
    for (const session of this.#sessions.due(this.#sessionMs)) {
      this.counts.sessionsExpired++
      this.#endSession(session)
    }
  }

  /** Removes the ephemerals of a session that does not exist (left by a crash of Apache's server). */
  endOrphan(sessionId: bigint): void {
    const body = this.#preparer.closeSession(sessionId, this.#nextZxid())
    this.#appendFor(sessionId, null, 0, Op.closeSession, body)
  }

  /** Removes a container or TTL node, if it may still go when its turn comes (I-58). */
  reap(path: string, neverUsedMs = 0): void {
    const asker = this.#asker.set(0n, [], this.#nextZxid(), this.#wallMs)
    const body = this.#preparer.deleteContainer(path, asker, neverUsedMs)
    this.#append(null, 0, Op.deleteContainer, typeof body === 'number' ? error(body) : body)
  }

  /** Everything up to `zxid` is durable: apply it, and answer. */
  onDurable(zxid: bigint): void {
    while (this.#inFlightStart < this.#inFlight.length) {
      const next = this.#inFlight[this.#inFlightStart]!
      if (next.zxid > zxid) break
      this.#inFlightStart++
      this.#apply(next)
    }
    if (this.#inFlightStart === this.#inFlight.length) {
      this.#inFlight.length = this.#inFlightStart = 0
    } else if (this.#inFlightStart > 4096) {
      this.#inFlight.splice(0, this.#inFlightStart)
      this.#inFlightStart = 0
    }
    if (this.#returning.length > 0) this.#welcomeReturning()
  }

  // -- sessions ------------------------------------------------------------------------------------

  #resume(link: ClientLink, request: ConnectRequest): void {
    this.counts.resumes++
    const session = this.#sessions.get(request.sessionId)
    // The password comes first: a stranger must not even cut the owner's connection (S-20, N-8).
    const isOwner = this.#passwords.matches(request.sessionId, request.passwd)
    if (session === undefined || session.isClosing || !isOwner) {
      return this.#refuse(
        link,
        request,
        isOwner ? 'the session has ended' : 'wrong session password',
      )
    }
    const former = this.#links.get(session.id)
    if (former !== undefined) this.#close(former, 'the session has moved to another connection')
    session.timeoutMs = this.#granted(request)
    this.#sessions.touch(session, this.#sessionMs)
    this.#attach(link, session)
    if (session.lastWriteZxid <= this.#tree.lastZxid) this.#welcome(link, session)
    else this.#returning.push({ link, session, request })
  }

  /** Welcomes those whose writes are applied. */
  #welcomeReturning(): void {
    this.#returning = this.#returning.filter(({ link, session, request }) => {
      if (link.isClosing) return false
      if (session.lastWriteZxid > this.#tree.lastZxid) return true
      if (session.isClosing) this.#refuse(link, request, 'the session has ended')
      else this.#welcome(link, session)
      return false
    })
  }

  #refuse(link: ClientLink, request: ConnectRequest, why: string): void {
    ConnectResponse.write(link.beginFrame(), refusal(request))
    link.endFrame()
    this.#close(link, why)
  }

  /** The timeout for what a client asks: at every connect anew. */
  #granted({ timeOut }: ConnectRequest): number {
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.#settings
    return Math.min(Math.max(timeOut, minSessionTimeoutMs), maxSessionTimeoutMs)
  }

  #attach(link: ClientLink, session: Session): void {
    link.session = session
    link.connection = ++session.connections
    this.#links.set(session.id, link)
  }

  #welcome(link: ClientLink, session: Session): void {
    link.isWelcomed = true
    ConnectResponse.write(link.beginFrame(), {
      protocolVersion: 0,
      timeOut: session.timeoutMs,
      sessionId: session.id,
      passwd: this.#passwords.of(session.id),
      readOnly: link.hasReadOnlyFlag ? false : undefined,
    })
    link.endFrame()
  }

  #endSession(session: Session): void {
    const zxid = this.#nextZxid()
    const body = this.#preparer.closeSession(session.id, zxid)
    this.#appendFor(session.id, null, 0, Op.closeSession, body)
  }

  #close(link: ClientLink, why: string): void {
    if (link.isClosing) return
    link.isClosing = true
    link.waiting.length = 0
    this.#watches.removeWatcher(link)
    if (link.session !== null && this.#links.get(link.session.id) === link) {
      this.#links.delete(link.session.id)
    }
    this.#edge.close(link, why)
  }

  // -- writes --------------------------------------------------------------------------------------

  #write(link: ClientLink, session: Session, xid: number, type: number, reader: Reader): void {
    if (type === Op.closeSession) {
      const zxid = this.#nextZxid()
      // A session that is expiring has its closeSession already; this one then finds nothing to do.
      const body = session.isClosing
        ? error(Code.sessionExpired)
        : this.#preparer.closeSession(session.id, zxid)
      this.#sessions.beginClose(session)
      link.isEnding = true
      this.#append(link, xid, type, body)
      return
    }
    const zxid = this.#nextZxid()
    const asker = this.#asker.set(session.id, link.authIds, zxid, this.#wallMs)
    let write: Write | number
    try {
      write = session.isClosing ? Code.sessionExpired : this.#requests.prepare(type, reader, asker)
    } catch (problem) {
      if (!(problem instanceof WireError)) throw problem
      write = Code.marshallingError
    }
    if (typeof write === 'number') write = new TxnWrite(error(write))
    session.lastWriteZxid = zxid
    this.#send(write, session.id, link, xid, type)
  }

  #nextZxid(): bigint {
    return zxidAfter(this.#lastPreparedZxid)
  }

  #append(link: ClientLink | null, xid: number, type: number, body: TxnBody): void {
    this.#appendFor(link?.session?.id ?? 0n, link, xid, type, body)
  }

  #appendFor(
    clientId: bigint,
    link: ClientLink | null,
    xid: number,
    type: number,
    body: TxnBody,
  ): void {
    const write = new TxnWrite(body)
    // The tree knows the list, too, when this is replayed: as it was before 3.6 (B-40).
    if (body.type === Op.closeSession && !this.#fitsLog(body.paths)) write.leaveOutList()
    this.#send(write, clientId, link, xid, type)
  }

  /** Whether a log with this list can be read by Apache's server. */
  #fitsLog(paths: readonly string[] | null): boolean {
    let left = this.#settings.frameBytesMax - TXN_BYTES
    for (const path of paths ?? []) left -= 4 + Buffer.byteLength(path)
    return left >= 0
  }

  /** Gives a prepared write its zxid, and the log its record. */
  #send(write: Write, clientId: bigint, link: ClientLink | null, xid: number, type: number): void {
    const zxid = this.#nextZxid()
    this.#lastPreparedZxid = zxid
    const { digest } = this.#changes
    write.setZxid(zxid)
    write.clientId = clientId
    write.link = link
    write.xid = xid
    write.type = type
    write.time = this.#wallMs
    write.receivedMs = this.#nowMs
    write.digestHigh = digest.high
    write.digestLow = digest.low
    write.hasDigest = this.#settings.digestEnabled && !write.isError
    if (link !== null) link.writesPrepared++
    this.#inFlight.push(write)
    this.#log.append(write)
  }

  #apply(write: Write): void {
    const tree = this.#tree
    const { link, type, zxid, clientId } = write
    const changes = this.#watches.isEmpty ? null : this.#treeChanges
    write.apply(tree, changes)
    assert(
      tree.hasDigest(write.digestHigh, write.digestLow),
      'the tree is what the transaction said it would be (I-13)',
    )
    write.settle(this.#changes)
    this.#digests.note(zxid, write.digestHigh, write.digestLow)
    this.#edge.applied(Math.max(0, this.#wallMs - write.time))
    write.meter(this.#edge)
    if (changes !== null && changes.length > 0) this.#fire(changes)
    // An error in its place has no effect on the session, whatever was asked for.
    const isSessions = !write.isError && (type === Op.createSession || type === Op.closeSession)
    const ending = isSessions && type === Op.closeSession ? this.#links.get(clientId) : undefined
    if (isSessions && type === Op.createSession) this.#sessions.opened(clientId)
    if (isSessions && type === Op.closeSession) this.#sessions.remove(clientId)
    if (link !== null) {
      link.writesAnswered++
      if (!link.isGone && !(link.isClosing && type !== Op.closeSession)) {
        if (type === Op.createSession) {
          this.#welcome(link, link.session!)
          Object.assign(link.traffic, { lastOp: 'SESS', lastCxid: 0, lastZxid: zxid })
        } else {
          write.reply(link, tree)
          link.traffic.lastZxid = zxid
        }
        this.#answered(link, write.receivedMs, true)
        if (link.waiting.length > 0) this.#answerWaiting(link)
      }
    }
    if (ending !== undefined) this.#close(ending, 'the session has ended')
  }

  /** Sends each event to those who watch and, at this moment, may read (CVE-2024-23944). */
  #fire(changes: TreeChange[]): void {
    for (const { type, path, acl, zxid } of changes) {
      let count = 0
      this.#watches.trigger(type, path, (watcher) => {
        count++
        if (!watcher.isGone && this.#reads.may(watcher, Perm.read, acl)) {
          const before = watcher.replyBytes
          writeEvent(watcher, type, path, zxid)
          this.counts.eventBytes += watcher.replyBytes - before
        }
      })
      if (count > 0) this.#edge.fired(type, count)
    }
    changes.length = 0
  }

  // -- what is no write ----------------------------------------------------------------------------

  #answerWaiting(link: ClientLink): void {
    const { waiting } = link
    let count = 0
    while (count < waiting.length && !link.isClosing) {
      const next: WaitingRequest = waiting[count]!
      if (next.afterWrite > link.writesAnswered) break
      count++
      const reader = this.#reader.reset(next.bytes, next.start, next.end)
      const xid = reader.int()
      if (next.err === Code.ok) this.#read(link, xid, reader.int(), reader, next.receivedMs)
      else this.#answerError(link, xid, next.err, next.receivedMs)
    }
    waiting.splice(0, count)
  }

  #read(link: ClientLink, xid: number, type: number, reader: Reader, receivedMs: number): void {
    const { lastZxid } = this.#tree
    link.traffic.lastZxid = lastZxid
    if (type === Op.ping) {
      link.beginReply(Xid.ping, lastZxid, Code.ok)
      link.endFrame()
    } else {
      try {
        if (!this.#reads.answer(link, xid, type, reader)) {
          link.beginReply(xid, -1n, Code.unimplemented)
          link.endFrame()
          this.#close(link, `unknown operation ${type}`)
        }
      } catch (problem) {
        if (!(problem instanceof WireError)) throw problem
        link.beginReply(xid, lastZxid, Code.marshallingError)
        link.endFrame()
      }
    }
    this.#answered(link, receivedMs, false)
  }

  #answerError(link: ClientLink, xid: number, err: number, receivedMs: number): void {
    link.beginReply(xid, this.#tree.lastZxid, err)
    link.endFrame()
    this.#answered(link, receivedMs, false)
  }

  #answered(link: ClientLink, receivedMs: number, isWrite: boolean): void {
    const latencyMs = Math.round(this.#nowMs - receivedMs)
    link.noteAnswer(this.#nowMs, latencyMs)
    this.#edge.answered(link, latencyMs, isWrite)
  }
}

export function isWriteOp(type: number): boolean {
  switch (type) {
    case Op.create:
    case Op.create2:
    case Op.createContainer:
    case Op.createTtl:
    case Op.delete:
    case Op.deleteContainer:
    case Op.setData:
    case Op.setAcl:
    case Op.multi:
    case Op.reconfig:
    case Op.closeSession:
      return true
    default:
      return false
  }
}
