/**
 * What stands between a connection's frames and the pipeline, where a setting asks for it: the bound
 * on large requests, and the queue in which requests wait while too many writes are in work.
 *
 *     frame ──▶ large, and no room ──▶ the connection ends
 *        └──▶ too many writes in work, or others wait ──▶ queue ──▶ stale ──▶ the connection ends
 *        └──▶ pipeline                                      ├──▶ waited too long ──▶ throttledOp
 *                                                           └──▶ pipeline
 *
 * Invariants:
 *  1. Requests of one connection reach the pipeline in their order; once one was dropped, none
 *     behind it does.
 *  2. Auth packets and SASL tokens do not wait (client-protocol 5.3).
 *  3. Writes outlive their connection, but run no more once another one has their session: they are
 *     refused then (Pipeline.lateWrite).
 *  4. A connection with many requests in the queue is not read: `link.queued` says how many.
 *
 * Apache counts reads in work, too; here they are answered as they come. A session is touched when
 * its request arrives, not when that leaves the queue: our throttling expires nobody.
 * Source: RequestThrottler, ZooKeeperServer#checkRequestSizeWhenMessageReceived, 3.9.5.
 */
import type { EdgeCounts } from '../admin/server-metrics.ts'
import type { Summary } from '../admin/summary.ts'
import type { ClientLink } from '../pipeline/client-link.ts'
import { isWriteOp } from '../pipeline/pipeline.ts'
import { Code } from '../protocol/error-codes.ts'
import { Op } from '../protocol/op-codes.ts'
import type { LimitSettings } from './limit-settings.ts'

/** What the gate needs of its server. */
export interface GateHost {
  readonly inFlightCount: number
  readonly nowMs: number
  request(link: ClientLink, bytes: Buffer, start: number, end: number): void
  /** A write whose connection closes, or is gone. */
  lateWrite(link: ClientLink, frame: Frame): void
  /** Answers a request with an error, in its turn, and does not look at it. */
  refuse(link: ClientLink, frame: Frame, err: number): void
  touch(link: ClientLink): void
  abort(link: ClientLink, why: string): void
}

export interface Frame {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
}

interface Queued extends Frame {
  readonly link: ClientLink
  readonly type: number
  readonly sinceMs: number
}

/** A large request in the pipeline: done when so many writes of its link have been answered. */
interface Large {
  readonly link: ClientLink
  readonly untilWrite: number
  readonly bytes: number
}

export class RequestGate {
  readonly #settings: LimitSettings
  readonly #host: GateHost
  readonly #counts: EdgeCounts
  readonly #queueTime: Summary
  #queue: Queued[] = []
  #head = 0
  #large: Large[] = []
  /** Of large requests, queued and in the pipeline. */
  #largeBytes = 0
  /** Connections of which a request was dropped. */
  readonly #broken = new WeakSet<ClientLink>()

  constructor(settings: LimitSettings, host: GateHost, counts: EdgeCounts, queueTime: Summary) {
    this.#settings = settings
    this.#host = host
    this.#counts = counts
    this.#queueTime = queueTime
  }

  /** Whether any of these settings needs a gate. */
  static isNeeded({ requestsMax, largeRequestBytes }: LimitSettings): boolean {
    return requestsMax > 0 || largeRequestBytes >= 0
  }

  /** Requests in the queue. */
  get queuedCount(): number {
    return this.#queue.length - this.#head
  }

  get largeBytes(): number {
    return this.#largeBytes
  }

  request(link: ClientLink, bytes: Buffer, start: number, end: number): void {
    if (link.isClosing) return
    const type = end - start < 8 ? Op.ping : bytes.readInt32BE(start + 4)
    // What has no header is for the pipeline to refuse.
    if (end - start < 8 || type === Op.auth || type === Op.sasl) {
      return this.#host.request(link, bytes, start, end)
    }
    const { requestsMax, largeRequestsBytesMax } = this.#settings
    const size = end - start
    if (this.#isLarge(size)) {
      if (this.#largeBytes + size > largeRequestsBytesMax) {
        this.#counts.largeRequestsRejected++
        const why = `a request of ${size} bytes is beyond the ${largeRequestsBytesMax} of large ones`
        return this.#host.abort(link, why)
      }
      this.#largeBytes += size
    }
    const frame = { link, bytes, start, end, type, sinceMs: this.#host.nowMs }
    const isFull = requestsMax > 0 && this.#host.inFlightCount >= requestsMax
    if (!isFull && this.queuedCount === 0) return this.#pass(frame)
    this.#counts.requestsPaused++
    this.#host.touch(link)
    link.queued++
    this.#queue.push(frame)
  }

  /** Lets pass what there is room for; called when writes are done, and now and then. */
  run(): void {
    this.#settleLarge()
    while (this.#head < this.#queue.length) {
      const next = this.#queue[this.#head]!
      const isDropped = this.#mustDrop(next)
      if (!isDropped && this.#host.inFlightCount >= this.#settings.requestsMax) break
      this.#head++
      next.link.queued--
      if (isDropped) this.#drop(next)
      else this.#pass(next)
    }
    if (this.#head === this.#queue.length) {
      this.#queue = []
      this.#head = 0
    } else if (this.#head > 1024) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
  }

  #pass(next: Queued): void {
    const { link, bytes, start, end, type } = next
    const waitedMs = this.#host.nowMs - next.sinceMs
    this.#queueTime.add(Math.round(waitedMs))
    const { throttledOpWaitMs } = this.#settings
    const isThrottled = throttledOpWaitMs > 0 && waitedMs > throttledOpWaitMs
    if (isThrottled && type !== Op.ping && type !== Op.closeSession) {
      this.#counts.throttledOps++
      this.#host.refuse(link, next, Code.throttledOp)
    } else if (!link.isClosing) this.#host.request(link, bytes, start, end)
    else if (isWriteOp(type)) this.#host.lateWrite(link, next)
    const size = end - start
    if (this.#isLarge(size)) {
      this.#large.push({ link, untilWrite: link.writesPrepared, bytes: size })
      if (!link.hasWritesInFlight) this.#settleLarge()
    }
  }

  #isLarge(size: number): boolean {
    const { largeRequestBytes } = this.#settings
    return largeRequestBytes >= 0 && size > largeRequestBytes
  }

  #settleLarge(): void {
    if (this.#large.length === 0) return
    this.#large = this.#large.filter(({ link, untilWrite, bytes }) => {
      if (link.writesAnswered < untilWrite) return true
      this.#largeBytes -= bytes
      return false
    })
  }

  #mustDrop(request: Queued): boolean {
    const { link, type, sinceMs } = request
    if (this.#broken.has(link)) return true
    const { dropStale, staleConnectionCheck, staleLatencyCheck } = this.#settings
    // A closeSession outlives its connection: it cleans up.
    if (type === Op.closeSession || !dropStale) return false
    const timeoutMs = link.session?.timeoutMs ?? Infinity
    if (staleConnectionCheck && link.isClosing) return true
    return staleLatencyCheck && this.#host.nowMs - sinceMs > timeoutMs
  }

  #drop({ link, start, end }: Queued): void {
    this.#counts.staleRequestsDropped++
    if (this.#isLarge(end - start)) this.#largeBytes -= end - start
    this.#broken.add(link)
    if (!link.isClosing)
      this.#host.abort(link, 'its request has waited for longer than its timeout')
  }
}
