/**
 * The controller of one member: takes a view, lets `decide` choose, acts, logs the sentence, repeats.
 *
 * Invariants:
 * 1. One action at a time; only a stop interrupts another one. What an interrupted action still
 *    awaits changes nothing when it comes (each step asks its signal first, H-9).
 * 2. Clocks are read before any input is used: when the lease is over, it is over for good for this
 *    grant, whatever queued answer says it was renewed (H-11).
 * 3. The lease is renewed beside the actions, by a conditional write at our own version; it counts
 *    from the moment before the sending (H-10).
 * 4. Nothing is sent that relies on a record that is not durable yet: the token before the grant,
 *    the breadcrumb's mzxid and the active token before `activate` (H-2, H-4, H-14).
 * 5. Awaits only `sys` and the client, so the simulator runs it unchanged.
 */
import { assert, AssertionError, unreachable } from '../ensemble/assert.ts'
import { Client, acl } from '../ensemble/client/index.ts'
import type { Timer } from '../ensemble/sys/clock.ts'
import type { Logger } from '../ensemble/sys/logger.ts'
import type { Sys } from '../ensemble/sys/sys.ts'
import { codeOf } from './coordination.ts'
import type { AclEntry, Coordination, OpenSession, SessionState } from './coordination.ts'
import type { ControllerStatus, Role } from './controller-status.ts'
import { decide, interrupts, stopInMs, type Action, type Decision } from './decide.ts'
import { runFencing } from './fencing.ts'
import { encodeValue, groupPaths, type FencingStatus, type GroupPaths } from './group-nodes.ts'
import { GroupObserver } from './group-observer.ts'
import { HealthMonitor } from './health-monitor.ts'
import { writeHistory } from './history.ts'
import { isoTime } from './iso-time.ts'
import { leaseLeftMs, passedMs, readClocks, type ClockReading } from './lease.ts'
import { problemsOf, type ProblemList } from './problems.ts'
import { clearRequest, setPaused, submitRequest, type RequestOutcome } from './requests.ts'
import { runCommand } from './run-command.ts'
import type { ServiceAnswer } from './service-answer.ts'
import { Service } from './service.ts'
import { timesOf, waitFor, WATCHDOG_LEAD_MS, type GroupSettings, type Times } from './settings.ts'
import { StateDirectory, StateError } from './state-directory.ts'
import { expandArgv, ownValues } from './templates.ts'
import { viewOfGroup } from './view-of-group.ts'
import { WatchdogLink } from './watchdog-link.ts'
import type { Cause, Grant, Rules, Stopping, View } from './view.ts'

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
/** How often we look whether another session still holds our member's node. */
const HELD_LOOK_MS = 1000

export class Controller {
  readonly #settings: GroupSettings
  readonly #sys: Sys
  readonly #log: Logger
  readonly #times: Times
  readonly #rules: Rules
  readonly #paths: GroupPaths
  readonly #openSession: OpenSession
  readonly #state: StateDirectory
  readonly #service: Service
  readonly #health: HealthMonitor
  readonly #watchdog: WatchdogLink
  /** Tells this run from every other, also from a clone of the state directory. */
  readonly #incarnation: string
  readonly #listeners = new Set<(status: ControllerStatus) => void>()
  readonly #failure = Promise.withResolvers<Error>()
  readonly #stopped = Promise.withResolvers<void>()

  #isRunning = false
  #isPumping = false
  #pumpAgain = false
  #timer: Timer | null = null
  #underWay: UnderWay | null = null
  #holdUntilMs = 0
  #stopping: Stopping | null = null

  #session: Coordination | null = null
  #sessionState: View['session']['state'] = 'none'
  #sessionRetryAtMs = 0
  #observer: GroupObserver | null = null
  #forgetSession: () => void = () => {}
  /** Sessions of ours that have ended or will: their nodes may be replaced (H-9). */
  readonly #formerSessions = new Set<bigint>()
  /** While another session holds our member's node; confirming: read afresh before we give up. */
  #held: { readonly sinceMs: number; readonly isConfirming: boolean } | null = null

  #serviceRole: 'unknown' | 'standby' | 'active' = 'unknown'
  #roleChangedAtMs = 0
  #reported: View['service']['reported'] = null
  #contradictions = 0
  #serviceRetryAtMs = 0
  #startFailures = 0

  #grant: Grant | null = null
  #grantNumber = 0
  #grantReason = ''
  #breadcrumbBefore: string | null = null
  #activeAtMs: number | null = null
  #renewing: Promise<void> | null = null
  /** Renewals known to be committed, in this run. */
  #renewals = 0
  #renewalTriedAtMs = 0
  #isExtending = false
  #backoffUntilMs = 0
  #failures = 0
  #tokenAlarm = false
  #adoptUntilMs = 0
  #fencing: FencingStatus | null = null
  #lastFencing: FencingStatus | null = null

  #lastDecision = { action: 'none', sentence: 'not started', at: '' }
  #problems: ProblemList = []
  #published: { text: string; inFlight: boolean } = { text: '', inFlight: false }
  #lastRole: Role = 'initializing'
  #hooks: Promise<unknown> = Promise.resolve()

  constructor(settings: GroupSettings, sys: Sys, options: ControllerOptions = {}) {
    const own = settings.members[settings.member]
    assert(own !== undefined, 'the own member is configured')
    this.#settings = settings
    this.#sys = sys
    this.#log = sys.log.child({ group: settings.group, member: settings.member })
    this.#times = timesOf(settings)
    this.#rules = {
      protection: settings.protection,
      fencing: settings.fencing,
      whenEnsembleIsLost: settings.whenEnsembleIsLost,
      noFailover: own.tags?.['nofailover'] === true,
      priority: own.priority ?? 0,
      watchdogRequired: settings.watchdog === 'required',
    }
    this.#paths = groupPaths(settings.cluster, settings.group)
    this.#openSession =
      options.openSession ??
      (({ servers, session, ...rest }) =>
        new Client(servers, session === null ? rest : { ...rest, session }, sys))
    this.#state = new StateDirectory(sys.files, {
      directory: settings.stateDir,
      group: settings.group,
      member: settings.member,
    })
    this.#incarnation = sys.random.secureBytes(8).toString('hex')
    this.#service = new Service(settings, sys, () => this.#onServiceExit())
    this.#health = new HealthMonitor(settings, sys, {
      onChange: () => this.#pump(),
      onReport: (report, askedAtMs) => this.#onReport(report, askedAtMs),
    })
    this.#watchdog = new WatchdogLink(settings, sys, () => this.#pump())
  }

  /** Reads the state directory and begins to decide. Rejects when the record is damaged. */
  async start(): Promise<void> {
    await this.#state.open()
    const { record } = this.#state
    const bootId = await this.#bootId()
    const sameBoot = record.bootId === bootId
    if (record.session !== null) this.#formerSessions.add(record.session.id)
    const { servicePid } = record
    if (servicePid !== null && sameBoot && this.#service.supervised) {
      const isSame = (await this.#startOf(servicePid)) === record.serviceStart
      if (isSame) this.#service.adoptProcess(servicePid)
    }
    if (!sameBoot) await this.#state.update({ bootId, servicePid: null, serviceStart: null })
    const now = this.#sys.clock.monotonicMs()
    this.#adoptUntilMs = now + this.#times.leaseMs
    this.#isRunning = true
    this.#watchdog.start(this.#service.pid)
    this.#health.start()
    this.#log.info({ incarnation: this.#incarnation }, 'the controller starts')
    this.#pump()
  }

  /**
   * Stops: by default gives everything up in order (H-5), and ends a service that it started.
   * `handOver` is the default of a clean stop; `keepService` leaves service and session to the next
   * start, which adopts them (H-14).
   */
  stop(options: { handOver?: boolean; keepService?: boolean } = {}): Promise<void> {
    if (!this.#isRunning) return Promise.resolve()
    const { deactivate } = this.#settings.service
    this.#stopping ??= {
      keepService: options.keepService === true,
      giveUpAtMs: this.#sys.clock.monotonicMs() + 2 * deactivate.timeoutMs + this.#times.leaseMs,
    }
    this.#pump()
    return this.#stopped.promise
  }

  /** Resolves with the reason when the controller cannot go on; the caller ends the process. */
  get failed(): Promise<Error> {
    return this.#failure.promise
  }

  onChange(listener: (status: ControllerStatus) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get status(): ControllerStatus {
    const now = readClocks(this.#sys.clock)
    const view = this.#view(now)
    const { grant } = view
    const lease = grant?.lease ?? null
    const leftMs = lease === null ? null : leaseLeftMs(lease.sentAt, this.#times.leaseMs, now)
    const group = view.group
    return {
      cluster: this.#settings.cluster,
      group: this.#settings.group,
      member: this.#settings.member,
      address: this.#settings.address,
      role: this.#role(now),
      reportedRole: this.#reported?.role ?? this.#serviceRole,
      health: this.#health.state,
      token: grant?.token ?? null,
      leaseLeftMs: leftMs === null ? null : Math.max(0, Math.floor(leftMs)),
      highestToken: this.#state.record.highestToken,
      lockHolder: group?.lock.kind === 'held' ? group.lock.member : null,
      breadcrumb: group?.breadcrumb.kind === 'present' ? group.breadcrumb.member : null,
      lastDecision: this.#lastDecision,
      fencing: this.#fencing ?? this.#lastFencing,
      problems: this.#problems,
      paused: (group?.paused ?? null) !== null,
      eligible: this.#isEligible(view),
      session: {
        state: this.#sessionState,
        id: this.#session?.sessionId ?? 0n,
        timeoutMs: this.#session?.sessionTimeoutMs ?? 0,
      },
      pid: this.#service.pid,
      controllerPid: this.#sys.process.pid,
      watchdogPid: this.#watchdog.pid,
    }
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
    const group = this.#view(readClocks(this.#sys.clock)).group
    if (group?.lock.kind !== 'held') {
      return Promise.resolve({ state: 'refused', reason: 'there is no active: use failover' })
    }
    if (group.lock.member !== request.from) {
      const reason = `the active is ${group.lock.member}, not ${request.from}`
      return Promise.resolve({ state: 'wrong-active', reason })
    }
    return submitRequest(this.#connected(), this.#paths, { allowUnhealthy: false, ...request })
  }

  /** Asks that `to` becomes active when nobody is. */
  failover(request: {
    to: string
    id: string
    by: string
    allowUnhealthy?: boolean
  }): Promise<RequestOutcome> {
    const group = this.#view(readClocks(this.#sys.clock)).group
    if (group?.lock.kind === 'held') {
      const reason = `${group.lock.member ?? 'somebody'} is active: use switchover`
      return Promise.resolve({ state: 'refused', reason })
    }
    return submitRequest(this.#connected(), this.#paths, {
      from: null,
      allowUnhealthy: false,
      ...request,
    })
  }

  pause(why: { reason: string; by: string }): Promise<void> {
    return setPaused(this.#connected(), this.#paths, why)
  }

  resume(): Promise<void> {
    return setPaused(this.#connected(), this.#paths, null)
  }

  #connected(): Coordination {
    if (this.#session === null || this.#sessionState !== 'connected') {
      throw new Error('not connected to the ensemble')
    }
    return this.#session
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
    const now = readClocks(this.#sys.clock)
    this.#endLeaseIfOver(now)
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
    this.#renewIfDue(view)
    this.#tell(view)
    this.#arm(view, decision)
  }

  #begin(action: Action): void {
    const abort = new AbortController()
    const underWay = { action, abort }
    this.#underWay = underWay
    const { promise: aborted, resolve } = Promise.withResolvers<void>()
    abort.signal.addEventListener('abort', () => resolve())
    const done = this.#perform(action, abort.signal).catch((error: unknown) => {
      if (isFatal(error)) this.#fail(error)
      else if (!abort.signal.aborted) this.#onActionFailed(action, codeOf(error))
    })
    void Promise.race([done, aborted]).then(() => {
      if (this.#underWay === underWay) this.#underWay = null
      this.#pump()
    })
  }

  #onActionFailed(action: Action, code: string | null): void {
    // The protocol names it: the outcome may be unknown, so look at everything afresh.
    this.#log.warn({ action: action.kind, code }, 'an action failed and is decided anew')
    this.#observer?.markStale()
    this.#holdUntilMs = this.#sys.clock.monotonicMs() + RETRY_MS
  }

  /** Ends for good: the disk failed, or we have a bug. The service stops; its lease does the rest. */
  #fail(error: unknown): void {
    const cause = error instanceof Error ? error : new Error(String(error))
    this.#log.fatal({ error: cause }, 'the controller cannot go on')
    const grant = this.#grant
    if (this.#isRunning && grant?.commanded === true) {
      this.#service
        .deactivate(grant.token, 'the controller cannot go on')
        .catch((failure: unknown) => this.#log.error({ error: failure }, 'the stop failed'))
    }
    this.#end()
    this.#failure.resolve(cause)
    this.#stopped.resolve()
  }

  #end(): void {
    this.#isRunning = false
    this.#timer?.cancel()
    this.#health.stop()
    this.#observer?.close()
    this.#forgetSession()
  }

  #arm(view: View, { action }: Decision): void {
    const now = view.now.monotonicMs
    let waitMs = Infinity
    if (action.kind === 'wait' && action.untilMs !== null) waitMs = action.untilMs - now
    if (this.#holdUntilMs > now) waitMs = Math.min(waitMs, this.#holdUntilMs - now)
    const { grant } = view
    if (grant !== null && grant.lease !== null && grant.demoted === null) {
      if (grant.commanded && grant.lost === null) waitMs = Math.min(waitMs, stopInMs(view, grant))
      if (this.#renewing === null) waitMs = Math.min(waitMs, this.#renewalDueInMs(grant, view.now))
    }
    if (grant?.adopting === true || view.adoptUntilMs > now) {
      waitMs = Math.min(waitMs, view.adoptUntilMs - now)
    }
    for (const request of view.group?.requests ?? []) {
      // A request that is not due yet, or that stops to hold others back.
      waitMs = Math.min(waitMs, request.isDue ? request.seenAtMs + this.#times.cedeMs - now : 1000)
    }
    const others = [this.#serviceRetryAtMs, this.#sessionRetryAtMs, this.#backoffUntilMs]
    for (const atMs of [...others, this.#stopping?.giveUpAtMs ?? 0]) {
      if (atMs > now) waitMs = Math.min(waitMs, atMs - now)
    }
    if (this.#held !== null) waitMs = Math.min(waitMs, HELD_LOOK_MS)
    this.#timer?.cancel()
    this.#timer = null
    if (!this.#isRunning || waitMs === Infinity) return
    this.#timer = this.#sys.clock.setTimer(Math.max(1, Math.ceil(waitMs)), () => this.#pump())
  }

  #note(decision: Decision): void {
    const { action, sentence } = decision
    const name = action.kind === 'wait' ? action.state : action.kind
    if (this.#lastDecision.sentence === sentence && this.#lastDecision.action === name) return
    this.#lastDecision = { action: name, sentence, at: isoTime(this.#sys.clock.wallMs()) }
    this.#log.info({ action: name, sentence }, 'decision')
  }

  // ---- the view

  #view(now: ClockReading): View {
    const { record } = this.#state
    return {
      now,
      self: this.#settings.member,
      others: Object.keys(this.#settings.members)
        .filter((member) => member !== this.#settings.member)
        .toSorted(),
      rules: this.#rules,
      times: this.#times,
      stopping: this.#stopping,
      health: this.#health.state,
      service: {
        role: this.#serviceRole,
        reported: this.#reported,
        contradictions: this.#contradictions,
        supervised: this.#service.supervised,
        running: this.#service.running,
        retryAtMs: this.#serviceRetryAtMs,
      },
      session: {
        state: this.#sessionState,
        id: this.#session?.sessionId ?? 0n,
        retryAtMs: this.#sessionRetryAtMs,
      },
      group:
        this.#observer === null || this.#session === null
          ? null
          : viewOfGroup(this.#observer, {
              settings: this.#settings,
              sessionId: this.#session.sessionId,
              formerSessions: this.#formerSessions,
              incarnation: this.#incarnation,
              breadcrumb: record.breadcrumb,
              now,
            }),
      record: { highestToken: record.highestToken, activeToken: record.activeToken },
      grant: this.#grant,
      backoffUntilMs: this.#backoffUntilMs,
      tokenAlarm: this.#tokenAlarm,
      adoptUntilMs: this.#adoptUntilMs,
      hasWatchdog: this.#watchdog.pid !== null,
    }
  }

  #isEligible(view: View): boolean {
    const { group } = view
    return (
      group !== null &&
      !this.#tokenAlarm &&
      !this.#rules.noFailover &&
      group.drained === null &&
      group.mismatches.length === 0
    )
  }

  #role(now: ClockReading): Role {
    const grant = this.#grant
    if (grant?.active === true && grant.demoted === null && grant.lease !== null) {
      const isOver =
        this.#rules.whenEnsembleIsLost !== 'keep' &&
        leaseLeftMs(grant.lease.sentAt, this.#times.leaseMs, now) <= 0
      return isOver ? 'unknown' : 'active'
    }
    if (this.#serviceRole !== 'standby') {
      return this.#health.state === 'initializing' ? 'initializing' : 'unknown'
    }
    return this.#health.state === 'initializing' ? 'initializing' : 'standby'
  }

  /** Whoever looks from outside: member node, listeners, hooks. */
  #tell(view: View): void {
    this.#problems = problemsOf(view, {
      before: this.#problems,
      granted: this.#session?.sessionTimeoutMs ?? 0,
      asked: this.#settings.sessionTimeoutMs,
      fencing: this.#lastFencing,
    })
    if (this.#heldTooLong(view)) {
      const { member } = this.#settings
      const why = `another live session holds the node of member ${member} (H-17)`
      this.#fail(new Error(why))
      return
    }
    const role = this.#role(view.now)
    if (role !== this.#lastRole) {
      this.#log.info({ from: this.#lastRole, to: role, token: this.#grant?.token }, 'role')
      this.#lastRole = role
      this.#runHook(role)
    }
    this.#publish(view, role)
  }

  #heldTooLong(view: View): boolean {
    const { group } = view
    if (group?.registered !== 'held') {
      this.#held = null
      return false
    }
    if (group.isStale) {
      if (this.#held?.isConfirming !== true) this.#held = null
      return false
    }
    this.#held ??= { sinceMs: view.now.monotonicMs, isConfirming: false }
    const { sinceMs, isConfirming } = this.#held
    // A session that died a moment ago keeps its nodes for its timeout; a live one keeps them longer.
    const limitMs =
      2 * Math.max(this.#session?.sessionTimeoutMs ?? 0, this.#settings.sessionTimeoutMs)
    if (view.now.monotonicMs - sinceMs <= limitMs) return false
    if (isConfirming) return true
    // What we know may be as old as a pause that has just ended (H-11).
    this.#held = { sinceMs, isConfirming: true }
    this.#observer?.markStale()
    this.#pumpAgain = true
    return false
  }

  #publish(view: View, role: Role): void {
    const text = this.#memberValue(role, this.#isEligible(view))
    if (text === this.#published.text) return
    if (this.#published.inFlight) return
    for (const listener of this.#listeners) listener(this.status)
    const session = this.#session
    if (view.session.state !== 'connected' || view.group?.registered !== 'mine') return
    if (session === null || view.group.isStale) return
    this.#published = { text, inFlight: true }
    session
      .set(`${this.#paths.members}/${this.#settings.member}`, text)
      .catch(() => {
        // Told again with the next change, or after the next registration.
        this.#published.text = ''
      })
      .finally(() => {
        this.#published.inFlight = false
        if (this.#published.text !== '') this.#pump()
      })
  }

  #memberValue(role: Role, eligible: boolean): string {
    const settings = this.#settings
    const own = settings.members[settings.member]
    return encodeValue({
      address: settings.address,
      version: settings.version ?? '',
      formats: [1],
      configDigest: settings.configDigest,
      configKeys: settings.configKeys ?? {},
      health: this.#health.state,
      role,
      reportedRole: this.#reported?.role ?? this.#serviceRole,
      position: null,
      priority: own?.priority ?? 0,
      tags: own?.tags ?? {},
      eligible,
      pid: this.#service.pid,
      controllerPid: this.#sys.process.pid,
      problems: this.#problems,
      fencing: this.#fencing ?? this.#lastFencing,
    })
  }

  #runHook(role: Role): void {
    const hook = this.#settings.onRoleChange
    if (hook === undefined) return
    const { member, members } = this.#settings
    const values = ownValues(member, members[member]!, {
      token: this.#grant?.token ?? 0n,
      role,
      reason: this.#lastDecision.sentence.slice(0, 200),
      pid: this.#service.pid,
    })
    // One after the other, so that the last one that ran tells the present role.
    this.#hooks = this.#hooks
      .then(() =>
        runCommand(this.#sys, {
          argv: expandArgv(hook.argv, values),
          env: { HOWDAH_MEMBER: member, HOWDAH_ROLE: role },
          timeoutMs: hook.timeoutMs,
        }),
      )
      .catch((error: unknown) => this.#log.warn({ error }, 'onRoleChange failed'))
  }

  // ---- inputs

  #onServiceExit(): void {
    this.#startFailures++
    const waitMs = Math.min(200 * 2 ** Math.min(this.#startFailures - 1, 7), 30_000)
    this.#serviceRetryAtMs = this.#sys.clock.monotonicMs() + waitMs
    this.#health.restart()
    this.#watchdog.serviceIs(null)
    if (this.#grant === null) this.#setServiceRole('unknown')
    this.#pump()
  }

  #onReport(report: ServiceAnswer, askedAtMs: number): void {
    if (report.role === null || askedAtMs < this.#roleChangedAtMs) return
    this.#reported = { role: report.role, token: report.token }
    const contradicts = this.#serviceRole !== 'unknown' && report.role !== this.#serviceRole
    this.#contradictions = contradicts ? this.#contradictions + 1 : 0
    if (contradicts || this.#serviceRole === 'unknown') this.#pump()
  }

  #setServiceRole(role: 'unknown' | 'standby' | 'active'): void {
    this.#serviceRole = role
    this.#roleChangedAtMs = this.#sys.clock.monotonicMs()
    this.#contradictions = 0
    if (role !== 'unknown') this.#reported = { role, token: this.#grant?.token ?? null }
    else this.#reported = null
  }

  #onSessionState(session: Coordination, state: SessionState): void {
    if (session !== this.#session) return // of an older session (H-9)
    this.#sessionState = state
    if (state !== 'connected') this.#observer?.markStale()
    if (state === 'expired' || state === 'closed') this.#formerSessions.add(session.sessionId)
    this.#log.info({ state, session: `0x${session.sessionId.toString(16)}` }, 'session')
    this.#pump()
  }

  // ---- the lease, beside the actions

  #endLeaseIfOver(now: ClockReading): void {
    const grant = this.#grant
    if (grant === null || !grant.commanded || grant.lease === null) return
    if (grant.lost !== null || grant.demoted !== null) return
    if (this.#rules.whenEnsembleIsLost === 'keep') return
    const leftMs = leaseLeftMs(grant.lease.sentAt, this.#times.leaseMs, now)
    if (leftMs > this.#times.stopMs) return
    const why = 'the lease would end before the service could be stopped later (H-8, H-10)'
    this.#changeGrant({ lost: { cause: 'lease-over', why } })
  }

  #renewalDueInMs(grant: Grant, now: ClockReading): number {
    if (grant.lease === null) return Infinity
    const dueMs = this.#times.renewEveryMs - passedMs(grant.lease.sentAt, now)
    const triedMs = this.#renewalTriedAtMs + this.#times.renewEveryMs / 2 - now.monotonicMs
    return Math.max(dueMs, triedMs, 0)
  }

  #renewIfDue(view: View): void {
    const { grant } = view
    if (grant === null || grant.lease === null || grant.lost !== null) return
    if (grant.demoted !== null || view.session.state !== 'connected' || this.#renewing !== null)
      return
    if (this.#renewalDueInMs(grant, view.now) > 0) return
    this.#renew().catch((error: unknown) => {
      const code = codeOf(error)
      if (code === null) this.#fail(error)
      else this.#log.debug({ code }, 'a renewal has an unknown outcome')
    })
  }

  /** One renewal: a conditional write at our version. Resolves when its outcome is known. */
  #renew(): Promise<void> {
    assert(this.#renewing === null, 'one renewal at a time')
    const renewing = this.#renewOnce().finally(() => {
      this.#renewing = null
      this.#pump()
    })
    this.#renewing = renewing
    return renewing
  }

  async #renewOnce(): Promise<void> {
    const grant = this.#grant
    const session = this.#session
    const lease = grant?.lease ?? null
    if (grant === null || lease === null || session === null) return
    const number = this.#grantNumber
    const isCurrent = () => this.#grantNumber === number && this.#grant?.demoted === null
    const sentAt = readClocks(this.#sys.clock)
    this.#renewalTriedAtMs = sentAt.monotonicMs
    const { version, czxid } = lease
    try {
      const stat = await session.set(this.#paths.lease, this.#leaseText(grant.token), version)
      this.#endLeaseIfOver(readClocks(this.#sys.clock)) // time before input (H-11)
      if (!isCurrent()) return
      if (stat.czxid !== czxid) this.#loseLease('the lease node was made anew')
      else {
        this.#renewals++
        this.#changeGrant({ lease: { version: stat.version, czxid, sentAt } })
        this.#passOn()
      }
    } catch (error) {
      const code = codeOf(error)
      if (!isCurrent()) return
      if (code === 'noNode') this.#loseLease('the lease node is gone')
      else if (code === 'badVersion') await this.#resolveLease(session, isCurrent)
      else throw error
    }
  }

  /**
   * The version is not ours: either a renewal of unknown outcome was committed after all, or somebody
   * took the node over. Our own write tells itself by the incarnation; its time of sending is that of
   * the last renewal known to have succeeded, which is earlier and so on the safe side.
   */
  async #resolveLease(session: Coordination, isCurrent: () => boolean): Promise<void> {
    const { data, stat } = await session.get(this.#paths.lease)
    const grant = this.#grant
    const lease = grant?.lease ?? null
    if (!isCurrent() || grant === null || lease === null) return
    const isOwn = data?.toString('utf8') === this.#leaseText(grant.token)
    if (!isOwn || stat.czxid !== lease.czxid) {
      return this.#loseLease('the lease node was taken over')
    }
    this.#changeGrant({ lease: { ...lease, version: stat.version } })
    this.#renewalTriedAtMs = 0
  }

  #loseLease(why: string): void {
    this.#changeGrant({ lost: { cause: 'lease-over', why: `${why} (H-10)` } })
  }

  #leaseText(token: bigint, leaseMs = this.#times.leaseMs): string {
    const { member } = this.#settings
    return encodeValue({ member, token, leaseMs, incarnation: this.#incarnation })
  }

  /** Gives the service and the watchdog the new end of the lease. */
  #passOn(): void {
    const grant = this.#grant
    if (grant === null || !grant.commanded) return
    if (grant.lost !== null || grant.demoted !== null) return
    this.#feedWatchdog(grant)
    if (!grant.active || this.#isExtending) return
    if (this.#settings.service.activate.kind !== 'http') return
    this.#isExtending = true
    const number = this.#grantNumber
    void this.#service
      .activate(grant.token, () => this.#serviceLeaseMs(number), 'renewal')
      .then((result) => {
        if (this.#grantNumber !== number || this.#grant?.demoted !== null) return
        if (result.role === 'standby' && result.token !== null && result.token > grant.token) {
          const why = `the service was told to stop with token ${result.token} (H-3)`
          this.#changeGrant({ lost: { cause: 'contradiction', why } })
        }
      })
      .finally(() => {
        this.#isExtending = false
        this.#pump()
      })
  }

  /** What the service may count on: the rest of this grant's lease, less the margin. */
  #serviceLeaseMs(grantNumber: number): number {
    const grant = this.#grant
    const lease = grant?.lease ?? null
    if (grant === null || lease === null || this.#grantNumber !== grantNumber) return 0
    if (grant.lost !== null || grant.demoted !== null) return 0
    const now = readClocks(this.#sys.clock)
    return leaseLeftMs(lease.sentAt, this.#times.leaseMs, now) - this.#times.marginMs
  }

  #feedWatchdog(grant: Grant): void {
    if (grant.lease === null || this.#rules.whenEnsembleIsLost === 'keep') return
    // A little after our own stop, which is gentler than the watchdog's.
    const leftMs = this.#times.leaseMs - this.#times.stopMs + WATCHDOG_LEAD_MS
    this.#watchdog.arm({
      token: grant.token.toString(),
      stopAtBootMs: grant.lease.sentAt.bootMs + leftMs,
      stopAtWallMs: grant.lease.sentAt.wallMs + leftMs,
      servicePid: this.#service.pid,
    })
  }

  #changeGrant(change: Partial<Grant>): void {
    if (this.#grant !== null) this.#grant = { ...this.#grant, ...change }
  }

  // ---- the actions

  async #perform(action: Action, signal: AbortSignal): Promise<void> {
    switch (action.kind) {
      case 'wait':
        return
      case 'open-session':
        return this.#doOpenSession()
      case 'read-group':
        return this.#doReadGroup()
      case 'register':
        return this.#doRegister()
      case 'start-service':
        return this.#doStartService()
      case 'stop-service':
        return this.#doStopService(signal)
      case 'record-token':
        return this.#state.update({ highestToken: action.token })
      case 'raise-token-alarm':
        this.#tokenAlarm = true
        this.#log.error({ token: action.token }, 'the history of the ensemble went back')
        return this.#releaseLock(action.token)
      case 'create-lock':
        return this.#doCreateLock()
      case 'release-lock': {
        const lock = this.#observer?.lock ?? null
        return lock === null ? undefined : this.#releaseLock(lock.stat.czxid)
      }
      case 'claim':
        return this.#doClaim(action)
      case 'take-lease':
        return this.#doTakeLease(signal)
      case 'verify':
        return this.#doVerify(action.stage, signal)
      case 'fence':
        return this.#doFence(action, signal)
      case 'write-breadcrumb':
        return this.#doWriteBreadcrumb(signal)
      case 'activate':
        return this.#doActivate(signal)
      case 'record-history':
        return this.#doRecordHistory(action.request)
      case 'refuse-request':
        return this.#doRefuse(action.node, action.why)
      case 'demote':
        return this.#doDemote(action.cause)
      case 'abandon':
        this.#changeGrant({ demoted: { confirmed: false, cause: action.cause } })
        return
      case 'release':
        return this.#doRelease(action.clean)
      case 'forget-grant':
        return this.#forgetGrant()
      case 'finish':
        return this.#doFinish(action.closeSession)
      default:
        return unreachable(action)
    }
  }

  async #doOpenSession(): Promise<void> {
    this.#forgetSession()
    this.#observer?.close()
    const { record } = this.#state
    // A session is resumed once; when the ensemble says that it is gone, it is gone.
    const resumed = this.#session === null ? record.session : null
    const session = this.#openSession({
      servers: this.#settings.ensembleConnect,
      sessionTimeoutMs: this.#settings.sessionTimeoutMs,
      auth: this.#settings.auth ?? [],
      session: resumed,
    })
    this.#session = session
    this.#observer = new GroupObserver({
      session,
      paths: this.#paths,
      clock: this.#sys.clock,
      onChange: () => this.#pump(),
    })
    this.#published.text = ''
    this.#sessionState = 'connecting'
    this.#sessionRetryAtMs = this.#sys.clock.monotonicMs() + this.#times.retryMs
    this.#forgetSession = session.onState((state) => this.#onSessionState(session, state))
    session.start()
  }

  async #doReadGroup(): Promise<void> {
    const session = this.#session
    const observer = this.#observer
    if (session === null || observer === null) return
    const { record } = this.#state
    if (record.session === null || record.session.id !== session.sessionId) {
      const { sessionId: id, sessionPassword: password } = session
      await this.#state.update({ session: { id, password } })
    }
    this.#watchdog.sessionIs({
      servers: this.#settings.ensembleConnect,
      id: session.sessionId.toString(),
      password: session.sessionPassword.toString('hex'),
      timeoutMs: session.sessionTimeoutMs,
    })
    await observer.readAll()
  }

  async #doRegister(): Promise<void> {
    const session = this.#session
    const observer = this.#observer
    if (session === null || observer === null) return
    const path = `${this.#paths.members}/${this.#settings.member}`
    const present = observer.members.get(this.#settings.member)
    if (present !== undefined && present.stat.ephemeralOwner !== session.sessionId) {
      // Of a session of ours that is ending: replaced by version, never written to (H-9).
      await ignoring(session.delete(path, present.stat.version), ['noNode', 'badVersion'])
    }
    const text = this.#memberValue(this.#lastRole, false)
    await ignoring(session.create(path, text, { mode: 'ephemeral', acl: this.#acl }), [
      'nodeExists',
    ])
    this.#published.text = text
    await observer.refresh('members')
  }

  async #doStartService(): Promise<void> {
    this.#setServiceRole('unknown')
    this.#service.start()
    this.#health.restart()
    this.#watchdog.serviceIs(this.#service.pid)
    const servicePid = this.#service.pid
    const serviceStart = servicePid === null ? null : await this.#startOf(servicePid)
    await this.#state.update({ servicePid, serviceStart })
  }

  async #doStopService(signal: AbortSignal): Promise<void> {
    let token = this.#state.record.highestToken
    let result = await this.#service.deactivate(token, 'no lock is held')
    if (!result.done && result.token !== null && result.token > token) {
      // The service has seen a higher token than this directory: it counts as seen by us too.
      token = result.token
      await this.#state.update({ highestToken: token })
      result = await this.#service.deactivate(token, 'no lock is held')
    }
    if (signal.aborted) return
    if (!result.done) {
      this.#serviceRetryAtMs = this.#sys.clock.monotonicMs() + this.#times.retryMs / 2
      this.#log.debug({ why: result.why }, 'the service did not confirm standby')
      return
    }
    this.#setServiceRole('standby')
    this.#startFailures = 0
    this.#watchdog.disarm()
    if (this.#state.record.activeToken !== null) await this.#state.update({ activeToken: null })
  }

  async #doCreateLock(): Promise<void> {
    const session = this.#session
    const observer = this.#observer
    if (session === null || observer === null) return
    const { member, address } = this.#settings
    const value = encodeValue({ member, address })
    const options = { mode: 'ephemeral', acl: this.#acl } as const
    // Of unknown outcome it is never repeated blindly: the reading tells the owner (H-9).
    await ignoring(session.create(this.#paths.lock, value, options), ['nodeExists'])
    await observer.refresh('lock')
  }

  async #doClaim(action: Extract<Action, { kind: 'claim' }>): Promise<void> {
    const { token, adopting } = action
    if (token > this.#state.record.highestToken) await this.#state.update({ highestToken: token })
    this.#grantNumber++
    this.#breadcrumbBefore = null
    this.#fencing = null
    this.#activeAtMs = null
    this.#grant = {
      token,
      startedAt: readClocks(this.#sys.clock),
      former: null,
      lease: null,
      proofs: {},
      fencing: [],
      verified: 'never',
      hasBreadcrumb: adopting,
      commanded: adopting,
      active: false,
      recorded: adopting,
      adopting,
      allowUnhealthy: action.allowUnhealthy,
      lost: null,
      demoted: null,
    }
    this.#grantReason = this.#reasonOf()
  }

  /** Why this member came to hold the lock, for the history. */
  #reasonOf(): string {
    const view = this.#view(readClocks(this.#sys.clock))
    const request = view.group?.requests.find((one) => one.isDue)
    if (request !== undefined) return `request ${request.id}`
    const { breadcrumb } = view.group ?? {}
    if (breadcrumb?.kind === 'present') return `${breadcrumb.member ?? 'somebody'} lost the lock`
    return 'there was no active'
  }

  async #doTakeLease(signal: AbortSignal): Promise<void> {
    const session = this.#session
    const observer = this.#observer
    const grant = this.#grant
    if (session === null || observer === null || grant === null) return
    const group = this.#view(readClocks(this.#sys.clock)).group
    if (group === null) return
    const text = this.#leaseText(grant.token)
    const sentAt = readClocks(this.#sys.clock)
    const { lease } = group
    const isOwnChain =
      lease.kind === 'present' &&
      lease.member === this.#settings.member &&
      lease.token === grant.token
    if (grant.adopting && !isOwnChain) return this.#loseLease('the lease is not ours any more')
    const { clockRateError } = this.#settings
    try {
      if (lease.kind === 'absent') {
        await session.create(this.#paths.lease, text, { acl: this.#acl })
        const { data, stat } = await session.get(this.#paths.lease)
        if (signal.aborted) return
        if (data?.toString('utf8') !== text)
          throw Object.assign(new Error('lost'), { code: 'badVersion' })
        // A former lease was renewed before its node went, and so before this moment.
        const endsAtMs = this.#sys.clock.monotonicMs() + this.#times.waitMs
        const { version, czxid } = stat
        this.#changeGrant({ former: { lease, endsAtMs }, lease: { version, czxid, sentAt } })
        return
      }
      const stat = await session.set(this.#paths.lease, text, lease.version)
      if (signal.aborted) return
      if (stat.czxid !== lease.czxid) {
        // Another node of the same name: what we saw says nothing of what we have overwritten.
        await observer.refresh('lease')
        return
      }
      const waitMs = waitFor(Math.max(lease.leaseMs, this.#times.leaseMs), clockRateError ?? 0.01)
      const former = { lease, endsAtMs: lease.observedAtMs + waitMs }
      const { version, czxid } = stat
      this.#changeGrant({ former, lease: { version, czxid, sentAt } })
    } catch (error) {
      const code = codeOf(error)
      if (code !== 'badVersion' && code !== 'noNode' && code !== 'nodeExists') throw error
      await observer.refresh('lease') // it was renewed meanwhile: once more, at the new version
    }
  }

  async #doVerify(
    stage: 'before-fencing' | 'after-fencing' | 'after-breadcrumb',
    signal: AbortSignal,
  ): Promise<void> {
    const observer = this.#observer
    if (observer === null) return
    // One under way was sent before this moment: its commit may be older than what we must know.
    await this.#renewing?.catch(() => {})
    const before = this.#renewals
    if (signal.aborted || this.#renewing !== null) return
    // A committed write of this session, then reads behind it on the same connection: what they show
    // is at least as new as the write, which no minority can commit (H-4, H-8).
    await this.#renew()
    if (signal.aborted || this.#renewals === before || this.#grant?.lost !== null) return
    await observer.refresh('lock')
    await observer.refresh('breadcrumb')
    if (signal.aborted || this.#grant === null) return
    const group = this.#view(readClocks(this.#sys.clock)).group
    if (group === null || group.lock.kind !== 'held') return
    if (group.lock.czxid !== this.#grant.token) return
    const { breadcrumb } = observer
    const seen = breadcrumb === null ? 'absent' : `${breadcrumb.stat.mzxid}`
    if (stage === 'before-fencing') this.#breadcrumbBefore = seen
    const unchanged =
      stage === 'after-breadcrumb'
        ? group.breadcrumb.kind === 'present' && group.breadcrumb.isMine
        : seen === this.#breadcrumbBefore
    if (!unchanged) {
      const why = 'the breadcrumb was changed by somebody else meanwhile (H-4)'
      this.#changeGrant({ lost: { cause: 'lock-lost', why } })
      return
    }
    // An adopted grant has its breadcrumb and its proofs: one check is enough.
    this.#changeGrant({ verified: this.#grant.adopting ? 'after-breadcrumb' : stage })
  }

  async #doFence(
    { target, method: index }: Extract<Action, { kind: 'fence' }>,
    signal: AbortSignal,
  ): Promise<void> {
    const grant = this.#grant
    const method = this.#rules.fencing[index]
    if (grant === null || method === undefined) return
    const number = this.#grantNumber
    const since = this.#fencing?.target === target ? this.#fencing.since : this.#nowText()
    const attempts = grant.fencing.filter((one) => one.target === target).length + 1
    this.#fencing = { target, method: method.kind, result: 'running', attempts, since }
    const group = this.#view(readClocks(this.#sys.clock)).group
    const crumb = group?.breadcrumb
    const order = {
      target,
      token: grant.token,
      targetToken: crumb?.kind === 'present' && crumb.member === target ? crumb.token : null,
      leaseLeftMs: this.#serviceLeaseMs(number),
    }
    const { result, detail } = await runFencing(method, order, this.#settings, this.#sys, signal)
    this.#log.info({ target, method: method.kind, result, detail }, 'fencing')
    if (signal.aborted || this.#grantNumber !== number || this.#grant === null) return
    const status = { target, method: method.kind, result, attempts, since }
    this.#fencing = null
    this.#lastFencing = result === 'confirmed' ? null : status
    const proof = method.kind === 'graceful' ? 'reported-standby' : 'fenced'
    this.#changeGrant({
      fencing: [...this.#grant.fencing, { target, method: index, result }],
      ...(result === 'confirmed' ? { proofs: { ...this.#grant.proofs, [target]: proof } } : {}),
    })
  }

  async #doWriteBreadcrumb(signal: AbortSignal): Promise<void> {
    const session = this.#session
    const observer = this.#observer
    const grant = this.#grant
    if (session === null || observer === null || grant === null) return
    const { member, address } = this.#settings
    const { token } = grant
    const data = encodeValue({ member, address, token, incarnation: this.#incarnation })
    const present = observer.breadcrumb
    for (const word of observer.config?.value.confirmedOff ?? []) {
      this.#log.warn({ ...word }, 'an operator had said that this member is off')
    }
    let mzxid: bigint
    try {
      if (present === null) {
        await session.create(this.#paths.breadcrumb, data, { acl: this.#acl })
        const read = await session.get(this.#paths.breadcrumb)
        if (read.data?.toString('utf8') !== data)
          throw Object.assign(new Error('lost'), { code: 'badVersion' })
        mzxid = read.stat.mzxid
      } else {
        mzxid = (await session.set(this.#paths.breadcrumb, data, present.stat.version)).mzxid
      }
    } catch (error) {
      const code = codeOf(error)
      if (code !== 'badVersion' && code !== 'noNode' && code !== 'nodeExists') throw error
      const why = 'somebody else wrote the breadcrumb: there is a second winner (H-4)'
      if (!signal.aborted) this.#changeGrant({ lost: { cause: 'lock-lost', why } })
      return
    }
    await this.#state.update({ breadcrumb: { mzxid, data } })
    if (!signal.aborted) this.#changeGrant({ hasBreadcrumb: true })
  }

  async #doActivate(signal: AbortSignal): Promise<void> {
    const grant = this.#grant
    if (grant === null) return
    const { token } = grant
    const number = this.#grantNumber
    if (this.#state.record.activeToken !== token) await this.#state.update({ activeToken: token })
    // The disk may have stalled for longer than the lease: time before effects (H-11).
    if (signal.aborted || this.#serviceLeaseMs(number) <= this.#times.stopMs) return
    // From here on the service may be active, whatever the answer says or does not say.
    this.#changeGrant({ commanded: true })
    this.#setServiceRole('unknown')
    this.#feedWatchdog(grant)
    const result = await this.#service.activate(
      token,
      () => this.#serviceLeaseMs(number),
      this.#grantReason,
    )
    if (signal.aborted || this.#grant?.token !== token) return
    if (!result.done) {
      const why = `the service did not become active: ${result.why}`
      this.#changeGrant({ lost: { cause: 'activation-failed', why } })
      return
    }
    this.#changeGrant({ active: true })
    this.#activeAtMs = this.#sys.clock.monotonicMs()
    this.#setServiceRole('active')
    this.#lastFencing = null
    this.#log.info({ token }, 'active')
  }

  async #doRecordHistory(request: string | null): Promise<void> {
    const session = this.#session
    const grant = this.#grant
    if (session === null || grant === null) return
    const former = grant.former?.lease
    const wallMs = this.#sys.clock.wallMs()
    const asked = request === null ? undefined : this.#observer?.requests.get(request)?.value
    const entry = {
      from: former?.kind === 'present' ? former.member : null,
      to: this.#settings.member,
      token: grant.token,
      reason: this.#grantReason,
      startedAt: isoTime(grant.startedAt.wallMs),
      activeAt: isoTime(wallMs),
      by: asked?.by ?? 'automatic',
      requestId: asked?.id ?? null,
    }
    await writeHistory(session, this.#paths, entry, this.#acl)
    if (request !== null) await clearRequest(session, this.#paths, request)
    this.#changeGrant({ recorded: true })
  }

  async #doRefuse(request: string, why: string): Promise<void> {
    const session = this.#session
    if (session === null) return
    const asked = this.#observer?.requests.get(request)?.value
    const now = this.#nowText()
    const entry = {
      from: asked?.from ?? null,
      to: asked?.to ?? this.#settings.member,
      token: this.#grant?.token ?? 0n,
      reason: `refused: ${why}`,
      startedAt: now,
      activeAt: '',
      by: asked?.by ?? '',
      requestId: asked?.id ?? null,
    }
    await writeHistory(session, this.#paths, entry, this.#acl)
    await clearRequest(session, this.#paths, request)
    await this.#observer?.refresh('requests')
  }

  async #doDemote(cause: Cause): Promise<void> {
    const grant = this.#grant
    assert(grant !== null, 'only a grant is demoted')
    let confirmed = this.#service.supervised && !this.#service.running
    if (!confirmed) {
      const result = await this.#service.deactivate(grant.token, cause)
      confirmed = result.done
      if (!confirmed) this.#log.error({ why: result.why }, 'the service did not confirm standby')
    }
    if (!confirmed && this.#service.supervised) confirmed = await this.#service.kill()
    this.#setServiceRole(confirmed ? 'standby' : 'unknown')
    if (confirmed) {
      this.#watchdog.disarm()
      // Behind the stop, not before it: the order protects only against forgetting an active one.
      this.#state.update({ activeToken: null }).catch((error: unknown) => this.#fail(error))
    } else this.#serviceRetryAtMs = this.#sys.clock.monotonicMs() + this.#times.retryMs
    this.#changeGrant({ demoted: { confirmed, cause } })
  }

  async #doRelease(clean: boolean): Promise<void> {
    const session = this.#session
    const observer = this.#observer
    const grant = this.#grant
    if (session === null || observer === null || grant === null) return
    if (clean && grant.hasBreadcrumb) {
      await observer.refresh('breadcrumb')
      const group = this.#view(readClocks(this.#sys.clock)).group
      const { breadcrumb } = observer
      const isMine = group?.breadcrumb.kind === 'present' && group.breadcrumb.isMine
      if (breadcrumb !== null && isMine) {
        const removed = session.delete(this.#paths.breadcrumb, breadcrumb.stat.version)
        await ignoring(removed, ['noNode', 'badVersion'])
      }
      if (grant.lease !== null && grant.lost?.cause !== 'lease-over') {
        const text = this.#leaseText(grant.token, 0)
        const ended = session.set(this.#paths.lease, text, grant.lease.version)
        await ignoring(ended, ['noNode', 'badVersion'])
      }
    }
    await this.#releaseLock(grant.token)
    await this.#forgetGrant()
  }

  #forgetGrant(): Promise<void> {
    const cause = this.#grant?.demoted?.cause
    const now = this.#sys.clock.monotonicMs()
    const wasActiveMs = this.#activeAtMs === null ? 0 : now - this.#activeAtMs
    const isFailure =
      cause === 'activation-failed' || cause === 'fencing-failed' || cause === 'contradiction'
    if (isFailure || (cause === 'health' && wasActiveMs < this.#times.minimumActiveMs)) {
      const waitMs = Math.min(
        this.#times.backoffMs * 2 ** Math.min(this.#failures, 10),
        this.#times.backoffMaxMs,
      )
      this.#failures++
      this.#backoffUntilMs = now + waitMs * (0.75 + (this.#sys.random.uint32() / 2 ** 32) * 0.5)
    } else if (wasActiveMs >= this.#times.minimumActiveMs) this.#failures = 0
    this.#grant = null
    this.#grantNumber++
    this.#fencing = null
    this.#activeAtMs = null
    return Promise.resolve()
  }

  /** Deletes the lock if it is this session's and has this token. */
  async #releaseLock(token: bigint): Promise<void> {
    const session = this.#session
    const observer = this.#observer
    if (session === null || observer === null) return
    await observer.refresh('lock')
    const { lock } = observer
    if (lock?.stat.czxid === token && lock.stat.ephemeralOwner === session.sessionId) {
      await ignoring(session.delete(this.#paths.lock, lock.stat.version), ['noNode', 'badVersion'])
      await observer.refresh('lock')
    }
  }

  async #doFinish(closeSession: boolean): Promise<void> {
    const keep = this.#stopping?.keepService === true
    if (!keep && this.#service.supervised && this.#service.running) await this.#service.kill()
    this.#watchdog.part()
    this.#end()
    if (closeSession) await this.#session?.close()
    else await this.#session?.detach?.()
    this.#log.info({ keepService: keep }, 'the controller has stopped')
    this.#stopped.resolve()
  }

  // ---- small things

  get #acl(): readonly AclEntry[] {
    return this.#settings.acl === 'creator-all' ? acl.creatorAll : acl.openUnsafe
  }

  #nowText(): string {
    return isoTime(this.#sys.clock.wallMs())
  }

  /** When a process was started, in the kernel's ticks: pids are given to others later. */
  async #startOf(pid: number): Promise<string | null> {
    try {
      const text = (await this.#sys.files.readFile(`/proc/${pid}/stat`)).toString()
      return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null
    } catch {
      return null // no such process, not on Linux, or simulated
    }
  }

  async #bootId(): Promise<string | null> {
    try {
      return (await this.#sys.files.readFile('/proc/sys/kernel/random/boot_id')).toString().trim()
    } catch {
      return null // not on Linux, or simulated: pids are taken for what they are
    }
  }
}

/** The disk failed, or it is our own bug: nothing that the protocol names, and nothing to try again. */
function isFatal(error: unknown): boolean {
  const code = codeOf(error)
  if (error instanceof AssertionError || error instanceof StateError) return true
  return code === null || code.startsWith('E')
}

/** Awaits an operation for which these outcomes are as good as success. */
async function ignoring(done: Promise<unknown>, codes: readonly string[]): Promise<void> {
  try {
    await done
  } catch (error) {
    if (!codes.includes(codeOf(error) ?? '')) throw error
  }
}
