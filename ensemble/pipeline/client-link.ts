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
}

/** What the edge does for a link. */
export interface LinkEdge {
  /** `link.replies` is no longer empty: send it when the turn ends. */
  wake(link: ClientLink): void
}

export class ClientLink {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly establishedMs: number
  authIds: readonly AuthId[]

  session: Session | null = null
  /** Whether the client's connect request had the flag, and so expects it in the response. */
  hasReadOnlyFlag = true
  /** The client has asked to close its session: what it sends after that is not looked at. */
  isEnding = false
  /** No request is taken any more: the connection ends once `replies` has been sent. */
  isClosing = false
  /** The edge has lost the connection: nothing can be sent. */
  isGone = false

  readonly waiting: WaitingRequest[] = []
  /** Writes of this link so far, and how many of them have been answered. */
  writesPrepared = 0
  writesAnswered = 0

  readonly traffic = {
    received: 0,
    sent: 0,
    lastCxid: -1,
    lastZxid: 0n,
    lastOp: 'NA',
    lastResponseMs: 0,
  }
  readonly latency = { last: 0, min: Number.MAX_SAFE_INTEGER, max: 0, sum: 0, count: 0 }

  readonly #edge: LinkEdge
  readonly #writers: WriterPool
  #replies: Writer | null = null
  #frameStart = 0

  constructor(
    edge: LinkEdge,
    writers: WriterPool,
    client: { address: string; port: number; nowMs: number },
  ) {
    this.#edge = edge
    this.#writers = writers
    this.remoteAddress = client.address
    this.remotePort = client.port
    this.establishedMs = client.nowMs
    this.authIds = [{ scheme: 'ip', id: client.address }]
  }

  get outstanding(): number {
    return this.writesPrepared - this.writesAnswered + this.waiting.length
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

  /** The writer of the frame that was begun. */
  get currentWriter(): Writer {
    return this.#replies!
  }

  endFrame(): void {
    const writer = this.#replies!
    writer.patchInt(this.#frameStart, writer.position - this.#frameStart - 4)
    this.traffic.sent++
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
  readonly #keptBytesMax: number
  readonly #keptMax: number

  constructor({ initialBytes = 16_384, keptBytesMax = 1_048_576, keptMax = 64 } = {}) {
    this.#initialBytes = initialBytes
    this.#keptBytesMax = keptBytesMax
    this.#keptMax = keptMax
  }

  take(): Writer {
    return this.#free.pop() ?? new Writer(this.#initialBytes)
  }

  give(writer: Writer): void {
    if (this.#free.length >= this.#keptMax || writer.bytes.length > this.#keptBytesMax) return
    writer.reset()
    this.#free.push(writer)
  }
}
