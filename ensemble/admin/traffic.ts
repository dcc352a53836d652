/**
 * What `srvr` and `stat` count: packets, latencies and sizes of responses since the start or the last
 * reset. Metrics have no reset, so the totals go on underneath.
 *
 * Source: ServerStats, BufferStats, 3.9.5.
 */
import type { ResponseSizes } from '../pipeline/client-link.ts'

export class Traffic {
  receivedTotal = 0
  sentTotal = 0
  latencyMin = Number.MAX_SAFE_INTEGER
  latencyMax = 0
  latencySum = 0
  latencyCount = 0
  readonly responses: ResponseSizes
  #receivedBefore = 0
  #sentBefore = 0

  constructor(responses: ResponseSizes) {
    this.responses = responses
  }

  get received(): number {
    return this.receivedTotal - this.#receivedBefore
  }

  get sent(): number {
    return this.sentTotal - this.#sentBefore
  }

  noteLatency(ms: number): void {
    if (ms < this.latencyMin) this.latencyMin = ms
    if (ms > this.latencyMax) this.latencyMax = ms
    this.latencySum += ms
    this.latencyCount++
  }

  /** Milliseconds, rounded to four decimals as Apache prints them. */
  get latencyAverage(): number {
    if (this.latencyCount === 0) return 0
    return Math.round((this.latencySum / this.latencyCount) * 10_000) / 10_000
  }

  get latencyMinShown(): number {
    return this.latencyCount === 0 ? 0 : this.latencyMin
  }

  reset(): void {
    this.#receivedBefore = this.receivedTotal
    this.#sentBefore = this.sentTotal
    this.latencyMin = Number.MAX_SAFE_INTEGER
    this.latencyMax = this.latencySum = this.latencyCount = 0
    this.responses.reset()
  }
}
