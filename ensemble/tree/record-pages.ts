/**
 * Records of a fixed number of 32-bit words, packed in pages, found by a small number.
 *
 * Invariants:
 * 1. Record 0 is never handed out: 0 means "none" in every field that names a record.
 * 2. A page seen by a frozen view is never written: `writable` copies it first.
 * 3. A free record's first word names the next free one.
 *
 * Readers compute the place themselves, so that the loop over a record stays free of calls:
 * `pages[id >>> PAGE_SHIFT]![(id & PAGE_MASK) * words + field]`.
 */
import { assert } from '../assert.ts'

export const PAGE_SHIFT = 9
export const PAGE_MASK = (1 << PAGE_SHIFT) - 1
const RECORDS_PER_PAGE = 1 << PAGE_SHIFT

export class RecordPages {
  readonly words: number
  pages: Int32Array[] = []
  /** 1 = a frozen view may see this page as well. */
  #shared = new Uint8Array(64)
  #top = 1
  #free = 0
  #inUse = 0
  #views = 0
  readonly #spare: Int32Array[] = []

  constructor(words: number) {
    this.words = words
  }

  get inUse(): number {
    return this.#inUse
  }

  get bytes(): number {
    return (this.pages.length + this.#spare.length) * RECORDS_PER_PAGE * this.words * 4
  }

  /** A record for the caller to fill; what its words hold is left over from an earlier one. */
  allocate(): number {
    this.#inUse++
    const id = this.#free
    if (id !== 0) {
      this.#free = this.writable(id)[(id & PAGE_MASK) * this.words]!
      return id
    }
    const fresh = this.#top++
    if (fresh >>> PAGE_SHIFT === this.pages.length) this.#addPage()
    return fresh
  }

  release(id: number): void {
    this.writable(id)[(id & PAGE_MASK) * this.words] = this.#free
    this.#free = id
    this.#inUse--
  }

  /** The page of a record, for writing: a copy of its own if a frozen view still sees the page. */
  writable(id: number): Int32Array {
    const page = id >>> PAGE_SHIFT
    return this.#shared[page] === 0 ? this.pages[page]! : this.#copyPage(page)
  }

  /** Hands out the pages as they are now. They stay so until `thaw` is given them back. */
  freeze(): Int32Array[] {
    this.#views++
    this.#shared.fill(1, 0, this.pages.length)
    return this.pages.slice()
  }

  /**
   * Ends a frozen view. With the last one, pages are written in place again, and those that only it
   * still held are kept for the next copies.
   */
  thaw(view: readonly Int32Array[]): void {
    assert(this.#views > 0, 'a view that ends was begun')
    if (--this.#views > 0) return
    const spareMax = (this.pages.length >>> 3) + 16
    for (let index = 0; index < view.length && this.#spare.length < spareMax; index++) {
      if (this.pages[index] !== view[index]) this.#spare.push(view[index]!)
    }
    this.#shared.fill(0)
  }

  #copyPage(index: number): Int32Array {
    const copy = this.#spare.pop() ?? new Int32Array(RECORDS_PER_PAGE * this.words)
    copy.set(this.pages[index]!)
    this.pages[index] = copy
    this.#shared[index] = 0
    return copy
  }

  #addPage(): void {
    this.pages.push(this.#spare.pop() ?? new Int32Array(RECORDS_PER_PAGE * this.words))
    if (this.pages.length > this.#shared.length) {
      const larger = new Uint8Array(this.#shared.length * 2)
      larger.set(this.#shared)
      this.#shared = larger
    }
  }
}
