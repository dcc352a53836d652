/**
 * Nodes in packed pages: their records, their directories, their names and data, and the way from a
 * path to its node. It knows the shape of the tree and no rule of ZooKeeper.
 *
 * A node is 80 bytes of record, one blob for name and data, and 8 to 12 bytes of index. Only nodes
 * that have or had children (or come from a snapshot with a stat that tells so) have a directory
 * record; for all others pzxid is czxid and cversion is 0. Siblings are a doubly linked list in no
 * promised order.
 *
 * Invariants:
 * 1. Node 1 is the root, the only one with an empty name and the only one not in the index.
 * 2. A child's PARENT, its place in the sibling list, and CHILDREN of the parent's directory agree.
 * 3. Pages are written through `writable` only, so that a frozen view never changes.
 */
import { assert } from '../assert.ts'
import { longOf } from '../jute/long-halves.ts'
import type { Writer } from '../jute/writer.ts'
import { BlobPages, copyBytes, PAGED_MAX, SLOT_MASK, SLOT_SHIFT } from './blob-pages.ts'
import { HASH_START, hashBytes, PathIndex } from './path-index.ts'
import { PAGE_MASK, PAGE_SHIFT, RecordPages } from './record-pages.ts'

export type NodeId = number
export const NO_NODE: NodeId = 0
export const ROOT: NodeId = 1

/**
 * Words of a node's record. Longs take two, the upper half first. The first ten are in the order of
 * a stat, and the four that a lookup reads lie together, since each line of memory costs 200 ns.
 */
export const Field = {
  czxid: 0,
  mzxid: 2,
  ctime: 4,
  mtime: 6,
  version: 8,
  aversion: 9,
  owner: 10,
  acl: 11,
  parent: 12,
  blob: 13,
  nameBytes: 14,
  dataBytes: 15, // -1 = null
  next: 16,
  previous: 17,
  directory: 18,
  digest: 19,
} as const
export const NODE_WORDS = 20

/** Words of a directory's record. */
export const Directory = { first: 0, children: 1, cversion: 2, pzxid: 3 } as const
export const DIRECTORY_WORDS = 5

const SLASH = 0x2f
const NO_BYTES = Buffer.alloc(0)

export class NodeStore {
  readonly nodes = new RecordPages(NODE_WORDS)
  readonly directories = new RecordPages(DIRECTORY_WORDS)
  readonly blobs = new BlobPages()
  readonly index = new PathIndex()

  constructor() {
    const root = this.#newRecord(NO_BYTES, 0, 0, NO_BYTES, 0, 0)
    assert(root === ROOT, 'the root is the first node')
  }

  /** Nodes, the root included. */
  get count(): number {
    return this.nodes.inUse
  }

  // --- fields ---

  get(node: NodeId, field: number): number {
    return this.nodes.pages[node >>> PAGE_SHIFT]![(node & PAGE_MASK) * NODE_WORDS + field]!
  }

  set(node: NodeId, field: number, value: number): void {
    this.nodes.writable(node)[(node & PAGE_MASK) * NODE_WORDS + field] = value
  }

  getLong(node: NodeId, field: number): bigint {
    return longOf(this.get(node, field), this.get(node, field + 1))
  }

  setLong(node: NodeId, field: number, high: number, low: number): void {
    const page = this.nodes.writable(node)
    const at = (node & PAGE_MASK) * NODE_WORDS + field
    page[at] = high
    page[at + 1] = low
  }

  getTime(node: NodeId, field: number): number {
    return this.get(node, field) * 0x1_0000_0000 + (this.get(node, field + 1) >>> 0)
  }

  /** A word of a directory; 0 of one that does not exist. */
  inDirectory(directory: number, field: number): number {
    if (directory === 0) return 0
    return this.directories.pages[directory >>> PAGE_SHIFT]![
      (directory & PAGE_MASK) * DIRECTORY_WORDS + field
    ]!
  }

  setInDirectory(directory: number, field: number, value: number): void {
    this.directories.writable(directory)[(directory & PAGE_MASK) * DIRECTORY_WORDS + field] = value
  }

  /** The directory of a node, made when there is none. */
  directoryOf(node: NodeId): number {
    const existing = this.get(node, Field.directory)
    if (existing !== 0) return existing
    const directory = this.directories.allocate()
    const page = this.directories.writable(directory)
    const at = (directory & PAGE_MASK) * DIRECTORY_WORDS
    page[at + Directory.first] = 0
    page[at + Directory.children] = 0
    page[at + Directory.cversion] = 0
    page[at + Directory.pzxid] = this.get(node, Field.czxid)
    page[at + Directory.pzxid + 1] = this.get(node, Field.czxid + 1)
    this.set(node, Field.directory, directory)
    return directory
  }

  pzxidHigh(node: NodeId): number {
    const directory = this.get(node, Field.directory)
    return directory === 0
      ? this.get(node, Field.czxid)
      : this.inDirectory(directory, Directory.pzxid)
  }

  pzxidLow(node: NodeId): number {
    const directory = this.get(node, Field.directory)
    return directory === 0
      ? this.get(node, Field.czxid + 1)
      : this.inDirectory(directory, Directory.pzxid + 1)
  }

  cversion(node: NodeId): number {
    return this.inDirectory(this.get(node, Field.directory), Directory.cversion)
  }

  children(node: NodeId): number {
    return this.inDirectory(this.get(node, Field.directory), Directory.children)
  }

  firstChild(node: NodeId): NodeId {
    return this.inDirectory(this.get(node, Field.directory), Directory.first)
  }

  next(node: NodeId): NodeId {
    return this.get(node, Field.next)
  }

  // --- names and data ---

  /** Where a node's name and data lie, one behind the other: `blobBytes(n)` from `blobStart(n)`. */
  blobBytes(node: NodeId): Buffer {
    const page = this.nodes.pages[node >>> PAGE_SHIFT]!
    const at = (node & PAGE_MASK) * NODE_WORDS
    const blob = page[at + Field.blob]!
    return blobLength(page, at) > PAGED_MAX
      ? this.blobs.large[blob]!
      : this.blobs.pages[blob >>> SLOT_SHIFT]!
  }

  blobStart(node: NodeId): number {
    const page = this.nodes.pages[node >>> PAGE_SHIFT]!
    const at = (node & PAGE_MASK) * NODE_WORDS
    if (blobLength(page, at) > PAGED_MAX) return 0
    const blob = page[at + Field.blob]!
    return (blob & SLOT_MASK) * this.blobs.slotBytes[blob >>> SLOT_SHIFT]!
  }

  nameOf(node: NodeId): string {
    const start = this.blobStart(node)
    return this.blobBytes(node).toString('utf8', start, start + this.get(node, Field.nameBytes))
  }

  pathOf(node: NodeId): string {
    let path = ''
    for (let at = node; at !== ROOT; at = this.get(at, Field.parent)) {
      path = `/${this.nameOf(at)}${path}`
    }
    return path === '' ? '/' : path
  }

  /** Data bytes, 0 for null. */
  dataBytes(node: NodeId): number {
    return Math.max(this.get(node, Field.dataBytes), 0)
  }

  dataStart(node: NodeId): number {
    return this.blobStart(node) + this.get(node, Field.nameBytes)
  }

  writeName(node: NodeId, writer: Writer): void {
    const length = this.get(node, Field.nameBytes)
    const start = this.blobStart(node)
    writer.reserve(4 + length)
    writer.int(length)
    copyBytes(this.blobBytes(node), start, start + length, writer.bytes, writer.position)
    writer.position += length
  }

  writeData(node: NodeId, writer: Writer): void {
    const length = this.get(node, Field.dataBytes)
    writer.reserve(4 + Math.max(length, 0))
    writer.int(length)
    if (length <= 0) return
    const start = this.dataStart(node)
    copyBytes(this.blobBytes(node), start, start + length, writer.bytes, writer.position)
    writer.position += length
  }

  /** Replaces the data by `bytes[start, end)`; no other field changes. */
  setData(node: NodeId, bytes: Uint8Array | null, start: number, end: number): void {
    const nameBytes = this.get(node, Field.nameBytes)
    const oldLength = this.#blobLength(node)
    const oldBlob = this.get(node, Field.blob)
    const data = bytes ?? NO_BYTES
    if (this.blobs.sameSlot(oldLength, nameBytes + end - start)) {
      const page = this.blobs.writable(oldBlob)
      copyBytes(data, start, end, page, this.blobs.offset(oldBlob) + nameBytes)
    } else {
      const nameStart = this.blobStart(node)
      const name = this.blobBytes(node)
      const blob = this.#newBlob(name, nameStart, nameStart + nameBytes, data, start, end)
      this.set(node, Field.blob, blob)
      this.blobs.release(oldBlob, oldLength)
    }
    this.set(node, Field.dataBytes, bytes === null ? -1 : end - start)
  }

  // --- lookup ---

  /** The node with this path; "" and "/" are the root. */
  find(path: Uint8Array, start: number, end: number): NodeId {
    if (end - start <= 1) return end === start || path[start] === SLASH ? ROOT : NO_NODE
    return this.findHashed(path, start, end, hashBytes(HASH_START, path, start, end))
  }

  /** The same for a path of two bytes or more whose hash is known. */
  findHashed(path: Uint8Array, start: number, end: number, hash: number): NodeId {
    let node = this.index.first(hash)
    while (node !== NO_NODE && !this.#isAt(node, path, start, end)) node = this.index.next(hash)
    return node
  }

  /** The child of `parent` whose whole path has this hash and whose name is `bytes[start, end)`. */
  findChild(parent: NodeId, bytes: Uint8Array, start: number, end: number, hash: number): NodeId {
    let node = this.index.first(hash)
    while (node !== NO_NODE) {
      if (this.get(node, Field.parent) === parent && this.#hasName(node, bytes, start, end)) break
      node = this.index.next(hash)
    }
    return node
  }

  // --- shape ---

  /**
   * Adds a child without looking whether there is one of that name. The caller fills czxid to acl.
   * @param data null for null, else `data[dataStart, dataEnd)` is kept as a copy
   */
  insert(
    parent: NodeId,
    hash: number,
    name: Uint8Array,
    nameStart: number,
    nameEnd: number,
    data: Uint8Array | null,
    dataStart: number,
    dataEnd: number,
  ): NodeId {
    const node = this.#newRecord(name, nameStart, nameEnd, data, dataStart, dataEnd)
    const directory = this.directoryOf(parent)
    const page = this.directories.writable(directory)
    const at = (directory & PAGE_MASK) * DIRECTORY_WORDS
    const sibling = page[at + Directory.first]!
    page[at + Directory.first] = node
    page[at + Directory.children]!++
    if (sibling !== NO_NODE) this.set(sibling, Field.previous, node)
    const record = this.nodes.writable(node)
    const to = (node & PAGE_MASK) * NODE_WORDS
    record[to + Field.parent] = parent
    record[to + Field.next] = sibling
    this.index.add(node, hash)
    return node
  }

  /** Removes a node without children; `hash` is that of its path. */
  remove(node: NodeId, hash: number): void {
    assert(node !== ROOT && this.firstChild(node) === NO_NODE, 'what is removed is a leaf')
    const next = this.get(node, Field.next)
    const previous = this.get(node, Field.previous)
    const parents = this.get(this.get(node, Field.parent), Field.directory)
    if (next !== NO_NODE) this.set(next, Field.previous, previous)
    if (previous !== NO_NODE) this.set(previous, Field.next, next)
    else this.setInDirectory(parents, Directory.first, next)
    this.setInDirectory(
      parents,
      Directory.children,
      this.inDirectory(parents, Directory.children) - 1,
    )

    this.index.remove(node, hash)
    const directory = this.get(node, Field.directory)
    if (directory !== 0) this.directories.release(directory)
    this.blobs.release(this.get(node, Field.blob), this.#blobLength(node))
    this.nodes.release(node)
  }

  #newRecord(
    name: Uint8Array,
    nameStart: number,
    nameEnd: number,
    data: Uint8Array | null,
    dataStart: number,
    dataEnd: number,
  ): NodeId {
    const blob = this.#newBlob(name, nameStart, nameEnd, data ?? NO_BYTES, dataStart, dataEnd)
    const node = this.nodes.allocate()
    const page = this.nodes.writable(node)
    const at = (node & PAGE_MASK) * NODE_WORDS
    for (let word = at; word < at + NODE_WORDS; word++) page[word] = 0
    page[at + Field.blob] = blob
    page[at + Field.nameBytes] = nameEnd - nameStart
    page[at + Field.dataBytes] = data === null ? -1 : dataEnd - dataStart
    return node
  }

  #newBlob(
    name: Uint8Array,
    nameStart: number,
    nameEnd: number,
    data: Uint8Array,
    dataStart: number,
    dataEnd: number,
  ): number {
    const nameBytes = nameEnd - nameStart
    const length = nameBytes + dataEnd - dataStart
    if (length > PAGED_MAX) {
      const bytes = Buffer.allocUnsafeSlow(length)
      copyBytes(name, nameStart, nameEnd, bytes, 0)
      copyBytes(data, dataStart, dataEnd, bytes, nameBytes)
      return this.blobs.putLarge(bytes)
    }
    const blob = this.blobs.allocate(length)
    if (blob === 0) return 0
    const page = this.blobs.writable(blob)
    const at = this.blobs.offset(blob)
    copyBytes(name, nameStart, nameEnd, page, at)
    copyBytes(data, dataStart, dataEnd, page, at + nameBytes)
    return blob
  }

  #blobLength(node: NodeId): number {
    return blobLength(this.nodes.pages[node >>> PAGE_SHIFT]!, (node & PAGE_MASK) * NODE_WORDS)
  }

  /** Compares from the last component upwards. */
  #isAt(node: NodeId, path: Uint8Array, start: number, end: number): boolean {
    let at: NodeId = node
    let stop = end
    while (at !== ROOT) {
      const from = stop - this.get(at, Field.nameBytes)
      if (from <= start || path[from - 1] !== SLASH) return false
      if (!this.#hasName(at, path, from, stop)) return false
      stop = from - 1
      at = this.get(at, Field.parent)
    }
    return stop === start
  }

  #hasName(node: NodeId, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.get(node, Field.nameBytes) !== end - start) return false
    const name = this.blobBytes(node)
    let at = this.blobStart(node)
    for (let i = start; i < end; i++, at++) if (name[at] !== bytes[i]) return false
    return true
  }
}

/** Bytes of name and data together, of the record at `at` of its page. */
function blobLength(page: Int32Array, at: number): number {
  const dataBytes = page[at + Field.dataBytes]!
  return page[at + Field.nameBytes]! + (dataBytes < 0 ? 0 : dataBytes)
}
