/**
 * Finds nodes by the hash of their whole path, by linear hashing: the table grows by one bucket at
 * a time, so there is no pause and no moment with two tables.
 *
 * The hash of a path is continued byte by byte from that of its parent, so one pass over a path
 * yields the hashes of all its ancestors, and a stored hash is where that of a child starts. Only
 * candidates come from here: whether the path is really theirs, the tree compares.
 *
 * Invariants:
 * 1. The entry of node n is at n: [next node of the bucket, hash].
 * 2. There are at most LOAD_MAX times as many nodes as buckets.
 */

const HEAD_SHIFT = 14
const HEAD_MASK = (1 << HEAD_SHIFT) - 1
const ENTRY_SHIFT = 13
const ENTRY_MASK = (1 << ENTRY_SHIFT) - 1
const LOAD_MAX = 2
const FIRST_BUCKETS = 64

/** FNV-1a, one step. */
export function hashByte(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x01000193)
}

export function hashBytes(hash: number, bytes: Uint8Array, start: number, end: number): number {
  let h = hash
  for (let at = start; at < end; at++) h = Math.imul(h ^ bytes[at]!, 0x01000193)
  return h
}

/** Spreads a hash over all bits: the low bits of FNV depend on the low bits of the bytes alone. */
function spread(hash: number): number {
  const h = Math.imul(hash ^ (hash >>> 16), 0x7feb352d)
  return h ^ (h >>> 15)
}

export class PathIndex {
  readonly #heads: Int32Array[] = [new Int32Array(1 << HEAD_SHIFT)]
  readonly #entries: Int32Array[] = [new Int32Array(2 << ENTRY_SHIFT)]
  #buckets = FIRST_BUCKETS
  /** Covers all buckets: the smallest power of two not below their number, less one. */
  #mask = FIRST_BUCKETS - 1
  #count = 0

  get bytes(): number {
    return (this.#heads.length << HEAD_SHIFT) * 4 + (this.#entries.length << ENTRY_SHIFT) * 8
  }

  /** The first node that may have this hash, or 0. */
  first(hash: number): number {
    return this.#skip(this.#head(this.#bucketOf(hash)), hash)
  }

  /** The next one after `node`. */
  next(node: number, hash: number): number {
    return this.#skip(this.#entries[node >>> ENTRY_SHIFT]![(node & ENTRY_MASK) << 1]!, hash)
  }

  hashOf(node: number): number {
    return this.#entries[node >>> ENTRY_SHIFT]![((node & ENTRY_MASK) << 1) + 1]!
  }

  add(node: number, hash: number): void {
    while (node >>> ENTRY_SHIFT >= this.#entries.length) {
      this.#entries.push(new Int32Array(2 << ENTRY_SHIFT))
    }
    const entries = this.#entries[node >>> ENTRY_SHIFT]!
    const at = (node & ENTRY_MASK) << 1
    const bucket = this.#bucketOf(hash)
    entries[at] = this.#head(bucket)
    entries[at + 1] = hash
    this.#setHead(bucket, node)
    if (++this.#count > this.#buckets * LOAD_MAX) this.#split()
  }

  remove(node: number): void {
    const bucket = this.#bucketOf(this.hashOf(node))
    const next = this.#nextOf(node)
    this.#count--
    let at = this.#head(bucket)
    if (at === node) return this.#setHead(bucket, next)
    while (this.#nextOf(at) !== node) at = this.#nextOf(at)
    this.#setNext(at, next)
  }

  /** Adds one bucket, and moves to it what belongs there from the one bucket it splits. */
  #split(): void {
    const fresh = this.#buckets++
    if (fresh > this.#mask) this.#mask = this.#mask * 2 + 1
    if (fresh >>> HEAD_SHIFT === this.#heads.length) {
      this.#heads.push(new Int32Array(1 << HEAD_SHIFT))
    }
    const old = fresh & (this.#mask >>> 1)
    let stay = 0
    let move = 0
    let node = this.#head(old)
    while (node !== 0) {
      const next = this.#nextOf(node)
      if ((spread(this.hashOf(node)) & this.#mask) === fresh) {
        this.#setNext(node, move)
        move = node
      } else {
        this.#setNext(node, stay)
        stay = node
      }
      node = next
    }
    this.#setHead(old, stay)
    this.#setHead(fresh, move)
  }

  #bucketOf(hash: number): number {
    const h = spread(hash)
    const bucket = h & this.#mask
    return bucket < this.#buckets ? bucket : h & (this.#mask >>> 1)
  }

  #skip(from: number, hash: number): number {
    let node = from
    while (node !== 0) {
      const entries = this.#entries[node >>> ENTRY_SHIFT]!
      const at = (node & ENTRY_MASK) << 1
      if (entries[at + 1] === hash) return node
      node = entries[at]!
    }
    return 0
  }

  #head(bucket: number): number {
    return this.#heads[bucket >>> HEAD_SHIFT]![bucket & HEAD_MASK]!
  }

  #setHead(bucket: number, node: number): void {
    this.#heads[bucket >>> HEAD_SHIFT]![bucket & HEAD_MASK] = node
  }

  #nextOf(node: number): number {
    return this.#entries[node >>> ENTRY_SHIFT]![(node & ENTRY_MASK) << 1]!
  }

  #setNext(node: number, next: number): void {
    this.#entries[node >>> ENTRY_SHIFT]![(node & ENTRY_MASK) << 1] = next
  }
}
