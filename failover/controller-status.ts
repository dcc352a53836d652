/** What a controller says about itself: an immutable view, computed when it is asked for. Pure. */
import { sessionAlarm } from './alarms.ts'
import type { FencingStatus, Problem } from './group-nodes.ts'
import type { HealthState } from './health.ts'
import { leaseLeftMs } from './lease.ts'
import type { View } from './view.ts'

export type Role = 'active' | 'standby' | 'initializing' | 'fenced' | 'unknown'

export interface ControllerStatus {
  readonly cluster: string
  readonly group: string
  readonly member: string
  readonly address: string
  /** `active` only while the lease has time left, by all clocks, at the moment of asking. */
  readonly role: Role
  readonly reportedRole: 'active' | 'standby' | 'unknown'
  readonly health: HealthState
  readonly token: bigint | null
  /** What is left of our lease; null without one. */
  readonly leaseLeftMs: number | null
  readonly highestToken: bigint
  readonly lockHolder: string | null
  readonly breadcrumb: string | null
  readonly lastDecision: { readonly action: string; readonly sentence: string; readonly at: string }
  readonly fencing: FencingStatus | null
  readonly problems: readonly Problem[]
  readonly paused: boolean
  readonly eligible: boolean
  readonly session: {
    readonly state: string
    readonly id: bigint
    readonly timeoutMs: number
  }
  readonly pid: number | null
  readonly controllerPid: number
  readonly watchdogPid: number | null
}

/** The role that may be told to others: `active` only while the lease has time left. */
export function roleOf({ grant, rules, times, service, health, now }: View): Role {
  if (grant?.active === true && grant.demoted === null && grant.lease !== null) {
    const isOver =
      rules.whenEnsembleIsLost !== 'keep' &&
      leaseLeftMs(grant.lease.sentAt, times.leaseMs, now) <= 0
    return isOver ? 'unknown' : 'active'
  }
  if (health === 'initializing') return 'initializing'
  return service.role === 'standby' ? 'standby' : 'unknown'
}

/** Whether this member would take the lock if it had to, as far as it is not a matter of health. */
export function isEligible(view: View): boolean {
  const { group, tokenAlarm, rules } = view
  return (
    group !== null &&
    !tokenAlarm &&
    !rules.noFailover &&
    sessionAlarm(view) === null &&
    group.drained === null &&
    group.mismatches.length === 0
  )
}
