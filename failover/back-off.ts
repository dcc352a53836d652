/**
 * What is remembered against flapping (H-13): own attempts that failed, and how often anybody was made
 * active. Decided upon elsewhere, in decide.ts.
 */
import type { Cause, GroupView } from './view.ts'
import type { Times } from './settings.ts'

export class BackOff {
  readonly #times: Times
  readonly #random: { uint32(): number }
  #failures = 0
  /** Monotonic time. */
  untilMs = 0
  /** The token of the breadcrumb seen last; undefined before the first look at the group. */
  #tokenSeen: bigint | null | undefined
  #failoverTimesMs: readonly number[] = []

  constructor(times: Times, random: { uint32(): number }) {
    this.#times = times
    this.#random = random
  }

  get failoverTimesMs(): readonly number[] {
    return this.#failoverTimesMs
  }

  /** A breadcrumb with a higher token is an activation; one that an operator asked for is no failover. */
  onGroupSeen(group: GroupView | null, nowMs: number): void {
    if (group === null || group.isStale) return
    const token = group.breadcrumb.kind === 'present' ? group.breadcrumb.token : null
    const before = this.#tokenSeen
    if (before === undefined) this.#tokenSeen = token
    if (before === undefined || token === null || (before !== null && token <= before)) return
    this.#tokenSeen = token
    if (group.requests.some((request) => request.isDue)) return
    const { failoversMax } = this.#times
    if (failoversMax > 0) {
      this.#failoverTimesMs = [...this.#failoverTimesMs, nowMs].slice(-failoversMax)
    }
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
