/**
 * One session of a client, as a pure state machine: connection events, bytes, ticks and requests
 * come in; effects go out, in the order in which they are to be performed.
 *
 *            start             opened              ConnectResponse
 *     idle ────────> opening ─────────> greeting ─────────────────> up
 *                     ^  │ lost, late      │ lost, late, nonsense    │ lost, silent, nonsense
 *                     │  v                 v                         v
 *     (tick, #open) paused <─────────────────── #lose ──────────────┘
 *
 *     With SASL credentials `proving` lies between greeting and up: requests, watches and pings wait, for
 *     a server may refuse whatever comes before the login is done (#onSaslReply).
 *
 *     any ──> over, by #finish: refused session or own timer (`expired`), err -115 or -124
 *     or a login refused (`auth-failed`), closeSession answered or given up (`closed`)
 *
 * Invariants:
 * 1. A request is written at most once. What was written and not answered when the connection ends
 *    fails as `connectionLoss`, outcome `unknown`; what was not yet written fails as `notDone` (I-21).
 * 2. Replies are matched in the order of requests; anything else ends the connection (I-22).
 * 3. `lastZxid` comes from normal replies only and never goes back (I-24); a connection that shows a
 *    lower one is dropped. setWatches carries the value from before any reply on its connection.
 * 4. An event is an effect that stands before the effects of replies received after it (I-40).
 * 5. `lastHeardMs` is the time before the send of a request that the server answered and that
 *    touches the session there: never a time of receipt, never of an auth packet.
 *
 * Source: ClientCnxn, StaticHostProvider, 3.9.5; client-protocol 6.6, 7.3, 7.4, 11.2. Other than Java: pauses
 * before a reconnect are also at most a tenth of the session timeout each, so that a
 * short session survives them, and a connect reply for another session ends the connection.
 * Long because the transitions share one state, and reading them apart would hide their order.
 */
import { assert } from '../assert.ts'
import { FrameCutter } from '../jute/frame-cutter.ts'
import { Reader } from '../jute/reader.ts'
import { WireError } from '../jute/wire-error.ts'
import { Writer } from '../jute/writer.ts'
import { ConnectRequest, ConnectResponse } from '../protocol/connect.ts'
import { Code, type CodeName } from '../protocol/error-codes.ts'
import { Op } from '../protocol/op-codes.ts'
import { REPLY_HEADER_BYTES, SetSaslResponse } from '../protocol/replies.ts'
import { AuthPacket, GetSaslRequest, Xid } from '../protocol/requests.ts'
import { SetWatches, SetWatches2, WatcherEvent } from '../protocol/watches.ts'
import { below, type Random } from '../sys/random.ts'
import { addressText, type ServerAddress } from './connect-string.ts'
import { codeNameOf, type Outcome } from './errors.ts'
import { SaslLogin, type SaslCredentials } from './sasl-login.ts'
import { EVENT_TYPES, WatchRegistry, type EventNumber, type WatchKind } from './watch-registry.ts'

export type SessionState =
  | 'connecting'
  | 'connected'
  | 'disconnected'
  | 'expired'
  | 'auth-failed'
  | 'closed'

/** What the machine needs of a request; the rest belongs to who submits it. */
export interface Request<W> {
  readonly type: number
  encode(writer: Writer): void
  /** Reads the body of a successful reply. Throws WireError on nonsense. */
  decode(reader: Reader): unknown
  /** Registered if the reply says that the server has set the watch. */
  readonly watch: WatchOnReply<W> | null
  /** Owned by the machine: where the request is, see `SessionMachine`. */
  slot: RequestSlot
}

export interface WatchOnReply<W> {
  readonly path: string
  readonly kind: 'data' | 'child' | 'exist' | 'persistent' | 'persistentRecursive'
  readonly watcher: W
}

export interface RequestSlot {
  phase: 'new' | 'waiting' | 'written' | 'sent' | 'done'
  xid: number
  sentAtMs: number
  /** Encoded while no connection was up, so that later changes of the data do no harm. */
  body: Buffer | null
  abandoned: boolean
}

export function newSlot(): RequestSlot {
  return { phase: 'new', xid: 0, sentAtMs: 0, body: null, abandoned: false }
}

export interface SessionEvent {
  readonly type: 'created' | 'deleted' | 'dataChanged' | 'childrenChanged' | 'session'
  /** As the server knows it; '' for a session event. */
  readonly path: string
  /** Of the change, where the server says it (3.9); else -1n. */
  readonly zxid: bigint
  readonly state?: SessionState
}

export type Effect<R, W> =
  | { readonly kind: 'connect'; readonly target: ServerAddress }
  | { readonly kind: 'disconnect' }
  /** Bytes are ready: call `takeBytes` at the end of the turn. */
  | { readonly kind: 'flush' }
  | {
      readonly kind: 'reply'
      readonly request: R
      readonly err: number
      readonly zxid: bigint
      readonly value: unknown
    }
  | {
      readonly kind: 'fail'
      readonly request: R
      readonly code: CodeName
      readonly outcome: Outcome
      readonly cause: Error | null
    }
  | { readonly kind: 'event'; readonly event: SessionEvent; readonly watchers: ReadonlySet<W> }
  | { readonly kind: 'state'; readonly state: SessionState; readonly why: string }
  | { readonly kind: 'auth'; readonly auth: AuthEntry; readonly code: CodeName }
  /** A connection ended, or an attempt to make one: the next follows by itself. */
  | { readonly kind: 'lost'; readonly why: string }

export interface AuthEntry {
  readonly scheme: string
  readonly auth: Buffer
}

export interface SessionOptions {
  readonly servers: readonly ServerAddress[]
  readonly sessionTimeoutMs: number
  readonly readOnly: boolean
  readonly session: {
    readonly id: bigint
    readonly password: Buffer
    readonly lastZxid?: bigint
  } | null
  readonly auth: readonly AuthEntry[]
  /** Who logs in, before anything else, on every connection. */
  readonly sasl?: SaslCredentials | null
  /** Waiting and unanswered requests together; one more is refused. */
  readonly requestsMax: number
  readonly replyBytesMax: number
  readonly requestBytesMax: number
  /** Declare the session expired after 4/3 of its timeout without a packet. */
  readonly ownExpiry: boolean
}

type Link =
  | { readonly kind: 'idle' }
  | { readonly kind: 'paused'; readonly untilMs: number }
  | { readonly kind: 'opening'; readonly sinceMs: number }
  | { readonly kind: 'greeting'; readonly sinceMs: number; readonly cutter: FrameCutter }
  | {
      readonly kind: 'proving'
      readonly cutter: FrameCutter
      readonly login: SaslLogin
      /** Of the token that is to be answered. */
      readonly xid: number
    }
  | { readonly kind: 'up'; readonly cutter: FrameCutter }
  | { readonly kind: 'over' }

const XID_MAX = 0x7fff_ffff

const PAUSE_MS_MAX = 1000
const PING_INTERVAL_MS_MAX = 10_000
/** Below this a connect attempt could not succeed over a real network, however long the list. */
const CONNECT_TIMEOUT_MS_MIN = 200
const NO_SESSION = 0n
const LOGIN_REFUSED = 'the server refused the SASL login'
const EMPTY = Buffer.alloc(0)

export class SessionMachine<R extends Request<W>, W> {
  readonly watches = new WatchRegistry<W>()
  readonly #options: SessionOptions
  readonly #random: Random
  readonly #servers: ServerAddress[]
  readonly #writer = new Writer(4096)
  readonly #auth: AuthEntry[]

  #effects: Effect<R, W>[] = []
  #state: SessionState = 'connecting'
  #link: Link = { kind: 'idle' }
  /** Counts connections, so that the rest of a chunk is not read on behalf of a dropped one. */
  #connectionNumber = 0
  #serverAt = -1
  /** Where the list was entered since the last success: back there, a pause is due. */
  #roundStart = -1

  #sessionId: bigint
  #password: Buffer
  #timeoutMs: number
  /** The server of this process's first grant has spoken: only then can our own timer expire it. */
  #isGranted = false
  #isReadOnlyServer = false
  /** The session is the ensemble's: that of a read-only server cannot be taken elsewhere (7.7). */
  #isResumable: boolean
  #lastZxid: bigint
  #lastReceivedMs = 0
  #lastSentMs = 0
  #lastHeardMs = -Infinity
  #greetedAtMs = 0
  #greeting: Buffer = EMPTY

  readonly #waiting = new Set<R>()
  /** Written requests in order, setWatches as null; the answered ones before `#answered` are gone. */
  #inFlight: (R | null)[] = []
  #answered = 0
  /** How many of `#inFlight`, from its end, are in the buffer and not yet taken. */
  #untaken = 0
  #pingsSentMs: number[] = []
  #authsSent: AuthEntry[] = []
  #nextXid = 1
  #isFlushDue = false
  #closing: { readonly request: R; readonly deadlineMs: number } | null = null

  constructor(options: SessionOptions, random: Random) {
    assert(options.servers.length > 0, 'there is a server to connect to')
    this.#options = options
    this.#random = random
    this.#servers = shuffled(options.servers, random)
    this.#auth = [...options.auth]
    this.#sessionId = options.session?.id ?? NO_SESSION
    this.#password = options.session?.password ?? Buffer.alloc(16)
    this.#isResumable = options.session !== null
    this.#lastZxid = options.session?.lastZxid ?? 0n
    this.#timeoutMs = options.sessionTimeoutMs
  }

  // What is known ---------------------------------------------------------------------------

  get state(): SessionState {
    return this.#state
  }

  get isOver(): boolean {
    return this.#link.kind === 'over'
  }

  get sessionId(): bigint {
    return this.#sessionId
  }

  get password(): Buffer {
    return this.#password
  }

  get timeoutMs(): number {
    return this.#timeoutMs
  }

  get lastZxid(): bigint {
    return this.#lastZxid
  }

  get lastHeardMs(): number {
    return this.#lastHeardMs
  }

  get isReadOnlyServer(): boolean {
    return this.#isReadOnlyServer
  }

  /** The server of the current or coming connection. */
  get server(): ServerAddress | null {
    return this.#servers[this.#serverAt] ?? null
  }

  get pendingRequests(): number {
    return this.#waiting.size + this.#inFlight.length - this.#answered
  }

  /** When `onTick` has something to do next; Infinity when nothing is due. */
  get wakeAtMs(): number {
    const closeAtMs = this.#closing?.deadlineMs ?? Infinity
    switch (this.#link.kind) {
      case 'idle':
      case 'over':
        return Infinity
      case 'paused':
        return Math.min(this.#link.untilMs, this.#expiresAtMs, closeAtMs)
      case 'opening':
      case 'greeting':
        return Math.min(this.#link.sinceMs + this.#connectTimeoutMs, this.#expiresAtMs, closeAtMs)
      case 'proving':
        return Math.min(this.#silentAtMs, closeAtMs)
      case 'up':
        return Math.min(this.#silentAtMs, this.#pingAtMs, closeAtMs)
    }
  }

  get #connectTimeoutMs(): number {
    return Math.max(CONNECT_TIMEOUT_MS_MIN, this.#timeoutMs / this.#servers.length)
  }

  get #silentAtMs(): number {
    return this.#lastReceivedMs + (this.#timeoutMs * 2) / 3
  }

  get #pingAtMs(): number {
    return this.#lastSentMs + Math.min(this.#timeoutMs / 3, PING_INTERVAL_MS_MAX)
  }

  get #expiresAtMs(): number {
    if (!this.#options.ownExpiry || !this.#isGranted) return Infinity
    return this.#lastReceivedMs + (this.#timeoutMs * 4) / 3
  }

  /** The effects since the last call, to be performed in this order. */
  takeEffects(): Effect<R, W>[] {
    const effects = this.#effects
    if (effects.length > 0) this.#effects = []
    return effects
  }

  // Inputs ----------------------------------------------------------------------------------

  onStart(nowMs: number): void {
    assert(this.#link.kind === 'idle', 'a session is started once')
    this.#open(nowMs)
  }

  /** The connection that the last `connect` asked for is established. */
  onOpened(nowMs: number): void {
    if (this.#link.kind !== 'opening') return
    const cutter = new FrameCutter({ frameBytesMax: this.#options.replyBytesMax })
    this.#link = { kind: 'greeting', sinceMs: this.#link.sinceMs, cutter }
    this.#greetedAtMs = nowMs
    const at = this.#beginFrame()
    ConnectRequest.write(this.#writer, {
      protocolVersion: 0,
      lastZxidSeen: this.#lastZxid,
      timeOut: this.#options.sessionTimeoutMs,
      sessionId: this.#isResumable ? this.#sessionId : NO_SESSION,
      passwd: this.#password,
      readOnly: this.#options.readOnly,
    })
    this.#endFrame(at)
    this.#greeting = Buffer.from(this.#writer.written().subarray(at + 4))
  }

  /** The connection is gone, or could not be made. */
  onClosed(cause: Error | null, nowMs: number): void {
    const kind = this.#link.kind
    if (kind === 'idle' || kind === 'paused' || kind === 'over') return
    const text = cause === null ? 'the server closed the connection' : cause.message
    this.#lose(text, cause, nowMs)
  }

  onBytes(chunk: Buffer, nowMs: number): void {
    const { kind } = this.#link
    if (kind !== 'greeting' && kind !== 'proving' && kind !== 'up') return
    if (kind !== 'greeting') this.#lastReceivedMs = nowMs
    const connection = this.#connectionNumber
    try {
      this.#link.cutter.push(chunk, (buffer, start, end) => {
        if (connection === this.#connectionNumber) this.#onFrame(buffer, start, end, nowMs)
      })
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      if (connection !== this.#connectionNumber) return
      this.#drop(`unreadable bytes from the server: ${error.message}`, error, nowMs)
    }
  }

  onTick(nowMs: number): void {
    if (this.#closing !== null && nowMs >= this.#closing.deadlineMs) {
      return this.#finish('closed', 'closing took too long')
    }
    switch (this.#link.kind) {
      case 'idle':
      case 'over':
        return
      case 'paused':
        if (this.#expireIfDue(nowMs)) return
        if (nowMs >= this.#link.untilMs) this.#open(nowMs)
        return
      case 'opening':
      case 'greeting':
        if (this.#expireIfDue(nowMs)) return
        if (nowMs >= this.#link.sinceMs + this.#connectTimeoutMs) {
          this.#drop('the server did not answer in time', null, nowMs)
        }
        return
      case 'proving':
      case 'up':
        if (nowMs >= this.#silentAtMs) {
          const silentMs = Math.round(nowMs - this.#lastReceivedMs)
          return this.#drop(`the server was silent for ${silentMs} ms`, null, nowMs)
        }
        if (this.#link.kind === 'up' && nowMs >= this.#pingAtMs) this.#ping(nowMs)
        return
    }
  }

  /** Takes a request: it is written now if a connection is up, else it waits for one. */
  submit(request: R): void {
    assert(request.slot.phase === 'new', 'a request is submitted once')
    if (this.isOver || this.#closing !== null) return this.#refuse(request)
    const isFull = this.pendingRequests >= this.#options.requestsMax
    if (isFull && request.type !== Op.closeSession) {
      const cause = new Error(`${this.pendingRequests} requests are pending`)
      return this.#fail(request, 'connectionLoss', 'notDone', cause)
    }
    if (this.#link.kind === 'up') this.#write(request)
    else {
      const writer = new Writer(256)
      request.encode(writer)
      request.slot.body = writer.take()
      if (this.#isTooLarge(request.slot.body.length)) return this.#failTooLarge(request)
      request.slot.phase = 'waiting'
      this.#waiting.add(request)
    }
  }

  /** The caller waits no longer. A written request keeps its place: its reply is still to come. */
  abandon(request: R): void {
    request.slot.abandoned = true
    if (this.#waiting.delete(request)) request.slot.phase = 'done'
  }

  /** Adds credentials, for this connection and every later one. */
  addAuth(auth: AuthEntry): void {
    this.#auth.push(auth)
    if (this.#link.kind === 'proving' || this.#link.kind === 'up') this.#writeAuth(auth)
  }

  /** Ends the session by `request`, a closeSession; gives up at `deadlineMs`. */
  close(request: R, deadlineMs: number): void {
    if (this.isOver || this.#closing !== null) return this.#refuse(request)
    if (this.#sessionId === NO_SESSION) {
      this.#finish('closed', 'closed before there was a session')
      return this.#refuse(request)
    }
    this.submit(request)
    if (request.slot.phase !== 'done') this.#closing = { request, deadlineMs }
  }

  /** Ends the machine without a word to the server: the session lives on until its timeout. */
  leave(): void {
    if (!this.isOver) this.#finish('closed', 'left to its timeout')
  }

  /** The bytes to write; requests in them count as sent from now on. */
  takeBytes(nowMs: number): Buffer {
    this.#isFlushDue = false
    if (this.#writer.position === 0) return EMPTY
    for (let i = this.#inFlight.length - this.#untaken; i < this.#inFlight.length; i++) {
      const request = this.#inFlight[i]
      if (request === null || request === undefined) continue
      request.slot.phase = 'sent'
      request.slot.sentAtMs = nowMs
    }
    this.#untaken = 0
    this.#lastSentMs = nowMs
    return this.#writer.take()
  }

  // Connections -------------------------------------------------------------------------------

  #open(nowMs: number): void {
    this.#serverAt = (this.#serverAt + 1) % this.#servers.length
    if (this.#roundStart === -1) this.#roundStart = this.#serverAt
    this.#connectionNumber++
    this.#link = { kind: 'opening', sinceMs: nowMs }
    this.#effects.push({ kind: 'connect', target: this.#servers[this.#serverAt]! })
  }

  /** Ends the connection from our side. */
  #drop(why: string, cause: Error | null, nowMs: number): void {
    this.#effects.push({ kind: 'disconnect' })
    this.#lose(why, cause ?? new Error(why), nowMs)
  }

  #lose(why: string, cause: Error | null, nowMs: number): void {
    this.#connectionNumber++
    this.#writer.reset()
    this.#isFlushDue = false
    if (this.#closing !== null && this.#closing.request.slot.phase !== 'waiting') {
      return this.#finish('closed', why)
    }
    const server = this.server
    const where = server === null ? why : `${addressText(server)}: ${why}`
    this.#failInFlight('connectionLoss', cause ?? new Error(where))
    this.#link = { kind: 'paused', untilMs: nowMs + this.#pauseMs() }
    this.#effects.push({ kind: 'lost', why: where })
    if (this.#state === 'connected') this.#announce('disconnected', where)
  }

  /** A random pause, and one more when every server of the list has been tried. */
  #pauseMs(): number {
    const pauseMsMax = Math.min(PAUSE_MS_MAX, this.#timeoutMs / 10)
    const jitterMs = below(this.#random, Math.ceil(pauseMsMax))
    const isRoundOver = (this.#serverAt + 1) % this.#servers.length === this.#roundStart
    return jitterMs + (isRoundOver ? pauseMsMax : 0)
  }

  #failInFlight(code: CodeName, cause: Error | null): void {
    const written = this.#inFlight.slice(this.#answered)
    const firstUntaken = written.length - this.#untaken
    this.#inFlight = []
    this.#answered = 0
    this.#untaken = 0
    this.#pingsSentMs = []
    this.#authsSent = []
    for (const [i, request] of written.entries()) {
      if (request !== null)
        this.#fail(request, code, i < firstUntaken ? 'unknown' : 'notDone', cause)
    }
  }

  #expireIfDue(nowMs: number): boolean {
    if (nowMs < this.#expiresAtMs) return false
    const silentMs = Math.round(nowMs - this.#lastReceivedMs)
    this.#finish('expired', `no server was heard for ${silentMs} ms`)
    return true
  }

  /** The session is over, for this process at least. */
  #finish(
    state: 'expired' | 'auth-failed' | 'closed',
    why: string,
    authCode: CodeName = 'authFailed',
  ): void {
    assert(this.#link.kind !== 'over', 'a session ends once')
    this.#connectionNumber++
    this.#link = { kind: 'over' }
    this.#writer.reset()
    this.#isFlushDue = false
    this.#effects.push({ kind: 'disconnect' })
    const cause = new Error(why)
    const isAuth = state === 'auth-failed'
    this.#failInFlight(isAuth ? authCode : 'connectionLoss', cause)
    for (const request of this.#waiting) {
      this.#fail(request, isAuth ? authCode : 'sessionExpired', 'notDone', cause)
    }
    this.#waiting.clear()
    this.#closing = null
    this.#announce(state, why)
    this.watches.clear()
  }

  #announce(state: SessionState, why: string): void {
    this.#state = state
    this.#effects.push({ kind: 'state', state, why })
    const watchers = this.watches.all()
    if (watchers.size === 0) return
    const event: SessionEvent = { type: 'session', path: '', zxid: -1n, state }
    this.#effects.push({ kind: 'event', event, watchers })
  }

  // Writing -----------------------------------------------------------------------------------

  #beginFrame(): number {
    const at = this.#writer.position
    this.#writer.int(0) // the length, patched by #endFrame
    return at
  }

  #endFrame(at: number): void {
    this.#writer.patchInt(at, this.#writer.position - at - 4)
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    this.#effects.push({ kind: 'flush' })
  }

  #write(request: R): void {
    const at = this.#writer.position
    this.#beginFrame()
    const xid = this.#nextXid
    this.#writer.int(xid)
    this.#writer.int(request.type)
    try {
      if (request.slot.body === null) request.encode(this.#writer)
      else this.#writer.raw(request.slot.body)
    } catch (error) {
      // A value of a wrong type: half a frame must not stay among the others.
      this.#writer.position = at
      request.slot.phase = 'done'
      throw error
    }
    if (this.#isTooLarge(this.#writer.position - at - 12)) {
      this.#writer.position = at
      return this.#failTooLarge(request)
    }
    this.#endFrame(at)
    this.#nextXid = xidAfter(xid)
    request.slot.xid = xid
    request.slot.body = null
    request.slot.phase = 'written'
    this.#inFlight.push(request)
    this.#untaken++
  }

  #isTooLarge(bodyBytes: number): boolean {
    return bodyBytes + 8 > this.#options.requestBytesMax
  }

  #failTooLarge(request: R): void {
    const cause = new Error(`the request is larger than ${this.#options.requestBytesMax} bytes`)
    this.#fail(request, 'badArguments', 'notDone', cause)
  }

  #writeAuth(auth: AuthEntry): void {
    const at = this.#beginFrame()
    this.#writer.int(Xid.auth)
    this.#writer.int(Op.auth)
    AuthPacket.write(this.#writer, { type: 0, scheme: auth.scheme, auth: auth.auth })
    this.#endFrame(at)
    this.#authsSent.push(auth)
  }

  #writeToken(token: Buffer, login: SaslLogin, cutter: FrameCutter): void {
    const xid = this.#nextXid
    this.#nextXid = xidAfter(xid)
    this.#link = { kind: 'proving', cutter, login, xid }
    const at = this.#beginFrame()
    this.#writer.int(xid)
    this.#writer.int(Op.sasl)
    GetSaslRequest.write(this.#writer, { token })
    this.#endFrame(at)
  }

  #ping(nowMs: number): void {
    const at = this.#beginFrame()
    this.#writer.int(Xid.ping)
    this.#writer.int(Op.ping)
    this.#endFrame(at)
    this.#lastSentMs = nowMs
    this.#pingsSentMs.push(nowMs)
  }

  /** Sets again the watches that the server of the last connection held. */
  #writeWatches(relativeZxid: bigint): void {
    for (const batch of this.watches.restoreBatches()) {
      const isPersistent = batch.persistent.length + batch.persistentRecursive.length > 0
      const oneShot = {
        relativeZxid,
        dataWatches: batch.data,
        existWatches: batch.exist,
        childWatches: batch.child,
      }
      const at = this.#beginFrame()
      this.#writer.int(Xid.setWatches)
      this.#writer.int(isPersistent ? Op.setWatches2 : Op.setWatches)
      if (!isPersistent) SetWatches.write(this.#writer, oneShot)
      else
        SetWatches2.write(this.#writer, {
          ...oneShot,
          persistentWatches: batch.persistent,
          persistentRecursiveWatches: batch.persistentRecursive,
        })
      this.#endFrame(at)
      this.#inFlight.push(null)
      this.#untaken++
    }
  }

  // Reading -----------------------------------------------------------------------------------

  #onFrame(buffer: Buffer, start: number, end: number, nowMs: number): void {
    if (this.#link.kind === 'greeting') {
      // While no server listens on a port that the system also hands out to clients, an attempt to
      // connect may meet itself. Our own words must not be taken for a server that knows no session.
      if (this.#greeting.equals(buffer.subarray(start, end))) {
        return this.#drop('connected to ourselves', null, nowMs)
      }
      return this.#onConnectResponse(new Reader(buffer, start, end), nowMs)
    }
    if (end - start < REPLY_HEADER_BYTES) {
      return this.#drop(`a frame of ${end - start} bytes holds no reply header`, null, nowMs)
    }
    const xid = buffer.readInt32BE(start)
    const zxid = buffer.readBigInt64BE(start + 4)
    const err = buffer.readInt32BE(start + 12)
    if (err === Code.sessionClosedRequireSaslAuth) {
      const isLogin = this.#link.kind === 'proving'
      const why = isLogin ? LOGIN_REFUSED : 'the server demands authentication'
      return this.#finish('auth-failed', why, 'sessionClosedRequireSaslAuth')
    }
    const bodyAt = start + REPLY_HEADER_BYTES
    switch (xid) {
      case Xid.notification:
        return this.#onNotification(new Reader(buffer, bodyAt, end), zxid, nowMs)
      case Xid.ping: {
        const sentMs = this.#pingsSentMs.shift()
        if (sentMs !== undefined) this.#heard(sentMs)
        return
      }
      case Xid.auth:
        return this.#onAuthReply(err, nowMs)
      default:
        if (this.#link.kind === 'proving') {
          return this.#onSaslReply(xid, err, new Reader(buffer, bodyAt, end), nowMs)
        }
        return this.#onReply(xid, zxid, err, buffer, bodyAt, end, nowMs)
    }
  }

  #onConnectResponse(reader: Reader, nowMs: number): void {
    assert(this.#link.kind === 'greeting', 'a connect reply answers a connect request')
    const response = ConnectResponse.read(reader)
    if (response.timeOut <= 0 || response.sessionId === NO_SESSION) {
      return this.#finish('expired', 'the server does not know the session')
    }
    if (this.#isResumable && response.sessionId !== this.#sessionId) {
      return this.#drop('the server answered for another session', null, nowMs)
    }
    const { cutter } = this.#link
    this.#isReadOnlyServer = response.readOnly === true
    if (!this.#isReadOnlyServer) {
      this.#isGranted = true
      this.#isResumable = true
    }
    this.#sessionId = response.sessionId
    this.#password = Buffer.from(response.passwd ?? EMPTY)
    this.#timeoutMs = response.timeOut
    this.#lastReceivedMs = nowMs
    this.#roundStart = this.#serverAt
    this.#heard(this.#greetedAtMs)
    const sasl = this.#options.sasl ?? null
    if (sasl === null) return this.#goUp(cutter)
    // Requests of this link have later numbers than its tokens.
    const login = new SaslLogin(sasl, this.#random)
    this.#writeToken(login.first(), login, cutter)
    for (const auth of this.#auth) this.#writeAuth(auth)
  }

  #onSaslReply(xid: number, err: number, body: Reader, nowMs: number): void {
    assert(this.#link.kind === 'proving', 'a token answers a token')
    const { login, cutter } = this.#link
    if (xid !== this.#link.xid) {
      return this.#drop(`a reply to xid ${xid} where ${this.#link.xid} was due`, null, nowMs)
    }
    if (err !== Code.ok) return this.#finish('auth-failed', LOGIN_REFUSED)
    const token = SetSaslResponse.read(body).token
    const answer = login.onToken(token === null ? null : Buffer.from(token))
    switch (answer.kind) {
      case 'send':
        return this.#writeToken(answer.token, login, cutter)
      case 'failed':
        return this.#finish('auth-failed', `SASL login failed: ${answer.why}`)
      case 'done':
        return this.#goUp(cutter)
    }
  }

  /** The server takes requests: what was set before, and what has waited. */
  #goUp(cutter: FrameCutter): void {
    const isProven = this.#link.kind === 'proving'
    this.#link = { kind: 'up', cutter }
    if (!isProven) for (const auth of this.#auth) this.#writeAuth(auth)
    this.#writeWatches(this.#lastZxid)
    const server = this.server
    this.#announce('connected', server === null ? '' : addressText(server))
    for (const request of this.#waiting) this.#write(request)
    this.#waiting.clear()
  }

  #onNotification(reader: Reader, zxid: bigint, nowMs: number): void {
    const { type, path } = WatcherEvent.read(reader)
    if (!isEventNumber(type) || path === null) {
      return this.#drop(`an event of type ${type} at ${path}`, null, nowMs)
    }
    const watchers = this.watches.fire(type, path)
    if (watchers.size === 0) return
    this.#effects.push({ kind: 'event', event: { type: EVENT_TYPES[type], path, zxid }, watchers })
  }

  #onAuthReply(err: number, nowMs: number): void {
    const auth = this.#authsSent.shift()
    if (auth === undefined) return this.#drop('an auth reply without a request', null, nowMs)
    this.#effects.push({ kind: 'auth', auth, code: codeNameOf(err) })
    if (err === Code.ok) return
    this.#finish('auth-failed', `the server refused scheme ${auth.scheme}`)
  }

  #onReply(
    xid: number,
    zxid: bigint,
    err: number,
    buffer: Buffer,
    bodyAt: number,
    end: number,
    nowMs: number,
  ): void {
    const request = this.#inFlight[this.#answered]
    const expected =
      request === undefined ? 'nothing' : request === null ? Xid.setWatches : request.slot.xid
    if (request === undefined || xid !== expected) {
      return this.#drop(`a reply to xid ${xid} where ${expected} was due`, null, nowMs)
    }
    if (zxid > 0n && zxid < this.#lastZxid) {
      return this.#drop(`zxid ${zxid} of a reply is below ${this.#lastZxid}`, null, nowMs)
    }
    // Before anything changes: unreadable bytes leave the request in flight, to fail as unknown.
    const hasBody = err === Code.ok && request !== null
    const value = hasBody ? request.decode(new Reader(buffer, bodyAt, end)) : undefined
    if (zxid > 0n) this.#lastZxid = zxid
    this.#dequeue()
    if (request === null) {
      if (err !== Code.ok) this.#drop(`setWatches failed: ${codeNameOf(err)}`, null, nowMs)
      return
    }
    this.#heard(request.slot.sentAtMs)
    request.slot.phase = 'done'
    if (!request.slot.abandoned) this.#registerWatch(request, err)
    this.#effects.push({ kind: 'reply', request, err, zxid, value })
    if (request === this.#closing?.request) this.#finish('closed', 'closed')
  }

  /** Takes the oldest request out; moves the rest only now and then. */
  #dequeue(): void {
    this.#inFlight[this.#answered] = null
    this.#answered++
    if (this.#answered === this.#inFlight.length) {
      this.#inFlight.length = 0
      this.#answered = 0
    } else if (this.#answered >= 1024 && this.#answered * 2 > this.#inFlight.length) {
      this.#inFlight = this.#inFlight.slice(this.#answered)
      this.#answered = 0
    }
  }

  #registerWatch(request: R, err: number): void {
    const watch = request.watch
    if (watch === null) return
    // exists sets its watch also on a node that is not there; the other reads only when they succeed.
    const kind: WatchKind = watch.kind === 'exist' && err === Code.ok ? 'data' : watch.kind
    const isSet = err === Code.ok || (watch.kind === 'exist' && err === Code.noNode)
    if (isSet) this.watches.add(kind, watch.path, watch.watcher)
  }

  #heard(sentMs: number): void {
    if (sentMs > this.#lastHeardMs) this.#lastHeardMs = sentMs
  }

  // Ends of requests ---------------------------------------------------------------------------

  #fail(request: R, code: CodeName, outcome: Outcome, cause: Error | null): void {
    request.slot.phase = 'done'
    request.slot.body = null
    this.#effects.push({ kind: 'fail', request, code, outcome, cause })
  }

  #refuse(request: R): void {
    const code = this.#state === 'auth-failed' ? 'authFailed' : 'sessionExpired'
    const why = this.#closing === null ? `the session is ${this.#state}` : 'the client is closing'
    this.#fail(request, code, 'notDone', new Error(why))
  }
}

function xidAfter(xid: number): number {
  return xid === XID_MAX ? 1 : xid + 1
}

function isEventNumber(type: number): type is EventNumber {
  return type in EVENT_TYPES
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const order = [...items]
  for (let i = order.length - 1; i > 0; i--) {
    const j = below(random, i + 1)
    const other = order[j]!
    order[j] = order[i]!
    order[i] = other
  }
  return order
}
