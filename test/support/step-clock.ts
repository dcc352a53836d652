/** A clock that moves only when told to; timers fire in order of their time, then of their making. */
import type { Clock, Timer } from '../../ensemble/sys/clock.ts'

export class StepClock implements Clock {
  #nowMs: number
  #timers: { atMs: number; fire: () => void }[] = []
  #deferred: (() => void)[] = []

  constructor(startMs = 1000) {
    this.#nowMs = startMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return 1_700_000_000_000 + Math.floor(this.#nowMs)
  }

  bootMs(): number {
    return this.#nowMs
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const timer = { atMs: this.#nowMs + delayMs, fire }
    this.#timers.push(timer)
    return { cancel: () => (this.#timers = this.#timers.filter((other) => other !== timer)) }
  }

  defer(run: () => void): void {
    this.#deferred.push(run)
  }

  get timers(): number {
    return this.#timers.length
  }

  /** Runs what was deferred, and the promises that follow, until there is nothing left. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 1000; turn++) {
      // A real turn of the event loop: all continuations of promises have run after it.
      await new Promise((resolve) => setImmediate(resolve))
      const run = this.#deferred.shift()
      if (run === undefined) return
      run()
    }
    throw new Error('still busy after 1000 turns')
  }

  /** Lets time pass, firing the timers on the way. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms
    await this.settle()
    for (;;) {
      const due = this.#timers
        .filter((timer) => timer.atMs <= untilMs)
        .toSorted((left, right) => left.atMs - right.atMs)[0]
      if (due === undefined) break
      this.#timers = this.#timers.filter((other) => other !== due)
      this.#nowMs = Math.max(this.#nowMs, due.atMs)
      due.fire()
      await this.settle()
    }
    this.#nowMs = untilMs
    await this.settle()
  }
}
