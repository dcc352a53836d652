/**
 * The guard for services: may this process write now, and with which token?
 *
 *     const guard = new Guard({ stateFile: '/var/lib/orders/token.json', sys })
 *     await guard.open()
 *     POST /activate    -> await guard.onActivate(request.headers)     answer: its status and body
 *     POST /deactivate  -> await guard.onDeactivate(request.headers)
 *     before each write -> const { token } = guard.permit()            throws NotPermitted
 *
 * Invariants:
 * 1. The highest token is durable before it is accepted; a lower one is refused for ever (H-2, H-3).
 * 2. A token that was deactivated is spent: a delayed `activate` with it is refused (H-3).
 * 3. `permit` checks token *and* deadline on each call, on three clocks (H-11). The deadline counts
 *    from a reading of this process's own clocks, which the controller sends back, so a command
 *    that was delayed on its way moves it to the same moment as one that was not (see service.ts).
 * 4. A process starts as standby: no lease outlives it.
 * It protects what happens before the write leaves this process; a resource that keeps the highest
 * token itself protects against the rest (a machine restored from a snapshot, H-11).
 */
import type { Clock } from '../ensemble/sys/clock.ts'
import type { FileSystem } from '../ensemble/sys/file-system.ts'
import { replaceFile } from '../ensemble/sys/replace-file.ts'
import { leaseLeftMs, readClocks, type ClockReading } from './lease.ts'
import { decodeFields, tokenOf } from './group-nodes.ts'
import { CLOCK_WANTED } from './service-answer.ts'
import { StateError } from './state-directory.ts'

export type GuardHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** What the service answers: status and JSON body, exactly. */
export interface GuardAnswer {
  readonly status: 200 | 400 | 409
  readonly body: {
    readonly role: 'active' | 'standby'
    /** Decimal. */
    readonly token: string
    /** A reading of this process's clocks, for the controller to send back. */
    readonly clock: string
    readonly reason?: string
  }
}

/** Thrown by `permit`: this process must not write now. */
export class NotPermitted extends Error {
  override readonly name = 'NotPermitted'
  readonly reason: 'standby' | 'lease-over'

  constructor(reason: 'standby' | 'lease-over') {
    super(reason === 'standby' ? 'this member is standby' : 'the lease is over')
    this.reason = reason
  }
}

interface Lease {
  readonly readAt: ClockReading
  readonly leaseMs: number
}

export class Guard {
  readonly #stateFile: string
  readonly #files: FileSystem
  readonly #clock: Clock
  readonly #incarnation: string
  readonly #onRoleChange: (role: 'active' | 'standby') => void
  #isOpen = false
  #highest = 0n
  /** The highest token known to be on disk. */
  #durable = 0n
  /** The highest token that was deactivated. */
  #spent = -1n
  #active: { readonly token: bigint; readonly lease: Lease } | null = null
  /** Durable writes follow one another. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: {
    stateFile: string
    sys: {
      readonly files: FileSystem
      readonly clock: Clock
      readonly random: { uint32(): number }
    }
    /** Told at once when the role changes by a command; a lease that ends is seen by `permit`. */
    onRoleChange?: (role: 'active' | 'standby') => void
  }) {
    this.#stateFile = options.stateFile
    this.#files = options.sys.files
    this.#clock = options.sys.clock
    this.#incarnation = options.sys.random.uint32().toString(36)
    this.#onRoleChange = options.onRoleChange ?? (() => {})
  }

  /** Reads the highest token; nothing is permitted before. */
  async open(): Promise<void> {
    if ((await this.#files.stat(this.#stateFile)) !== null) {
      const fields = decodeFields(await this.#files.readFile(this.#stateFile))
      const highest = tokenOf(fields?.['highestToken'])
      const spent = tokenOf(fields?.['spentToken'])
      const isDamaged = fields?.['spentToken'] !== undefined && spent === null
      if (highest === null || isDamaged) throw new StateError(`${this.#stateFile} is damaged`)
      this.#highest = highest
      this.#durable = highest
      this.#spent = spent ?? -1n
    }
    this.#isOpen = true
  }

  get role(): 'active' | 'standby' {
    return this.#active !== null && this.#leftMs() > 0 ? 'active' : 'standby'
  }

  get token(): bigint {
    return this.#highest
  }

  /** For health answers: what the controller compares with its own view. */
  get status(): GuardAnswer['body'] {
    return this.#answer(200).body
  }

  /**
   * To be called before each write; the write must be short against the margin of the lease.
   * @throws NotPermitted when this process is standby or its lease is over
   */
  permit(): { readonly token: bigint } {
    if (this.#active === null) throw new NotPermitted('standby')
    if (this.#leftMs() <= 0) throw new NotPermitted('lease-over')
    return { token: this.#active.token }
  }

  /** Accepts a token and a lease, or a renewal of the same; idempotent. */
  async onActivate(headers: GuardHeaders): Promise<GuardAnswer> {
    const token = tokenOf(textOf(headers, 'howdah-fencing-token'))
    const leaseMs = Number(textOf(headers, 'howdah-lease-ms') ?? Number.NaN)
    if (!this.#isOpen || token === null || !Number.isFinite(leaseMs)) {
      return this.#answer(400, 'Howdah-Fencing-Token and Howdah-Lease-Ms are needed')
    }
    const refusal = this.#refusalOf(token)
    if (refusal !== null) return this.#answer(409, refusal)
    if (token > this.#durable) {
      // Ours is a new grant: what an older one permitted ends before the new token is durable.
      this.#become(null)
      await this.#remember(token, this.#spent)
    }
    // A stop that came in while the token was written wins.
    const late = this.#refusalOf(token)
    if (late !== null) return this.#answer(409, late)

    const readAt = this.#readingOf(textOf(headers, 'howdah-lease-clock'))
    if (readAt === null) return this.#answer(200, CLOCK_WANTED)
    const lease = { readAt, leaseMs }
    if (leaseLeftMs(readAt, leaseMs, readClocks(this.#clock)) <= 0) {
      return this.#answer(409, 'the lease is over already')
    }
    this.#become({ token, lease: this.#longer(token, lease) })
    return this.#answer(200)
  }

  /** Stops at once, then makes the token durable, then answers. */
  async onDeactivate(headers: GuardHeaders): Promise<GuardAnswer> {
    const given = textOf(headers, 'howdah-fencing-token')
    const token = given === null ? this.#highest : tokenOf(given)
    if (!this.#isOpen || token === null) return this.#answer(400, 'no valid Howdah-Fencing-Token')
    if (token < this.#highest) {
      return this.#answer(409, `token ${token} is below ${this.#highest} (H-3)`)
    }
    this.#become(null)
    await this.#remember(token, token)
    return this.#answer(200)
  }

  #refusalOf(token: bigint): string | null {
    if (token < this.#highest) return `token ${token} is below ${this.#highest} (H-3)`
    if (token <= this.#spent) return `token ${token} was deactivated: a new grant is needed (H-3)`
    return null
  }

  /** Renewals may overtake one another: the later deadline counts. */
  #longer(token: bigint, lease: Lease): Lease {
    const held = this.#active
    if (held === null || held.token !== token) return lease
    const now = readClocks(this.#clock)
    const heldLeft = leaseLeftMs(held.lease.readAt, held.lease.leaseMs, now)
    return heldLeft > leaseLeftMs(lease.readAt, lease.leaseMs, now) ? held.lease : lease
  }

  #become(active: { readonly token: bigint; readonly lease: Lease } | null): void {
    const before = this.#active === null ? 'standby' : 'active'
    this.#active = active
    const after = active === null ? 'standby' : 'active'
    if (before !== after) this.#onRoleChange(after)
  }

  /** Raises both marks in memory at once, and resolves when they are durable. */
  #remember(highest: bigint, spent: bigint): Promise<void> {
    if (highest > this.#highest) this.#highest = highest
    if (spent > this.#spent) this.#spent = spent
    const next = this.#last.then(async () => {
      const written = this.#highest
      const fields = {
        v: 1,
        highestToken: written.toString(),
        ...(this.#spent < 0n ? {} : { spentToken: this.#spent.toString() }),
      }
      const directory = this.#stateFile.slice(0, this.#stateFile.lastIndexOf('/')) || '.'
      await replaceFile(
        this.#files,
        directory,
        this.#stateFile,
        Buffer.from(`${JSON.stringify(fields)}\n`),
      )
      this.#durable = written
    })
    this.#last = next.catch(() => {})
    return next
  }

  #leftMs(): number {
    if (this.#active === null) return 0
    const { readAt, leaseMs } = this.#active.lease
    return leaseLeftMs(readAt, leaseMs, readClocks(this.#clock))
  }

  #answer(status: GuardAnswer['status'], reason?: string): GuardAnswer {
    const now = readClocks(this.#clock)
    // Whole milliseconds, rounded down: the reading must not lie after the moment it was taken.
    const clock = [now.monotonicMs, now.bootMs, now.wallMs].map(Math.floor).join('_')
    const body = {
      role: this.role,
      token: this.#highest.toString(),
      clock: `${this.#incarnation}_${clock}`,
      ...(reason === undefined ? {} : { reason }),
    }
    return { status, body }
  }

  #readingOf(text: string | null): ClockReading | null {
    const match = /^([0-9a-z]+)_(\d{1,16})_(\d{1,16})_(\d{1,16})$/.exec(text ?? '')
    if (match === null || match[1] !== this.#incarnation) return null
    const reading = {
      monotonicMs: Number(match[2]),
      bootMs: Number(match[3]),
      wallMs: Number(match[4]),
    }
    const now = this.#clock.monotonicMs()
    return reading.monotonicMs <= now ? reading : null
  }
}

function textOf(headers: GuardHeaders, name: string): string | null {
  const value = headers[name]
  if (typeof value === 'string') return value
  return value?.length === 1 ? (value[0] ?? null) : null
}
