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
 */
import type { Child } from '../ensemble/sys/process.ts'
import type { Sys } from '../ensemble/sys/sys.ts'
import { sleep } from '../ensemble/sys/clock.ts'
import { decodeServiceAnswer } from './service-answer.ts'
import { runCommand } from './run-command.ts'
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

  deactivate(token: bigint, why: string): Promise<CommandResult> {
    return this.#send(this.#settings.service.deactivate, 'standby', token, null, why)
  }

  /** Ends the service's process group; true when it is gone. */
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
    const timer = this.#sys.clock.setTimer(KILL_AFTER_MS, () => child.kill('SIGKILL'))
    await child.exited
    timer.cancel()
    return true
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
      const ran = await runCommand(this.#sys, { argv, env, timeoutMs: command.timeoutMs })
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
