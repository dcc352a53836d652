/** What a controller says about itself: an immutable view, computed when it is asked for. */
import type { FencingStatus, Problem } from './group-nodes.ts'
import type { HealthState } from './health.ts'

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
