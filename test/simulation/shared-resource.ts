/**
 * The resource that a failover group protects, and the service that writes to it (§6.3).
 *
 * 1. `Resource` sees each moment at which a service believes that it may write: between the guard's
 *    `permit` and the write nothing can happen, as when the resource is the service's own disk. Never
 *    may a lower token be permitted after a higher one, nor one token on two members (H-1).
 * 2. `ledger` is a resource behind a network, which keeps the highest token and refuses lower ones
 *    (H-1 d): what it accepts grows in token, and each token comes from one member only (T5).
 */
import { sleep } from '../../ensemble/sys/clock.ts'
import { Guard, NotPermitted } from '../../failover/guard.ts'
import type { SimHttp } from './sim-http.ts'
import type { ProgramContext } from './sim-process.ts'
import type { Proc, World } from './world.ts'

export interface Holder {
  readonly member: string
  readonly token: bigint
  readonly timeUs: number
}

export class Resource {
  readonly #world: World
  /** Whether holding is exclusive by itself; with the token rule alone only the ledger decides. */
  readonly #isExclusive: boolean
  readonly holders: Holder[] = []
  readonly accepted: Holder[] = []
  refused = 0
  readonly #memberOf = new Map<bigint, string>()

  constructor(world: World, isExclusive: boolean) {
    this.#world = world
    this.#isExclusive = isExclusive
  }

  /** A service was just permitted to write. */
  hold(member: string, token: bigint): void {
    const last = this.holders.at(-1)
    const known = this.#memberOf.get(token)
    if (known !== undefined && known !== member) {
      this.#world.violate('H-2', `token ${token} is held by ${known} and by ${member}`)
    }
    this.#memberOf.set(token, member)
    if (this.#isExclusive && last !== undefined && token < last.token) {
      this.#world.violate(
        'H-1',
        `${member} may write with token ${token} after ${last.member} with ${last.token}`,
      )
    }
    if (last?.token === token) this.holders.pop()
    else if (last !== undefined) this.#world.mark('holder-changed')
    this.holders.push({ member, token, timeUs: this.#world.nowUs })
  }

  /** A write reached the ledger; true when it was accepted. */
  write(member: string, token: bigint): boolean {
    const last = this.accepted.at(-1)
    if (last !== undefined && token < last.token) {
      this.refused++
      this.#world.mark('ledger-refused')
      return false
    }
    if (last?.token === token && last.member !== member) {
      this.#world.violate('H-2', `the ledger took token ${token} from ${last.member} and ${member}`)
    }
    this.accepted.push({ member, token, timeUs: this.#world.nowUs })
    return true
  }
}

export const SERVICE_PORT = 8080
export const LEDGER_URL = 'http://10.0.4.1:9000/append'

/** Serves the ledger; its highest token outlives its process, as on a disk. */
export function serveLedger(http: SimHttp, proc: Proc, resource: Resource): void {
  http.serve(proc, 9000, ({ headers }) => {
    const accepted = resource.write(headers['member'] ?? '?', BigInt(headers['token'] ?? '0'))
    return { status: accepted ? 200 : 409, headers: {}, body: '' }
  })
}

export interface ServiceWorld {
  readonly http: SimHttp
  readonly resource: Resource
  /** Answers health probes with 503 while true. */
  isUnhealthy(member: string): boolean
}

/** The simulated service: the real guard behind HTTP, and a loop that writes when permitted. */
export function serviceProgram(
  member: string,
  world: ServiceWorld,
): (context: ProgramContext) => void {
  return ({ proc, sys, exit }) => {
    const guard = new Guard({ stateFile: '/service/token.json', sys })
    const work = async (): Promise<void> => {
      await sys.files.makeDirectory('/service')
      await guard.open()
      world.http.serve(proc, SERVICE_PORT, async ({ path, headers }) => {
        if (path === '/activate') return answerOf(await guard.onActivate(headers))
        if (path === '/deactivate') return answerOf(await guard.onDeactivate(headers))
        const status = world.isUnhealthy(member) ? 503 : 200
        return answerOf({ status, body: guard.status })
      })
      for (;;) {
        await sleep(sys.clock, 5 + (sys.random.uint32() % 40))
        try {
          const { token } = guard.permit()
          world.resource.hold(member, token)
          const request = {
            method: 'POST' as const,
            url: LEDGER_URL,
            headers: { member, token: token.toString() },
            timeoutMs: 1000,
          }
          sys.http.request(request).catch(() => {})
        } catch (error) {
          if (!(error instanceof NotPermitted)) throw error
        }
      }
    }
    work().catch((error: unknown) => {
      // Another service of this member has the port: the controller that started it was killed.
      if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') exit(1)
      else proc.world.crashedByBug(proc, error)
    })
  }
}

function answerOf(answer: { status: number; body: unknown }) {
  return { status: answer.status, headers: {}, body: JSON.stringify(answer.body) }
}
