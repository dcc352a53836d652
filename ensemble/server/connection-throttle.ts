/**
 * How many connect requests a server takes: a bucket of tokens that fills as time passes. With a
 * freeze time, a part of them is refused at random before that, which grows each time the bucket is
 * found empty and shrinks when there is room: so those who come late get a chance, too.
 *
 * Pure: time and chance come in. Source: BlueThrottle, 3.9.5.
 */
import type { ConnectionThrottleSettings } from './limit-settings.ts'

export class ConnectionThrottle {
  readonly #settings: ConnectionThrottleSettings
  #tokens: number
  #filledMs: number
  #frozenMs: number
  #dropRatio = 0

  constructor(settings: ConnectionThrottleSettings, nowMs: number) {
    this.#settings = settings
    this.#tokens = settings.tokens
    this.#filledMs = this.#frozenMs = nowMs
  }

  /** The part of connect requests that is refused at random. */
  get dropRatio(): number {
    return this.#dropRatio
  }

  /** Tokens that are missing from the bucket. */
  get deficit(): number {
    return this.#settings.tokens - this.#tokens
  }

  /** @param chance in [0, 1) */
  admits({ isResumed, nowMs, chance }: Asking): boolean {
    const { tokens, fillTimeMs, fillCount, freezeTimeMs, weights } = this.#settings
    const passedMs = nowMs - this.#filledMs
    if (passedMs > fillTimeMs) {
      const more = Math.floor((passedMs * fillCount) / fillTimeMs)
      this.#tokens = Math.min(this.#tokens + more, tokens)
      this.#filledMs = nowMs
    }
    if (freezeTimeMs !== null) {
      if (nowMs - this.#frozenMs > freezeTimeMs) this.#adapt(nowMs)
      if (chance < this.#dropRatio) return false
    }
    const needed = weights === null ? 1 : isResumed ? weights.resume : weights.create
    if (this.#tokens < needed) return false
    this.#tokens -= needed
    return true
  }

  #adapt(nowMs: number): void {
    const { tokens, dropIncrease, dropDecrease, decreaseRatio } = this.#settings
    if (this.#tokens === 0) this.#dropRatio = Math.min(this.#dropRatio + dropIncrease, 1)
    else if (this.deficit <= Math.round(tokens * decreaseRatio)) {
      this.#dropRatio = Math.max(this.#dropRatio - dropDecrease, 0)
    }
    this.#frozenMs = nowMs
  }
}

interface Asking {
  readonly isResumed: boolean
  readonly nowMs: number
  readonly chance: number
}
