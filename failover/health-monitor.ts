/**
 * Runs the probes of the local service, and hears from their answers what the service says about
 * itself. The states are health.ts's; this is the part that awaits `sys`.
 *
 * Invariant: a probe begun before `restart` (the service was started anew) changes nothing.
 */
import type { Timer } from '../ensemble/sys/clock.ts'
import type { Sys } from '../ensemble/sys/sys.ts'
import { healthOf, probeAfter, UNKNOWN_HEALTH } from './health.ts'
import type { HealthState, ProbeHealth, ProbeOutcome } from './health.ts'
import { runCommand } from './run-command.ts'
import { decodeServiceAnswer, type ServiceAnswer } from './service-answer.ts'
import type { GroupSettings, Probe } from './settings.ts'
import { expandArgv, expandText, expandUrl, ownValues, type TemplateValues } from './templates.ts'

export class HealthMonitor {
  readonly #probes: readonly Probe[]
  readonly #values: TemplateValues
  readonly #sys: Sys
  readonly #onChange: () => void
  /** Told what the service says about itself, with the time at which it was asked. */
  readonly #onReport: (report: ServiceAnswer, askedAtMs: number) => void
  readonly #timers = new Set<Timer>()
  #results: ProbeHealth[]
  #generation = 0
  #failed = false
  #running = false

  constructor(
    settings: GroupSettings,
    sys: Sys,
    listeners: {
      onChange: () => void
      onReport: (report: ServiceAnswer, askedAtMs: number) => void
    },
  ) {
    this.#probes = settings.service.health
    this.#values = ownValues(settings.member, settings.members[settings.member]!, {
      token: 0n,
      role: 'unknown',
      reason: '',
      pid: null,
    })
    this.#sys = sys
    this.#onChange = listeners.onChange
    this.#onReport = listeners.onReport
    this.#results = this.#probes.map(() => UNKNOWN_HEALTH)
  }

  get state(): HealthState {
    return this.#failed ? 'monitor-failed' : healthOf(this.#results)
  }

  start(): void {
    this.#running = true
    this.restart()
  }

  stop(): void {
    this.#running = false
    this.#generation++
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }

  /** Forgets what was seen: another process stands behind the address now. */
  restart(): void {
    if (!this.#running) return
    this.stop()
    this.#running = true
    this.#results = this.#probes.map(() => UNKNOWN_HEALTH)
    const generation = this.#generation
    for (const [index, probe] of this.#probes.entries()) this.#run(index, probe, generation)
  }

  #run(index: number, probe: Probe, generation: number): void {
    const askedAtMs = this.#sys.clock.monotonicMs()
    this.#ask(probe).then(
      ({ outcome, report }) => {
        if (generation !== this.#generation) return
        const before = this.state
        this.#results[index] = probeAfter(this.#results[index] ?? UNKNOWN_HEALTH, outcome, probe)
        if (report !== null) this.#onReport(report, askedAtMs)
        const passedMs = this.#sys.clock.monotonicMs() - askedAtMs
        const timer = this.#sys.clock.setTimer(Math.max(1, probe.everyMs - passedMs), () => {
          this.#timers.delete(timer)
          if (generation === this.#generation) this.#run(index, probe, generation)
        })
        this.#timers.add(timer)
        if (before !== this.state) this.#onChange()
      },
      (error: unknown) => {
        // A probe never rejects; if one does the monitor itself is broken, and unknown is not healthy.
        if (generation !== this.#generation) return
        this.#failed = true
        this.#sys.log.error({ error }, 'the health monitor failed')
        this.#onChange()
      },
    )
  }

  async #ask(probe: Probe): Promise<{ outcome: ProbeOutcome; report: ServiceAnswer | null }> {
    switch (probe.kind) {
      case 'http': {
        const url = expandUrl(probe.url, this.#values)
        try {
          const answer = await this.#sys.http.request({
            method: 'GET',
            url,
            timeoutMs: probe.timeoutMs,
          })
          const passed = answer.status >= 200 && answer.status < 300
          const report = decodeServiceAnswer(answer.body)
          return {
            outcome: passed ? 'passed' : 'refused-by-answer',
            report: report.role === null ? null : report,
          }
        } catch {
          return { outcome: 'no-answer', report: null }
        }
      }
      case 'tcp':
        return { outcome: await this.#connect(probe), report: null }
      case 'command': {
        const argv = expandArgv(probe.argv, this.#values)
        const ran = await runCommand(this.#sys, { argv, env: {}, timeoutMs: probe.timeoutMs })
        if (ran.outcome !== 'exited') return { outcome: 'no-answer', report: null }
        return { outcome: ran.code === 0 ? 'passed' : 'refused-by-answer', report: null }
      }
    }
  }

  #connect(probe: Extract<Probe, { kind: 'tcp' }>): Promise<ProbeOutcome> {
    const address = expandText(probe.address, this.#values)
    const colon = address.lastIndexOf(':')
    const host = address.slice(0, colon).replace(/^\[|\]$/g, '')
    return new Promise((resolve) => {
      const connection = this.#sys.network.connect(
        { host, port: Number(address.slice(colon + 1)) },
        {
          onConnect: () => finish('passed'),
          onData: () => {},
          onClose: () => finish('no-answer'),
        },
      )
      const timer = this.#sys.clock.setTimer(probe.timeoutMs, () => finish('no-answer'))
      const finish = (outcome: ProbeOutcome) => {
        timer.cancel()
        connection.destroy()
        resolve(outcome)
      }
    })
  }
}
