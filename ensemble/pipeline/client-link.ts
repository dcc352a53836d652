/**
 * One client's connection as the pipeline sees it: whose session, which ids, which requests wait for
 * which writes, and the bytes to send when the turn ends.
 *
 * Invariants:
 *  1. Replies are written in the order of the requests (I-22): a request that is not a write waits
 *     in `waiting` until every earlier write of this link has been answered.
 *  2. The event for a transaction is written before any reply that shows its effect (I-40), for both
 *     are written while that transaction is applied, and bytes leave in the order written.
 */
import type { SaslLogin } from '../auth/sasl.ts'
import type { AuthId } from '../auth/schemes.ts'
import { Writer } from '../jute/writer.ts'
import type { Session } from '../session/session-table.ts'

/** A request that waits until the write numbered `afterWrite` of its link has been answered. */
export interface WaitingRequest {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  readonly afterWrite: number
  readonly receivedMs: number
  /** The answer, whatever is asked; `Code.ok`: what the request asks for. */
  readonly err: number
}

/** What the edge does for a link. */
export interface LinkEdge {
  /** `link.replies` is no longer empty: send it when the turn ends. */
  wake(link: ClientLink): void
}

/** Sizes of responses, without their length prefix, since the last reset; -1 before the first. */
export class ResponseSizes {
  last = -1
  min = -1
  max = -1
  #largeBytes = Infinity
  #onLarge: (bytes: number) => void = () => {}

  /** Tells of each response above so many bytes that is larger than all before it. */
  tellLarge(bytes: number, onLarge: (bytes: number) => void): void {
    this.#largeBytes = bytes
    this.#onLarge = onLarge
  }

  note(bytes: number): void {
    this.last = bytes
    if (bytes > this.max) {
      this.max = bytes
      if (bytes > this.#largeBytes) this.#onLarge(bytes)
    }
    if (bytes < this.min || this.min === -1) this.min = bytes
  }

  reset(): void {
    this.last = this.min = this.max = -1
  }
}

export class ClientLink {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly establishedMs: number
  authIds: readonly AuthId[]

  /** Authentication is enforced, and this connection has yet to do it. */
  isStranger = false
  /** Begun by the first SASL token. */
  saslLogin: SaslLogin | null = null

  session: Session | null = null
  /** Which of the session's connections this is. */
  connection = 0
  /** Whether the client's connect request had the flag, and so expects it in the response. */
  hasReadOnlyFlag = true
  /** The connect response has been written: other replies may follow. */
  isWelcomed = false
  /** The client has asked to close its session: what it sends after that is not looked at. */
  isEnding = false
  /** No request is taken any more: the connection ends once `replies` has been sent. */
  isClosing = false
  /** The edge has lost the connection: nothing can be sent. */
  isGone = false

  readonly waiting: WaitingRequest[] = []
  /** Requests that wait before the pipeline. */
  queued = 0
  /** Writes of this link so far, and how many of them have been answered. */
  writesPrepared = 0
  writesAnswered = 0

  readonly traffic = {
    received: 0,
    sent: 0,
    lastCxid: -1,
    lastZxid: -1n,
    lastOp: 'NA',
    lastResponseMs: 0,
  }
  readonly latency = { last: 0, min: Number.MAX_SAFE_INTEGER, max: 0, sum: 0, count: 0 }
  /** Where the statistics of people begin: totals go on underneath. */
  readonly #before = { received: 0, sent: 0 }

  readonly #edge: LinkEdge
  readonly #writers: WriterPool
  readonly #sizes: ResponseSizes
  #replies: Writer | null = null
  #frameStart = 0

  constructor(
    edge: LinkEdge,
    writers: WriterPool,
    client: { address: string; port: number; nowMs: number },
    sizes: ResponseSizes = new ResponseSizes(),
  ) {
    this.#edge = edge
    this.#writers = writers
    this.#sizes = sizes
    this.remoteAddress = client.address
    this.remotePort = client.port
    this.establishedMs = client.nowMs
    this.authIds = [{ scheme: 'ip', id: client.address }]
  }

  /** Whether another connection has the session now. */
  get hasMoved(): boolean {
    return this.session !== null && this.session.connections !== this.connection
  }

  get outstanding(): number {
    return this.writesPrepared - this.writesAnswered + this.waiting.length + this.queued
  }

  get hasWritesInFlight(): boolean {
    return this.writesPrepared !== this.writesAnswered
  }

  /** Bytes written and not yet handed to the edge. */
  get replyBytes(): number {
    return this.#replies === null ? 0 : this.#replies.position
  }

  get hasReplies(): boolean {
    return this.#replies !== null
  }

  /** Frames received since the last reset. */
  get received(): number {
    return this.traffic.received - this.#before.received
  }

  /** Frames sent since the last reset. */
  get sent(): number {
    return this.traffic.sent - this.#before.sent
  }

  get latencyMin(): number {
    return this.latency.count === 0 ? 0 : this.latency.min
  }

  /** Whole milliseconds, as Apache divides. */
  get latencyAverage(): number {
    return this.latency.count === 0 ? 0 : Math.floor(this.latency.sum / this.latency.count)
  }

  /** A request was answered `ms` after it came. */
  noteAnswer(nowMs: number, ms: number): void {
    const { latency } = this
    this.traffic.lastResponseMs = nowMs
    latency.last = ms
    if (ms < latency.min) latency.min = ms
    if (ms > latency.max) latency.max = ms
    latency.sum += ms
    latency.count++
  }

  /** `crst`. */
  resetStatistics(): void {
    const { traffic, latency } = this
    this.#before.received = traffic.received
    this.#before.sent = traffic.sent
    traffic.lastCxid = -1
    traffic.lastZxid = -1n
    traffic.lastOp = 'NA'
    traffic.lastResponseMs = 0
    latency.last = latency.max = latency.sum = latency.count = 0
    latency.min = Number.MAX_SAFE_INTEGER
  }

  /** Starts a frame with a reply header; the body follows, then `endFrame`. */
  beginReply(xid: number, zxid: bigint, err: number): Writer {
    const writer = this.beginFrame()
    writer.int(xid)
    writer.long(zxid)
    writer.int(err)
    return writer
  }

  /** Starts a frame without a header: a connect response. */
  beginFrame(): Writer {
    let writer = this.#replies
    if (writer === null) {
      writer = this.#replies = this.#writers.take()
      this.#edge.wake(this)
    }
    this.#frameStart = writer.position
    writer.int(0)
    return writer
  }

  endFrame(): void {
    const writer = this.#replies!
    const bytes = writer.position - this.#frameStart - 4
    writer.patchInt(this.#frameStart, bytes)
    this.#sizes.note(bytes)
    this.traffic.sent++
  }

  /** Takes back the frame that was begun. */
  dropFrame(): void {
    this.#replies!.position = this.#frameStart
  }

  /** Hands over what is to be sent; null when there is nothing. */
  takeReplies(): Writer | null {
    const writer = this.#replies
    this.#replies = null
    return writer
  }
}

/** Writers to reuse: a link holds one only while it has something to send. */
export class WriterPool {
  readonly #free: Writer[] = []
  readonly #initialBytes: number
  /** Of one writer, and of all that are kept. */
  readonly #keptBytesMax: number
  readonly #allKeptBytesMax: number
  #keptBytes = 0

  constructor({
    initialBytes = 2048,
    keptBytesMax = 1_048_576,
    allKeptBytesMax = 16 * 1_048_576,
  } = {}) {
    this.#initialBytes = initialBytes
    this.#keptBytesMax = keptBytesMax
    this.#allKeptBytesMax = allKeptBytesMax
  }

  take(): Writer {
    const writer = this.#free.pop()
    if (writer === undefined) return new Writer(this.#initialBytes)
    this.#keptBytes -= writer.bytes.length
    return writer
  }

  give(writer: Writer): void {
    const { length } = writer.bytes
    if (length > this.#keptBytesMax || this.#keptBytes + length > this.#allKeptBytesMax) return
    writer.reset()
    this.#keptBytes += length
    this.#free.push(writer)
  }
}
