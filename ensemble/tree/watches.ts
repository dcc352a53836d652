/**
 * Who waits for which path: the watches of one server, by 3.9.5's rules, where the modes exist side
 * by side. `W` is whatever stands for a connection; it is compared by identity.
 *
 * Two tables, data and child, are one map here: a path's watchers each have a set of bits. Standard
 * watches fire once; persistent ones belong to both tables, recursive ones to the data table alone.
 *
 * Invariants:
 * 1. Every event reaches a watcher at most once, however many of its watches match (I-43, I-44).
 * 2. A watch is consumed before anybody is told, so a watcher may add or remove watches meanwhile.
 * 3. Nothing is kept of a watcher without watches, nor of a path without watchers (I-45).
 *
 * Source: client-protocol 6 (WatchManager, PathParentIterator, 3.9.5).
 */
import { EventType, WatcherType } from '../protocol/watches.ts'

export type WatchKind = 'data' | 'child' | 'persistent' | 'persistentRecursive'
export type WatchedType = 1 | 2 | 3 | 4

const DATA = 1
const CHILD = 2
const PERSISTENT = 4
const RECURSIVE = 8
const ALL = DATA | CHILD | PERSISTENT | RECURSIVE
/** Bits that count as an entry of either table. */
const IN_DATA_TABLE = DATA | PERSISTENT | RECURSIVE
const IN_CHILD_TABLE = CHILD | PERSISTENT

const BIT_OF: { readonly [K in WatchKind]: number } = {
  data: DATA,
  child: CHILD,
  persistent: PERSISTENT,
  persistentRecursive: RECURSIVE,
}

/** What each watcher type of checkWatches and removeWatches covers; others cover nothing. */
const BITS_OF_TYPE: { readonly [type: number]: number } = {
  [WatcherType.children]: CHILD,
  [WatcherType.data]: DATA,
  [WatcherType.any]: ALL,
  [WatcherType.persistent]: PERSISTENT,
  [WatcherType.persistentRecursive]: RECURSIVE,
}

/** What an event reaches on its own path. */
const BITS_OF_EVENT: { readonly [K in WatchedType]: number } = {
  [EventType.nodeCreated]: DATA | PERSISTENT | RECURSIVE,
  [EventType.nodeDeleted]: ALL,
  [EventType.nodeDataChanged]: DATA | PERSISTENT | RECURSIVE,
  [EventType.nodeChildrenChanged]: CHILD | PERSISTENT,
}

export class Watches<W extends object> {
  readonly #byPath = new Map<string, Map<W, number>>()
  readonly #byWatcher = new Map<W, Set<string>>()
  #dataCount = 0
  #childCount = 0
  #recursiveCount = 0

  get isEmpty(): boolean {
    return this.#byPath.size === 0
  }

  /** Entries of both tables: `zk_watch_count`. */
  get count(): number {
    return this.#dataCount + this.#childCount
  }

  /** Entries of the data table: the total of `wchs`. */
  get dataCount(): number {
    return this.#dataCount
  }

  /** Paths in the data table. Counted when asked. */
  get dataPathCount(): number {
    let count = 0
    for (const watchers of this.#byPath.values()) {
      for (const bits of watchers.values()) {
        if ((bits & IN_DATA_TABLE) === 0) continue
        count++
        break
      }
    }
    return count
  }

  /** Watches of all kinds that a watcher has, by path. */
  countOf(watcher: W): number {
    return this.#byWatcher.get(watcher)?.size ?? 0
  }

  /** Watchers in the data table: the connections of `wchs`. */
  get dataWatcherCount(): number {
    let count = 0
    for (const [watcher, paths] of this.#byWatcher) {
      for (const path of paths) {
        if ((this.#bitsOf(path, watcher) & IN_DATA_TABLE) === 0) continue
        count++
        break
      }
    }
    return count
  }

  /** The data table by path, as `wchp` lists it. */
  *dataWatchesByPath(): Generator<[path: string, watchers: W[]]> {
    for (const [path, watchers] of this.#byPath) {
      const found: W[] = []
      for (const [watcher, bits] of watchers) if (bits & IN_DATA_TABLE) found.push(watcher)
      if (found.length > 0) yield [path, found]
    }
  }

  /** The data table by watcher, as `wchc` lists it. */
  *dataWatchesByWatcher(): Generator<[watcher: W, paths: string[]]> {
    for (const [watcher, paths] of this.#byWatcher) {
      const found = [...paths].filter((path) => this.#bitsOf(path, watcher) & IN_DATA_TABLE)
      if (found.length > 0) yield [watcher, found]
    }
  }

  add(path: string, kind: WatchKind, watcher: W): void {
    this.#setBits(path, watcher, this.#bitsOf(path, watcher) | BIT_OF[kind])
  }

  /** Tells everybody whom the event concerns, once each, and ends the standard watches it fires. */
  trigger(type: WatchedType, path: string, deliver: (watcher: W) => void): void {
    if (this.#byPath.size === 0) return
    const found = this.#fire(type, path)
    const isForAncestors = this.#recursiveCount > 0 && type !== EventType.nodeChildrenChanged
    const all = isForAncestors ? this.#withAncestors(path, found) : found
    if (all !== null) for (const watcher of all) deliver(watcher)
  }

  has(path: string, watcherType: number, watcher: W): boolean {
    return (this.#bitsOf(path, watcher) & (BITS_OF_TYPE[watcherType] ?? 0)) !== 0
  }

  /** @returns false when there was nothing to remove */
  remove(path: string, watcherType: number, watcher: W): boolean {
    const bits = this.#bitsOf(path, watcher)
    const removed = bits & (BITS_OF_TYPE[watcherType] ?? 0)
    if (removed !== 0) this.#setBits(path, watcher, bits & ~removed)
    return removed !== 0
  }

  /** Ends all watches of a watcher: its connection is gone. */
  removeWatcher(watcher: W): void {
    for (const path of this.#byWatcher.get(watcher) ?? []) this.#setBits(path, watcher, 0)
  }

  /** Takes the watchers of the path itself and ends their standard watches. */
  #fire(type: WatchedType, path: string): W[] | null {
    const watchers = this.#byPath.get(path)
    if (watchers === undefined) return null
    const reached = BITS_OF_EVENT[type]
    const found: W[] = []
    for (const [watcher, bits] of watchers) if (bits & reached) found.push(watcher)
    for (const watcher of found) {
      this.#setBits(path, watcher, this.#bitsOf(path, watcher) & ~(reached & (DATA | CHILD)))
    }
    return found
  }

  /** Adds the recursive watchers of the paths above. */
  #withAncestors(path: string, found: W[] | null): Set<W> {
    const all = new Set(found)
    for (let at = path; at.length > 1;) {
      const slash = at.lastIndexOf('/')
      at = slash <= 0 ? '/' : at.slice(0, slash)
      const watchers = this.#byPath.get(at)
      if (watchers === undefined) continue
      for (const [watcher, bits] of watchers) if (bits & RECURSIVE) all.add(watcher)
    }
    return all
  }

  #bitsOf(path: string, watcher: W): number {
    return this.#byPath.get(path)?.get(watcher) ?? 0
  }

  #setBits(path: string, watcher: W, bits: number): void {
    const watchers = this.#byPath.get(path) ?? new Map<W, number>()
    const old = watchers.get(watcher) ?? 0
    if (old === bits) return
    this.#count(old, -1)
    this.#count(bits, 1)
    if (bits !== 0) {
      watchers.set(watcher, bits)
      this.#byPath.set(path, watchers)
      const paths = this.#byWatcher.get(watcher)
      if (paths === undefined) this.#byWatcher.set(watcher, new Set([path]))
      else paths.add(path)
    } else {
      watchers.delete(watcher)
      if (watchers.size === 0) this.#byPath.delete(path)
      const paths = this.#byWatcher.get(watcher)
      paths?.delete(path)
      if (paths?.size === 0) this.#byWatcher.delete(watcher)
    }
  }

  #count(bits: number, by: 1 | -1): void {
    if (bits & IN_DATA_TABLE) this.#dataCount += by
    if (bits & IN_CHILD_TABLE) this.#childCount += by
    if (bits & RECURSIVE) this.#recursiveCount += by
  }
}
