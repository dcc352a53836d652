/**
 * The controller of one member: takes a view, lets `decide` choose, acts, logs the sentence, repeats.
 *
 * Here are its life, its loop, and its view; what it does is in actions.ts, and what it knows is kept
 * by those who learn it: membership.ts (session and group), local-service.ts (service and health),
 * grant-keeper.ts (grant and lease), announcement.ts (what others hear).
 *
 * Invariants:
 * 1. One action at a time; only a stop interrupts another one (H-9).
 * 2. Clocks are read before any input is used: when the lease is over, it is over for good for this
 *    grant, whatever queued answer says it was renewed (H-11).
 * 3. Awaits only `sys` and the client, so the simulator runs it unchanged.
 */
import { AssertionError } from '../ensemble/assert.ts'
import { Client } from '../ensemble/client/index.ts'
import type { Timer } from '../ensemble/sys/clock.ts'
import type { Sys } from '../ensemble/sys/sys.ts'
import { Actions } from './actions.ts'
import { Announcement, type LastDecision } from './announcement.ts'
import { BackOff } from './back-off.ts'
import { contextOf, type ControllerContext } from './controller-context.ts'
import type { ControllerStatus } from './controller-status.ts'
import { codeOf, type OpenSession } from './coordination.ts'
import { decide, interrupts, stopInMs, type Action, type Decision } from './decide.ts'
import { GrantKeeper } from './grant-keeper.ts'
import { isoTime } from './iso-time.ts'
import { readClocks, type ClockReading } from './lease.ts'
import { LocalService } from './local-service.ts'
import { HELD_LOOK_MS, Membership } from './membership.ts'
import { setPaused, submitRequest, type NewRequest, type RequestOutcome } from './requests.ts'
import type { GroupSettings } from './settings.ts'
import { StateError } from './state-directory.ts'
import type { Stopping, View } from './view.ts'

export interface ControllerOptions {
  /** Another way to the ensemble than our client over `sys.network`: for tests. */
  readonly openSession?: OpenSession
}

interface UnderWay {
  readonly action: Action
  readonly abort: AbortController
}

/** An action failed for a reason that may pass: look again after this long. */
const RETRY_MS = 100

export class Controller {
  readonly #context: ControllerContext
  readonly #membership: Membership
  readonly #local: LocalService
  readonly #keeper: GrantKeeper
  readonly #backOff: BackOff
  readonly #actions: Actions
  readonly #announcement: Announcement
  readonly #others: readonly string[]
  readonly #failure = Promise.withResolvers<Error>()
  readonly #stopped = Promise.withResolvers<void>()

  #isRunning = false
  #isPumping = false
  #pumpAgain = false
  #timer: Timer | null = null
  #underWay: UnderWay | null = null
  #holdUntilMs = 0
  #adoptUntilMs = 0
  #stopping: Stopping | null = null
  #lastDecision: LastDecision = { action: 'none', sentence: 'not started', at: '' }

  constructor(settings: GroupSettings, sys: Sys, options: ControllerOptions = {}) {
    const context = contextOf(settings, sys, {
      wake: () => this.#pump(),
      fail: (error) => this.#fail(error),
    })
    this.#context = context
    const openSession: OpenSession = ({ servers, session, ...rest }) =>
      new Client(servers, session === null ? rest : { ...rest, session }, sys)
    const membership = new Membership(context, options.openSession ?? openSession)
    const local = new LocalService(context, () => this.#keeper.grant !== null)
    const keeper = new GrantKeeper(context, membership, local)
    const backOff = new BackOff(context.times, sys.random)
    this.#membership = membership
    this.#local = local
    this.#keeper = keeper
    this.#backOff = backOff
    this.#announcement = new Announcement(context, membership, local)
    this.#actions = new Actions({
      context,
      membership,
      local,
      keeper,
      backOff,
      memberText: () => this.#announcement.firstText(this.#look(), this.#actions),
      end: () => this.#end(),
      stopped: () => this.#stopped.resolve(),
    })
    this.#others = Object.keys(settings.members)
      .filter((member) => member !== settings.member)
      .toSorted()
  }

  /** Reads the state directory and begins to decide. Rejects when the record is damaged. */
  async start(): Promise<void> {
    const { state, sys, times, log, incarnation } = this.#context
    await state.open()
    if (state.record.session !== null) this.#membership.remember(state.record.session.id)
    await this.#local.adoptProcess()
    this.#adoptUntilMs = sys.clock.monotonicMs() + times.leaseMs
    this.#isRunning = true
    this.#local.watch()
    this.#keeper.boundAdoption()
    log.info({ incarnation }, 'the controller starts')
    this.#pump()
  }

  /**
   * Stops: by default gives everything up in order (H-5), and ends a service that it started.
   * `handOver` is the default of a clean stop; `keepService` leaves service and session to the next
   * start, which adopts them (H-14). Until then nobody but a guard ends the service with its lease.
   */
  stop(options: { handOver?: boolean; keepService?: boolean } = {}): Promise<void> {
    if (!this.#isRunning) return Promise.resolve()
    const { settings, sys, times } = this.#context
    const { timeoutMs } = settings.service.deactivate
    this.#stopping ??= {
      keepService: options.keepService === true,
      giveUpAtMs: sys.clock.monotonicMs() + 2 * timeoutMs + times.leaseMs,
    }
    this.#pump()
    return this.#stopped.promise
  }

  /** Resolves with the reason when the controller cannot go on; the caller ends the process. */
  get failed(): Promise<Error> {
    return this.#failure.promise
  }

  onChange(listener: (status: ControllerStatus) => void): () => void {
    return this.#announcement.onChange(listener)
  }

  get status(): ControllerStatus {
    return this.#announcement.status(this.#look(), this.#actions, this.#lastDecision)
  }

  // ---- requests of an operator

  /** Asks for a graceful switchover; the outcome is in `history` under the request's id. */
  switchover(request: {
    from: string
    to: string | null
    id: string
    by: string
    at?: string
  }): Promise<RequestOutcome> {
    const { group } = this.#look()
    if (group?.lock.kind !== 'held') {
      return Promise.resolve({ state: 'refused', reason: 'there is no active: use failover' })
    }
    if (group.lock.member !== request.from) {
      const reason = `the active is ${group.lock.member}, not ${request.from}`
      return Promise.resolve({ state: 'wrong-active', reason })
    }
    return this.#submit({ allowUnhealthy: false, ...request })
  }

  /** Asks that `to` becomes active when nobody is. */
  failover(request: {
    to: string
    id: string
    by: string
    allowUnhealthy?: boolean
  }): Promise<RequestOutcome> {
    const { group } = this.#look()
    if (group?.lock.kind === 'held') {
      const reason = `${group.lock.member ?? 'somebody'} is active: use switchover`
      return Promise.resolve({ state: 'refused', reason })
    }
    return this.#submit({ from: null, allowUnhealthy: false, ...request })
  }

  #submit(request: NewRequest): Promise<RequestOutcome> {
    const { paths, acl } = this.#context
    return submitRequest(this.#membership.connected(), paths, request, acl)
  }

  pause(why: { reason: string; by: string }): Promise<void> {
    return setPaused(this.#membership.connected(), this.#context.paths, why)
  }

  resume(): Promise<void> {
    return setPaused(this.#membership.connected(), this.#context.paths, null)
  }

  // ---- the loop

  #pump(): void {
    if (!this.#isRunning) return
    if (this.#isPumping) {
      this.#pumpAgain = true
      return
    }
    this.#isPumping = true
    try {
      do {
        this.#pumpAgain = false
        this.#turn()
      } while (this.#pumpAgain && this.#isRunning)
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#isPumping = false
    }
  }

  #turn(): void {
    const now = readClocks(this.#context.sys.clock)
    this.#keeper.endLeaseIfOver(now)
    this.#backOff.onGroupSeen(this.#membership.groupAt(now), now.monotonicMs)
    const view = this.#view(now)
    const decision = decide(view)
    const { kind } = decision.action
    if (this.#underWay !== null) {
      if (interrupts(decision, this.#underWay.action)) this.#underWay.abort.abort()
    } else if (kind === 'wait') {
      this.#note(decision)
    } else if (now.monotonicMs >= this.#holdUntilMs || kind === 'demote' || kind === 'abandon') {
      this.#note(decision)
      this.#begin(decision.action)
    }
    this.#keeper.renewIfDue(view)
    this.#announcement.tell(view, this.#actions, this.#lastDecision)
    this.#arm(view, decision)
  }

  #begin(action: Action): void {
    const abort = new AbortController()
    const underWay = { action, abort }
    this.#underWay = underWay
    const { promise: aborted, resolve } = Promise.withResolvers<void>()
    abort.signal.addEventListener('abort', () => resolve())
    const done = this.#actions.perform(action, abort.signal).catch((error: unknown) => {
      if (isFatal(error)) this.#fail(error)
      else if (!abort.signal.aborted) this.#onActionFailed(action, codeOf(error))
    })
    void Promise.race([done, aborted]).then(() => {
      if (this.#underWay === underWay) this.#underWay = null
      this.#pump()
    })
  }

  #onActionFailed(action: Action, code: string | null): void {
    const { log, sys } = this.#context
    // The protocol names it: the outcome may be unknown, so look at everything afresh.
    log.warn({ action: action.kind, code }, 'an action failed and is decided anew')
    this.#membership.observer?.markStale()
    this.#holdUntilMs = sys.clock.monotonicMs() + RETRY_MS
  }

  /** Ends for good: the disk failed, or we have a bug. The service stops; its lease does the rest. */
  #fail(error: unknown): void {
    const cause = error instanceof Error ? error : new Error(String(error))
    this.#context.log.fatal({ error: cause }, 'the controller cannot go on')
    const { grant } = this.#keeper
    if (this.#isRunning && grant?.commanded === true) this.#local.stopAtLast(grant.token)
    this.#end()
    this.#failure.resolve(cause)
    this.#stopped.resolve()
  }

  #end(): void {
    this.#isRunning = false
    this.#timer?.cancel()
    this.#local.unwatch()
    this.#membership.leave()
  }

  #arm(view: View, { action }: Decision): void {
    const { sys, times } = this.#context
    const now = view.now.monotonicMs
    let waitMs = Infinity
    if (action.kind === 'wait' && action.untilMs !== null) waitMs = action.untilMs - now
    if (this.#holdUntilMs > now) waitMs = Math.min(waitMs, this.#holdUntilMs - now)
    const { grant } = view
    if (grant !== null && grant.lease !== null && grant.demoted === null) {
      if (grant.commanded && grant.lost === null) waitMs = Math.min(waitMs, stopInMs(view, grant))
      waitMs = Math.min(waitMs, this.#keeper.dueInMs(grant, view.now))
    }
    if (grant?.adopting === true || view.adoptUntilMs > now) {
      waitMs = Math.min(waitMs, view.adoptUntilMs - now)
    }
    for (const request of view.group?.requests ?? []) {
      // A request that is not due yet, or that stops to hold others back.
      waitMs = Math.min(waitMs, request.isDue ? request.seenAtMs + times.cedeMs - now : 1000)
    }
    const retries = [view.service.retryAtMs, view.session.retryAtMs, view.backoffUntilMs]
    for (const atMs of [...retries, view.stopping?.giveUpAtMs ?? 0]) {
      if (atMs > now) waitMs = Math.min(waitMs, atMs - now)
    }
    if (this.#membership.isHeld) waitMs = Math.min(waitMs, HELD_LOOK_MS)
    this.#timer?.cancel()
    this.#timer = null
    if (!this.#isRunning || waitMs === Infinity) return
    this.#timer = sys.clock.setTimer(Math.max(1, Math.ceil(waitMs)), () => this.#pump())
  }

  #note(decision: Decision): void {
    const { action, sentence } = decision
    const name = action.kind === 'wait' ? action.state : action.kind
    if (this.#lastDecision.sentence === sentence && this.#lastDecision.action === name) return
    const { sys, log } = this.#context
    this.#lastDecision = { action: name, sentence, at: isoTime(sys.clock.wallMs()) }
    log.info({ action: name, sentence }, 'decision')
  }

  // ---- the view

  #look(): View {
    return this.#view(readClocks(this.#context.sys.clock))
  }

  #view(now: ClockReading): View {
    const { settings, rules, times, state } = this.#context
    const { highestToken, activeToken } = state.record
    return {
      now,
      self: settings.member,
      others: this.#others,
      rules,
      times,
      stopping: this.#stopping,
      health: this.#local.health,
      service: this.#local.view,
      session: this.#membership.view,
      group: this.#membership.groupAt(now),
      record: { highestToken, activeToken },
      grant: this.#keeper.grant,
      backoffUntilMs: this.#backOff.untilMs,
      failoverTimesMs: this.#backOff.failoverTimesMs,
      tokenAlarm: this.#actions.tokenAlarm,
      adoptUntilMs: this.#adoptUntilMs,
      hasWatchdog: this.#local.watchdog.pid !== null,
    }
  }
}

/** The disk failed, or it is our own bug: nothing that the protocol names, nothing to try again. */
function isFatal(error: unknown): boolean {
  const code = codeOf(error)
  if (error instanceof AssertionError || error instanceof StateError) return true
  return code === null || code.startsWith('E')
}
