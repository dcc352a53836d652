/**
 * The times of a group, and how they must relate (H-10, H-12). Each derived time carries the formula
 * that `howdah check` prints; each relation that must hold is a `TimeRule`.
 */
import { timesOf, type GroupSettings } from '../../failover/index.ts'
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
  readonly list: readonly Time[]
  readonly rules: readonly TimeRule[]
}

/** The lease of a group: as given, or three quarters of the session time-out. */
export function leaseOf(group: GroupSetUp): number {
  return group.lease ?? Math.floor((group.sessionTimeout * 3) / 4)
}

/** @param settings made from `group`, for any of its members */
export function groupTimes(group: GroupSetUp, settings: GroupSettings): GroupTimes {
  const { sessionTimeoutMs, leaseMs } = settings
  const { stopMs, marginMs, renewEveryMs } = timesOf(settings)
  const deactivateMs = group.service.deactivate.timeout
  const isStarted = group.service.start !== undefined
  const restMs = stopMs - marginMs - deactivateMs
  const activateMs = group.service.activate.timeout
  const probedMs = Math.max(...group.service.health.map(detectionMs))
  const slowestProbeMs = Math.max(...group.service.health.map((probe) => probe.timeout))
  const fencingMs = group.fencing.reduce((sum, method) => sum + fencingMethodMs(method), 0)
  const usableMs = leaseMs - stopMs
  const rest = isStarted ? 'to be noticed and to kill' : 'to be noticed'
  const stopFormula = `deactivate.timeout + ${formatMs(restMs)} ${rest} + ${formatMs(marginMs)} margin`
  const list: Time[] = [
    { name: 'sessionTimeout', ms: sessionTimeoutMs, formula: 'as given, or 10s' },
    {
      name: 'lease',
      ms: leaseMs,
      formula: group.lease === undefined ? '3/4 × sessionTimeout' : 'as given',
    },
    { name: 'stop', ms: stopMs, formula: stopFormula },
    { name: 'usable part of the lease', ms: usableMs, formula: 'lease - stop' },
    {
      name: 'lease renewed every',
      ms: renewEveryMs,
      formula: 'least of lease / 4, (lease - stop) / 3',
    },
    {
      name: 'hanging service noticed within',
      ms: probedMs,
      formula: 'largest every × fall + timeout of service.health',
    },
    { name: 'all fencing within', ms: fencingMs, formula: 'sum of the timeouts of fencing' },
    ...(isStarted
      ? [
          {
            name: 'failover after a dead service within',
            ms: stopMs + activateMs,
            formula: 'stop + activate.timeout (its exit is noticed at once)',
          },
        ]
      : []),
    {
      name: 'failover after a hanging service within',
      ms: probedMs + stopMs + activateMs,
      formula: 'noticed + stop + activate.timeout',
    },
    {
      name: 'failover after a dead host within',
      ms: Math.max(sessionTimeoutMs, leaseMs) + fencingMs + activateMs,
      formula: 'largest of sessionTimeout, lease + all fencing + activate.timeout',
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
      what: `half of the lease must be left for renewals (lease >= 2 × stop; stop = ${stopFormula})`,
      got: `lease ${formatMs(leaseMs)}, stop ${formatMs(stopMs)}`,
      expected: `a lease of at least ${formatMs(2 * stopMs)}`,
    },
    {
      key: 'service.health',
      holds: slowestProbeMs <= Math.max(usableMs, 0),
      what: 'a probe must end while the lease can still be used (timeout <= lease - stop)',
      got: `timeout ${formatMs(slowestProbeMs)}`,
      expected: `at most ${formatMs(Math.max(usableMs, 0))}`,
    },
  ]
  return { list, rules }
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
