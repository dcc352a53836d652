/**
 * Clients that do a bit of everything (D-11), and record what they were told: each call with its
 * order, outcome and what it returned, each watch with what it was called with.
 *
 * What is written carries a tag that is written once only, so that the final log tells whether, and
 * how often, a call was done.
 */
import { acl, Client, ZkError, type Stat, type WatchEvent } from '../../ensemble/client/index.ts'
import { sleep } from '../../ensemble/sys/clock.ts'
import type { Sys } from '../../ensemble/sys/sys.ts'
import type { History } from './history.ts'
import type { Prng } from './prng.ts'
import type { Proc } from './world.ts'

export type Outcome = 'ok' | 'notDone' | 'unknown' | 'pending'

export interface CallRecord {
  readonly session: SessionRecord
  readonly kind: string
  readonly path: string
  /** In the data of what it writes; null for reads and deletes. */
  readonly tag: string | null
  readonly startOrder: number
  endOrder: number
  /** The event of the world in which it came back. */
  endTurn: number
  outcome: Outcome
  code: string
  /** Of a call that tells of one node. */
  seen: {
    readonly exists: boolean
    readonly stat: Stat | null
    readonly data: Buffer | null
  } | null
}

export interface WatchRecord {
  readonly session: SessionRecord
  readonly path: string
  /** What the read that registered it showed: 0 for no node. */
  readonly mzxid: bigint
  /** When the read that registered it was asked for. */
  readonly askedOrder: number
  readonly fired: { readonly order: number; readonly type: WatchEvent['type'] }[]
}

/** One client object: one session, at most. */
export interface SessionRecord {
  readonly name: string
  readonly proc: Proc
  readonly client: Client
  /** Its owner closed it, or saw it end. */
  isOver: boolean
  /** When the client gave it up by its own clock: a connect request of its may still be on its way. */
  expiredMs: number | null
}

export interface WorkloadOptions {
  readonly servers: string
  readonly sessionTimeoutMs: number
  /** Mean time between two steps of a client. */
  readonly thinkMs: number
  /** Weights of the steps; a step that is not named is not done. */
  readonly mix: Readonly<Record<string, number>>
  readonly registers: number
}

export class Workload {
  readonly calls: CallRecord[] = []
  readonly watches: WatchRecord[] = []
  readonly sessions: SessionRecord[] = []
  isStopping = false
  readonly #history: History
  readonly #options: WorkloadOptions
  #tags = 0

  constructor(history: History, options: WorkloadOptions) {
    this.#history = history
    this.#options = options
  }

  /** What a client process does with its life. */
  async runClient(proc: Proc, sys: Sys, random: Prng): Promise<void> {
    const runner = new ClientRunner(this, this.#history, this.#options, proc, sys, random)
    await runner.run()
  }

  nextTag(proc: Proc): string {
    return `#${proc.name}.${proc.pid}-${this.#tags++}`
  }
}

class ClientRunner {
  readonly #workload: Workload
  readonly #history: History
  readonly #options: WorkloadOptions
  readonly #proc: Proc
  readonly #sys: Sys
  readonly #random: Prng
  readonly #steps: readonly string[]
  #session: SessionRecord
  /** Sequential nodes made by this session, to be deleted some time. */
  #made: string[] = []

  constructor(
    workload: Workload,
    history: History,
    options: WorkloadOptions,
    proc: Proc,
    sys: Sys,
    random: Prng,
  ) {
    this.#workload = workload
    this.#history = history
    this.#options = options
    this.#proc = proc
    this.#sys = sys
    this.#random = random
    this.#steps = Object.entries(options.mix).flatMap(([name, weight]) =>
      Array<string>(weight).fill(name),
    )
    this.#session = this.#open()
  }

  #open(): SessionRecord {
    const { servers, sessionTimeoutMs } = this.#options
    const client = new Client(servers, { sessionTimeoutMs }, this.#sys)
    const number = this.#workload.sessions.length
    const session: SessionRecord = {
      name: `${this.#proc.name}/${number}`,
      proc: this.#proc,
      client,
      isOver: false,
      expiredMs: null,
    }
    client.onState((state) => {
      if (state === 'expired' || state === 'closed' || state === 'auth-failed')
        session.isOver = true
      if (state === 'expired') {
        session.expiredMs = this.#proc.world.nowMs
        this.#proc.world.mark('session-expired')
      }
    })
    this.#workload.sessions.push(session)
    client.start()
    this.#made = []
    return session
  }

  async run(): Promise<void> {
    const { clock } = this.#sys
    while (!this.#workload.isStopping) {
      if (this.#session.isOver) this.#session = this.#open()
      const done = this.#step()
      // A call may hang as long as the ensemble is away; the client goes on with others meanwhile.
      if (this.#random.chance(0.8)) await Promise.race([done, sleep(clock, 3000)])
      await sleep(clock, this.#random.exponential(this.#options.thinkMs))
    }
  }

  async #step(): Promise<void> {
    const name = this.#random.pick(this.#steps)
    if (name === 'burst') {
      const count = this.#random.between(2, 8)
      const burst: Promise<void>[] = []
      for (let n = 0; n < count; n++) burst.push(this.#one(this.#random.pick(this.#steps)))
      await Promise.all(burst)
    } else await this.#one(name)
  }

  #register(): string {
    return `/r/k${this.#random.below(this.#options.registers)}`
  }

  async #one(name: string): Promise<void> {
    const { client } = this.#session
    const random = this.#random
    const path = this.#register()
    const tag = this.#workload.nextTag(this.#proc)
    switch (name) {
      case 'create':
        return this.#call('create', path, tag, async () => {
          const { stat } = await client.create(path, tag)
          return { exists: true, stat, data: null }
        })
      case 'set':
        return this.#call('set', path, tag, async () => {
          const stat = await client.set(path, tag)
          return { exists: true, stat, data: null }
        })
      case 'cas':
        return this.#compareAndSet(path, tag)
      case 'delete':
        return this.#call('delete', path, null, () => client.delete(path))
      case 'get':
        return this.#get(path, random.chance(0.5))
      case 'exists':
        return this.#exists(random.chance(0.3) ? this.#ephemeral() : path, random.chance(0.5))
      case 'children':
        return this.#children(random.pick(['/r', '/e', '/q']), random.chance(0.5))
      case 'ephemeral': {
        const node = this.#ephemeral()
        return this.#call('create', node, tag, async () => {
          const { stat } = await client.create(node, tag, { mode: 'ephemeral' })
          return { exists: true, stat, data: null }
        })
      }
      case 'sequential': {
        const mode = random.chance(0.5) ? 'ephemeral-sequential' : 'persistent-sequential'
        return this.#call('create', '/q/n-', tag, async () => {
          const created = await client.create('/q/n-', tag, { mode })
          this.#made.push(created.path)
        })
      }
      case 'delete-sequential': {
        const node = this.#made.shift()
        if (node === undefined) return this.#children('/q', false)
        return this.#call('delete', node, null, () => client.delete(node))
      }
      case 'multi':
        return this.#multi(path, tag)
      case 'sync':
        await this.#call('sync', '/', null, () => client.sync('/'))
        return this.#get(path, false)
      case 'acl':
        if (random.chance(0.5))
          return this.#call('getAcl', path, null, async () => void (await client.getAcl(path)))
        return this.#call(
          'setAcl',
          path,
          null,
          async () => void (await client.setAcl(path, acl.openUnsafe)),
        )
      case 'add-watch': {
        const recursive = random.chance(0.5)
        const root = recursive ? random.pick(['/', '/r', '/q']) : path
        return this.#call('addWatch', root, null, () =>
          client.addWatch(root, { recursive }, () => {}),
        )
      }
      case 'remove-watches':
        return this.#call('removeWatches', path, null, () => client.removeWatches(path))
      case 'container':
        return this.#call('create', `${path}/c`, null, async () => {
          await client.create(`${path}/c`, null, { mode: 'container' })
        })
      case 'close':
        if (!random.chance(0.2)) return
        this.#session.isOver = true
        return client.close()
      case 'burst':
        return
      default:
        throw new Error(`unknown step ${name}`)
    }
  }

  #ephemeral(): string {
    return `/e/n${this.#random.below(this.#options.registers)}`
  }

  async #compareAndSet(path: string, tag: string): Promise<void> {
    const { client } = this.#session
    let version = 0
    await this.#call('get', path, null, async () => {
      const { data, stat } = await client.get(path)
      version = stat.version
      return { exists: true, stat, data }
    })
    await this.#call('set', path, tag, async () => {
      const stat = await client.set(path, tag, version)
      return { exists: true, stat, data: null }
    })
  }

  async #multi(path: string, tag: string): Promise<void> {
    const { client } = this.#session
    const random = this.#random
    const transaction = client.transaction().set(path, tag)
    const other = this.#register()
    switch (random.below(4)) {
      case 0:
        transaction.delete(other)
        break
      case 1:
        transaction.create('/q/m-', tag, { mode: 'persistent-sequential' })
        break
      case 2:
        transaction.check(other, random.below(3))
        break
      default:
        transaction.create(this.#ephemeral(), tag, { mode: 'ephemeral' }).set(other, tag)
    }
    await this.#call('multi', path, tag, async () => void (await transaction.commit()))
  }

  #get(path: string, watched: boolean): Promise<void> {
    const watch = watched ? this.#watcher(path) : null
    return this.#call('get', path, null, async () => {
      const read = this.#session.client.get(path, watch === null ? {} : { watch: watch.watcher })
      const { data, stat } = await read
      watch?.registered(stat.mzxid)
      return { exists: true, stat, data }
    })
  }

  #exists(path: string, watched: boolean): Promise<void> {
    const watch = watched ? this.#watcher(path) : null
    return this.#call('exists', path, null, async () => {
      const options = watch === null ? {} : { watch: watch.watcher }
      const stat = await this.#session.client.exists(path, options)
      watch?.registered(stat?.mzxid ?? 0n)
      return { exists: stat !== null, stat, data: null }
    })
  }

  #children(path: string, watched: boolean): Promise<void> {
    return this.#call('getChildren', path, null, async () => {
      await this.#session.client.getChildren(path, watched ? { watch: () => {} } : {})
    })
  }

  /** A watcher whose record begins when the read that set it has succeeded. */
  #watcher(path: string) {
    const session = this.#session
    const askedOrder = this.#history.nextOrder()
    const fired: { order: number; type: WatchEvent['type'] }[] = []
    return {
      watcher: (event: WatchEvent) => {
        fired.push({ order: this.#history.nextOrder(), type: event.type })
      },
      registered: (mzxid: bigint) => {
        this.#workload.watches.push({ session, path, mzxid, askedOrder, fired })
      },
    }
  }

  /** Runs a call and records it; a call that the server refuses is nothing to worry about. */
  async #call(
    kind: string,
    path: string,
    tag: string | null,
    run: () => Promise<CallRecord['seen'] | void>,
  ): Promise<void> {
    const record: CallRecord = {
      session: this.#session,
      kind,
      path,
      tag,
      startOrder: this.#history.nextOrder(),
      endOrder: -1,
      endTurn: -1,
      outcome: 'pending',
      code: 'ok',
      seen: null,
    }
    this.#workload.calls.push(record)
    try {
      record.seen = (await run()) ?? null
      record.outcome = 'ok'
    } catch (error) {
      if (!(error instanceof ZkError)) throw error
      record.outcome = error.outcome
      record.code = error.code
    }
    record.endOrder = this.#history.nextOrder()
    record.endTurn = this.#proc.world.eventsRun
  }
}
