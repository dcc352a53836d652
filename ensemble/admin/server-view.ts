/**
 * What administration may see of a running server: numbers and names, never a way to change them.
 */
import type { ClientLink } from '../pipeline/client-link.ts'

export interface ServerView {
  readonly version: string
  /** null while no requests are served. */
  readonly mode: 'standalone' | 'leader' | 'follower' | 'observer' | 'read-only' | null
  readonly clientPort: number
  readonly lastZxid: bigint
  readonly nodeCount: number
  readonly watchCount: number
  readonly ephemeralCount: number
  readonly approximateDataBytes: number
  readonly sessionCount: number
  readonly outstanding: number
  readonly uptimeMs: number
  readonly nowMs: number
  readonly traffic: Traffic
  links(): Iterable<ClientLink>
}

/** Counters since the start or the last reset. */
export class Traffic {
  received = 0
  sent = 0
  latencyMin = Number.MAX_SAFE_INTEGER
  latencyMax = 0
  latencySum = 0
  latencyCount = 0

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
}
