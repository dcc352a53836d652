/**
 * What others hear of this member: its node in the group, the listeners, the hook of role changes.
 *
 * Invariant: hooks run one after the other, so that the last one that ran tells the present role.
 */
import type { ControllerContext } from './controller-context.ts'
import { isEligible, roleOf, type ControllerStatus, type Role } from './controller-status.ts'
import { encodeValue, type FencingStatus } from './group-nodes.ts'
import { leaseLeftMs } from './lease.ts'
import type { LocalService } from './local-service.ts'
import type { Membership } from './membership.ts'
import { problemsOf, type ProblemList } from './problems.ts'
import { runCommand } from './run-command.ts'
import { expandArgv, ownValues } from './templates.ts'
import type { View } from './view.ts'

export interface LastDecision {
  readonly action: string
  readonly sentence: string
  readonly at: string
}

/** The fencing under way, and the last attempt that did not confirm. */
interface Fencing {
  readonly fencing: FencingStatus | null
  readonly lastFencing: FencingStatus | null
}

export class Announcement {
  readonly #context: ControllerContext
  readonly #membership: Membership
  readonly #local: LocalService
  readonly #listeners = new Set<(status: ControllerStatus) => void>()
  #problems: ProblemList = []
  #lastRole: Role = 'initializing'
  #hooks: Promise<unknown> = Promise.resolve()

  constructor(context: ControllerContext, membership: Membership, local: LocalService) {
    this.#context = context
    this.#membership = membership
    this.#local = local
  }

  onChange(listener: (status: ControllerStatus) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Tells what has changed, if anything has. */
  tell(view: View, fencing: Fencing, lastDecision: LastDecision): void {
    const { settings, log, fail } = this.#context
    this.#problems = problemsOf(view, {
      before: this.#problems,
      fencing: fencing.lastFencing,
    })
    if (this.#membership.isHeldTooLong(view)) {
      fail(new Error(`another live session holds the node of member ${settings.member} (H-17)`))
      return
    }
    const role = roleOf(view)
    if (role !== this.#lastRole) {
      log.info({ from: this.#lastRole, to: role, token: view.grant?.token }, 'role')
      this.#lastRole = role
      this.#runHook(role, view.grant?.token ?? 0n, lastDecision.sentence)
    }
    this.#membership.publish(view, this.#textOf(view, role, isEligible(view), fencing), () => {
      const status = this.status(view, fencing, lastDecision)
      for (const listener of this.#listeners) listener(status)
    })
  }

  /** The member node as it is registered: not eligible before the group is known. */
  firstText(view: View, fencing: Fencing): string {
    return this.#textOf(view, this.#lastRole, false, fencing)
  }

  status(view: View, fencing: Fencing, lastDecision: LastDecision): ControllerStatus {
    const { settings, times, sys, state } = this.#context
    const { grant, group, session } = view
    const lease = grant?.lease ?? null
    const leftMs = lease === null ? null : leaseLeftMs(lease.sentAt, times.leaseMs, view.now)
    return {
      cluster: settings.cluster,
      group: settings.group,
      member: settings.member,
      address: settings.address,
      role: roleOf(view),
      reportedRole: view.service.reported?.role ?? view.service.role,
      health: view.health,
      token: grant?.token ?? null,
      leaseLeftMs: leftMs === null ? null : Math.max(0, Math.floor(leftMs)),
      highestToken: state.record.highestToken,
      lockHolder: group?.lock.kind === 'held' ? group.lock.member : null,
      breadcrumb: group?.breadcrumb.kind === 'present' ? group.breadcrumb.member : null,
      lastDecision,
      fencing: fencing.fencing ?? fencing.lastFencing,
      problems: this.#problems,
      paused: (group?.paused ?? null) !== null,
      eligible: isEligible(view),
      session: { state: session.state, id: session.id, timeoutMs: session.timeoutMs },
      pid: this.#local.pid,
      controllerPid: sys.process.pid,
      watchdogPid: this.#local.watchdog.pid,
    }
  }

  #textOf(view: View, role: Role, eligible: boolean, { fencing, lastFencing }: Fencing): string {
    const { settings, sys } = this.#context
    const own = settings.members[settings.member]
    return encodeValue({
      address: settings.address,
      version: settings.version ?? '',
      formats: [1],
      configDigest: settings.configDigest,
      configKeys: settings.configKeys ?? {},
      health: view.health,
      role,
      reportedRole: view.service.reported?.role ?? view.service.role,
      position: null,
      priority: own?.priority ?? 0,
      tags: own?.tags ?? {},
      eligible,
      pid: this.#local.pid,
      controllerPid: sys.process.pid,
      problems: this.#problems,
      fencing: fencing ?? lastFencing,
    })
  }

  #runHook(role: Role, token: bigint, reason: string): void {
    const { settings, sys, log } = this.#context
    const hook = settings.onRoleChange
    if (hook === undefined) return
    const { member, members } = settings
    const values = ownValues(member, members[member]!, {
      token,
      role,
      reason: reason.slice(0, 200),
      pid: this.#local.pid,
    })
    this.#hooks = this.#hooks
      .then(() =>
        runCommand(sys, {
          argv: expandArgv(hook.argv, values),
          env: { HOWDAH_MEMBER: member, HOWDAH_ROLE: role },
          timeoutMs: hook.timeoutMs,
        }),
      )
      .catch((error: unknown) => log.warn({ error }, 'onRoleChange failed'))
  }
}
