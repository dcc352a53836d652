/**
 * Health of the local service from its probes: a pure state machine with rise and fall counts.
 *
 * States, after ZKFC's HealthMonitor in kebab case: `initializing` until every probe has risen once;
 * `healthy` while all are up; `not-responding` when one fell by its transport (refused, reset, timed
 * out), `unhealthy` when one fell by its answer; `monitor-failed` when the monitor itself broke
 * (terminal). Unknown is not healthy (H-6). Source: ecosystem-layouts.md 1.2.
 */

export type HealthState =
  | 'initializing'
  | 'healthy'
  | 'unhealthy'
  | 'not-responding'
  | 'monitor-failed'

export type ProbeOutcome = 'passed' | 'refused-by-answer' | 'no-answer'

export interface ProbeHealth {
  readonly isUp: boolean | null
  /** Outcomes in a row that contradict `isUp`. */
  readonly streak: number
  readonly last: ProbeOutcome | null
}

export const UNKNOWN_HEALTH: ProbeHealth = { isUp: null, streak: 0, last: null }

export function probeAfter(
  health: ProbeHealth,
  outcome: ProbeOutcome,
  limits: { readonly rise: number; readonly fall: number },
): ProbeHealth {
  const passed = outcome === 'passed'
  if (health.isUp === passed) return { isUp: passed, streak: 0, last: outcome }
  const sameWay = health.last === null || (health.last === 'passed') === passed
  const streak = sameWay ? health.streak + 1 : 1
  const enough = passed ? limits.rise : limits.fall
  if (streak >= enough) return { isUp: passed, streak: 0, last: outcome }
  return { isUp: health.isUp, streak, last: outcome }
}

export function healthOf(probes: readonly ProbeHealth[]): HealthState {
  if (probes.some((probe) => probe.isUp === false && probe.last === 'no-answer')) {
    return 'not-responding'
  }
  if (probes.some((probe) => probe.isUp === false)) return 'unhealthy'
  return probes.every((probe) => probe.isUp === true) ? 'healthy' : 'initializing'
}
