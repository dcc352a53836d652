/**
 * Decodes jute values from `bytes[start, end)`, big-endian.
 *
 * Invariants:
 * 1. Nothing outside `[position, end)` is ever looked at, and `position` never passes `end`.
 * 2. A length is checked against the limit and against what is left before anything is allocated.
 * 3. The only thing it throws is WireError. After one, the position is unspecified.
 *
 * Bytes after the last field of a record are the caller's business; Apache ignores them.
 * Source: BinaryInputArchive.java, 3.9.5. Any byte but 0 is true. Strings are plain UTF-8: what is
 * malformed becomes U+FFFD, one for each three-byte group that encodes a surrogate, as in Java.
 */
import { longOf } from './long-halves.ts'
import { WireError } from './wire-error.ts'

export interface ReaderLimits {
  /** Longest buffer or string accepted; by default only what is left bounds it. */
  readonly bufferBytesMax: number
}

const NO_BYTES = Buffer.alloc(0)
const REPLACEMENT = '\ufffd'

/** Up to this many bytes a loop beats the call into native code (65 ns). */
const SHORT_STRING_BYTES = 8

export class Reader {
  bytes: Buffer
  position: number
  end: number
  /** Of the last `bufferRange()`. */
  rangeStart = 0
  /** Of the last `bufferRange()`. */
  rangeEnd = 0
  #bufferBytesMax: number

  constructor(bytes: Buffer = NO_BYTES, start = 0, end = bytes.length, limits?: ReaderLimits) {
    this.bytes = bytes
    this.position = start
    this.end = end
    this.#bufferBytesMax = limits === undefined ? Infinity : limits.bufferBytesMax
  }

  /** Starts over on other bytes, so that one reader can serve a whole connection. */
  reset(bytes: Buffer, start = 0, end = bytes.length): this {
    this.bytes = bytes
    this.position = start
    this.end = end
    return this
  }

  get remaining(): number {
    return this.end - this.position
  }

  int(): number {
    const at = this.#advance(4)
    const bytes = this.bytes
    return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
  }

  /** Signed, -128 to 127. */
  byte(): number {
    return (this.bytes[this.#advance(1)]! << 24) >> 24
  }

  bool(): boolean {
    return this.bytes[this.#advance(1)] !== 0
  }

  long(): bigint {
    const at = this.#advance(8)
    return longOf(intAt(this.bytes, at), intAt(this.bytes, at + 4))
  }

  /** A long of at most 53 bits as a number, such as a time in milliseconds. */
  longNumber(): number {
    const at = this.#advance(8)
    const value = intAt(this.bytes, at) * 0x1_0000_0000 + (intAt(this.bytes, at + 4) >>> 0)
    if (!Number.isSafeInteger(value)) throw new WireError('long beyond 53 bits', at)
    return value
  }

  /** Upper 32 bits (signed) of the long at the position, which stays: `skip(8)` passes it. */
  longHigh(): number {
    this.#need(8)
    return intAt(this.bytes, this.position)
  }

  /** Lower 32 bits (unsigned) of the long at the position, which stays: `skip(8)` passes it. */
  longLow(): number {
    this.#need(8)
    return intAt(this.bytes, this.position + 4) >>> 0
  }

  skip(n: number): void {
    if (n < 0) throw new WireError(`cannot skip ${n} bytes`, this.position)
    this.#advance(n)
  }

  /** A view of the bytes, not a copy: copy what is kept, or it pins its whole chunk. */
  buffer(): Buffer | null {
    return this.bufferRange() ? this.bytes.subarray(this.rangeStart, this.rangeEnd) : null
  }

  /**
   * Passes a buffer or string and leaves its bytes in `rangeStart` and `rangeEnd`: no allocation.
   * @returns false for null, with an empty range
   */
  bufferRange(): boolean {
    const length = this.int()
    this.rangeStart = this.position
    this.rangeEnd = this.position
    if (length === -1) return false
    if (length < 0 || length > this.#bufferBytesMax) {
      throw new WireError(`unreasonable length ${length}`, this.position - 4)
    }
    if (length > this.end - this.position) {
      throw new WireError(`length ${length} with ${this.remaining} bytes left`, this.position - 4)
    }
    this.position += length
    this.rangeEnd = this.position
    return true
  }

  string(): string | null {
    return this.bufferRange() ? decodeUtf8(this.bytes, this.rangeStart, this.rangeEnd) : null
  }

  /**
   * The count of a vector whose elements take at least `elementBytesMin` each: -1 for null. Other
   * negative counts are an empty vector, as Java reads them.
   */
  vectorCount(elementBytesMin: number): number {
    const count = this.int()
    if (count < 0) return count === -1 ? -1 : 0
    if (count * elementBytesMin > this.end - this.position) {
      throw new WireError(`${count} elements in ${this.remaining} bytes`, this.position - 4)
    }
    return count
  }

  /** Passes `n` bytes and returns where they start. */
  #advance(n: number): number {
    const at = this.position
    if (n > this.end - at) this.#tooShort(n)
    this.position = at + n
    return at
  }

  #need(n: number): void {
    if (n > this.end - this.position) this.#tooShort(n)
  }

  #tooShort(n: number): never {
    throw new WireError(`${n} bytes needed, ${this.remaining} left`, this.position)
  }
}

/** The signed int at `at`; the caller has checked the bounds. */
function intAt(bytes: Buffer, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

/** Plain UTF-8 of `bytes[start, end)`, with Java's replacement of what is malformed. */
export function decodeUtf8(bytes: Buffer, start: number, end: number): string {
  if (end - start <= SHORT_STRING_BYTES) {
    let text = ''
    let at = start
    for (; at < end; at++) {
      const unit = bytes[at]!
      if (unit >= 0x80) break
      text += String.fromCharCode(unit)
    }
    if (at === end) return text
  }
  const text = bytes.toString('utf8', start, end)
  return text.includes(REPLACEMENT) ? decodeMalformed(bytes, start, end) : text
}

/** Node replaces each byte of an encoded surrogate, Java the group of three: cut those out first. */
function decodeMalformed(bytes: Buffer, start: number, end: number): string {
  let text = ''
  let from = start
  for (let at = start; at + 2 < end; at++) {
    if (bytes[at] !== 0xed || bytes[at + 1]! < 0xa0 || bytes[at + 1]! > 0xbf) continue
    if ((bytes[at + 2]! & 0xc0) !== 0x80) continue
    text += bytes.toString('utf8', from, at) + REPLACEMENT
    at += 2
    from = at + 1
  }
  return text + bytes.toString('utf8', from, end)
}
