/**
 * The times of a group, and how they must relate (H-10, H-12). Each derived time carries the formula
 * that `howdah check` prints; each relation that must hold is a `TimeRule`.
 */
import type { GroupSetUp, ProbeSetUp } from './schema.ts'

export interface Time {
  readonly name: string
  readonly ms: number
  readonly formula: string
}

export interface TimeRule {
  /** Key of the group that would have to change. */
  readonly key: string
  readonly holds: boolean
  readonly what: string
  readonly got: string
  readonly expected: string
}

export interface GroupTimes {
  readonly sessionTimeoutMs: number
  readonly leaseMs: number
  /** Time to stop the service: the active begins so long before its lease ends. */
  readonly stopMs: number
  /** Until a dead service is noticed by its probes; a child's exit is noticed at once. */
  readonly detectMs: number
  readonly fencingMs: number
  readonly list: readonly Time[]
  readonly rules: readonly TimeRule[]
}

export function timesOf(group: GroupSetUp): GroupTimes {
  const sessionTimeoutMs = group.sessionTimeout
  const leaseMs = group.lease ?? Math.floor((sessionTimeoutMs * 3) / 4)
  const stopMs = group.service.deactivate.timeout
  const activateMs = group.service.activate.timeout
  const detectMs = Math.max(...group.service.health.map(detectionMs))
  const slowestProbeMs = Math.max(...group.service.health.map((probe) => probe.timeout))
  const fencingMs = group.fencing.reduce((sum, method) => sum + fencingMethodMs(method), 0)
  const usableMs = leaseMs - stopMs
  const fromServiceMs = detectMs + stopMs + activateMs
  const fromHostMs = Math.max(sessionTimeoutMs, leaseMs) + fencingMs + activateMs
  const leaseFormula = group.lease === undefined ? '3/4 × sessionTimeout' : 'as given'
  const list: Time[] = [
    { name: 'sessionTimeout', ms: sessionTimeoutMs, formula: 'as given, or 10s' },
    { name: 'lease', ms: leaseMs, formula: leaseFormula },
    { name: 'stop', ms: stopMs, formula: 'service.deactivate.timeout' },
    { name: 'usable part of the lease', ms: usableMs, formula: 'lease - stop' },
    {
      name: 'failure detected within',
      ms: detectMs,
      formula: 'largest every × fall + timeout of service.health',
    },
    { name: 'all fencing within', ms: fencingMs, formula: 'sum of the timeouts of fencing' },
    {
      name: 'failover after a dead service within',
      ms: fromServiceMs,
      formula: 'failure detected + stop + activate',
    },
    {
      name: 'failover after a dead host within',
      ms: fromHostMs,
      formula: 'largest of sessionTimeout, lease + all fencing + activate',
    },
  ]
  const rules: TimeRule[] = [
    {
      key: 'lease',
      holds: leaseMs <= sessionTimeoutMs,
      what: 'the lease must be over when the lock of a crashed controller is (lease <= sessionTimeout)',
      got: `lease ${formatMs(leaseMs)}`,
      expected: `at most ${formatMs(sessionTimeoutMs)}`,
    },
    {
      key: group.lease === undefined ? 'sessionTimeout' : 'lease',
      holds: leaseMs >= 2 * stopMs,
      what: 'half of the lease must be left for renewals (lease >= 2 × service.deactivate.timeout)',
      got: `lease ${formatMs(leaseMs)}`,
      expected: `at least ${formatMs(2 * stopMs)}`,
    },
    {
      key: 'service.health',
      holds: slowestProbeMs <= Math.max(usableMs, 0),
      what: 'a probe must end while the lease can still be used (timeout <= lease - service.deactivate.timeout)',
      got: `timeout ${formatMs(slowestProbeMs)}`,
      expected: `at most ${formatMs(Math.max(usableMs, 0))}`,
    },
  ]
  return { sessionTimeoutMs, leaseMs, stopMs, detectMs, fencingMs, list, rules }
}

function detectionMs(probe: ProbeSetUp): number {
  return probe.every * probe.fall + probe.timeout
}

export const FENCING_COMMAND_TIMEOUT_MS = 20_000

function fencingMethodMs(method: GroupSetUp['fencing'][number]): number {
  if (method.graceful !== undefined) return method.graceful.timeout
  return (method.timeout ?? FENCING_COMMAND_TIMEOUT_MS) + (method.verify?.timeout ?? 0)
}

/** `1500` as `1.5s`, `120000` as `2m`. */
export function formatMs(ms: number): string {
  if (ms >= 60_000 && ms % 60_000 === 0) return `${ms / 60_000}m`
  return ms >= 1000 && ms % 100 === 0 ? `${ms / 1000}s` : `${ms}ms`
}
