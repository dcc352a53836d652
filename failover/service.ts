/**
 * The local service: its process, when we start it, and the commands that change its role.
 *
 * The protocol (H-3): every command carries the fencing token, `activate` the rest of the lease too.
 * Over HTTP these are the headers `Howdah-Fencing-Token` and `Howdah-Lease-Ms`; the answer is JSON
 * `{ role, token }`. `activate` is idempotent for the same token and moves the deadline: renewals
 * are passed on by repeating it.
 *
 * A command may be delayed by any time (the service was stopped, its queue was long), and a lease
 * counted from its arrival would then outlive ours. So a service that uses our guard adds `clock`
 * to each answer, a reading of its own clock, and gets it back as `Howdah-Lease-Clock`:
 * `Howdah-Lease-Ms` is counted from that reading, which was taken before the answer reached us. The
 * deadline is thereby the same moment however long the command travels.
 *
 * An `activate` may be overtaken by its `deactivate`. Over HTTP it cannot be called back: the service
 * refuses a token that it was told to deactivate, as the guard does. Where both are commands, the
 * stop ends the process of the activation first and waits until it is gone.
 */
import type { Child } from '../ensemble/sys/process.ts'
import type { Sys } from '../ensemble/sys/sys.ts'
import { sleep } from '../ensemble/sys/clock.ts'
import { decodeServiceAnswer } from './service-answer.ts'
import { runCommand, type Ran } from './run-command.ts'
import {
  KILL_AFTER_MS,
  type GroupSettings,
  type MemberSettings,
  type ServiceCommand,
} from './settings.ts'
import { expandArgv, expandUrl, ownValues } from './templates.ts'

export interface CommandResult {
  /** The command was carried out, as far as the service says. */
  readonly done: boolean
  readonly role: 'active' | 'standby' | null
  readonly token: bigint | null
  readonly why: string
}

/** A SIGKILL that has no effect within this time leaves the process to the lease. */
const GONE_WITHIN_MS = 1000

interface ClockEcho {
  readonly clock: string
  readonly receivedAtMs: number
}

export class Service {
  readonly #settings: GroupSettings
  readonly #member: MemberSettings
  readonly #sys: Sys
  readonly #onExit: () => void
  #child: Child | null = null
  /** The pid of a service that an earlier run of the controller started. */
  #adoptedPid: number | null = null
  #echo: ClockEcho | null = null
  /** Commands of activations that run, or that could not be ended: each may still take effect. */
  readonly #activations = new Set<AbortController>()
  readonly #undead = new Set<Promise<unknown>>()

  constructor(settings: GroupSettings, sys: Sys, onExit: () => void) {
    this.#settings = settings
    this.#member = settings.members[settings.member]!
    this.#sys = sys
    this.#onExit = onExit
  }

  get supervised(): boolean {
    return this.#settings.service.start !== undefined
  }

  get pid(): number | null {
    return this.#child?.pid ?? this.#adoptedPid
  }

  get running(): boolean {
    if (this.#child !== null) return true
    if (this.#adoptedPid === null) return false
    if (this.#sys.process.isAlive(this.#adoptedPid)) return true
    this.#adoptedPid = null
    return false
  }

  adoptProcess(pid: number): boolean {
    if (!this.#sys.process.isAlive(pid)) return false
    this.#adoptedPid = pid
    return true
  }

  start(): void {
    const { start, cwd, env } = this.#settings.service
    if (start === undefined || this.running) return
    const argv = expandArgv(start, this.#values({ token: 0n, role: 'standby', reason: 'start' }))
    const log = this.#sys.log.child({ service: this.#settings.member })
    const child = this.#sys.process.spawn({
      argv,
      ...(cwd === undefined ? {} : { cwd }),
      ...(env === undefined ? {} : { env }),
      onOutput: (chunk, stream) => {
        const text = chunk.toString('utf8').trimEnd().slice(0, 4096)
        if (text !== '') log.info({ stream, text }, 'service output')
      },
    })
    this.#child = child
    this.#echo = null
    void child.exited.then((exit) => {
      if (this.#child !== child) return
      this.#child = null
      // The leader of the group has gone; what it had started must not act on without it.
      if (child.pid !== undefined) this.#sys.process.killGroup(child.pid, 'SIGKILL')
      this.#sys.log.warn(
        { code: exit.code, signal: exit.signal, error: exit.error?.message },
        'the service has exited',
      )
      this.#onExit()
    })
  }

  /**
   * Tells the service to be active, or passes a renewal on.
   * @param leaseLeftMs what is left of the lease now, margin taken off; asked before each sending
   */
  async activate(token: bigint, leaseLeftMs: () => number, why: string): Promise<CommandResult> {
    const first = await this.#send(
      this.#settings.service.activate,
      'active',
      token,
      leaseLeftMs,
      why,
    )
    if (first.role !== 'standby' || !first.wantsClock) return first
    // The guard does not know how old our command is: it gave us a reading to count from.
    return this.#send(this.#settings.service.activate, 'active', token, leaseLeftMs, why)
  }

  /** Tells the service to be standby; first ends what might still make it active. */
  async deactivate(token: bigint, why: string): Promise<CommandResult> {
    for (const activation of this.#activations) activation.abort()
    while (this.#activations.size > 0) await sleep(this.#sys.clock, 1)
    const result = await this.#send(this.#settings.service.deactivate, 'standby', token, null, why)
    if (this.#undead.size === 0) return result
    return { ...result, done: false, why: 'an activation under way cannot be ended' }
  }

  /** Ends the service's process group; true when it is gone. Takes a bounded time. */
  async kill(): Promise<boolean> {
    const { pid } = this
    const child = this.#child
    if (pid === null) return true
    if (child === null) {
      this.#sys.process.killGroup(pid, 'SIGKILL')
      for (let tries = 0; tries < 20 && this.#sys.process.isAlive(pid); tries++) {
        await sleep(this.#sys.clock, 10)
      }
      return !this.running
    }
    child.kill('SIGTERM')
    const { promise: given, resolve: giveUp } = Promise.withResolvers<'lives'>()
    const { clock } = this.#sys
    const timers = [
      clock.setTimer(KILL_AFTER_MS, () => child.kill('SIGKILL')),
      clock.setTimer(KILL_AFTER_MS + GONE_WITHIN_MS, () => giveUp('lives')),
    ]
    const ended = await Promise.race([child.exited, given])
    for (const timer of timers) timer.cancel()
    return ended !== 'lives'
  }

  /** Runs the command of an activation so that a stop can end it. */
  async #runActivation(
    argv: readonly string[],
    env: Readonly<Record<string, string>>,
    timeoutMs: number,
  ): Promise<Ran> {
    const activation = new AbortController()
    this.#activations.add(activation)
    try {
      const ran = await runCommand(this.#sys, { argv, env, timeoutMs, signal: activation.signal })
      if (!ran.hasEnded) {
        this.#undead.add(ran.ended)
        void ran.ended.then(() => this.#undead.delete(ran.ended))
      }
      return ran
    } finally {
      this.#activations.delete(activation)
    }
  }

  async #send(
    command: ServiceCommand,
    role: 'active' | 'standby',
    token: bigint,
    leaseLeftMs: (() => number) | null,
    reason: string,
  ): Promise<CommandResult & { wantsClock: boolean }> {
    const values = this.#values({ token, role, reason })
    const { clock } = this.#sys
    if (command.kind === 'command') {
      const env: Record<string, string> = {
        HOWDAH_MEMBER: this.#settings.member,
        HOWDAH_GROUP: this.#settings.group,
        HOWDAH_FENCING_TOKEN: token.toString(),
      }
      if (leaseLeftMs !== null) env['HOWDAH_LEASE_MS'] = String(floorMs(leaseLeftMs()))
      const argv = expandArgv(command.argv, values)
      const { timeoutMs } = command
      const ran =
        role === 'active'
          ? await this.#runActivation(argv, env, timeoutMs)
          : await runCommand(this.#sys, { argv, env, timeoutMs })
      const done = ran.outcome === 'exited' && ran.code === 0
      return { done, role: done ? role : null, token, why: ran.why, wantsClock: false }
    }

    const headers: Record<string, string> = { 'Howdah-Fencing-Token': token.toString() }
    if (leaseLeftMs !== null) {
      let leaseMs = leaseLeftMs()
      const ageMs = this.#echo === null ? 0 : clock.monotonicMs() - this.#echo.receivedAtMs
      // Clocks drift apart: an old reading is worth no lease, and the guard will send a new one.
      if (this.#echo !== null && ageMs <= this.#settings.leaseMs) {
        leaseMs += ageMs
        headers['Howdah-Lease-Clock'] = this.#echo.clock
      }
      headers['Howdah-Lease-Ms'] = String(floorMs(leaseMs))
    }
    try {
      const answer = await this.#sys.http.request({
        method: command.method,
        url: expandUrl(command.url, values),
        headers,
        timeoutMs: command.timeoutMs,
      })
      const said = decodeServiceAnswer(answer.body)
      if (said.clock !== null) {
        this.#echo = { clock: said.clock, receivedAtMs: clock.monotonicMs() }
      }
      const accepted = answer.status >= 200 && answer.status < 300
      // A plain 200 is a service that knows no JSON: it has done what it was told.
      const done = said.role === null ? accepted : said.role === role
      const why = done ? `${role}` : `answered ${answer.status}, ${said.reason ?? said.role ?? ''}`
      return {
        done,
        role: said.role ?? (accepted ? role : null),
        token: said.token,
        why,
        wantsClock: said.wantsClock,
      }
    } catch (error) {
      return { done: false, role: null, token: null, why: messageOf(error), wantsClock: false }
    }
  }

  #values(situation: { token: bigint; role: string; reason: string }) {
    return ownValues(this.#settings.member, this.#member, { ...situation, pid: this.pid })
  }
}

function floorMs(ms: number): number {
  return Math.max(0, Math.floor(ms))
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
