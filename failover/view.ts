/**
 * What a decision sees: an immutable view of one member's world, put together by the controller
 * before each decision. Nothing in here is live; `null` means "not known on this session".
 */
import type { HealthState } from './health.ts'
import type { ClockReading } from './lease.ts'
import type { FencingMethod, Protection, Times } from './settings.ts'

export interface View {
  readonly now: ClockReading
  readonly self: string
  /** All other configured members. */
  readonly others: readonly string[]
  readonly rules: Rules
  readonly times: Times
  readonly stopping: Stopping | null
  readonly health: HealthState
  readonly service: ServiceView
  readonly session: SessionView
  readonly group: GroupView | null
  readonly record: RecordView
  readonly grant: Grant | null
  /** Monotonic time before which this member does not compete again (H-13). */
  readonly backoffUntilMs: number
  /** When members were made active that no operator had asked for, oldest first; monotonic (H-13). */
  readonly failoverTimesMs: readonly number[]
  /** The ensemble's history went back: a lock at or below our highest token was seen (H-2). */
  readonly tokenAlarm: boolean
  /** Until this monotonic time a restarted controller may still find its old grant intact (H-14). */
  readonly adoptUntilMs: number
  /** The watchdog process runs. */
  readonly hasWatchdog: boolean
}

export interface Stopping {
  readonly keepService: boolean
  /** Monotonic time after which an unreachable service no longer holds the controller up. */
  readonly giveUpAtMs: number
}

export interface Rules {
  readonly protection: readonly Protection[]
  readonly fencing: readonly FencingMethod[]
  readonly whenEnsembleIsLost: 'demote' | 'failsafe' | 'keep'
  readonly noFailover: boolean
  readonly watchdogRequired: boolean
  readonly priority: number
}

export interface ServiceView {
  /** What the service last confirmed to us; `unknown` until it did, or after a doubt. */
  readonly role: 'unknown' | 'standby' | 'active'
  /** What its health answer says about itself, with its token; null when it says nothing. */
  readonly reported: { readonly role: 'active' | 'standby'; readonly token: bigint | null } | null
  /** Health answers in a row that contradict `role`. */
  readonly contradictions: number
  /** The controller starts it; false: it runs by itself. */
  readonly supervised: boolean
  readonly running: boolean
  /** Monotonic time before which stopping or starting is not tried again. */
  readonly retryAtMs: number
}

export interface SessionView {
  readonly state:
    | 'none'
    | 'connecting'
    | 'connected'
    | 'disconnected'
    | 'expired'
    | 'auth-failed'
    | 'closed'
  readonly id: bigint
  /** As granted by the ensemble; 0 before the first connection. */
  readonly timeoutMs: number
  /** Monotonic time before which no new session is opened. */
  readonly retryAtMs: number
}

export interface RecordView {
  readonly highestToken: bigint
  /** The token that our service was last told to be active with; null after a confirmed stop. */
  readonly activeToken: bigint | null
}

export interface GroupView {
  readonly exists: boolean
  readonly registered: 'no' | 'mine' | 'held'
  readonly lock: LockView
  readonly lease: LeaseView
  readonly breadcrumb: BreadcrumbView
  readonly paused: string | null
  readonly drained: string | null
  /** Members whose configuration differs, with the keys (H-17). */
  readonly mismatches: readonly string[]
  readonly peers: readonly PeerView[]
  /** Members of which an operator has said, for this very breadcrumb, that they are off (H-7). */
  readonly confirmedOff: readonly string[]
  readonly requests: readonly RequestView[]
  /** Observations are older than the last reconnect or a create of unknown outcome. */
  readonly isStale: boolean
}

export type LockView =
  | { readonly kind: 'absent'; readonly sinceMs: number }
  | {
      readonly kind: 'held'
      readonly owner: bigint
      readonly czxid: bigint
      readonly member: string | null
    }

export type LeaseView =
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'present'
      readonly version: number
      readonly czxid: bigint
      /** null when the value cannot be read. */
      readonly member: string | null
      readonly token: bigint | null
      readonly leaseMs: number
      readonly isOwnRun: boolean
      readonly observedAtMs: number
    }

export type BreadcrumbView =
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'present'
      readonly version: number
      readonly member: string | null
      readonly token: bigint | null
      /** Same bytes as we wrote, and its mzxid is the one in our durable record (H-4). */
      readonly isMine: boolean
      /** This very run wrote it: a copy of the state directory cannot say so. */
      readonly isOfThisRun: boolean
    }

export interface PeerView {
  readonly member: string
  readonly healthy: boolean
  readonly eligible: boolean
  readonly priority: number
}

export interface RequestView {
  readonly node: string
  readonly id: string
  readonly from: string | null
  readonly to: string | null
  readonly isDue: boolean
  readonly allowUnhealthy: boolean
  /** Monotonic time at which this controller saw it due. */
  readonly seenAtMs: number
  readonly by: string
}

export type Cause =
  | 'lock-lost'
  | 'lease-over'
  | 'session-lost'
  | 'health'
  | 'exited'
  | 'handover'
  | 'contradiction'
  | 'activation-failed'
  | 'fencing-failed'

/** Why a member cannot act any more (H-1). */
export type Proof = 'reported-standby' | 'fenced'

export interface Grant {
  readonly token: bigint
  readonly startedAt: ClockReading
  /** The lease node as it was when we took it over: whom it named, and when that lease ends. */
  readonly former: Former | null
  readonly lease: OwnLease | null
  readonly proofs: Readonly<Record<string, Proof>>
  readonly fencing: readonly FencingAttempt[]
  readonly verified: 'never' | 'before-fencing' | 'after-fencing' | 'after-breadcrumb'
  readonly hasBreadcrumb: boolean
  /** `activate` was sent: the service may be active until a stop is confirmed. */
  readonly commanded: boolean
  readonly active: boolean
  readonly recorded: boolean
  readonly adopting: boolean
  /** An operator asked for this member although it is not healthy; until it is. */
  readonly allowUnhealthy: boolean
  /** Something took the right away; final for this grant. */
  readonly lost: { readonly cause: Cause; readonly why: string } | null
  readonly demoted: { readonly confirmed: boolean; readonly cause: Cause } | null
}

export interface Former {
  readonly lease: LeaseView
  /** Monotonic time at which the former holder's lease is over on every clock. */
  readonly endsAtMs: number
}

export interface OwnLease {
  readonly version: number
  readonly czxid: bigint
  readonly sentAt: ClockReading
}

export interface FencingAttempt {
  readonly target: string
  readonly method: number
  readonly result: 'confirmed' | 'failed' | 'unknown'
}
