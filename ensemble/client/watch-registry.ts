/**
 * Which watchers wait for what, on the client's side. Pure; keys are paths as the server knows them.
 *
 * Invariants:
 * 1. A one-shot registration leaves the registry when it fires: it fires at most once (I-41). The
 *    same function registered twice for the same path and kind is one registration.
 * 2. A registration leaves only by firing, by `remove`, or with the session (I-42): a disconnection
 *    keeps it, and `restoreBatches` lists all of them for the next connection.
 * 3. An exists registration becomes a data registration once the server has a data watch for an
 *    existing node, else setWatches would report NodeCreated again.
 *
 * Source: ZKWatchManager and ClientCnxn.SendThread.primeConnection, 3.9.5.
 */
export type WatchKind = 'data' | 'exist' | 'child' | 'persistent' | 'persistentRecursive'

const KINDS = ['data', 'exist', 'child', 'persistent', 'persistentRecursive'] as const

/** The types of removeWatches, by the numbers of WatcherType. */
export const WATCHER_TYPES = {
  children: { number: 1, kinds: ['child'] },
  data: { number: 2, kinds: ['data', 'exist'] },
  any: { number: 3, kinds: KINDS },
  persistent: { number: 4, kinds: ['persistent'] },
  persistentRecursive: { number: 5, kinds: ['persistentRecursive'] },
} as const satisfies Record<string, { number: number; kinds: readonly WatchKind[] }>
export type WatcherType = keyof typeof WATCHER_TYPES

/** WatcherEvent.type on the wire. */
export const EVENT_TYPES = {
  1: 'created',
  2: 'deleted',
  3: 'dataChanged',
  4: 'childrenChanged',
} as const
export type EventNumber = keyof typeof EVENT_TYPES

export type RestoreBatch = Record<WatchKind, string[]>

/** Path text of one setWatches packet, as in Java: far below every server's frame limit. */
const RESTORE_BATCH_BYTES = 128 * 1024

export class WatchRegistry<W> {
  readonly #tables: Record<WatchKind, Map<string, Set<W>>> = {
    data: new Map(),
    exist: new Map(),
    child: new Map(),
    persistent: new Map(),
    persistentRecursive: new Map(),
  }

  add(kind: WatchKind, path: string, watcher: W): void {
    const table = this.#tables[kind]
    const existing = table.get(path)
    if (existing === undefined) table.set(path, new Set([watcher]))
    else existing.add(watcher)
    if (kind === 'data') this.#moveExistToData(path)
  }

  #moveExistToData(path: string): void {
    const waiting = this.#tables.exist.get(path)
    if (waiting === undefined) return
    this.#tables.exist.delete(path)
    for (const watcher of waiting) this.add('data', path, watcher)
  }

  /** The watchers that an event of the server is for; the one-shot ones are forgotten. */
  fire(event: EventNumber, path: string): Set<W> {
    const fired = new Set<W>()
    // NodeDeleted comes as one frame even when both a data and a child watch were set.
    if (event !== 4) this.#take('data', path, fired)
    if (event !== 4) this.#take('exist', path, fired)
    if (event === 4 || event === 2) this.#take('child', path, fired)
    addAll(this.#tables.persistent.get(path), fired)
    if (event !== 4 && this.#tables.persistentRecursive.size > 0) {
      for (let at = path; ; at = at.slice(0, Math.max(1, at.lastIndexOf('/')))) {
        addAll(this.#tables.persistentRecursive.get(at), fired)
        if (at.length <= 1) break
      }
    }
    return fired
  }

  #take(kind: WatchKind, path: string, into: Set<W>): void {
    const found = this.#tables[kind].get(path)
    if (found === undefined) return
    this.#tables[kind].delete(path)
    addAll(found, into)
  }

  has(type: WatcherType, path: string, watcher?: W): boolean {
    return WATCHER_TYPES[type].kinds.some((kind) => {
      const found = this.#tables[kind].get(path)
      return found !== undefined && (watcher === undefined || found.has(watcher))
    })
  }

  /** Whether somebody else than `watcher` is registered: then the server must keep its watch. */
  hasOthers(type: WatcherType, path: string, watcher: W): boolean {
    return WATCHER_TYPES[type].kinds.some((kind) => {
      const found = this.#tables[kind].get(path)
      return found !== undefined && found.size > (found.has(watcher) ? 1 : 0)
    })
  }

  remove(type: WatcherType, path: string, watcher?: W): void {
    for (const kind of WATCHER_TYPES[type].kinds) {
      const found = this.#tables[kind].get(path)
      if (found === undefined) continue
      if (watcher !== undefined) found.delete(watcher)
      if (watcher === undefined || found.size === 0) this.#tables[kind].delete(path)
    }
  }

  /** Each watcher once, whatever it is registered for. */
  all(): Set<W> {
    const everyone = new Set<W>()
    for (const kind of KINDS) {
      for (const watchers of this.#tables[kind].values()) addAll(watchers, everyone)
    }
    return everyone
  }

  clear(): void {
    for (const kind of KINDS) this.#tables[kind].clear()
  }

  get size(): number {
    return KINDS.reduce((sum, kind) => sum + this.#tables[kind].size, 0)
  }

  /** What setWatches must carry after a reconnect, cut into packets. */
  restoreBatches(batchBytesMax = RESTORE_BATCH_BYTES): RestoreBatch[] {
    const batches: RestoreBatch[] = []
    let bytes = Infinity
    for (const kind of KINDS) {
      for (const path of this.#tables[kind].keys()) {
        const pathBytes = Buffer.byteLength(path) + 4
        if (bytes + pathBytes > batchBytesMax) {
          batches.push({ data: [], exist: [], child: [], persistent: [], persistentRecursive: [] })
          bytes = 0
        }
        batches.at(-1)![kind].push(path)
        bytes += pathBytes
      }
    }
    return batches
  }
}

function addAll<W>(from: ReadonlySet<W> | undefined, into: Set<W>): void {
  if (from !== undefined) for (const watcher of from) into.add(watcher)
}
