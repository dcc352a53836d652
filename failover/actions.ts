/**
 * The actions: each does what `decide` has chosen, one step, and changes what the next view shows.
 *
 * Invariants:
 * 1. What an interrupted action still awaits changes nothing when it comes: each step asks its
 *    signal first (H-9). What is durable already stays.
 * 2. Nothing is sent that relies on a record that is not durable yet: the token before the grant,
 *    the breadcrumb's mzxid and the active token before `activate` (H-2, H-4, H-14).
 */
import { assert, unreachable } from '../ensemble/assert.ts'
import type { BackOff } from './back-off.ts'
import type { ControllerContext } from './controller-context.ts'
import { codeOf } from './coordination.ts'
import type { Action } from './decide.ts'
import { runFencing } from './fencing.ts'
import type { GrantKeeper } from './grant-keeper.ts'
import { encodeValue, type FencingStatus } from './group-nodes.ts'
import { writeHistory } from './history.ts'
import { isoTime } from './iso-time.ts'
import { readClocks } from './lease.ts'
import type { LocalService } from './local-service.ts'
import { ignoring, type Membership } from './membership.ts'
import { clearRequest } from './requests.ts'
import type { Cause, GroupView } from './view.ts'

export interface ActionParts {
  readonly context: ControllerContext
  readonly membership: Membership
  readonly local: LocalService
  readonly keeper: GrantKeeper
  readonly backOff: BackOff
  /** The value of the own member node, for its registration. */
  readonly memberText: () => string
  /** Nothing is decided any more. */
  readonly end: () => void
  /** The stop that was asked for is done. */
  readonly stopped: () => void
}

export class Actions {
  readonly #context: ControllerContext
  readonly #membership: Membership
  readonly #local: LocalService
  readonly #keeper: GrantKeeper
  readonly #backOff: BackOff
  readonly #parts: ActionParts
  /** Why this member came to hold the lock, for the history. */
  #grantReason = ''
  #activeAtMs: number | null = null
  #tokenAlarm = false
  #fencing: FencingStatus | null = null
  #lastFencing: FencingStatus | null = null

  constructor(parts: ActionParts) {
    this.#context = parts.context
    this.#membership = parts.membership
    this.#local = parts.local
    this.#keeper = parts.keeper
    this.#backOff = parts.backOff
    this.#parts = parts
  }

  /** A lock at or below our highest token was seen (H-2). */
  get tokenAlarm(): boolean {
    return this.#tokenAlarm
  }

  /** The attempt under way; null between attempts. */
  get fencing(): FencingStatus | null {
    return this.#fencing
  }

  /** The last attempt that did not confirm. */
  get lastFencing(): FencingStatus | null {
    return this.#lastFencing
  }

  async perform(action: Action, signal: AbortSignal): Promise<void> {
    const membership = this.#membership
    const keeper = this.#keeper
    const local = this.#local
    switch (action.kind) {
      case 'wait':
        return
      case 'open-session':
        return membership.open()
      case 'read-group':
        return membership.readGroup(local.watchdog)
      case 'register':
        return membership.register(this.#parts.memberText())
      case 'start-service':
        return local.start()
      case 'stop-service':
        return local.stopWithoutRight(signal)
      case 'record-token':
        return this.#context.state.update({ highestToken: action.token })
      case 'raise-token-alarm':
        this.#tokenAlarm = true
        this.#context.log.error({ token: action.token }, 'the history of the ensemble went back')
        return membership.releaseLock(action.token)
      case 'create-lock':
        return membership.createLock()
      case 'release-lock': {
        const lock = membership.observer?.lock ?? null
        return lock === null ? undefined : membership.releaseLock(lock.stat.czxid)
      }
      case 'claim':
        return this.#claim(action)
      case 'take-lease':
        return keeper.takeLease(signal)
      case 'verify':
        return keeper.verify(action.stage, signal)
      case 'fence':
        return this.#fence(action, signal)
      case 'write-breadcrumb':
        return this.#writeBreadcrumb(signal)
      case 'activate':
        return this.#activate(signal)
      case 'record-history':
        return this.#recordHistory(action.request)
      case 'refuse-request':
        return this.#refuse(action.node, action.why)
      case 'demote':
        return this.#demote(action.cause)
      case 'abandon':
        return keeper.change({ demoted: { confirmed: false, cause: action.cause } })
      case 'release':
        return this.#release(action.clean)
      case 'forget-grant':
        return this.#forgetGrant()
      case 'finish':
        return this.#finish(action.closeSession)
      default:
        return unreachable(action)
    }
  }

  // ---- towards active

  async #claim(action: Extract<Action, { kind: 'claim' }>): Promise<void> {
    const { token } = action
    const { state } = this.#context
    if (token > state.record.highestToken) await state.update({ highestToken: token })
    this.#fencing = null
    this.#activeAtMs = null
    this.#keeper.begin(token, action)
    this.#grantReason = this.#reasonOf()
  }

  #reasonOf(): string {
    const group = this.#group()
    const request = group?.requests.find((one) => one.isDue)
    if (request !== undefined) return `request ${request.id}`
    const { breadcrumb } = group ?? {}
    if (breadcrumb?.kind === 'present') return `${breadcrumb.member ?? 'somebody'} lost the lock`
    return 'there was no active'
  }

  async #fence(
    { target, method: index }: Extract<Action, { kind: 'fence' }>,
    signal: AbortSignal,
  ): Promise<void> {
    const { grant, number } = this.#keeper
    const { settings, sys, rules, log } = this.#context
    const method = rules.fencing[index]
    if (grant === null || method === undefined) return
    const since = this.#fencing?.target === target ? this.#fencing.since : this.#nowText()
    const attempts = grant.fencing.filter((one) => one.target === target).length + 1
    this.#fencing = { target, method: method.kind, result: 'running', attempts, since }
    const crumb = this.#group()?.breadcrumb
    const order = {
      target,
      token: grant.token,
      targetToken: crumb?.kind === 'present' && crumb.member === target ? crumb.token : null,
      leaseLeftMs: this.#keeper.serviceLeaseMs(number),
    }
    const { result, detail } = await runFencing(method, order, settings, sys, signal)
    log.info({ target, method: method.kind, result, detail }, 'fencing')
    const present = this.#keeper.grant
    if (signal.aborted || this.#keeper.number !== number || present === null) return
    const status = { target, method: method.kind, result, attempts, since }
    this.#fencing = null
    this.#lastFencing = result === 'confirmed' ? null : status
    const proof = method.kind === 'graceful' ? 'reported-standby' : 'fenced'
    this.#keeper.change({
      fencing: [...present.fencing, { target, method: index, result }],
      ...(result === 'confirmed' ? { proofs: { ...present.proofs, [target]: proof } } : {}),
    })
  }

  async #writeBreadcrumb(signal: AbortSignal): Promise<void> {
    const { session, observer } = this.#membership
    const { grant } = this.#keeper
    if (session === null || observer === null || grant === null) return
    const { settings, paths, acl, incarnation, state, log } = this.#context
    const { member, address } = settings
    const data = encodeValue({ member, address, token: grant.token, incarnation })
    const present = observer.breadcrumb
    for (const word of observer.config?.value.confirmedOff ?? []) {
      log.warn({ ...word }, 'an operator had said that this member is off')
    }
    let mzxid: bigint
    try {
      if (present === null) {
        await session.create(paths.breadcrumb, data, { acl })
        const read = await session.get(paths.breadcrumb)
        if (read.data?.toString('utf8') !== data) return this.#isSecondWinner(signal)
        mzxid = read.stat.mzxid
      } else {
        mzxid = (await session.set(paths.breadcrumb, data, present.stat.version)).mzxid
      }
    } catch (error) {
      const code = codeOf(error)
      if (code !== 'badVersion' && code !== 'noNode' && code !== 'nodeExists') throw error
      return this.#isSecondWinner(signal)
    }
    await state.update({ breadcrumb: { mzxid, data } })
    if (!signal.aborted) this.#keeper.change({ hasBreadcrumb: true })
  }

  #isSecondWinner(signal: AbortSignal): void {
    if (signal.aborted) return
    const why = 'somebody else wrote the breadcrumb: there is a second winner (H-4)'
    this.#keeper.change({ lost: { cause: 'lock-lost', why } })
  }

  async #activate(signal: AbortSignal): Promise<void> {
    const { grant, number } = this.#keeper
    if (grant === null) return
    const { token } = grant
    const { state, times, sys, log } = this.#context
    if (state.record.activeToken !== token) await state.update({ activeToken: token })
    // The disk may have stalled for longer than the lease: time before effects (H-11).
    if (signal.aborted || this.#keeper.serviceLeaseMs(number) <= times.stopMs) return
    // From here on the service may be active, whatever the answer says or does not say.
    this.#keeper.change({ commanded: true })
    this.#local.isToBecomeActive()
    this.#keeper.feedWatchdog(grant)
    const leaseMs = () => this.#keeper.serviceLeaseMs(number)
    const result = await this.#local.activate(token, leaseMs, this.#grantReason)
    if (signal.aborted || this.#keeper.grant?.token !== token) return
    if (!result.done) {
      const why = `the service did not become active: ${result.why}`
      this.#keeper.change({ lost: { cause: 'activation-failed', why } })
      return
    }
    this.#keeper.change({ active: true })
    this.#activeAtMs = sys.clock.monotonicMs()
    this.#local.isActive(token)
    this.#lastFencing = null
    log.info({ token }, 'active')
  }

  // ---- while active

  async #recordHistory(request: string | null): Promise<void> {
    const { session, observer } = this.#membership
    const { grant } = this.#keeper
    if (session === null || grant === null) return
    const { settings, paths, acl } = this.#context
    const former = grant.former?.lease
    const asked = request === null ? undefined : observer?.requests.get(request)?.value
    const entry = {
      from: former?.kind === 'present' ? former.member : null,
      to: settings.member,
      token: grant.token,
      reason: this.#grantReason,
      startedAt: isoTime(grant.startedAt.wallMs),
      activeAt: this.#nowText(),
      by: asked?.by ?? 'automatic',
      requestId: asked?.id ?? null,
    }
    await writeHistory(session, paths, entry, acl)
    if (request !== null) await clearRequest(session, paths, request)
    this.#keeper.change({ recorded: true })
  }

  async #refuse(request: string, why: string): Promise<void> {
    const { session, observer } = this.#membership
    if (session === null) return
    const { settings, paths, acl } = this.#context
    const asked = observer?.requests.get(request)?.value
    const entry = {
      from: asked?.from ?? null,
      to: asked?.to ?? settings.member,
      token: this.#keeper.grant?.token ?? 0n,
      reason: `refused: ${why}`,
      startedAt: this.#nowText(),
      activeAt: '',
      by: asked?.by ?? '',
      requestId: asked?.id ?? null,
    }
    await writeHistory(session, paths, entry, acl)
    await clearRequest(session, paths, request)
    await observer?.refresh('requests')
  }

  // ---- away from active

  async #demote(cause: Cause): Promise<void> {
    const { grant } = this.#keeper
    assert(grant !== null, 'only a grant is demoted')
    const confirmed = await this.#local.demote(grant.token, cause)
    this.#keeper.change({ demoted: { confirmed, cause } })
  }

  async #release(clean: boolean): Promise<void> {
    const { session, observer } = this.#membership
    const { grant } = this.#keeper
    if (session === null || observer === null || grant === null) return
    if (clean && grant.hasBreadcrumb) {
      await observer.refresh('breadcrumb')
      const { breadcrumb } = observer
      const seen = this.#group()?.breadcrumb
      if (breadcrumb !== null && seen?.kind === 'present' && seen.isMine) {
        const { breadcrumb: path } = this.#context.paths
        const removed = session.delete(path, breadcrumb.stat.version)
        await ignoring(removed, ['noNode', 'badVersion'])
      }
      await this.#keeper.giveLeaseBack(session, grant)
    }
    await this.#membership.releaseLock(grant.token)
    this.#forgetGrant()
  }

  #forgetGrant(): void {
    const cause = this.#keeper.grant?.demoted?.cause
    const now = this.#context.sys.clock.monotonicMs()
    const wasActiveMs = this.#activeAtMs === null ? 0 : now - this.#activeAtMs
    this.#backOff.onGrantEnded(cause, wasActiveMs, now)
    this.#keeper.end()
    this.#fencing = null
    this.#activeAtMs = null
  }

  /** @param closeSession false: service and session are left to the next start (H-14) */
  async #finish(closeSession: boolean): Promise<void> {
    if (closeSession) await this.#local.end()
    this.#local.watchdog.part()
    this.#parts.end()
    const { session } = this.#membership
    if (closeSession) await session?.close()
    else await session?.detach?.()
    this.#context.log.info({ keepService: !closeSession }, 'the controller has stopped')
    this.#parts.stopped()
  }

  // ---- small things

  #group(): GroupView | null {
    return this.#membership.groupAt(readClocks(this.#context.sys.clock))
  }

  #nowText(): string {
    return isoTime(this.#context.sys.clock.wallMs())
  }
}
