/**
 * The decision: from an immutable view to one action and one sentence of why. Pure.
 *
 * The order of the rules is the contract:
 * 1. What must stop stops first (H-8, H-10, H-11, H-5, H-6), whatever else is going on.
 * 2. A grant that was lost is given back before anything new begins.
 * 3. A service that is active without a right is stopped before its member joins (H-6, H-14).
 * 4. Session, group and own registration (H-9, H-17).
 * 5. The lock, for those that may compete (H-2, H-13, H-15).
 * 6. With the lock, the steps to active in the order of H-4:
 *
 *      claim -> take-lease -> verify -> fence … -> verify -> write-breadcrumb -> verify -> activate
 *
 *    Each step is one action; between any two the member may crash, pause or lose its session.
 *
 * The act layer (actions.ts) performs one action at a time; only `demote` and `abandon`
 * interrupt one that is under way.
 */
import { flappingAlarm, sessionAlarm } from './alarms.ts'
import { leaseLeftMs } from './lease.ts'
import { requiredProofs, unprovenTargets, type Unproven } from './proofs.ts'
import type { Cause, Grant, GroupView, RequestView, View } from './view.ts'

export type Action =
  | { readonly kind: 'wait'; readonly untilMs: number | null; readonly state: WaitState }
  | { readonly kind: 'open-session' }
  | { readonly kind: 'read-group' }
  | { readonly kind: 'register' }
  | { readonly kind: 'start-service' }
  | { readonly kind: 'stop-service' }
  | { readonly kind: 'record-token'; readonly token: bigint }
  | { readonly kind: 'raise-token-alarm'; readonly token: bigint }
  | { readonly kind: 'create-lock' }
  | { readonly kind: 'release-lock' }
  | {
      readonly kind: 'claim'
      readonly token: bigint
      readonly adopting: boolean
      readonly allowUnhealthy: boolean
    }
  | { readonly kind: 'take-lease' }
  | {
      readonly kind: 'verify'
      readonly stage: 'before-fencing' | 'after-fencing' | 'after-breadcrumb'
    }
  | { readonly kind: 'fence'; readonly target: string; readonly method: number }
  | { readonly kind: 'write-breadcrumb' }
  | { readonly kind: 'activate' }
  | { readonly kind: 'record-history'; readonly request: string | null }
  | { readonly kind: 'refuse-request'; readonly node: string; readonly why: string }
  | { readonly kind: 'demote'; readonly cause: Cause }
  | { readonly kind: 'abandon'; readonly cause: Cause }
  | { readonly kind: 'release'; readonly clean: boolean }
  | { readonly kind: 'forget-grant' }
  | { readonly kind: 'finish'; readonly closeSession: boolean }

/** What a waiting member is doing, for its status. */
export type WaitState =
  | 'active'
  | 'standby'
  | 'neutral'
  | 'not-eligible'
  | 'waiting-for-lease'
  | 'alarm'
  | 'starting'

export interface Decision {
  readonly action: Action
  readonly sentence: string
}

export function decide(view: View): Decision {
  return (
    mustStop(view) ??
    keepAndGo(view) ??
    giveBack(view) ??
    stopWithoutRight(view) ??
    connect(view) ??
    (view.grant === null ? compete(view) : becomeActive(view, view.grant))
  )
}

/** True when `decision` may not wait for the action that is under way. */
export function interrupts(decision: Decision, underWay: Action): boolean {
  const { kind } = decision.action
  if (kind !== 'demote' && kind !== 'abandon') return false
  return underWay.kind !== 'demote' && underWay.kind !== 'abandon' && underWay.kind !== 'claim'
}

/** The moment at which the service must be told to stop, by the clock that moved most. */
export function stopInMs(view: View, grant: Grant): number {
  if (grant.lease === null) return 0
  return leaseLeftMs(grant.lease.sentAt, view.times.leaseMs, view.now) - view.times.stopMs
}

// ---- 1. what must stop

function mustStop(view: View): Decision | null {
  const { grant } = view
  if (grant === null || grant.demoted !== null) return null
  const end = endOf(view, grant)
  if (end === null) return null
  if (grant.commanded) return act({ kind: 'demote', cause: end.cause }, `stop: ${end.why}`)
  return act({ kind: 'abandon', cause: end.cause }, `give up the lock: ${end.why}`)
}

interface End {
  readonly cause: Cause
  readonly why: string
}

function endOf(view: View, grant: Grant): End | null {
  if (grant.lost !== null) return grant.lost
  // An adopted service has a lease of the run before, which nobody knows: take it over in time.
  const adoptionIsLate = grant.adopting && view.now.monotonicMs >= view.adoptUntilMs
  const hasLease = grant.lease === null ? !adoptionIsLate : stopInMs(view, grant) > 0
  if (grant.commanded && endsWithLease(view) && !hasLease) {
    const why = 'the lease would end before the service could be stopped later (H-8, H-10)'
    return { cause: 'lease-over', why }
  }
  const { state } = view.session
  if (state === 'expired' || state === 'closed' || state === 'auth-failed' || state === 'none') {
    return { cause: 'session-lost', why: `the session is ${state}` }
  }
  const { group } = view
  if (state === 'connected' && group !== null && !group.isStale) {
    const takenEnd = lockLost(group, grant) ?? leaseTaken(group, grant)
    if (takenEnd !== null) return takenEnd
  }
  // A pause turns decisions off, never protection: a dead service is reported and keeps its lock.
  const paused = grant.active && group !== null && group.paused !== null
  const serviceEnd = paused ? null : serviceGone(view, grant)
  if (serviceEnd !== null) return serviceEnd
  if (view.stopping !== null && !view.stopping.keepService) {
    return { cause: 'handover', why: 'the controller is asked to stop (H-5)' }
  }
  return group === null ? null : askedAway(view, grant, group)
}

/** `keep` is ZKFC's way: the service stays while the ensemble is away; see settingsProblems. */
function endsWithLease(view: View): boolean {
  return view.rules.whenEnsembleIsLost !== 'keep'
}

function lockLost(group: GroupView, grant: Grant): End | null {
  const { lock } = group
  if (lock.kind === 'absent') return { cause: 'lock-lost', why: 'the lock is gone (H-8)' }
  if (lock.czxid === grant.token) return null
  return { cause: 'lock-lost', why: `the lock belongs to ${lock.member ?? 'somebody else'} (H-8)` }
}

function leaseTaken({ lease }: GroupView, grant: Grant): End | null {
  const own = grant.lease
  if (own === null || lease.kind === 'absent' || lease.isOwnRun) return null
  // An observation from before our own take-over is no news.
  if (lease.czxid === own.czxid && lease.version <= own.version) return null
  if (lease.czxid < own.czxid) return null
  const why = `the lease node was taken over by ${lease.member ?? 'somebody else'} (H-10)`
  return { cause: 'lease-over', why }
}

function serviceGone(view: View, grant: Grant): End | null {
  const { service, health } = view
  if (service.supervised && !service.running && !grant.adopting) {
    return { cause: 'exited', why: 'the service has exited (H-5)' }
  }
  const tolerated =
    grant.allowUnhealthy || (grant.adopting && !grant.active && health === 'initializing')
  if (health !== 'healthy' && !tolerated) {
    return { cause: 'health', why: `the service is ${health} (H-6)` }
  }
  if (grant.active && service.contradictions >= 2) {
    return { cause: 'contradiction', why: 'the service says twice that it is not active' }
  }
  return null
}

function askedAway(view: View, grant: Grant, group: GroupView): End | null {
  if (group.drained !== null) {
    return { cause: 'handover', why: `this member is drained: ${group.drained}` }
  }
  const request = dueRequest(view, group)
  if (request === null || request.to === view.self) return null
  if (!grant.active) return { cause: 'handover', why: `a switchover to ${request.to ?? 'another'}` }
  if (request.from !== view.self || refusalOf(view, group, request) !== null) return null
  return {
    cause: 'handover',
    why: `switchover ${request.id} to ${request.to ?? 'any other member'}`,
  }
}

/** The first request that is due and not older than the time for which others hold back. */
function dueRequest(view: View, group: GroupView): RequestView | null {
  const alive = (request: RequestView) =>
    request.isDue && view.now.monotonicMs - request.seenAtMs < view.times.cedeMs
  return group.requests.find(alive) ?? null
}

/** Why the active does not give up for this request; null when it should (H-15). */
export function refusalOf(view: View, group: GroupView, request: RequestView): string | null {
  if (request.from === null) return `${view.self} is active: ask for a switchover`
  if (request.from !== view.self) {
    return `the active is ${view.self}, not ${request.from}`
  }
  if (request.to === view.self) return `${view.self} is active already`
  const isFit = (member: string) =>
    group.peers.some(
      (peer) => peer.member === member && peer.eligible && (peer.healthy || request.allowUnhealthy),
    )
  if (request.to === null) {
    return view.others.some(isFit) ? null : 'no other member is healthy and eligible'
  }
  return isFit(request.to) ? null : `${request.to} is not there, not healthy or not eligible`
}

// ---- 2. giving back

/** Stops beside a service that goes on: the next start resumes the session and adopts (H-14). */
function keepAndGo(view: View): Decision | null {
  if (view.stopping?.keepService !== true) return null
  return act(
    { kind: 'finish', closeSession: false },
    'stop and leave the service to the next start',
  )
}

function giveBack(view: View): Decision | null {
  const { grant, session } = view
  if (grant === null || grant.demoted === null) return null
  if (session.state === 'connected') {
    const { confirmed, cause } = grant.demoted
    const clean = confirmed && cause !== 'health'
    const rest = clean
      ? 'delete the breadcrumb, end the lease, release the lock (H-5)'
      : 'release the lock and leave the breadcrumb, so that the next one proves us stopped (H-5, H-6)'
    return act({ kind: 'release', clean }, rest)
  }
  if (session.state === 'connecting' || session.state === 'disconnected') {
    if (view.stopping !== null) {
      return act({ kind: 'forget-grant' }, 'stopping without a connection: the lock ends by itself')
    }
    return wait('neutral', null, 'stopped; the lock is given back once connected')
  }
  return act({ kind: 'forget-grant' }, `the session is ${session.state}: its lock ends with it`)
}

// ---- 3. a service that is active without a right

function stopWithoutRight(view: View): Decision | null {
  const { grant, service, now } = view
  if (grant !== null) return null
  if (view.stopping !== null && now.monotonicMs >= view.stopping.giveUpAtMs) return null
  if (service.supervised && !service.running) {
    if (view.stopping !== null) return null
    if (service.retryAtMs > now.monotonicMs) {
      return (
        connect(view) ?? wait('starting', service.retryAtMs, 'the service is started again soon')
      )
    }
    return act({ kind: 'start-service' }, 'the service does not run')
  }
  const isStandby = service.role === 'standby' && service.contradictions < 2
  if (isStandby || mayBeAdopted(view)) return null
  if (service.retryAtMs > now.monotonicMs) {
    // A service that cannot be reached is no reason to be invisible in the ensemble.
    const waiting = wait('not-eligible', service.retryAtMs, 'the service has not confirmed standby')
    return view.stopping !== null ? waiting : (connect(view) ?? lockWithoutUse(view) ?? waiting)
  }
  const why = service.role === 'active' ? 'active' : 'perhaps active'
  return act({ kind: 'stop-service' }, `the service is ${why} without a lock of ours (H-6)`)
}

/** A resumed session may hold the lock of the run before; without a service it stands in the way. */
function lockWithoutUse({ group, session }: View): Decision | null {
  if (group?.lock.kind !== 'held' || group.lock.owner !== session.id) return null
  return act({ kind: 'release-lock' }, 'the lock is of no use without a service that answers')
}

/** A restarted controller waits for a bounded time to see whether its old grant still holds. */
function mayBeAdopted(view: View): boolean {
  const { record, service, now, group, session } = view
  if (record.activeToken === null || now.monotonicMs >= view.adoptUntilMs) return false
  if (view.stopping !== null || view.health === 'unhealthy') return false
  if (service.reported === null) return view.health === 'initializing'
  if (service.reported.role !== 'active' || service.reported.token !== record.activeToken)
    return false
  if (session.state === 'expired' || session.state === 'closed') return false
  if (group === null || group.isStale) return true
  return isIntact(view, group)
}

/** Lock, breadcrumb and lease all still name our last activation (H-14). */
function isIntact(view: View, group: GroupView): boolean {
  const token = view.record.activeToken
  const { lock, lease, breadcrumb } = group
  return (
    token !== null &&
    lock.kind === 'held' &&
    lock.owner === view.session.id &&
    lock.czxid === token &&
    breadcrumb.kind === 'present' &&
    breadcrumb.isMine &&
    breadcrumb.token === token &&
    lease.kind === 'present' &&
    lease.member === view.self &&
    lease.token === token
  )
}

// ---- 4. session, group, registration

function connect(view: View): Decision | null {
  const { session, now, group } = view
  if (view.stopping !== null && view.grant === null) {
    return act({ kind: 'finish', closeSession: true }, 'the controller stops')
  }
  switch (session.state) {
    case 'auth-failed':
      return wait('alarm', null, 'the ensemble refuses our credentials')
    case 'none':
    case 'expired':
    case 'closed':
      if (session.retryAtMs > now.monotonicMs) {
        return wait('neutral', session.retryAtMs, 'the next session is opened soon')
      }
      return act({ kind: 'open-session' }, `there is no session (${session.state})`)
    case 'connecting':
    case 'disconnected':
      return wait('neutral', null, `neutral: ${session.state} (H-8)`)
    case 'connected':
      break
  }
  if (group === null || group.isStale) {
    return act({ kind: 'read-group' }, 'read the group afresh after connecting (H-8)')
  }
  if (!group.exists)
    return wait('alarm', null, 'the group does not exist: howdah init makes it (H-4)')
  if (group.registered === 'no') return act({ kind: 'register' }, 'this member is not registered')
  if (group.registered === 'held') {
    return wait('alarm', null, 'another session holds the node of this member (H-17)')
  }
  return null
}

// ---- 5. the lock

function compete(view: View): Decision {
  const { group, session, record, now } = view
  if (group === null) return wait('neutral', null, 'the group is not known yet')
  const { lock } = group

  if (lock.kind === 'held' && lock.owner !== session.id) {
    if (lock.czxid > record.highestToken) {
      const why = `${lock.member ?? 'somebody'} holds the lock with a new token (H-2)`
      return act({ kind: 'record-token', token: lock.czxid }, why)
    }
    return wait('standby', null, `standby: ${lock.member ?? 'somebody'} holds the lock`)
  }

  const obstacle = obstacleOf(view, group)
  if (lock.kind === 'held') {
    if (isIntact(view, group) && view.service.reported?.role === 'active') {
      const why = 'lock, breadcrumb, lease and service still match: adopt the running active (H-14)'
      return act(claim(lock.czxid, { adopting: true, allowUnhealthy: false }), why)
    }
    if (lock.czxid === record.highestToken) {
      const why = 'the lock is of an earlier run, and its token was used: a new one is needed (H-2)'
      return act({ kind: 'release-lock' }, why)
    }
    if (lock.czxid < record.highestToken) {
      const why = `the lock's token ${lock.czxid} is not above ${record.highestToken}: the history of the ensemble went back (H-2)`
      return act({ kind: 'raise-token-alarm', token: lock.czxid }, why)
    }
    if (obstacle !== null) return act({ kind: 'release-lock' }, `release the lock: ${obstacle.why}`)
    const why = `the lock is ours with token ${lock.czxid}`
    const allowUnhealthy = view.health !== 'healthy' // an operator said so, else an obstacle
    return act(claim(lock.czxid, { adopting: false, allowUnhealthy }), why)
  }

  if (obstacle !== null) return wait(obstacle.state, obstacle.untilMs, obstacle.why)
  const better = group.peers.find(
    (peer) => peer.healthy && peer.eligible && peer.priority > view.rules.priority,
  )
  const turnAtMs = lock.sinceMs + view.times.priorityDelayMs
  if (better !== undefined && now.monotonicMs < turnAtMs) {
    return wait('standby', turnAtMs, `let ${better.member} go first: its priority is higher`)
  }
  return act({ kind: 'create-lock' }, 'the lock is free')
}

function claim(token: bigint, how: { adopting: boolean; allowUnhealthy: boolean }): Action {
  return { kind: 'claim', token, ...how }
}

interface Obstacle {
  readonly state: WaitState
  readonly why: string
  readonly untilMs: number | null
}

/** Why this member does not compete; null when it may. */
function obstacleOf(view: View, group: GroupView): Obstacle | null {
  const { now } = view
  const no = (why: string, untilMs: number | null = null, state: WaitState = 'not-eligible') => ({
    state,
    why,
    untilMs,
  })
  if (view.tokenAlarm) {
    return no('the history of the ensemble went back below our highest token (H-2)', null, 'alarm')
  }
  if (group.mismatches.length > 0) {
    return no(`configurations differ: ${group.mismatches.join('; ')} (H-17)`, null, 'alarm')
  }
  const session = sessionAlarm(view)
  if (session !== null) return no(`${session} (H-12)`, null, 'alarm')
  if (view.rules.watchdogRequired && !view.hasWatchdog) {
    return no('the watchdog is required and does not run (H-10)', null, 'alarm')
  }
  if (view.rules.noFailover) return no('this member has the tag nofailover')
  if (group.drained !== null) return no(`this member is drained: ${group.drained}`)
  if (view.service.role !== 'standby') return no('the service has not confirmed standby (H-6)')
  const request = dueRequest(view, group)
  const byHand = request !== null && request.to === view.self
  if (view.health !== 'healthy' && !(byHand && request.allowUnhealthy)) {
    return no(`the service is ${view.health} (H-6)`)
  }
  if (group.paused !== null && request === null) return no(`the group is paused: ${group.paused}`)
  if (request !== null) {
    const untilMs = request.seenAtMs + view.times.cedeMs
    if (request.to !== null && request.to !== view.self) {
      return no(`a switchover to ${request.to} is under way (H-15)`, untilMs, 'standby')
    }
    if (request.to === null && request.from === view.self) {
      return no(`a switchover away from here is under way (H-15)`, untilMs, 'standby')
    }
  }
  const hold = request === null ? flappingAlarm(view) : null
  if (hold !== null) return no(hold.why, hold.untilMs, 'alarm')
  if (now.monotonicMs < view.backoffUntilMs) {
    return no('an attempt failed a moment ago (H-13)', view.backoffUntilMs)
  }
  return null
}

// ---- 6. with the lock

function becomeActive(view: View, grant: Grant): Decision {
  const { group, now, session } = view
  if (session.state !== 'connected' || group === null) {
    return wait(grant.active ? 'active' : 'neutral', null, `neutral: ${session.state} (H-8)`)
  }
  if (grant.active) return stayActive(view, grant, group)
  if (grant.lease === null || grant.former === null) {
    return act({ kind: 'take-lease' }, 'take the lease node over at the version last seen (H-10)')
  }
  if (grant.verified === 'never') {
    const why = 'the lock must still be ours before fencing (H-4)'
    return act({ kind: 'verify', stage: 'before-fencing' }, why)
  }
  if (!grant.adopting) {
    const required = requiredProofs(view, grant, grant.former, group.breadcrumb)
    const unproven = unprovenTargets(view, grant, grant.former, required)
    if (unproven !== null) return prove(view, unproven)
  }
  if (grant.verified === 'before-fencing') {
    const why = 'the lock must still be ours after fencing (H-4)'
    return act({ kind: 'verify', stage: 'after-fencing' }, why)
  }
  if (!grant.hasBreadcrumb) {
    return act({ kind: 'write-breadcrumb' }, 'everyone else is proven unable to act (H-1)')
  }
  if (grant.verified === 'after-fencing') {
    const why = 'the lock must still be ours after the breadcrumb (H-4)'
    return act({ kind: 'verify', stage: 'after-breadcrumb' }, why)
  }
  if (stopInMs(view, grant) <= view.times.marginMs) {
    const why = 'the lease must be renewed before the service may start'
    return wait('waiting-for-lease', now.monotonicMs + view.times.renewEveryMs, why)
  }
  return act({ kind: 'activate' }, `lock, lease and breadcrumb are ours with token ${grant.token}`)
}

function prove(view: View, unproven: Unproven): Decision {
  const { targets, leaseEndsAtMs, nextMethod } = unproven
  const names = targets.join(', ')
  if (nextMethod !== null) {
    const method = view.rules.fencing[nextMethod.method]
    const why = `${nextMethod.target} is not proven unable to act: ask method ${method?.kind ?? ''} (H-1, H-7)`
    return act({ kind: 'fence', target: nextMethod.target, method: nextMethod.method }, why)
  }
  if (leaseEndsAtMs !== null) {
    const why = `wait until the lease of ${names} is over (H-1 c, H-10)`
    return wait('waiting-for-lease', leaseEndsAtMs, why)
  }
  const why = `no method confirmed that ${names} cannot act: nobody becomes active (H-7)`
  return act({ kind: 'abandon', cause: 'fencing-failed' }, why)
}

function stayActive(view: View, grant: Grant, group: GroupView): Decision {
  const answered = group.requests.find((request) => request.isDue && request.to === view.self)
  if (!grant.recorded) {
    const request = answered?.node ?? group.requests.find((one) => one.isDue)?.node ?? null
    return act({ kind: 'record-history', request }, 'active: write who, why and with which token')
  }
  const request = group.requests.find((one) => one.isDue)
  if (request !== undefined) {
    const why = refusalOf(view, group, request) ?? 'it is too old'
    return act({ kind: 'refuse-request', node: request.node, why }, `refuse ${request.id}: ${why}`)
  }
  return wait('active', null, `active with token ${grant.token}`)
}

function act(action: Action, sentence: string): Decision {
  return { action, sentence }
}

function wait(state: WaitState, untilMs: number | null, sentence: string): Decision {
  return { action: { kind: 'wait', untilMs, state }, sentence }
}
