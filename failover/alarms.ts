/** Reasons not to compete that somebody must hear of, besides those that a view shows directly. Pure. */
import type { View } from './view.ts'

/**
 * What is wrong with the session's timeout as the ensemble granted it (H-12): times are derived from the
 * one that was asked for. Null while it fits, or is not known yet.
 */
export function sessionAlarm({ session, times }: View): string | null {
  const { timeoutMs } = session
  const askedMs = times.sessionTimeoutMs
  if (timeoutMs === 0) return null
  if (timeoutMs > askedMs) {
    return (
      `the ensemble grants sessions of ${timeoutMs} ms instead of ${askedMs} ms, so a crash would be ` +
      `noticed later than configured: raise sessionTimeout, or lower minSessionTimeout (2 x tickTime) there`
    )
  }
  const leastMs = Math.min(askedMs, times.leaseMs)
  if (timeoutMs >= leastMs) return null
  return (
    `the ensemble grants sessions of ${timeoutMs} ms instead of ${askedMs} ms, which is less than the ` +
    `lease of ${times.leaseMs} ms: raise maxSessionTimeout there, or lower sessionTimeout and lease`
  )
}

export interface Hold {
  readonly why: string
  /** Monotonic time at which the oldest of the failovers is long enough ago. */
  readonly untilMs: number
}

/** Too many failovers within too short a time: hold, until time or an operator helps (H-13). */
export function flappingAlarm({ failoverTimesMs, times, now }: View): Hold | null {
  const { failoversMax, failoversWithinMs } = times
  const startMs = now.monotonicMs - failoversWithinMs
  const recent = failoverTimesMs.filter((atMs) => atMs > startMs)
  const oldestMs = failoversMax === 0 ? undefined : recent.at(-failoversMax)
  if (oldestMs === undefined) return null
  const why = `${failoversMax} failovers within ${failoversWithinMs / 1000} s: held (H-13)`
  return { why, untilMs: oldestMs + failoversWithinMs }
}
