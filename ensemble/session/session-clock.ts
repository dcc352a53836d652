/**
 * The time by which sessions age: it runs with the monotonic clock, but stands still while our own
 * process did. After a pause (SIGSTOP, a long collection, a frozen host) the clients that we could
 * not hear get that time back, so a stall of ours expires nobody (F-19).
 */
export class SessionClock {
  readonly #stepMsMax: number
  #lastMs: number
  #elapsedMs = 0

  /** @param stepMsMax the longest time between two readings that counts in full */
  constructor(stepMsMax: number, nowMs: number) {
    this.#stepMsMax = stepMsMax
    this.#lastMs = nowMs
  }

  /** Reads the clock; called on every input and at least every half tick. */
  advance(nowMs: number): number {
    const stepMs = Math.max(0, nowMs - this.#lastMs)
    this.#lastMs = Math.max(nowMs, this.#lastMs)
    this.#elapsedMs += Math.min(stepMs, this.#stepMsMax)
    return this.#elapsedMs
  }
}
