/**
 * Finds nodes by the hash of their whole path: extendible hashing, a directory of pages that split
 * one by one. So there is no pause for a table that grows, no moment with two tables, and a lookup
 * is one cache line of the directory and mostly one of a page (with chains through the nodes a
 * lookup among 400,000 nodes took 720 ns, most of it waiting for memory).
 *
 * The hash of a path is continued byte by byte from that of its parent. Only candidates come from
 * here: whether the path is really theirs, the tree compares.
 *
 * Invariants:
 * 1. A page is a table of SLOTS pairs [node, hash] with open addressing; node 0 is an empty slot,
 *    and between a pair and the slot where its hash would put it there is no empty one.
 * 2. The directory has 2^depth entries; a page of depth d is in 2^(depth - d) neighbouring ones,
 *    those whose upper d bits its hashes have.
 * 3. A page of the greatest depth overflows into further pages: whoever makes names whose hashes
 *    are equal gets slow lookups of them, and no more.
 */
import { assert } from '../assert.ts'

const SLOT_BITS = 9
const SLOTS = 1 << SLOT_BITS
const SLOT_MASK = SLOTS - 1
const USED_MAX = Math.floor(SLOTS * 0.8)
const DEPTH_FIRST = 4
const DEPTH_MAX = 20
/** Pages are cut from arrays of 64 KiB. */
const PAGES_SHIFT = 4
const PAGES_MASK = (1 << PAGES_SHIFT) - 1
const PAGE_WORDS = SLOTS * 2

export const HASH_START = 0x811c9dc5 | 0

/** Continues a hash (FNV-1a) with `bytes[start, end)`. */
export function hashBytes(hash: number, bytes: Uint8Array, start: number, end: number): number {
  let h = hash
  for (let at = start; at < end; at++) h = Math.imul(h ^ bytes[at]!, 0x01000193)
  return h
}

/** Spreads a hash over all bits: the lower bits of FNV depend on the lower bits of the bytes alone. */
function spread(hash: number): number {
  const h = Math.imul(hash ^ (hash >>> 16), 0x7feb352d)
  return h ^ (h >>> 15)
}

export class PathIndex {
  readonly #arrays: Int32Array[] = []
  #directory = new Int32Array(1 << DEPTH_FIRST)
  #depth = DEPTH_FIRST
  #pages = 0
  #depthOf = new Uint8Array(64)
  #used = new Uint16Array(64)
  /** The page into which a page of the greatest depth overflows, or -1. */
  #overflow = new Int32Array(64)
  /** Where the last `first` or `next` was. */
  #atPage = 0
  #atSlot = 0

  constructor() {
    for (let i = 0; i < this.#directory.length; i++) this.#directory[i] = this.#newPage(DEPTH_FIRST)
  }

  get bytes(): number {
    return (this.#arrays.length << PAGES_SHIFT) * PAGE_WORDS * 4 + this.#directory.byteLength
  }

  /** A node that may have this hash, or 0. */
  first(hash: number): number {
    const h = spread(hash)
    this.#atPage = this.#directory[h >>> (32 - this.#depth)]!
    this.#atSlot = h & SLOT_MASK
    return this.#seek(hash)
  }

  /** The next one after that of the last call. */
  next(hash: number): number {
    this.#atSlot = (this.#atSlot + 1) & SLOT_MASK
    return this.#seek(hash)
  }

  add(node: number, hash: number): void {
    const h = spread(hash)
    let page = this.#directory[h >>> (32 - this.#depth)]!
    while (this.#used[page]! >= USED_MAX) {
      if (this.#depthOf[page]! < DEPTH_MAX) {
        this.#split(page, h)
        page = this.#directory[h >>> (32 - this.#depth)]!
      } else {
        if (this.#overflow[page] === -1) this.#overflow[page] = this.#newPage(DEPTH_MAX)
        page = this.#overflow[page]!
      }
    }
    this.#put(page, node, hash, h)
  }

  remove(node: number, hash: number): void {
    let found = this.first(hash)
    while (found !== node) {
      assert(found !== 0, 'a node that is removed is in the index')
      found = this.next(hash)
    }
    this.#used[this.#atPage]!--
    const array = this.#arrays[this.#atPage >>> PAGES_SHIFT]!
    const base = (this.#atPage & PAGES_MASK) * PAGE_WORDS
    let hole = this.#atSlot
    // Those behind the hole move up, unless that puts them before where they belong.
    for (let slot = (hole + 1) & SLOT_MASK; ; slot = (slot + 1) & SLOT_MASK) {
      const from = base + slot * 2
      const moved = array[from]!
      if (moved === 0) break
      const home = spread(array[from + 1]!) & SLOT_MASK
      if (((slot - home) & SLOT_MASK) < ((slot - hole) & SLOT_MASK)) continue
      array[base + hole * 2] = moved
      array[base + hole * 2 + 1] = array[from + 1]!
      hole = slot
    }
    array[base + hole * 2] = 0
  }

  #seek(hash: number): number {
    let page = this.#atPage
    let slot = this.#atSlot
    for (;;) {
      const array = this.#arrays[page >>> PAGES_SHIFT]!
      const base = (page & PAGES_MASK) * PAGE_WORDS
      for (; ; slot = (slot + 1) & SLOT_MASK) {
        const node = array[base + slot * 2]!
        if (node === 0) break
        if (array[base + slot * 2 + 1] !== hash) continue
        this.#atPage = page
        this.#atSlot = slot
        return node
      }
      if (this.#overflow[page] === -1) return 0
      page = this.#overflow[page]!
      slot = spread(hash) & SLOT_MASK
    }
  }

  #put(page: number, node: number, hash: number, spreadHash: number): void {
    const array = this.#arrays[page >>> PAGES_SHIFT]!
    const base = (page & PAGES_MASK) * PAGE_WORDS
    let slot = spreadHash & SLOT_MASK
    while (array[base + slot * 2] !== 0) slot = (slot + 1) & SLOT_MASK
    array[base + slot * 2] = node
    array[base + slot * 2 + 1] = hash
    this.#used[page]!++
  }

  /** Divides a page by the next bit of its hashes; `h` is one of them. */
  #split(page: number, h: number): void {
    const depth = this.#depthOf[page]!
    if (depth === this.#depth) this.#doubleDirectory()
    const fresh = this.#newPage(depth + 1)
    this.#depthOf[page] = depth + 1
    const width = 1 << (this.#depth - depth)
    const start = (h >>> (32 - depth)) * width
    this.#directory.fill(fresh, start + width / 2, start + width)

    const base = (page & PAGES_MASK) * PAGE_WORDS
    const array = this.#arrays[page >>> PAGES_SHIFT]!
    const pairs = array.slice(base, base + PAGE_WORDS)
    array.fill(0, base, base + PAGE_WORDS)
    this.#used[page] = 0
    const bit = 1 << (31 - depth)
    for (let at = 0; at < PAGE_WORDS; at += 2) {
      const node = pairs[at]!
      if (node === 0) continue
      const hash = pairs[at + 1]!
      const moved = spread(hash)
      this.#put((moved & bit) === 0 ? page : fresh, node, hash, moved)
    }
  }

  #doubleDirectory(): void {
    const doubled = new Int32Array(this.#directory.length * 2)
    for (let i = 0; i < doubled.length; i++) doubled[i] = this.#directory[i >>> 1]!
    this.#directory = doubled
    this.#depth++
  }

  #newPage(depth: number): number {
    const page = this.#pages++
    if (page >>> PAGES_SHIFT === this.#arrays.length) {
      this.#arrays.push(new Int32Array(PAGE_WORDS << PAGES_SHIFT))
    }
    if (page === this.#used.length) {
      const capacity = page * 2
      this.#depthOf = grown(this.#depthOf, new Uint8Array(capacity))
      this.#used = grown(this.#used, new Uint16Array(capacity))
      this.#overflow = grown(this.#overflow, new Int32Array(capacity))
    }
    this.#depthOf[page] = depth
    this.#used[page] = 0
    this.#overflow[page] = -1
    return page
  }
}

function grown<T extends Uint8Array | Uint16Array | Int32Array>(old: T, larger: T): T {
  larger.set(old)
  return larger
}
