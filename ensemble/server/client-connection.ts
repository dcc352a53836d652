/**
 * One accepted connection at the edge: its first bytes, its frames, and what is sent back.
 *
 *     first bytes ──four letters──▶ answered, closed
 *          ├──────length──▶ connect request ──▶ requests ──▶ closed
 *          └──anything else──▶ told what this port is, closed
 *
 * Source: NIOServerCnxn#readLength, 3.9.5 (client-protocol 1.2, 1.3).
 */
import { FrameCutter } from '../jute/frame-cutter.ts'
import { WireError } from '../jute/wire-error.ts'
import type { ClientLink, WriterPool } from '../pipeline/client-link.ts'
import type { Connection, ConnectionHandlers } from '../sys/network.ts'
import type { SecurePeer } from '../sys/tls.ts'
import type { Arrival } from './client-ports.ts'
import { firstBytesOf, type FirstBytes } from './first-bytes.ts'
import { strayName } from './stray-answer.ts'

/** What a connection needs of its server. */
export interface ConnectionHost {
  readonly frameBytesMax: number
  readonly unsentBytesMax: number
  readonly writers: WriterPool
  /** What is counted of all connections together. */
  readonly traffic: { receivedTotal: number; sentTotal: number }
  readonly edgeCounts: { bytesReceived: number; bytesSent: number }
  /** Answers a four-letter word, after which the connection ends; null: its argument is not there. */
  answerWord(
    connection: ClientConnection,
    word: string,
    argument: Buffer,
  ): string | Promise<string> | null
  /** Bytes of another protocol: what to answer before the connection ends, null for nothing. */
  stray(connection: ClientConnection, kind: FirstBytes, bytes: Buffer): Buffer | null
  /** The handshake is done; null: the other side speaks plain. */
  secured(connection: ClientConnection, peer: SecurePeer | null): void
  connect(connection: ClientConnection, bytes: Buffer, start: number, end: number): void
  request(connection: ClientConnection, bytes: Buffer, start: number, end: number): void
  /** A connection that does not read what it is sent is about to be closed. */
  unread(connection: ClientConnection): void
  /** Whether more waits for the disk than memory should hold. */
  readonly isLogBehind: boolean
  /** Whether this connection must not send more requests for now. */
  isCrowded(connection: ClientConnection): boolean
  /** Calls back in a later turn. */
  later(callback: () => void): void
  /** Told when a crowded connection is paused, to call `updateFlow` when there is room again. */
  paused(connection: ClientConnection, isPaused: boolean): void
  /** @param hasFailed whether the system, or TLS, had a reason to close it */
  closed(connection: ClientConnection, why: string, hasFailed: boolean): void
}

/** Replies up to this size are copied, so that their writer can be used again at once. */
const COPIED_BYTES_MAX = 16_384
/**
 * Above this much that a client has not taken, its requests are not looked at: a segment of 64 KiB can
 * ask for a gigabyte.
 */
const UNSENT_BYTES_PAUSE = 1_048_576
/** Reads that may wait for one write of their client; all of them are answered in the same turn. */
const WAITING_MAX = 64

export class ClientConnection implements ConnectionHandlers {
  readonly socket: Connection
  readonly arrival: Arrival
  link!: ClientLink
  /** Requests received when the idle queue last looked. */
  receivedAtCheck = 0
  /** Of the idle queue. */
  bucketMs = 0
  readonly #host: ConnectionHost
  readonly #cutter: FrameCutter
  #firstBytes: Buffer | null = Buffer.alloc(0)
  #hasConnected = false
  /** Frames of this connection that the host has counted. */
  #sentBefore = 0
  #isPaused = false
  #hasEnded = false
  #why = 'closed by the client'
  readonly #onFrame = (bytes: Buffer, start: number, end: number): boolean => {
    if (this.#hasConnected) this.#host.request(this, bytes, start, end)
    else {
      this.#hasConnected = true
      this.#host.connect(this, bytes, start, end)
    }
    const { link } = this
    // What follows a closeSession is not looked at, garbage neither; what follows the connect request
    // waits for its answer, or the reply to an auth packet would be taken for it.
    if (link.isEnding || !link.isWelcomed) return false
    if (link.waiting.length + link.queued >= WAITING_MAX) return false
    // Ids of the connection in its ACLs: 64 KiB of creates can be gigabytes of log.
    if (link.hasWritesInFlight && this.#host.isLogBehind) return false
    return link.replyBytes <= UNSENT_BYTES_PAUSE
  }

  constructor(host: ConnectionHost, socket: Connection, arrival: Arrival) {
    this.#host = host
    this.arrival = arrival
    this.socket = socket
    this.#cutter = new FrameCutter({ frameBytesMax: host.frameBytesMax })
  }

  onSecure(peer: SecurePeer | null): void {
    if (!this.link.isClosing) this.#host.secured(this, peer)
  }

  onData(chunk: Buffer): void {
    if (this.link.isClosing) return
    this.#host.edgeCounts.bytesReceived += chunk.length
    let bytes = chunk
    if (this.#firstBytes !== null) {
      bytes = this.#firstBytes.length === 0 ? chunk : Buffer.concat([this.#firstBytes, chunk])
      this.#firstBytes = bytes
      const kind = firstBytesOf(bytes, this.#host.frameBytesMax)
      if (kind === 'undecided') return
      if (kind === 'four-letter-word') {
        return this.#answerWord(bytes.toString('latin1', 0, 4), bytes.subarray(4))
      }
      this.#firstBytes = null
      if (kind !== 'zookeeper') return this.#answerStray(kind, bytes)
    }
    this.#cut(bytes)
    this.updateFlow()
  }

  /** Goes on with the frames that are there, and with those in `bytes`. */
  #cut(bytes: Buffer | null): void {
    try {
      if (bytes === null) this.#cutter.resume(this.#onFrame)
      else this.#cutter.push(bytes, this.#onFrame)
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      this.abort(error.message)
    }
  }

  onDrain(): void {
    this.updateFlow()
  }

  /** The client is done sending; what it asked for before is still answered. */
  onEnd(): void {
    this.#hasEnded = true
    this.#endIfAnswered()
  }

  #endIfAnswered(): void {
    const { link } = this
    // A link that is closing ends by itself, once its last answer is sent.
    if (!this.#hasEnded || link.isClosing || this.#cutter.isStopped) return
    if (!link.hasReplies && link.outstanding === 0) this.#finish()
  }

  onClose(error?: Error): void {
    if (error !== undefined && !this.link.isClosing) this.#why = error.message
    this.#host.closed(this, this.#why, error !== undefined)
  }

  /** Sends what the link has written: one write for all of it. */
  flush(): void {
    const writer = this.link.takeReplies()
    if (writer === null) return
    const { writers, unsentBytesMax, traffic, edgeCounts } = this.#host
    const { sent } = this.link.traffic
    traffic.sentTotal += sent - this.#sentBefore
    this.#sentBefore = sent
    edgeCounts.bytesSent += writer.position
    if (writer.position <= COPIED_BYTES_MAX) {
      const copy = Buffer.allocUnsafe(writer.position)
      writer.bytes.copy(copy, 0, 0, writer.position)
      this.socket.write(copy)
      writers.give(writer)
    } else this.socket.write(writer.written(), () => writers.give(writer))
    if (this.socket.queuedBytes > unsentBytesMax) {
      this.#host.unread(this)
      return this.abort(`${this.socket.queuedBytes} bytes wait to be read by the client`)
    }
    if (this.link.isClosing) this.#finish()
    // Others get their turn before the rest of what one client has asked for.
    else if (this.#cutter.isStopped) this.#host.later(() => this.updateFlow())
    else this.updateFlow()
    this.#endIfAnswered()
  }

  /** Closes once what is written has been sent. */
  end(why: string): void {
    this.#why = why
    if (!this.link.hasReplies) this.#finish()
  }

  /** Sends what is queued and closes our side; a paused socket would not see the client close its. */
  #finish(): void {
    this.socket.end()
    this.socket.resume()
  }

  /** Closes now. */
  abort(why: string): void {
    this.#why = why
    this.link.isClosing = true
    this.socket.destroy()
  }

  #answerWord(word: string, argument: Buffer): void {
    const { link } = this
    link.traffic.received++
    const answer = this.#host.answerWord(this, word, argument)
    if (answer === null) {
      link.traffic.received--
      return
    }
    this.#host.traffic.receivedTotal++
    this.#firstBytes = null
    this.#why = `four-letter word ${word}`
    link.isClosing = true
    if (typeof answer === 'string') return this.#sendLast(answer)
    answer.then(
      (text) => this.#sendLast(text),
      (error: Error) => this.abort(error.message),
    )
  }

  #sendLast(text: string): void {
    this.socket.write(Buffer.from(text, 'utf8'))
    this.socket.end()
  }

  /** Not a client of ours. What it still sends is thrown away, so that it can read the answer. */
  #answerStray(kind: FirstBytes, bytes: Buffer): void {
    const answer = this.#host.stray(this, kind, bytes)
    if (answer === null) return this.abort(strayName(kind))
    this.#why = strayName(kind)
    this.link.isClosing = true
    this.socket.write(answer)
    this.socket.end()
  }

  /** Stops to read a client that does not read, or that has too much outstanding (F-22). */
  updateFlow(): void {
    if (this.link.isClosing) return
    if (this.#cutter.isStopped && !this.#isFull) this.#cut(null)
    const isFull = this.#isFull || this.#cutter.isStopped
    if (isFull === this.#isPaused) return
    this.#isPaused = isFull
    this.#host.paused(this, isFull)
    if (isFull) this.socket.pause()
    else this.socket.resume()
  }

  get #isFull(): boolean {
    const { link, socket } = this
    if (link.isEnding || (this.#hasConnected && !link.isWelcomed)) return true
    if (link.replyBytes > UNSENT_BYTES_PAUSE) return true
    if (link.waiting.length + link.queued >= WAITING_MAX) return true
    return socket.queuedBytes > UNSENT_BYTES_PAUSE || this.#host.isCrowded(this)
  }
}
