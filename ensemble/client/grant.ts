/**
 * A place in a line of candidates: what an election and a lock are made of.
 *
 * Each candidate has an ephemeral sequential node below one path; the first in line holds the grant,
 * every other one watches the node before its own. Invariants:
 * 1. `token` is the czxid of the holder's node: it grows with every grant, so a resource that
 *    refuses lower tokens is safe from a holder that does not know yet that it is none.
 * 2. `signal` aborts before the servers can have ended the session: half a session timeout after the
 *    send of the last request that was answered. A server may die before it has told the leader of
 *    that request; the one before it is at most a third of the timeout older (pings), which leaves a
 *    sixth for the network and for clocks of different speed.
 * 3. A create whose reply was lost is found again by a random prefix (11.2 of client-protocol, 16): a
 *    candidate stands in line once, and a wait that was given up leaves no node behind.
 *
 * Source: the published recipes for locks and leader election; Curator's protected nodes.
 */
import { nameOf } from '../protocol/paths.ts'
import type { Acl } from '../protocol/acl.ts'
import type { Stat } from '../protocol/stat.ts'
import type { Clock, Timer } from '../sys/clock.ts'
import type { Random } from '../sys/random.ts'
import type { Watcher } from './call.ts'
import type { CreateOptions, Data } from './create.ts'
import { ZkError } from './errors.ts'
import type { SessionState } from './session-machine.ts'

/** What is needed of a client. */
export interface GrantSource {
  create(path: string, data: Data, options: CreateOptions): Promise<{ path: string; stat: Stat }>
  get(path: string): Promise<{ data: Buffer | null; stat: Stat }>
  exists(path: string, options: { watch?: Watcher }): Promise<Stat | null>
  getChildren(path: string): Promise<{ children: string[] }>
  delete(path: string): Promise<void>
  sync(path: string): Promise<void>
  forget(path: string, watcher: Watcher): void
  onState(listener: (state: SessionState) => void): () => void
  readonly state: SessionState
  readonly sessionTimeoutMs: number
  readonly lastHeardMs: number
}

export interface GrantSys {
  readonly clock: Clock
  readonly random: Random
}

export interface GrantOptions {
  /** Stop waiting; our place in line is given up. */
  signal?: AbortSignal | undefined
}

export interface LineOptions {
  /** `acl.openUnsafe` when absent. */
  acl?: readonly Acl[] | undefined
}

/** A number has ten characters, its sign included. */
const NUMBERED = /n-(\d{10}|-\d{9,10})$/

/** The share of the session timeout for which a holder may act on the last sign of life. */
const LEASE_SHARE = 1 / 2

export class Line {
  readonly #source: GrantSource
  readonly #sys: GrantSys
  readonly #path: string
  readonly #data: Data
  readonly #acl: readonly Acl[] | undefined

  constructor(source: GrantSource, sys: GrantSys, path: string, data: Data, options: LineOptions) {
    this.#source = source
    this.#sys = sys
    this.#path = path
    this.#data = data
    this.#acl = options.acl
  }

  /**
   * Waits until it is our turn.
   * @throws ZkError `operationTimeout` when `signal` aborts; `sessionExpired`, `noAuth` …
   */
  wait({ signal }: GrantOptions): Promise<Grant> {
    const work = this.#wait(signal)
    return signal === undefined ? work : abortable(work, signal, this.#path)
  }

  async #wait(signal: AbortSignal | undefined): Promise<Grant> {
    const prefix = `_c_${this.#sys.random.secureBytes(16).toString('hex')}-`
    try {
      const own = await this.#stand(prefix, signal)
      while (!(await this.#isFirst(own.path, signal)));
      return new Grant(this.#source, this.#sys, own.path, own.stat.czxid)
    } catch (error) {
      await this.#giveUp(prefix)
      throw error
    }
  }

  /** Who is first in line: the data of that node, or null when nobody stands there. */
  async holder(): Promise<{ data: Buffer | null; token: bigint } | null> {
    for (;;) {
      const first = (await this.#inLine())[0]
      if (first === undefined) return null
      try {
        const { data, stat } = await retried(() => this.#source.get(`${this.#path}/${first}`))
        return { data, token: stat.czxid }
      } catch (error) {
        // It has gone in between: then somebody else is first.
        if (!isCode(error, 'noNode')) throw error
      }
    }
  }

  async #stand(
    prefix: string,
    signal: AbortSignal | undefined,
  ): Promise<{ path: string; stat: Stat }> {
    for (;;) {
      throwIfAborted(signal, this.#path)
      try {
        const mode = 'ephemeral-sequential'
        const options = { mode, acl: this.#acl, parents: true } as const
        return await this.#source.create(`${this.#path}/${prefix}n-`, this.#data, options)
      } catch (error) {
        if (!isCode(error, 'connectionLoss')) throw error
      }
      // Whether we stand in line is unknown: look before standing there twice.
      const found = await this.#find(prefix)
      if (found !== null) return found
    }
  }

  async #find(prefix: string): Promise<{ path: string; stat: Stat } | null> {
    // The server of the next connection may be behind the one that took the create.
    await retried(() => this.#source.sync(this.#path))
    const name = (await this.#inLine()).find((other) => other.startsWith(prefix))
    if (name === undefined) return null
    const path = `${this.#path}/${name}`
    const stat = await retried(() => this.#source.exists(path, {}))
    return stat === null ? null : { path, stat }
  }

  /** True when we are first; else waits until the one before us has gone, and says false. */
  async #isFirst(own: string, signal: AbortSignal | undefined): Promise<boolean> {
    throwIfAborted(signal, this.#path)
    const line = await this.#inLine()
    const at = line.indexOf(nameOf(own))
    if (at === -1)
      throw new ZkError('noNode', { path: own, message: 'our place in line was deleted' })
    const before = line[at - 1]
    if (before === undefined) return true
    await this.#untilChanged(`${this.#path}/${before}`, signal)
    return false
  }

  async #untilChanged(path: string, signal: AbortSignal | undefined): Promise<void> {
    let changed = () => {}
    const change = new Promise<void>((resolve) => (changed = resolve))
    const watch: Watcher = (event) => {
      const isAlive = event.state === 'connected' || event.state === 'disconnected'
      if (event.type !== 'session' || !isAlive) changed()
    }
    signal?.addEventListener('abort', changed)
    if (signal?.aborted === true) changed()
    try {
      const stat = await retried(() => this.#source.exists(path, { watch }))
      if (stat !== null) await change
    } finally {
      signal?.removeEventListener('abort', changed)
      this.#source.forget(path, watch)
    }
  }

  /** The candidates in the order of their numbers, whatever their prefixes. */
  async #inLine(): Promise<string[]> {
    try {
      const { children } = await retried(() => this.#source.getChildren(this.#path))
      const numbered = children.filter((name) => NUMBERED.test(name))
      // The difference in 32 bits: the counter wraps from 2^31 - 1 to -2^31, and the line goes on.
      return numbered.toSorted((left, right) => (numberOf(left) - numberOf(right)) | 0)
    } catch (error) {
      if (isCode(error, 'noNode')) return []
      throw error
    }
  }

  async #giveUp(prefix: string): Promise<void> {
    try {
      const found = await this.#find(prefix)
      if (found !== null) await deleteSurely(this.#source, found.path)
    } catch (error) {
      // Without a session there is no node either; the caller gets the first error.
      if (!(error instanceof ZkError)) throw error
    }
  }
}

export class Grant {
  /** Grows with every grant on the same path: hand it to whatever must not obey an old holder. */
  readonly token: bigint
  /** The node that stands for this grant. */
  readonly path: string
  readonly #source: GrantSource
  readonly #clock: Clock
  readonly #aborter = new AbortController()
  readonly #stopStates: () => void
  readonly #watch: Watcher
  #timer: Timer | null = null
  #released: Promise<void> | null = null

  constructor(source: GrantSource, sys: GrantSys, path: string, token: bigint) {
    this.token = token
    this.path = path
    this.#source = source
    this.#clock = sys.clock
    this.#stopStates = source.onState((state) => {
      if (state !== 'connected' && state !== 'disconnected') this.#lose(`the session is ${state}`)
    })
    this.#watch = (event) => {
      if (event.type === 'deleted') this.#lose(`${path} was deleted`)
      else if (event.type === 'dataChanged') void this.#watchOwn()
    }
    this.#check()
    void this.#watchOwn()
  }

  /** Aborts when the grant is over, released or not; see invariant 2 of the file. */
  get signal(): AbortSignal {
    return this.#aborter.signal
  }

  /** For how long we may act without another word from a server; 0 when the grant is over. */
  get leaseMs(): number {
    if (this.#aborter.signal.aborted) return 0
    return Math.max(0, this.#endsAtMs - this.#clock.monotonicMs())
  }

  get #endsAtMs(): number {
    return this.#source.lastHeardMs + this.#source.sessionTimeoutMs * LEASE_SHARE
  }

  /** Gives the grant to the next in line. Never rejects: a session that has ended has no grant. */
  release(): Promise<void> {
    this.#released ??= (async () => {
      this.#lose('released')
      try {
        await deleteSurely(this.#source, this.path)
      } catch (error) {
        if (!(error instanceof ZkError)) throw error
      }
    })()
    return this.#released
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }

  /** Sets the timer for the end of what is known to be ours, or ends the grant. */
  #check(): void {
    this.#timer = null
    if (this.#aborter.signal.aborted) return
    const leftMs = this.leaseMs
    if (leftMs <= 0) return this.#lose('no server has answered for half of the session timeout')
    // After the bytes that have arrived: they may hold the answer that we would miss.
    const check = () => this.#clock.defer(() => this.#check())
    this.#timer = this.#clock.setTimer(Math.ceil(leftMs), check)
  }

  async #watchOwn(): Promise<void> {
    try {
      const stat = await retried(() => this.#source.exists(this.path, { watch: this.#watch }))
      if (stat === null) this.#lose(`${this.path} was deleted`)
    } catch (error) {
      // The session is over: its state says so too.
      this.#lose(error instanceof Error ? error.message : String(error))
    }
  }

  #lose(why: string): void {
    if (this.#aborter.signal.aborted) return
    this.#timer?.cancel()
    this.#stopStates()
    this.#source.forget(this.path, this.#watch)
    this.#aborter.abort(new Error(why))
  }
}

function numberOf(name: string): number {
  return Number(NUMBERED.exec(name)?.[1])
}

/** Rejects as soon as `signal` aborts; the work cleans up behind, and a grant that comes is released. */
function abortable(work: Promise<Grant>, signal: AbortSignal, path: string): Promise<Grant> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      reject(abortError(signal, path))
      work.then(
        (grant) => grant.release(),
        () => {},
      )
    }
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort)
    work.finally(() => signal.removeEventListener('abort', onAbort)).then(resolve, reject)
  })
}

function abortError(signal: AbortSignal, path: string): ZkError {
  const message = 'the caller stopped waiting; the place in line is given up'
  return new ZkError('operationTimeout', { path, cause: signal.reason, message })
}

function isCode(error: unknown, code: ZkError['code']): boolean {
  return error instanceof ZkError && error.code === code
}

function throwIfAborted(signal: AbortSignal | undefined, path: string): void {
  if (signal?.aborted === true) throw abortError(signal, path)
}

/** For what may be done twice: each attempt waits for a connection, and the session ends them all. */
async function retried<T>(run: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await run()
    } catch (error) {
      if (!isCode(error, 'connectionLoss')) throw error
    }
  }
}

async function deleteSurely(source: GrantSource, path: string): Promise<void> {
  try {
    await retried(() => source.delete(path))
  } catch (error) {
    if (!isCode(error, 'noNode')) throw error
  }
}
