/**
 * The grant that the controller holds, and its lease: taken over, renewed, verified, passed on.
 *
 * Invariants:
 * 1. The lease is renewed beside the actions, by a conditional write at our own version; it counts
 *    from the moment before the sending (H-10).
 * 2. Time before input: when the lease is over, it is over for good for this grant, whatever queued
 *    answer says that it was renewed (H-11).
 * 3. An answer for an earlier grant changes nothing; `number` tells grants apart (H-9).
 */
import { assert } from '../ensemble/assert.ts'
import type { ControllerContext } from './controller-context.ts'
import { codeOf, type Coordination } from './coordination.ts'
import { encodeValue } from './group-nodes.ts'
import { leaseLeftMs, passedMs, readClocks, type ClockReading } from './lease.ts'
import type { LocalService } from './local-service.ts'
import { ignoring, type Membership } from './membership.ts'
import { waitFor, WATCHDOG_LEAD_MS } from './settings.ts'
import type { Grant, View } from './view.ts'

export type VerifyStage = 'before-fencing' | 'after-fencing' | 'after-breadcrumb'

export class GrantKeeper {
  readonly #context: ControllerContext
  readonly #membership: Membership
  readonly #local: LocalService
  #grant: Grant | null = null
  #number = 0
  /** Mzxid of the breadcrumb as it was before fencing. */
  #breadcrumbBefore: string | null = null
  #renewing: Promise<void> | null = null
  /** Renewals known to be committed, in this run. */
  #renewals = 0
  #renewalTriedAtMs = 0
  #isExtending = false

  constructor(context: ControllerContext, membership: Membership, local: LocalService) {
    this.#context = context
    this.#membership = membership
    this.#local = local
  }

  get grant(): Grant | null {
    return this.#grant
  }

  /** Grows with each beginning and end of a grant. */
  get number(): number {
    return this.#number
  }

  begin(token: bigint, how: { adopting: boolean; allowUnhealthy: boolean }): void {
    this.#number++
    this.#breadcrumbBefore = null
    const { adopting, allowUnhealthy } = how
    this.#grant = {
      token,
      startedAt: readClocks(this.#context.sys.clock),
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
      allowUnhealthy,
      lost: null,
      demoted: null,
    }
  }

  change(change: Partial<Grant>): void {
    if (this.#grant !== null) this.#grant = { ...this.#grant, ...change }
  }

  end(): void {
    this.#grant = null
    this.#number++
  }

  // ---- time

  /** Reads time before input: after this call a lease that is over counts for nothing any more. */
  endLeaseIfOver(now: ClockReading): void {
    const grant = this.#grant
    if (grant === null || !grant.commanded || grant.lease === null) return
    if (grant.lost !== null || grant.demoted !== null) return
    const { times, rules } = this.#context
    if (rules.whenEnsembleIsLost === 'keep') return
    const leftMs = leaseLeftMs(grant.lease.sentAt, times.leaseMs, now)
    if (leftMs > times.stopMs) return
    const why = 'the lease would end before the service could be stopped later (H-8, H-10)'
    this.change({ lost: { cause: 'lease-over', why } })
  }

  /** When to look again for a renewal; Infinity while there is none to send. */
  dueInMs(grant: Grant, now: ClockReading): number {
    return this.#renewing === null ? this.#renewalDueInMs(grant, now) : Infinity
  }

  #renewalDueInMs(grant: Grant, now: ClockReading): number {
    if (grant.lease === null) return Infinity
    const { renewEveryMs } = this.#context.times
    const dueMs = renewEveryMs - passedMs(grant.lease.sentAt, now)
    const triedMs = this.#renewalTriedAtMs + renewEveryMs / 2 - now.monotonicMs
    return Math.max(dueMs, triedMs, 0)
  }

  /** What the service may count on: the rest of this grant's lease, less the margin. */
  serviceLeaseMs(number: number): number {
    const grant = this.#grant
    const lease = grant?.lease ?? null
    if (grant === null || lease === null || this.#number !== number) return 0
    if (grant.lost !== null || grant.demoted !== null) return 0
    const { sys, times } = this.#context
    return leaseLeftMs(lease.sentAt, times.leaseMs, readClocks(sys.clock)) - times.marginMs
  }

  // ---- renewals

  renewIfDue(view: View): void {
    const { grant } = view
    if (grant === null || grant.lease === null || grant.lost !== null) return
    if (grant.demoted !== null || view.session.state !== 'connected') return
    if (this.#renewing !== null || this.#renewalDueInMs(grant, view.now) > 0) return
    this.#renew().catch((error: unknown) => {
      const code = codeOf(error)
      if (code === null) this.#context.fail(error)
      else this.#context.log.debug({ code }, 'a renewal has an unknown outcome')
    })
  }

  /** One renewal: a conditional write at our version. Resolves when its outcome is known. */
  #renew(): Promise<void> {
    assert(this.#renewing === null, 'one renewal at a time')
    const renewing = this.#renewOnce().finally(() => {
      this.#renewing = null
      this.#context.wake()
    })
    this.#renewing = renewing
    return renewing
  }

  async #renewOnce(): Promise<void> {
    const grant = this.#grant
    const { session } = this.#membership
    const lease = grant?.lease ?? null
    if (grant === null || lease === null || session === null) return
    const number = this.#number
    const isCurrent = () => this.#number === number && this.#grant?.demoted === null
    const { sys, paths } = this.#context
    const sentAt = readClocks(sys.clock)
    this.#renewalTriedAtMs = sentAt.monotonicMs
    const { version, czxid } = lease
    try {
      const stat = await session.set(paths.lease, this.#leaseText(grant.token), version)
      this.endLeaseIfOver(readClocks(sys.clock)) // time before input (H-11)
      if (!isCurrent()) return
      if (stat.czxid !== czxid) this.#lose('the lease node was made anew')
      else {
        this.#renewals++
        this.change({ lease: { version: stat.version, czxid, sentAt } })
        this.#passOn()
      }
    } catch (error) {
      const code = codeOf(error)
      if (!isCurrent()) return
      if (code === 'noNode') this.#lose('the lease node is gone')
      else if (code === 'badVersion') await this.#resolve(session, isCurrent)
      else throw error
    }
  }

  /**
   * The version is not ours: either a renewal of unknown outcome was committed after all, or somebody
   * took the node over. Our own write tells itself by the incarnation; its time of sending is that of
   * the last renewal known to have succeeded, which is earlier and so on the safe side.
   */
  async #resolve(session: Coordination, isCurrent: () => boolean): Promise<void> {
    const { data, stat } = await session.get(this.#context.paths.lease)
    const grant = this.#grant
    const lease = grant?.lease ?? null
    if (!isCurrent() || grant === null || lease === null) return
    const isOwn = data?.toString('utf8') === this.#leaseText(grant.token)
    if (!isOwn || stat.czxid !== lease.czxid) return this.#lose('the lease node was taken over')
    this.change({ lease: { ...lease, version: stat.version } })
    this.#renewalTriedAtMs = 0
  }

  #lose(why: string): void {
    this.change({ lost: { cause: 'lease-over', why: `${why} (H-10)` } })
  }

  #leaseText(token: bigint, leaseMs = this.#context.times.leaseMs): string {
    const { settings, incarnation } = this.#context
    return encodeValue({ member: settings.member, token, leaseMs, incarnation })
  }

  /** Gives the service and the watchdog the new end of the lease. */
  #passOn(): void {
    const grant = this.#grant
    if (grant === null || !grant.commanded) return
    if (grant.lost !== null || grant.demoted !== null) return
    this.feedWatchdog(grant)
    if (!grant.active || this.#isExtending) return
    if (this.#context.settings.service.activate.kind !== 'http') return
    this.#isExtending = true
    const number = this.#number
    void this.#local
      .activate(grant.token, () => this.serviceLeaseMs(number), 'renewal')
      .then((result) => {
        if (this.#number !== number || this.#grant?.demoted !== null) return
        if (result.role === 'standby' && result.token !== null && result.token > grant.token) {
          const why = `the service was told to stop with token ${result.token} (H-3)`
          this.change({ lost: { cause: 'contradiction', why } })
        }
      })
      .finally(() => {
        this.#isExtending = false
        this.#context.wake()
      })
  }

  /** A service of the run before may be active: it is adopted in time, or the watchdog stops it. */
  boundAdoption(): void {
    const { activeToken } = this.#context.state.record
    if (activeToken !== null) this.#arm(activeToken, readClocks(this.#context.sys.clock))
  }

  feedWatchdog(grant: Grant): void {
    if (grant.lease !== null) this.#arm(grant.token, grant.lease.sentAt)
  }

  #arm(token: bigint, leaseSince: ClockReading): void {
    const { times, rules } = this.#context
    if (rules.whenEnsembleIsLost === 'keep') return
    // A little after our own stop, which is gentler than the watchdog's.
    const leftMs = times.leaseMs - times.stopMs + WATCHDOG_LEAD_MS
    this.#local.watchdog.arm({
      token: token.toString(),
      stopAtBootMs: leaseSince.bootMs + leftMs,
      stopAtWallMs: leaseSince.wallMs + leftMs,
      servicePid: this.#local.pid,
    })
  }

  // ---- steps of becoming active that concern the lease

  /** Takes the lease node over at the version last seen (H-10). */
  async takeLease(signal: AbortSignal): Promise<void> {
    const { session, observer } = this.#membership
    const grant = this.#grant
    if (session === null || observer === null || grant === null) return
    const { settings, sys, paths, times } = this.#context
    const group = this.#membership.groupAt(readClocks(sys.clock))
    if (group === null) return
    const text = this.#leaseText(grant.token)
    const sentAt = readClocks(sys.clock)
    const { lease } = group
    const isOwnChain =
      lease.kind === 'present' && lease.member === settings.member && lease.token === grant.token
    if (grant.adopting && !isOwnChain) return this.#lose('the lease is not ours any more')
    try {
      if (lease.kind === 'absent') {
        await session.create(paths.lease, text, { acl: this.#context.acl })
        const { data, stat } = await session.get(paths.lease)
        if (signal.aborted) return
        if (data?.toString('utf8') !== text) return await observer.refresh('lease')
        // A former lease was renewed before its node went, and so before this moment.
        const endsAtMs = sys.clock.monotonicMs() + times.waitMs
        const { version, czxid } = stat
        this.change({ former: { lease, endsAtMs }, lease: { version, czxid, sentAt } })
        return
      }
      const stat = await session.set(paths.lease, text, lease.version)
      if (signal.aborted) return
      if (stat.czxid !== lease.czxid) {
        // Another node of the same name: what we saw says nothing of what we have overwritten.
        await observer.refresh('lease')
        return
      }
      const formerMs = Math.max(lease.leaseMs, times.leaseMs)
      const waitMs = waitFor(formerMs, settings.clockRateError ?? 0.01)
      const former = { lease, endsAtMs: lease.observedAtMs + waitMs }
      const { version, czxid } = stat
      this.change({ former, lease: { version, czxid, sentAt } })
    } catch (error) {
      const code = codeOf(error)
      if (code !== 'badVersion' && code !== 'noNode' && code !== 'nodeExists') throw error
      await observer.refresh('lease') // it was renewed meanwhile: once more, at the new version
    }
  }

  /** Makes sure, behind a write of our own, that lock and breadcrumb are what we think (H-4, H-8). */
  async verify(stage: VerifyStage, signal: AbortSignal): Promise<void> {
    const { observer } = this.#membership
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
    const group = this.#membership.groupAt(readClocks(this.#context.sys.clock))
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
      this.change({ lost: { cause: 'lock-lost', why } })
      return
    }
    // An adopted grant has its breadcrumb and its proofs: one check is enough.
    this.change({ verified: this.#grant.adopting ? 'after-breadcrumb' : stage })
  }

  /** After a confirmed stop: nobody has to wait for the end of this lease (H-5). */
  async giveLeaseBack(session: Coordination, grant: Grant): Promise<void> {
    if (grant.lease === null || grant.lost?.cause === 'lease-over') return
    const text = this.#leaseText(grant.token, 0)
    const ended = session.set(this.#context.paths.lease, text, grant.lease.version)
    await ignoring(ended, ['noNode', 'badVersion'])
  }
}
