/**
 * Slots of bytes (a node's name and data together), packed in pages of 64 KiB, one size to a page.
 *
 * Sizes go in steps of 8 bytes up to 256, then by an eighth, widened until a whole number of slots
 * fills the page. What is longer than half a page is a Buffer of its own in a table. A slot is named
 * by one 32-bit number; its owner must remember how many bytes it asked for, since the number says
 * nothing about the kind.
 *
 * Invariants:
 * 1. Slot 0 stands for "no bytes" and is never handed out.
 * 2. A page seen by a frozen view is never written; a Buffer of the table is never written at all
 *    after it was filled, but replaced.
 * 3. A page whose last slot was freed serves any size again.
 */
import { assert } from '../assert.ts'

const PAGE_BYTES = 65536
export const SLOT_SHIFT = 13 // 8,192 slots of 8 bytes are the most that a page holds
export const SLOT_MASK = (1 << SLOT_SHIFT) - 1
/** Longer blobs do not share pages. */
export const PAGED_MAX = PAGE_BYTES / 2
const NO_SLOT = 0xffff

/** Slot sizes, ascending, and for each eighth of a length the class that it belongs to. */
const CLASS_BYTES = makeClasses()
const CLASS_SLOTS = Uint16Array.from(CLASS_BYTES, (size) => Math.floor(PAGE_BYTES / size))
const CLASS_OF = makeClassTable()

function makeClasses(): number[] {
  const classes: number[] = []
  let size = 8
  for (; size <= 256; size += 8) classes.push(size)
  while (classes.at(-1)! < PAGED_MAX) {
    const wanted = Math.min(classes.at(-1)! * 1.125, PAGED_MAX)
    classes.push(Math.floor(PAGE_BYTES / Math.floor(PAGE_BYTES / wanted)) & ~7)
  }
  return classes
}

function makeClassTable(): Uint8Array {
  const table = new Uint8Array(PAGED_MAX / 8 + 1)
  for (let size = 1; size < CLASS_BYTES.length; size++) {
    table.fill(size, CLASS_BYTES[size - 1]! / 8 + 1, CLASS_BYTES[size]! / 8 + 1)
  }
  return table
}

/** Read access to blobs: what the live tree and a frozen view have in common. */
export class BlobView {
  readonly pages: Buffer[]
  readonly large: (Buffer | null)[]
  /** Slot size of each page. */
  readonly slotBytes: Uint16Array

  constructor(pages: Buffer[], large: (Buffer | null)[], slotBytes: Uint16Array) {
    this.pages = pages
    this.large = large
    this.slotBytes = slotBytes
  }
}

export class BlobPages {
  /** A page without a slot in use has no buffer. */
  pages: Buffer[] = [EMPTY_PAGE]
  large: (Buffer | null)[] = [null]
  slotBytes = new Uint16Array(64)
  #shared = new Uint8Array(64)
  #classOf = new Uint8Array(64)
  #usedSlots = new Uint16Array(64)
  /** First free slot of a page, or NO_SLOT; free slots are chained through their first two bytes. */
  #freeSlot = new Uint16Array(64)
  /** Slots of a page that were handed out at least once; the rest is virgin. */
  #topSlot = new Uint16Array(64)
  /** Pages with room, a doubly linked list for each class. */
  readonly #withRoom = new Int32Array(CLASS_BYTES.length)
  #next = new Int32Array(64)
  #previous = new Int32Array(64)
  readonly #freeIndexes: number[] = []
  readonly #freeLarge: number[] = []
  #largeBytes = 0
  #views = 0
  readonly #spare: Buffer[] = []

  get bytes(): number {
    return (
      (this.pages.length - 1 - this.#freeIndexes.length + this.#spare.length) * PAGE_BYTES +
      this.#largeBytes
    )
  }

  /** A slot for `length` bytes (0: none), to be filled with `writable` and `offset`, or `putLarge`. */
  allocate(length: number): number {
    assert(length <= PAGED_MAX, 'a longer blob has a buffer of its own')
    if (length === 0) return 0
    const size = CLASS_OF[(length + 7) >>> 3]!
    let page = this.#withRoom[size]!
    if (page === 0) page = this.#startPage(size)

    let slot = this.#freeSlot[page]!
    if (slot === NO_SLOT) {
      slot = this.#topSlot[page]!++
    } else {
      const bytes = this.pages[page]!
      const at = slot * this.slotBytes[page]!
      this.#freeSlot[page] = bytes[at]! | (bytes[at + 1]! << 8)
    }
    this.#usedSlots[page]!++
    if (this.#isFull(page)) this.#unlink(page)
    return (page << SLOT_SHIFT) | slot
  }

  /** Keeps `bytes`, longer than PAGED_MAX, without a copy: they must not change any more. */
  putLarge(bytes: Buffer): number {
    this.#largeBytes += bytes.length
    const index = this.#freeLarge.pop() ?? this.large.length
    this.large[index] = bytes
    return index
  }

  /** Gives back what `allocate(length)` or `putLarge` handed out. */
  release(blob: number, length: number): void {
    if (length === 0) return
    if (length > PAGED_MAX) {
      this.#largeBytes -= length
      this.large[blob] = null
      this.#freeLarge.push(blob)
      return
    }
    const page = blob >>> SLOT_SHIFT
    if (this.#usedSlots[page] === 1) return this.#endPage(page)

    const wasFull = this.#isFull(page)
    const bytes = this.writable(blob)
    const at = this.offset(blob)
    const free = this.#freeSlot[page]!
    bytes[at] = free & 0xff
    bytes[at + 1] = free >>> 8
    this.#freeSlot[page] = blob & SLOT_MASK
    this.#usedSlots[page]!--
    if (wasFull) this.#link(page)
  }

  /** True when blobs of both lengths (neither above PAGED_MAX nor 0) fit the same slot. */
  sameSlot(left: number, right: number): boolean {
    return (
      left !== 0 &&
      right !== 0 &&
      left <= PAGED_MAX &&
      right <= PAGED_MAX &&
      CLASS_OF[(left + 7) >>> 3] === CLASS_OF[(right + 7) >>> 3]
    )
  }

  offset(blob: number): number {
    return (blob & SLOT_MASK) * this.slotBytes[blob >>> SLOT_SHIFT]!
  }

  /** The page of a paged blob, for writing. */
  writable(blob: number): Buffer {
    const page = blob >>> SLOT_SHIFT
    return this.#shared[page] === 0 ? this.pages[page]! : this.#copyPage(page)
  }

  /** Hands out the blobs as they are now. They stay so until `thaw` is given them back. */
  freeze(): BlobView {
    this.#views++
    this.#shared.fill(1, 0, this.pages.length)
    return new BlobView(this.pages.slice(), this.large.slice(), this.slotBytes.slice())
  }

  /** Ends a frozen view; after the last one pages are written in place again. */
  thaw(view: BlobView): void {
    assert(this.#views > 0, 'a view that ends was begun')
    if (--this.#views > 0) return
    for (let index = 0; index < view.pages.length; index++) {
      if (this.pages[index] !== view.pages[index]) this.#keepSpare(view.pages[index]!)
    }
    this.#shared.fill(0)
  }

  #isFull(page: number): boolean {
    return this.#usedSlots[page] === CLASS_SLOTS[this.#classOf[page]!]
  }

  #startPage(size: number): number {
    const page = this.#freeIndexes.pop() ?? this.pages.length
    if (page === this.#shared.length) this.#growTables()
    this.pages[page] = this.#spare.pop() ?? Buffer.allocUnsafeSlow(PAGE_BYTES)
    this.#shared[page] = 0
    this.slotBytes[page] = CLASS_BYTES[size]!
    this.#classOf[page] = size
    this.#usedSlots[page] = 0
    this.#freeSlot[page] = NO_SLOT
    this.#topSlot[page] = 0
    this.#link(page)
    return page
  }

  #endPage(page: number): void {
    if (!this.#isFull(page)) this.#unlink(page)
    this.#usedSlots[page] = 0
    if (this.#shared[page] === 0) this.#keepSpare(this.pages[page]!)
    this.#shared[page] = 0
    this.pages[page] = EMPTY_PAGE
    this.#freeIndexes.push(page)
  }

  #link(page: number): void {
    const size = this.#classOf[page]!
    const head = this.#withRoom[size]!
    this.#next[page] = head
    this.#previous[page] = 0
    if (head !== 0) this.#previous[head] = page
    this.#withRoom[size] = page
  }

  #unlink(page: number): void {
    const next = this.#next[page]!
    const previous = this.#previous[page]!
    if (previous !== 0) this.#next[previous] = next
    else this.#withRoom[this.#classOf[page]!] = next
    if (next !== 0) this.#previous[next] = previous
  }

  #copyPage(index: number): Buffer {
    const copy = this.#spare.pop() ?? Buffer.allocUnsafeSlow(PAGE_BYTES)
    copy.set(this.pages[index]!)
    this.pages[index] = copy
    this.#shared[index] = 0
    return copy
  }

  #keepSpare(page: Buffer): void {
    if (page.length === 0) return
    if (this.#spare.length < (this.pages.length >>> 3) + 16) this.#spare.push(page)
  }

  #growTables(): void {
    const capacity = this.#shared.length * 2
    assert(capacity <= 1 << (32 - SLOT_SHIFT), 'blob pages fit the 32 bits of a blob number')
    this.slotBytes = grown(this.slotBytes, new Uint16Array(capacity))
    this.#shared = grown(this.#shared, new Uint8Array(capacity))
    this.#classOf = grown(this.#classOf, new Uint8Array(capacity))
    this.#usedSlots = grown(this.#usedSlots, new Uint16Array(capacity))
    this.#freeSlot = grown(this.#freeSlot, new Uint16Array(capacity))
    this.#topSlot = grown(this.#topSlot, new Uint16Array(capacity))
    this.#next = grown(this.#next, new Int32Array(capacity))
    this.#previous = grown(this.#previous, new Int32Array(capacity))
  }
}

const EMPTY_PAGE = Buffer.alloc(0)

function grown<T extends Uint8Array | Uint16Array | Int32Array>(old: T, larger: T): T {
  larger.set(old)
  return larger
}

const COPY_NATIVE_FROM_BYTES = 40

/** Copies `source[start, end)` to `target` at `at`; a call into C++ costs as much as 40 bytes here. */
export function copyBytes(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  at: number,
): void {
  if (end - start >= COPY_NATIVE_FROM_BYTES) {
    target.set(source.subarray(start, end), at)
    return
  }
  for (let from = start, to = at; from < end; from++, to++) target[to] = source[from]!
}
