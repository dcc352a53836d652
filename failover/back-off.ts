/** When a member that has failed competes again (H-13). */
import type { Cause } from './view.ts'
import type { Times } from './settings.ts'

export class BackOff {
  readonly #times: Times
  readonly #random: { uint32(): number }
  #failures = 0
  /** Monotonic time. */
  untilMs = 0

  constructor(times: Times, random: { uint32(): number }) {
    this.#times = times
    this.#random = random
  }

  /** A grant has ended for this cause, after its service was active for so long. */
  onGrantEnded(cause: Cause | undefined, wasActiveMs: number, nowMs: number): void {
    const { backoffMs, backoffMaxMs, minimumActiveMs } = this.#times
    const isFailure =
      cause === 'activation-failed' || cause === 'fencing-failed' || cause === 'contradiction'
    if (isFailure || (cause === 'health' && wasActiveMs < minimumActiveMs)) {
      const waitMs = Math.min(backoffMs * 2 ** Math.min(this.#failures, 10), backoffMaxMs)
      this.#failures++
      this.untilMs = nowMs + waitMs * (0.75 + (this.#random.uint32() / 2 ** 32) * 0.5)
    } else if (wasActiveMs >= minimumActiveMs) this.#failures = 0
  }
}
