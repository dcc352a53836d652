/**
 * A file system in memory that loses what was not synced, and fails when told to.
 *
 * What it models (spec of faults F-1, F-2, F-8, F-9, F-10):
 * 1. Contents: each write leaves a new version of every 512-byte sector that it touches. Until the
 *    file is synced, a power loss keeps any of the versions, sector by sector, and any of the sizes.
 * 2. Names: creations, renames and removals not followed by `syncDirectory` vanish independently.
 * 3. A failed sync marks the lost sectors clean: a later sync that succeeds does not save them.
 * 4. A full disk writes what fits and then fails.
 * 5. An operation in flight when the power goes may have happened, in part or not at all.
 *
 * Every change is a numbered effect, so that a sweep can stop the machine before, during or after
 * each one. All choices come from the given Random, all delays from the given Clock: one seed, one
 * history. (Longer than most files: what is current, pending and durable is one model, read as one.)
 */
import { assert } from '../../ensemble/assert.ts'
import type { Clock } from '../../ensemble/sys/clock.ts'
import type { File, FileStat, FileSystem } from '../../ensemble/sys/file-system.ts'
import { below, type Random } from '../../ensemble/sys/random.ts'

export const SECTOR_BYTES = 512

export type EffectKind =
  | 'create'
  | 'write'
  | 'datasync'
  | 'truncate'
  | 'rename'
  | 'unlink'
  | 'make-directory'
  | 'sync-directory'

/** Something that changes the disk; `number` counts from 1 since the machine was made. */
export interface Effect {
  readonly number: number
  readonly kind: EffectKind
  readonly path: string
}

/** Where a machine stops: `during` leaves a write applied but not yet synced. */
export interface HaltPoint {
  readonly effect: number
  readonly phase: 'before' | 'during' | 'after'
}

/** Any operation, reads included, as the fault and latency hooks see it. */
export interface Operation {
  readonly kind: EffectKind | 'open' | 'read' | 'list' | 'stat'
  readonly path: string
}

export interface SimFileSystemOptions {
  readonly random: Random
  /** With a clock each operation takes `latencyMs(operation)`; without one, a turn of microtasks. */
  readonly clock?: Clock
  readonly latencyMs?: (operation: Operation) => number
  /** Space of the whole disk; unlimited when absent. */
  readonly spaceBytes?: number
}

type Sector = Uint8Array | null // null reads as zeros

interface FileNode {
  readonly kind: 'file'
  readonly current: Map<number, Uint8Array>
  readonly durable: Map<number, Uint8Array>
  /** Versions since the last sync, oldest first. */
  readonly pending: Map<number, Sector[]>
  sizeBytes: number
  durableSizeBytes: number
  /** Sizes between the durable and the current one. */
  pendingSizes: number[]
}

interface DirectoryNode {
  readonly kind: 'directory'
  readonly current: Map<string, Node>
  readonly durable: Map<string, Node>
  pending: NameChange[]
}

type Node = FileNode | DirectoryNode

/** Names set (or removed, with null) together: a rename is one change of two names. */
type NameChange = ReadonlyMap<string, Node | null>

export class SimFileSystem implements FileSystem {
  /** Every effect begun so far, oldest first. */
  readonly effects: Effect[] = []
  /** Returns an error code to make that operation fail. */
  fault: ((operation: Operation) => string | null) | null = null
  /** Stops the machine at this point: nothing resolves any more until `crash` or `kill`. */
  haltAt: HaltPoint | null = null
  latencyMs: (operation: Operation) => number
  spaceBytes: number

  readonly #random: Random
  readonly #clock: Clock | null
  #root: DirectoryNode = newDirectory()
  /** Grows with each death of the process; operations and files of an older one never answer. */
  #life = 0
  #isHalted = false
  #onHalt: (() => void)[] = []
  readonly #inFlight = new Set<() => void>()

  constructor(options: SimFileSystemOptions) {
    this.#random = options.random
    this.#clock = options.clock ?? null
    this.latencyMs = options.latencyMs ?? (() => 0)
    this.spaceBytes = options.spaceBytes ?? Number.POSITIVE_INFINITY
  }

  // --- FileSystem -------------------------------------------------------------------------------

  async open(path: string, mode: 'read' | 'write' | 'create' | 'create-synced'): Promise<File> {
    if (mode === 'read' || mode === 'write') {
      return this.#run({ kind: 'open', path }, () => {
        const node = this.#find(path)
        if (node === null) throw systemError('ENOENT', 'open', path)
        if (node.kind === 'directory') throw systemError('EISDIR', 'open', path)
        return this.#fileOf(path, node, mode === 'write', false)
      })
    }
    return this.#change({ kind: 'create', path }, () => {
      const { directory, name } = this.#place(path)
      if (directory.current.has(name)) throw systemError('EEXIST', 'open', path)
      const node = newFile()
      rename(directory, new Map([[name, node]]))
      return this.#fileOf(path, node, true, mode === 'create-synced')
    })
  }

  async readFile(path: string): Promise<Buffer> {
    const file = await this.open(path, 'read')
    return file.read(0, await file.size())
  }

  list(path: string): Promise<string[]> {
    return this.#run({ kind: 'list', path }, () => {
      const node = this.#find(path)
      if (node === null) throw systemError('ENOENT', 'scandir', path)
      if (node.kind === 'file') throw systemError('ENOTDIR', 'scandir', path)
      return [...node.current.keys()]
    })
  }

  stat(path: string): Promise<FileStat | null> {
    return this.#run({ kind: 'stat', path }, () => {
      const node = this.#find(path)
      if (node === null) return null
      const isDirectory = node.kind === 'directory'
      return { sizeBytes: node.kind === 'directory' ? 4096 : node.sizeBytes, isDirectory }
    })
  }

  rename(source: string, target: string): Promise<void> {
    return this.#change({ kind: 'rename', path: target }, () => {
      const from = this.#place(source)
      const to = this.#place(target)
      const node = from.directory.current.get(from.name)
      if (node === undefined) throw systemError('ENOENT', 'rename', source)
      if (from.directory === to.directory) {
        rename(from.directory, new Map([[from.name, null], [to.name, node]])) // prettier-ignore
      } else {
        rename(to.directory, new Map([[to.name, node]]))
        rename(from.directory, new Map([[from.name, null]]))
      }
    })
  }

  unlink(path: string): Promise<void> {
    return this.#change({ kind: 'unlink', path }, () => {
      const { directory, name } = this.#place(path)
      if (!directory.current.has(name)) throw systemError('ENOENT', 'unlink', path)
      rename(directory, new Map([[name, null]]))
    })
  }

  async makeDirectory(path: string): Promise<void> {
    let made = ''
    for (const name of partsOf(path)) {
      const parent = made
      made = `${made}/${name}`
      if (this.#find(made) !== null) continue
      await this.#change({ kind: 'make-directory', path: made }, () => {
        const directory = this.#find(parent)
        assert(directory?.kind === 'directory', 'the parent of a new directory is a directory')
        if (!directory.current.has(name)) rename(directory, new Map([[name, newDirectory()]]))
      })
    }
  }

  syncDirectory(path: string): Promise<void> {
    return this.#change({ kind: 'sync-directory', path }, null, () => {
      const node = this.#find(path)
      if (node === null) throw systemError('ENOENT', 'fsync', path)
      assert(node.kind === 'directory', 'only directories are synced by name')
      for (const change of node.pending) applyNames(node.durable, change)
      node.pending = []
    })
  }

  freeBytes(path: string): Promise<number> {
    return this.#run({ kind: 'stat', path }, () => Math.max(0, this.spaceBytes - this.usedBytes))
  }

  // --- What tests and the simulator do to the machine -------------------------------------------

  /** Resolves once the machine has stopped at `haltAt`. */
  whenHalted(): Promise<void> {
    return this.#isHalted ? Promise.resolve() : new Promise((resolve) => this.#onHalt.push(resolve))
  }

  get isHalted(): boolean {
    return this.#isHalted
  }

  /** kill -9: the process is gone, what it wrote is still in the page cache (F-1). */
  kill(): void {
    for (const finish of this.#inFlight) if (below(this.#random, 2) === 0) finish()
    this.#inFlight.clear()
    this.#life += 1
    this.#isHalted = false
    this.haltAt = null
  }

  /** Power loss: whatever was not synced is kept or lost piece by piece (F-2). */
  crash(): void {
    this.kill()
    const seen = new Set<Node>()
    const settle = (node: Node) => {
      if (seen.has(node)) return
      seen.add(node)
      if (node.kind === 'file') return this.#settleFile(node)
      for (const change of node.pending) {
        if (below(this.#random, 2) === 0) applyNames(node.durable, change)
      }
      node.pending = []
      node.current.clear()
      for (const [name, child] of node.durable) {
        node.current.set(name, child)
        settle(child)
      }
    }
    settle(this.#root)
  }

  /** The same disk and its unsynced changes again, to try another outcome of one crash. */
  fork(random: Random): SimFileSystem {
    const copy = new SimFileSystem({ random, spaceBytes: this.spaceBytes })
    const known = new Map<Node, Node>()
    const clone = (node: Node): Node => {
      const before = known.get(node)
      if (before !== undefined) return before
      if (node.kind === 'file') {
        const file: FileNode = {
          kind: 'file',
          current: new Map(node.current),
          durable: new Map(node.durable),
          pending: new Map([...node.pending].map(([at, versions]) => [at, [...versions]])),
          sizeBytes: node.sizeBytes,
          durableSizeBytes: node.durableSizeBytes,
          pendingSizes: [...node.pendingSizes],
        }
        known.set(node, file)
        return file
      }
      const directory = newDirectory()
      known.set(node, directory)
      for (const [name, child] of node.current) directory.current.set(name, clone(child))
      for (const [name, child] of node.durable) directory.durable.set(name, clone(child))
      directory.pending = node.pending.map(
        (change) =>
          new Map([...change].map(([name, child]) => [name, child === null ? null : clone(child)])),
      )
      return directory
    }
    const root = clone(this.#root)
    assert(root.kind === 'directory', 'the root is a directory')
    copy.#root = root
    return copy
  }

  /** Puts a durable file in place, with its directories. */
  seed(path: string, bytes: Uint8Array): void {
    const parts = partsOf(path)
    const name = parts.pop()
    assert(name !== undefined, 'a file has a name')
    this.seedDirectory(`/${parts.join('/')}`)
    const directory = this.#find(`/${parts.join('/')}`)
    assert(directory?.kind === 'directory', 'the parent of a file is a directory')
    const node = newFile()
    writeInto(node, bytes, 0)
    makeDurable(node)
    directory.current.set(name, node)
    directory.durable.set(name, node)
  }

  /** Puts a durable directory in place, with its parents. */
  seedDirectory(path: string): void {
    let directory = this.#root
    for (const part of partsOf(path)) {
      let child = directory.current.get(part)
      if (child === undefined) {
        child = newDirectory()
        directory.current.set(part, child)
        directory.durable.set(part, child)
      }
      assert(child.kind === 'directory', 'the parent of a file is a directory')
      directory = child
    }
  }

  /** What a reader would see now; null without such a file. */
  peek(path: string): Buffer | null {
    const node = this.#find(path)
    return node?.kind === 'file' ? readFrom(node, 0, node.sizeBytes) : null
  }

  /** Names in a directory now, sorted; empty without such a directory. */
  names(path: string): string[] {
    const node = this.#find(path)
    return node?.kind === 'directory' ? [...node.current.keys()].toSorted() : []
  }

  /** Bit rot: changes one byte, durably. */
  corrupt(path: string, offset: number, change: (byte: number) => number): void {
    const bytes = this.peek(path)
    assert(bytes !== null && offset < bytes.length, 'the byte to corrupt exists')
    bytes[offset] = change(bytes[offset]!)
    this.seed(path, bytes)
  }

  /** Bytes in sectors that were ever written. */
  get usedBytes(): number {
    let sectors = 0
    const seen = new Set<Node>()
    const count = (node: Node) => {
      if (seen.has(node)) return
      seen.add(node)
      if (node.kind === 'file') sectors += Math.ceil(node.sizeBytes / SECTOR_BYTES)
      else for (const child of node.current.values()) count(child)
    }
    count(this.#root)
    return sectors * SECTOR_BYTES
  }

  // --- Files ------------------------------------------------------------------------------------

  #fileOf(path: string, node: FileNode, isWritable: boolean, isSynced: boolean): File {
    const life = this.#life
    const check = (syscall: string) => {
      if (isClosed || life !== this.#life) throw systemError('EBADF', syscall, path)
    }
    let isClosed = false
    return {
      read: (position, length) =>
        this.#run({ kind: 'read', path }, () => {
          check('read')
          return readFrom(node, position, Math.min(position + length, node.sizeBytes))
        }),
      write: (bytes, position) => {
        const copy = Buffer.from(bytes) // the caller may not change it, but a bug of its must show
        return this.#change(
          { kind: 'write', path },
          () => {
            check('write')
            if (!isWritable) throw systemError('EBADF', 'write', path)
            assert(copy.equals(bytes), 'bytes given to a write stay as they are until it is done')
            const grown = Math.max(0, position + copy.length - node.sizeBytes)
            const free = this.spaceBytes - this.usedBytes + slack(node)
            if (grown > free) {
              const fitting = Math.max(0, copy.length - (grown - Math.max(0, free)))
              if (fitting > 0) writeInto(node, copy.subarray(0, fitting), position)
              throw systemError('ENOSPC', 'write', path)
            }
            writeInto(node, copy, position)
          },
          isSynced ? () => makeDurable(node, position, position + copy.length) : null,
          isSynced ? () => forgetPending(node) : null,
        )
      },
      datasync: () =>
        this.#change(
          { kind: 'datasync', path },
          null,
          () => {
            check('fdatasync')
            makeDurable(node)
          },
          () => forgetPending(node),
        ),
      truncate: (length) =>
        this.#change({ kind: 'truncate', path }, () => {
          check('ftruncate')
          truncateTo(node, length)
        }),
      size: () =>
        this.#run({ kind: 'stat', path }, () => {
          check('fstat')
          return node.sizeBytes
        }),
      chmod: () => Promise.resolve(),
      close: () =>
        this.#run({ kind: 'stat', path }, () => {
          isClosed = true
        }),
    }
  }

  // --- Running operations -----------------------------------------------------------------------

  /** An operation that changes nothing. */
  async #run<T>(operation: Operation, act: () => T): Promise<T> {
    await this.#wait(operation)
    const code = this.fault?.(operation)
    if (code) throw systemError(code, operation.kind, operation.path)
    return act()
  }

  /**
   * An operation that changes the disk: `apply` acts on what processes see, `sync` on what a power
   * loss leaves; `onSyncFault` happens instead of `sync` when a fault is injected.
   */
  async #change<T>(
    operation: { kind: EffectKind; path: string },
    apply: (() => T) | null,
    sync: (() => void) | null = null,
    onSyncFault: (() => void) | null = null,
  ): Promise<T> {
    const effect: Effect = { number: this.effects.length + 1, ...operation }
    this.effects.push(effect)
    const crashed = () => {
      // in flight when the machine dies: none, some or all of it happened
      try {
        apply?.()
        if (below(this.#random, 2) === 0) sync?.()
      } catch {
        // what could not be done has not been done
      }
    }
    this.#inFlight.add(crashed)
    if (this.#haltsAt(effect, 'before')) {
      this.#inFlight.delete(crashed)
      return this.#halt()
    }
    await this.#wait(operation)
    this.#inFlight.delete(crashed)
    const code = this.fault?.(operation)
    if (code && sync === null) throw systemError(code, operation.kind, operation.path)
    // true: `apply` is null only where T is void
    const result = apply === null ? (undefined as T) : apply()
    if (this.#haltsAt(effect, 'during')) return this.#halt()
    if (code) {
      onSyncFault?.()
      throw systemError(code, operation.kind, operation.path)
    }
    sync?.()
    if (this.#haltsAt(effect, 'after')) return this.#halt()
    return result
  }

  /** Lets time pass; never returns to a process that has died meanwhile. */
  async #wait(operation: Operation): Promise<void> {
    if (this.#isHalted) return never()
    const life = this.#life
    const clock = this.#clock
    if (clock !== null) {
      await new Promise<void>((resolve) => clock.setTimer(this.latencyMs(operation), resolve))
    } else {
      await Promise.resolve()
    }
    if (life !== this.#life || this.#isHalted) return never()
  }

  #haltsAt(effect: Effect, phase: HaltPoint['phase']): boolean {
    return this.haltAt?.effect === effect.number && this.haltAt.phase === phase
  }

  #halt(): Promise<never> {
    this.#isHalted = true
    for (const resolve of this.#onHalt) resolve()
    this.#onHalt = []
    return never()
  }

  // --- Names ------------------------------------------------------------------------------------

  #find(path: string): Node | null {
    let node: Node = this.#root
    for (const part of partsOf(path)) {
      if (node.kind !== 'directory') return null
      const child = node.current.get(part)
      if (child === undefined) return null
      node = child
    }
    return node
  }

  #place(path: string): { directory: DirectoryNode; name: string } {
    const parts = partsOf(path)
    const name = parts.pop()
    assert(name !== undefined, 'the root is no entry of a directory')
    const directory = this.#find(`/${parts.join('/')}`)
    if (directory?.kind !== 'directory') throw systemError('ENOENT', 'open', path)
    return { directory, name }
  }

  #settleFile(node: FileNode): void {
    if (node.pending.size > 0 || node.pendingSizes.length > 0) {
      for (const [at, versions] of node.pending) {
        const choice = below(this.#random, versions.length + 1)
        if (choice > 0) setSector(node.durable, at, versions[choice - 1]!)
      }
      const sizes = [node.durableSizeBytes, ...node.pendingSizes]
      node.durableSizeBytes = sizes[below(this.#random, sizes.length)]!
      const grown = Math.max(...sizes)
      if (grown > node.durableSizeBytes && below(this.#random, 2) === 0) {
        const sectors = Math.ceil((grown - node.durableSizeBytes) / SECTOR_BYTES)
        const end = node.durableSizeBytes + below(this.#random, sectors) * SECTOR_BYTES
        node.durableSizeBytes = Math.min(grown, end)
      }
      cutSectors(node.durable, node.durableSizeBytes)
    }
    node.current.clear()
    for (const [at, sector] of node.durable) node.current.set(at, sector)
    node.sizeBytes = node.durableSizeBytes
    forgetPending(node)
  }
}

/** A seeded generator (xorshift32) for tests; `secureBytes` is as predictable as the rest. */
export function seededRandom(seed: number): Random {
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995) >>> 0 || 1
  const uint32 = () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return Math.imul(state, 0x2c1b3c6d) >>> 0
  }
  return {
    uint32,
    secureBytes(length) {
      const bytes = Buffer.alloc(length)
      for (let at = 0; at < length; at++) bytes[at] = uint32() >>> 24
      return bytes
    },
  }
}

function newFile(): FileNode {
  return {
    kind: 'file',
    current: new Map(),
    durable: new Map(),
    pending: new Map(),
    sizeBytes: 0,
    durableSizeBytes: 0,
    pendingSizes: [],
  }
}

function newDirectory(): DirectoryNode {
  return { kind: 'directory', current: new Map(), durable: new Map(), pending: [] }
}

function rename(directory: DirectoryNode, change: NameChange): void {
  applyNames(directory.current, change)
  directory.pending.push(change)
}

function applyNames(names: Map<string, Node>, change: NameChange): void {
  for (const [name, node] of change) {
    if (node === null) names.delete(name)
    else names.set(name, node)
  }
}

function setSector(sectors: Map<number, Uint8Array>, at: number, sector: Sector): void {
  if (sector === null) sectors.delete(at)
  else sectors.set(at, sector)
}

/** Sectors are never changed in place, so versions may share them. */
function writeInto(node: FileNode, bytes: Uint8Array, position: number): void {
  let at = position
  const end = position + bytes.length
  while (at < end) {
    const index = Math.floor(at / SECTOR_BYTES)
    const start = index * SECTOR_BYTES
    const stop = Math.min(start + SECTOR_BYTES, end)
    const piece = bytes.subarray(at - position, stop - position)
    const before = node.current.get(index)
    if (before !== undefined || !isZero(piece)) {
      const after = new Uint8Array(SECTOR_BYTES)
      if (before !== undefined) after.set(before)
      after.set(piece, at - start)
      node.current.set(index, after)
      pend(node, index, after)
    }
    at = stop
  }
  if (end > node.sizeBytes) {
    node.sizeBytes = end
    node.pendingSizes.push(end)
  }
}

function pend(node: FileNode, index: number, version: Sector): void {
  const versions = node.pending.get(index)
  if (versions === undefined) node.pending.set(index, [version])
  else versions.push(version)
}

function truncateTo(node: FileNode, length: number): void {
  for (const [index, sector] of node.current) {
    const start = index * SECTOR_BYTES
    if (start + SECTOR_BYTES <= length) continue
    const kept = start < length ? new Uint8Array(SECTOR_BYTES) : null
    if (kept !== null) kept.set(sector.subarray(0, length - start))
    setSector(node.current, index, kept)
    pend(node, index, kept)
  }
  node.sizeBytes = length
  node.pendingSizes.push(length)
}

function cutSectors(sectors: Map<number, Uint8Array>, length: number): void {
  for (const [index, sector] of sectors) {
    const start = index * SECTOR_BYTES
    if (start + SECTOR_BYTES <= length) continue
    if (start >= length) {
      sectors.delete(index)
      continue
    }
    const kept = new Uint8Array(SECTOR_BYTES)
    kept.set(sector.subarray(0, length - start))
    sectors.set(index, kept)
  }
}

/** Makes pending versions in [start, end) durable, and a size that covers them. */
function makeDurable(node: FileNode, start = 0, end = Number.POSITIVE_INFINITY): void {
  for (const index of node.pending.keys()) {
    const from = index * SECTOR_BYTES
    if (from >= end || from + SECTOR_BYTES <= start) continue
    setSector(node.durable, index, node.current.get(index) ?? null)
    node.pending.delete(index)
  }
  if (end === Number.POSITIVE_INFINITY) {
    node.durableSizeBytes = node.sizeBytes
    node.pendingSizes = []
    cutSectors(node.durable, node.durableSizeBytes)
  } else if (end > node.durableSizeBytes) {
    node.durableSizeBytes = end
    node.pendingSizes = node.pendingSizes.filter((size) => size > end)
  }
}

function forgetPending(node: FileNode): void {
  node.pending.clear()
  node.pendingSizes = []
}

function readFrom(node: FileNode, start: number, end: number): Buffer {
  const bytes = Buffer.alloc(Math.max(0, end - start))
  for (let index = Math.floor(start / SECTOR_BYTES); index * SECTOR_BYTES < end; index++) {
    const sector = node.current.get(index)
    if (sector === undefined) continue
    const from = Math.max(start, index * SECTOR_BYTES)
    const to = Math.min(end, (index + 1) * SECTOR_BYTES)
    const shift = index * SECTOR_BYTES
    bytes.set(sector.subarray(from - shift, to - shift), from - start)
  }
  return bytes
}

/** Bytes that a file may still grow by within its last sector. */
function slack(node: FileNode): number {
  return (SECTOR_BYTES - (node.sizeBytes % SECTOR_BYTES)) % SECTOR_BYTES
}

function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== 0) return false
  return true
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '')
}

function systemError(code: string, syscall: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${syscall} '${path}'`), { code, syscall, path })
}

/** The promise of a dead process. */
function never(): Promise<never> {
  return new Promise(() => {})
}
