/**
 * What one controller is told: its group, its service, and the times that its decisions use.
 *
 * The texts of `service`, `fencing` and `onRoleChange` are templates as written in the YAML; see
 * templates.ts for what may stand in them. Durations are milliseconds.
 * Source: toolkit.md 3 (the YAML), reliability.md H-7, H-10, H-13.
 */

export interface GroupSettings {
  readonly cluster: string
  readonly group: string
  /** The member beside which this controller runs; a key of `members`. */
  readonly member: string
  readonly members: Readonly<Record<string, MemberSettings>>
  /** Connect string, chroot included; `auth` is added to every session. */
  readonly ensembleConnect: string
  readonly auth?: readonly { readonly scheme: string; readonly auth: string }[]
  /** ACL of what the controller creates; `open` where the ensemble has no secrets. */
  readonly acl?: 'open' | 'creator-all'
  readonly sessionTimeoutMs: number
  readonly leaseMs: number
  readonly service: ServiceSettings
  readonly protection: readonly Protection[]
  readonly fencing: readonly FencingMethod[]
  readonly whenEnsembleIsLost: 'demote' | 'failsafe' | 'keep'
  readonly watchdog: 'off' | 'automatic' | 'required'
  /** The argv that starts watchdog-process.ts; without it `automatic` means none. */
  readonly watchdogArgv?: readonly string[]
  readonly onRoleChange?: CommandSettings
  readonly stateDir: string
  /** Where the controller's own HTTP interface is reached, `host:port`; published in its node. */
  readonly address: string
  /** Digest over the keys that matter for safety (H-17), and per key, to name the one that differs. */
  readonly configDigest: string
  readonly configKeys?: Readonly<Record<string, string>>
  readonly version?: string
  /** An active is not moved by priority or by switchover before it was active for that long. */
  readonly minimumActiveMs?: number
  /** Wait after a failed attempt: `backoffMs`, doubled up to `backoffMaxMs`. */
  readonly backoffMs?: number
  readonly backoffMaxMs?: number
  /**
   * After so many failovers within `failoversWithinMs` the group holds: an alarm, and nobody becomes
   * active until the oldest is long enough ago, or an operator asks for it. 0: never.
   */
  readonly failoversMax?: number
  readonly failoversWithinMs?: number
  /** How far clock rates may differ between hosts; 0.01 is twenty times what crystals do. */
  readonly clockRateError?: number
  /** Safety margin before the end of a lease, for writes that the service has begun. */
  readonly marginMs?: number
  /** How long a lower priority waits when a healthy higher one is there. */
  readonly priorityDelayMs?: number
}

export type Protection = 'lease' | 'token'

export interface MemberSettings {
  readonly host: string
  readonly port: number
  readonly priority?: number
  readonly tags?: Readonly<Record<string, unknown>>
}

export interface ServiceSettings {
  /** argv of the service, when the controller starts and supervises it. */
  readonly start?: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly health: readonly Probe[]
  readonly activate: ServiceCommand
  readonly deactivate: ServiceCommand
}

export type Probe = (
  | { readonly kind: 'http'; readonly url: string }
  | { readonly kind: 'tcp'; readonly address: string }
  | { readonly kind: 'command'; readonly argv: readonly string[] }
) & {
  readonly everyMs: number
  readonly timeoutMs: number
  readonly rise: number
  readonly fall: number
}

export type ServiceCommand =
  | {
      readonly kind: 'http'
      readonly method: 'POST' | 'GET'
      readonly url: string
      readonly timeoutMs: number
    }
  | ({ readonly kind: 'command' } & CommandSettings)

export interface CommandSettings {
  readonly argv: readonly string[]
  readonly timeoutMs: number
}

export type FencingMethod =
  | { readonly kind: 'graceful'; readonly timeoutMs: number }
  | {
      readonly kind: 'command'
      readonly argv: readonly string[]
      readonly timeoutMs: number
      readonly verify?: CommandSettings
      readonly trustExitCode?: boolean
    }

/** Durations that the rules use, derived once. */
export interface Times {
  /** As asked for; what is granted may differ (H-12). */
  readonly sessionTimeoutMs: number
  readonly leaseMs: number
  /** The service is told to stop this long before its lease ends. */
  readonly stopMs: number
  /** The service's own deadline lies this long before the end of the lease. */
  readonly marginMs: number
  /** A renewal is sent this long after the one before. */
  readonly renewEveryMs: number
  /** What a taker waits after it saw the lease node change: L·(1 + rate error), rounded up. */
  readonly waitMs: number
  readonly minimumActiveMs: number
  readonly backoffMs: number
  readonly backoffMaxMs: number
  readonly failoversMax: number
  readonly failoversWithinMs: number
  readonly priorityDelayMs: number
  /** How long others hold back for the target of a switchover. */
  readonly cedeMs: number
  readonly retryMs: number
}

/** SIGTERM, then SIGKILL this much later, when a supervised service does not stop by itself. */
export const KILL_AFTER_MS = 200

/** The watchdog process begins to stop the service this much later than the controller does. */
export const WATCHDOG_LEAD_MS = 100

export function waitFor(leaseMs: number, clockRateError: number): number {
  return Math.ceil(leaseMs * (1 + clockRateError)) + 1
}

export function timesOf(settings: GroupSettings): Times {
  const marginMs = settings.marginMs ?? 100
  const kill = settings.service.start === undefined ? 0 : KILL_AFTER_MS
  const lead = settings.watchdog === 'off' ? 0 : WATCHDOG_LEAD_MS
  const stopMs = settings.service.deactivate.timeoutMs + kill + marginMs + lead
  const { leaseMs } = settings
  return {
    sessionTimeoutMs: settings.sessionTimeoutMs,
    leaseMs,
    stopMs,
    marginMs,
    renewEveryMs: Math.max(20, Math.floor(Math.min(leaseMs / 4, (leaseMs - stopMs) / 3))),
    waitMs: waitFor(leaseMs, settings.clockRateError ?? 0.01),
    minimumActiveMs: settings.minimumActiveMs ?? 0,
    backoffMs: settings.backoffMs ?? 500,
    backoffMaxMs: settings.backoffMaxMs ?? 30_000,
    failoversMax: settings.failoversMax ?? 20,
    failoversWithinMs: settings.failoversWithinMs ?? 600_000,
    priorityDelayMs: settings.priorityDelayMs ?? 300,
    cedeMs: settings.service.activate.timeoutMs + 2 * leaseMs + settings.sessionTimeoutMs,
    retryMs: 500,
  }
}

/** What is wrong with the settings taken together; empty when they can keep their promises. */
export function settingsProblems(settings: GroupSettings): string[] {
  const problems: string[] = []
  const times = timesOf(settings)
  const { leaseMs } = settings
  if (settings.members[settings.member] === undefined) {
    problems.push(`member ${settings.member} is not in members`)
  }
  if (leaseMs < 2 * times.stopMs) {
    problems.push(
      `lease ${leaseMs} ms must be at least 2 x the time to stop the service ` +
        `(deactivate timeout + kill + margin = ${times.stopMs} ms)`,
    )
  }
  if (settings.protection.length === 0 && !settings.fencing.some(canConfirm)) {
    problems.push('without protection there must be a fencing method that can confirm')
  }
  if (settings.whenEnsembleIsLost === 'keep') {
    if (settings.protection.includes('lease')) {
      problems.push('whenEnsembleIsLost: keep and protection: lease contradict each other')
    }
    if (!settings.fencing.some((method) => method.kind === 'command' && canConfirm(method))) {
      problems.push('whenEnsembleIsLost: keep needs a fencing command with verify')
    }
  }
  const { service, watchdog, protection } = settings
  const onlyLease = protection.includes('lease') && !protection.includes('token')
  const canBeEnded = service.start !== undefined && watchdog !== 'off'
  if (onlyLease && service.deactivate.kind === 'command' && !canBeEnded) {
    problems.push(
      'protection: lease needs somebody who stops the service while its controller hangs: the guard and ' +
        'deactivate by http, or service.start and the watchdog, which then ends its process',
    )
  }
  if (settings.service.health.length === 0) problems.push('service.health has no probe')
  return problems
}

function canConfirm(method: FencingMethod): boolean {
  if (method.kind === 'graceful') return true
  return method.verify !== undefined || method.trustExitCode === true
}
