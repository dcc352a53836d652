/**
 * Keeps one noisy client from filling the log: a line per key and interval, and how many were left out.
 *
 * Invariant: it holds at most `keysMax` keys, whoever knocks (S-15); the oldest is forgotten first.
 */
export class LogLimiter {
  readonly #intervalMs: number
  readonly #keysMax: number
  readonly #lines = new Map<string, { untilMs: number; leftOut: number }>()

  constructor({ intervalMs = 60_000, keysMax = 1000 } = {}) {
    this.#intervalMs = intervalMs
    this.#keysMax = keysMax
  }

  /** Null: no line for `key` now. Otherwise write one; so many like it were left out before. */
  leftOutBefore(key: string, nowMs: number): number | null {
    const known = this.#lines.get(key)
    if (known !== undefined && nowMs < known.untilMs) {
      known.leftOut++
      return null
    }
    this.#lines.delete(key)
    if (this.#lines.size >= this.#keysMax) {
      for (const oldest of this.#lines.keys()) {
        this.#lines.delete(oldest)
        break
      }
    }
    this.#lines.set(key, { untilMs: nowMs + this.#intervalMs, leftOut: 0 })
    return known?.leftOut ?? 0
  }
}
