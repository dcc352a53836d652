/**
 * The member's own service as its controller knows it: process, health, what it says about itself,
 * and the watchdog beside it.
 *
 * Invariants:
 * 1. `role` is what the service has confirmed to us; `unknown` from the moment that it may be
 *    something else.
 * 2. An answer asked for before the role last changed says nothing about the present role.
 * 3. A pid of an earlier run is adopted only on the same boot and with the same start time: pids
 *    are given to others later (H-14).
 */
import type { ControllerContext } from './controller-context.ts'
import { HealthMonitor } from './health-monitor.ts'
import type { HealthState } from './health.ts'
import type { ServiceAnswer } from './service-answer.ts'
import { Service, type CommandResult } from './service.ts'
import type { Cause, View } from './view.ts'
import { WatchdogLink } from './watchdog-link.ts'

export class LocalService {
  readonly #context: ControllerContext
  readonly #service: Service
  readonly #health: HealthMonitor
  readonly #hasGrant: () => boolean
  readonly watchdog: WatchdogLink
  #role: 'unknown' | 'standby' | 'active' = 'unknown'
  #roleChangedAtMs = 0
  #reported: View['service']['reported'] = null
  #contradictions = 0
  #retryAtMs = 0
  #startFailures = 0

  /** @param hasGrant while there is one, its end decides what the exit of the service means */
  constructor(context: ControllerContext, hasGrant: () => boolean) {
    const { settings, sys, wake } = context
    this.#context = context
    this.#hasGrant = hasGrant
    this.#service = new Service(settings, sys, () => this.#onExit())
    this.#health = new HealthMonitor(settings, sys, {
      onChange: wake,
      onReport: (report, askedAtMs) => this.#onReport(report, askedAtMs),
    })
    this.watchdog = new WatchdogLink(settings, sys, wake)
  }

  /** Finds the service of the run before, if it is still there. */
  async adoptProcess(): Promise<void> {
    const { state } = this.#context
    const { servicePid, serviceStart, bootId: bootBefore } = state.record
    const bootId = await this.#bootId()
    const sameBoot = bootBefore === bootId
    if (servicePid !== null && sameBoot && this.#service.supervised) {
      const isSame = (await this.#startOf(servicePid)) === serviceStart
      if (isSame) this.#service.adoptProcess(servicePid)
    }
    if (!sameBoot) await state.update({ bootId, servicePid: null, serviceStart: null })
  }

  /** Begins to watch: probes and the watchdog process. */
  watch(): void {
    this.watchdog.start(this.#service.pid)
    this.#health.start()
  }

  /** Looks no more; the service goes on. */
  unwatch(): void {
    this.#health.stop()
  }

  get health(): HealthState {
    return this.#health.state
  }

  get pid(): number | null {
    return this.#service.pid
  }

  get view(): View['service'] {
    return {
      role: this.#role,
      reported: this.#reported,
      contradictions: this.#contradictions,
      supervised: this.#service.supervised,
      running: this.#service.running,
      retryAtMs: this.#retryAtMs,
    }
  }

  // ---- what a controller does with it

  async start(): Promise<void> {
    const { state } = this.#context
    this.#become('unknown', null)
    this.watchdog.disarm() // what it was armed for has ended
    this.#service.start()
    this.#health.restart()
    this.watchdog.serviceIs(this.#service.pid)
    const servicePid = this.#service.pid
    const serviceStart = servicePid === null ? null : await this.#startOf(servicePid)
    await state.update({ servicePid, serviceStart })
  }

  /** Stops what is active, or may be, without a right. */
  async stopWithoutRight(signal: AbortSignal): Promise<void> {
    const { state, sys, times, log } = this.#context
    let token = state.record.highestToken
    let result = await this.#service.deactivate(token, 'no lock is held')
    if (!result.done && result.token !== null && result.token > token) {
      // The service has seen a higher token than this directory: it counts as seen by us too.
      token = result.token
      await state.update({ highestToken: token })
      result = await this.#service.deactivate(token, 'no lock is held')
    }
    if (signal.aborted) return
    if (!result.done) {
      this.#retryAtMs = sys.clock.monotonicMs() + times.retryMs / 2
      log.debug({ why: result.why }, 'the service did not confirm standby')
      return
    }
    this.#become('standby', null)
    this.#startFailures = 0
    this.watchdog.disarm()
    if (state.record.activeToken !== null) await state.update({ activeToken: null })
  }

  /** From here on the service may be active, whatever the answer says or does not say. */
  isToBecomeActive(): void {
    this.#become('unknown', null)
  }

  isActive(token: bigint): void {
    this.#become('active', token)
  }

  /** @param leaseLeftMs what is left of the lease now, margin taken off; asked before each sending */
  activate(token: bigint, leaseLeftMs: () => number, why: string): Promise<CommandResult> {
    return this.#service.activate(token, leaseLeftMs, why)
  }

  /** Stops it by all means that we have; true when it has confirmed, or is gone. */
  async demote(token: bigint, cause: Cause): Promise<boolean> {
    const { state, sys, times, log, fail } = this.#context
    let confirmed = this.#service.supervised && !this.#service.running
    if (!confirmed) {
      const result = await this.#service.deactivate(token, cause)
      confirmed = result.done
      if (!confirmed) log.error({ why: result.why }, 'the service did not confirm standby')
    }
    if (!confirmed && this.#service.supervised) confirmed = await this.#service.kill()
    this.#become(confirmed ? 'standby' : 'unknown', token)
    if (confirmed) {
      this.watchdog.disarm()
      // Behind the stop, not before it: the order protects only against forgetting an active one.
      state.update({ activeToken: null }).catch(fail)
    } else this.#retryAtMs = sys.clock.monotonicMs() + times.retryMs
    return confirmed
  }

  /** The controller cannot go on: one attempt, for which nobody waits. */
  stopAtLast(token: bigint): void {
    this.#service.deactivate(token, 'the controller cannot go on').catch((error: unknown) => {
      this.#context.log.error({ error }, 'the stop failed')
    })
  }

  /** Ends a service that we started, in a clean stop. */
  async end(): Promise<void> {
    if (this.#service.supervised && this.#service.running) await this.#service.kill()
  }

  // ---- inputs

  #onExit(): void {
    this.#startFailures++
    const waitMs = Math.min(200 * 2 ** Math.min(this.#startFailures - 1, 7), 30_000)
    this.#retryAtMs = this.#context.sys.clock.monotonicMs() + waitMs
    this.#health.restart()
    this.watchdog.serviceIs(null)
    if (!this.#hasGrant()) this.#become('unknown', null)
    this.#context.wake()
  }

  #onReport(report: ServiceAnswer, askedAtMs: number): void {
    if (report.role === null || askedAtMs < this.#roleChangedAtMs) return
    this.#reported = { role: report.role, token: report.token }
    const contradicts = this.#role !== 'unknown' && report.role !== this.#role
    this.#contradictions = contradicts ? this.#contradictions + 1 : 0
    if (contradicts || this.#role === 'unknown') this.#context.wake()
  }

  #become(role: 'unknown' | 'standby' | 'active', token: bigint | null): void {
    this.#role = role
    this.#roleChangedAtMs = this.#context.sys.clock.monotonicMs()
    this.#contradictions = 0
    this.#reported = role === 'unknown' ? null : { role, token }
  }

  /** When a process was started, in the kernel's ticks. */
  async #startOf(pid: number): Promise<string | null> {
    try {
      const text = (await this.#context.sys.files.readFile(`/proc/${pid}/stat`)).toString()
      return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null
    } catch {
      return null // no such process, not on Linux, or simulated
    }
  }

  async #bootId(): Promise<string | null> {
    try {
      const text = await this.#context.sys.files.readFile('/proc/sys/kernel/random/boot_id')
      return text.toString().trim()
    } catch {
      return null // not on Linux, or simulated: pids are taken for what they are
    }
  }
}
