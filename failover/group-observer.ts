/**
 * Watches a group's znodes on one session and keeps what was seen, with the time of seeing it.
 *
 * Invariants:
 * 1. The lease node's `observedAtMs` is the time at which the answer that showed its version
 *    *arrived*, for the first time: every renewal behind that version was sent before it (H-10).
 * 2. Nothing observed before a disconnection counts after it: `isStale` until `readAll` (H-8).
 * 3. An observer belongs to one session object; after `close` no late answer changes it (H-9).
 */
import type { Clock } from '../ensemble/sys/clock.ts'
import { codeOf, type Coordination, type NodeStat } from './coordination.ts'
import {
  decodeConfig,
  decodeLease,
  decodeLock,
  decodeMember,
  decodeRequest,
  type ConfigValue,
  type GroupPaths,
  type LeaseValue,
  type LockValue,
  type MemberValue,
  type RequestValue,
} from './group-nodes.ts'

export interface Seen<T> {
  readonly value: T
  readonly data: Buffer | null
  readonly stat: NodeStat
  readonly observedAtMs: number
}

type Topic = 'lock' | 'lease' | 'breadcrumb' | 'config' | 'members' | 'requests'
const TOPICS: readonly Topic[] = ['lease', 'lock', 'breadcrumb', 'config', 'members', 'requests']

/** Children beyond that are ignored: somebody else's doing. */
const CHILDREN_MAX = 100

export class GroupObserver {
  readonly #session: Coordination
  readonly #paths: GroupPaths
  readonly #clock: Clock
  readonly #onChange: () => void
  readonly #watchers = new Map<string, (event: { readonly type: string }) => void>()
  readonly #reading = new Map<Topic, Promise<void>>()
  readonly #again = new Set<Topic>()
  #closed = false
  /** Grows with each disconnection: an answer of before does not make us fresh. */
  #staleness = 1
  #freshAs = 0

  exists = false
  lock: Seen<LockValue | null> | null = null
  lockAbsentSinceMs = 0
  lease: Seen<LeaseValue | null> | null = null
  breadcrumb: Seen<null> | null = null
  config: Seen<ConfigValue> | null = null
  members: ReadonlyMap<string, Seen<MemberValue | null>> = new Map()
  requests: ReadonlyMap<string, Seen<RequestValue | null>> = new Map()

  constructor(options: {
    session: Coordination
    paths: GroupPaths
    clock: Clock
    onChange: () => void
  }) {
    this.#session = options.session
    this.#paths = options.paths
    this.#clock = options.clock
    this.#onChange = options.onChange
  }

  get isStale(): boolean {
    return this.#freshAs !== this.#staleness
  }

  /** What is known may be old: after a disconnection, or a create of unknown outcome. */
  markStale(): void {
    this.#staleness++
  }

  close(): void {
    this.#closed = true
  }

  /** Reads everything behind a sync, so that it is at least as new as this call. */
  async readAll(): Promise<void> {
    const staleness = this.#staleness
    await this.#session.sync(this.#paths.root)
    const root = await this.#session.exists(this.#paths.root, this.#watch(this.#paths.root, 'lock'))
    if (this.#closed) return
    this.exists = root !== null
    if (this.exists) for (const topic of TOPICS) await this.#read(topic)
    if (!this.#closed && staleness === this.#staleness) this.#freshAs = staleness
  }

  /** Reads one topic now; the answer is newer than this call. */
  refresh(topic: Topic): Promise<void> {
    return this.#read(topic)
  }

  #onEvent(topic: Topic): void {
    if (this.#closed) return
    if (!this.exists) {
      this.markStale()
      this.#onChange()
      return
    }
    if (this.#reading.has(topic)) {
      this.#again.add(topic)
      return
    }
    this.#read(topic).catch(() => {
      // Not read: everything is read again after the reconnection.
      this.markStale()
      if (!this.#closed) this.#onChange()
    })
  }

  /** One after the other: an older answer of many steps never replaces a newer one. */
  #read(topic: Topic): Promise<void> {
    const before = this.#reading.get(topic) ?? Promise.resolve()
    const reading = before
      .catch(() => {}) // told to whoever asked for it
      .then(() => this.#readOnce(topic))
      .then(() => {
        if (!this.#closed) this.#onChange()
      })
      .finally(() => {
        if (this.#reading.get(topic) === reading) this.#reading.delete(topic)
        if (this.#again.delete(topic)) this.#onEvent(topic)
      })
    this.#reading.set(topic, reading)
    return reading
  }

  async #readOnce(topic: Topic): Promise<void> {
    switch (topic) {
      case 'lock': {
        const seen = await this.#readNode(this.#paths.lock, topic, decodeLock)
        if (this.#closed) return
        if (seen === null && this.lock !== null) this.lockAbsentSinceMs = this.#clock.monotonicMs()
        this.lock = seen
        return
      }
      case 'lease': {
        const seen = await this.#readNode(this.#paths.lease, topic, decodeLease)
        if (this.#closed) return
        this.lease = seen !== null && isSame(this.lease, seen) ? this.lease : seen
        return
      }
      case 'breadcrumb': {
        const seen = await this.#readNode(this.#paths.breadcrumb, topic, () => null)
        if (!this.#closed) this.breadcrumb = seen
        return
      }
      case 'config': {
        const seen = await this.#readNode(this.#paths.config, topic, decodeConfig)
        if (!this.#closed) this.config = seen
        return
      }
      case 'members': {
        const seen = await this.#readChildren(this.#paths.members, topic, decodeMember)
        if (!this.#closed) this.members = seen
        return
      }
      case 'requests': {
        const seen = await this.#readChildren(this.#paths.requests, topic, decodeRequest)
        if (this.#closed) return
        // Keep the time of the first sight: others hold back from then on for a bounded time.
        const kept = new Map<string, Seen<RequestValue | null>>()
        for (const [name, request] of seen) kept.set(name, this.requests.get(name) ?? request)
        this.requests = kept
      }
    }
  }

  /** Reads a node and leaves a watch on it, or on its absence. */
  async #readNode<T>(
    path: string,
    topic: Topic,
    decode: (data: Buffer | null) => T,
  ): Promise<Seen<T> | null> {
    for (;;) {
      try {
        const { data, stat } = await this.#session.get(path, this.#watch(path, topic))
        return { value: decode(data), data, stat, observedAtMs: this.#clock.monotonicMs() }
      } catch (error) {
        if (codeOf(error) !== 'noNode') throw error
      }
      if ((await this.#session.exists(path, this.#watch(path, topic))) === null) return null
    }
  }

  async #readChildren<T>(
    path: string,
    topic: Topic,
    decode: (data: Buffer | null) => T,
  ): Promise<Map<string, Seen<T>>> {
    const seen = new Map<string, Seen<T>>()
    let names: string[]
    try {
      names = (await this.#session.getChildren(path, this.#watch(path, topic))).children
    } catch (error) {
      if (codeOf(error) !== 'noNode') throw error
      return seen
    }
    for (const name of names.toSorted().slice(0, CHILDREN_MAX)) {
      try {
        const child = `${path}/${name}`
        const { data, stat } = await this.#session.get(child, this.#watch(child, topic))
        seen.set(name, { value: decode(data), data, stat, observedAtMs: this.#clock.monotonicMs() })
      } catch (error) {
        if (codeOf(error) !== 'noNode') throw error
      }
    }
    return seen
  }

  /** One function per path, so that the client registers it once. */
  #watch(path: string, topic: Topic): { watch: (event: { readonly type: string }) => void } {
    let watch = this.#watchers.get(path)
    if (watch === undefined) {
      watch = (event) => {
        if (event.type !== 'session') this.#onEvent(topic)
      }
      this.#watchers.set(path, watch)
    }
    return { watch }
  }
}

function isSame(before: Seen<unknown> | null, now: Seen<unknown>): boolean {
  return (
    before !== null &&
    before.stat.czxid === now.stat.czxid &&
    before.stat.mzxid === now.stat.mzxid &&
    before.stat.version === now.stat.version
  )
}
