/**
 * Encodes jute values into one growing buffer, big-endian.
 *
 * Invariants:
 * 1. `bytes[0, position)` is what was written; `bytes` and `view` cover the same memory, and both
 *    are replaced when it grows.
 * 2. `written()` is a view, valid until the next write or `reset()`; `take()` gives memory away.
 *
 * Source: BinaryOutputArchive.java, 3.9.5. Its strings encode each UTF-16 unit by itself, so a
 * character outside the BMP becomes two groups of three bytes (CESU-8), as here.
 */
import { highOf, lowOf } from './long-halves.ts'

const CAPACITY_DEFAULT = 1024

/** Up to this many units a loop over the string beats the call into native code (45 ns). */
const SHORT_STRING_UNITS = 20

/** Up to this many bytes a loop beats the call into native code. */
const SHORT_RANGE_BYTES = 40

/** Above this many units the exact size is computed, rather than three bytes a unit reserved. */
const LONG_STRING_UNITS = 4096

const SURROGATE = /[\ud800-\udfff]/

export class Writer {
  bytes: Buffer
  view: DataView
  position = 0
  readonly #capacityBytes: number

  constructor(capacityBytes = CAPACITY_DEFAULT) {
    this.#capacityBytes = Math.max(capacityBytes, 16)
    this.bytes = Buffer.allocUnsafeSlow(this.#capacityBytes)
    this.view = viewOf(this.bytes)
  }

  /** Makes room for `n` more bytes. */
  reserve(n: number): void {
    if (this.position + n > this.bytes.length) this.#grow(this.position + n)
  }

  int(value: number): void {
    if (this.position + 4 > this.bytes.length) this.#grow(this.position + 4)
    this.view.setInt32(this.position, value)
    this.position += 4
  }

  byte(value: number): void {
    if (this.position + 1 > this.bytes.length) this.#grow(this.position + 1)
    this.bytes[this.position++] = value
  }

  bool(value: boolean): void {
    this.byte(value ? 1 : 0)
  }

  long(value: bigint): void {
    this.longParts(highOf(value), lowOf(value))
  }

  /** A long without a bigint: its upper and lower 32 bits, each signed or unsigned. */
  longParts(high: number, low: number): void {
    if (this.position + 8 > this.bytes.length) this.#grow(this.position + 8)
    this.view.setInt32(this.position, high)
    this.view.setInt32(this.position + 4, low)
    this.position += 8
  }

  /** A long held as a whole number of at most 53 bits, such as a time in milliseconds. */
  longNumber(value: number): void {
    this.longParts(Math.floor(value / 0x1_0000_0000), value >>> 0)
  }

  /** Length and bytes; null is length -1, which is not the same as empty. */
  buffer(value: Uint8Array | null): void {
    if (value === null) {
      this.int(-1)
      return
    }
    this.reserve(4 + value.length)
    this.int(value.length)
    this.bytes.set(value, this.position)
    this.position += value.length
  }

  /** Length in bytes and CESU-8; null is length -1. */
  string(value: string | null): void {
    if (value === null) {
      this.int(-1)
      return
    }
    if (value.length > SHORT_STRING_UNITS || !this.#shortAscii(value)) this.#anyString(value)
  }

  /** Length and bytes of `[start, end)`. */
  range(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start
    if (this.position + 4 + length > this.bytes.length) this.#grow(this.position + 4 + length)
    this.view.setInt32(this.position, length)
    const to = this.position + 4
    if (length > SHORT_RANGE_BYTES) this.bytes.set(bytes.subarray(start, end), to)
    else for (let at = 0; at < length; at++) this.bytes[to + at] = bytes[start + at]!
    this.position = to + length
  }

  /** Bytes `[start, end)` without a length. */
  raw(bytes: Uint8Array, start = 0, end = bytes.length): void {
    this.reserve(end - start)
    this.bytes.set(
      start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end),
      this.position,
    )
    this.position += end - start
  }

  /** Overwrites an int written before, such as a length known only afterwards. */
  patchInt(at: number, value: number): void {
    this.view.setInt32(at, value)
  }

  reset(): void {
    this.position = 0
  }

  /** What was written: a view, valid until the next write. */
  written(): Buffer {
    return this.bytes.subarray(0, this.position)
  }

  /** Hands over what was written and starts again with fresh memory. */
  take(): Buffer {
    const taken = this.written()
    this.bytes = Buffer.allocUnsafeSlow(this.#capacityBytes)
    this.view = viewOf(this.bytes)
    this.position = 0
    return taken
  }

  /** Writes `value` if it is ASCII; otherwise nothing counts as written and it returns false. */
  #shortAscii(value: string): boolean {
    const length = value.length
    this.reserve(4 + length)
    const bytes = this.bytes
    const start = this.position + 4
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i)
      if (unit >= 0x80) return false
      bytes[start + i] = unit
    }
    this.view.setInt32(this.position, length)
    this.position = start + length
    return true
  }

  #anyString(value: string): void {
    const units = value.length
    this.reserve(4 + (units > LONG_STRING_UNITS ? Buffer.byteLength(value) : units * 3))
    const start = this.position + 4
    const length = SURROGATE.test(value)
      ? this.#cesu8(value, start)
      : this.bytes.write(value, start, 'utf8')
    this.view.setInt32(this.position, length)
    this.position = start + length
  }

  #cesu8(value: string, start: number): number {
    this.reserve(4 + value.length * 3)
    const bytes = this.bytes
    let at = start
    for (let i = 0; i < value.length; i++) {
      const unit = value.charCodeAt(i)
      if (unit < 0x80) {
        bytes[at++] = unit
      } else if (unit < 0x800) {
        bytes[at++] = 0xc0 | (unit >> 6)
        bytes[at++] = 0x80 | (unit & 0x3f)
      } else {
        bytes[at++] = 0xe0 | (unit >> 12)
        bytes[at++] = 0x80 | ((unit >> 6) & 0x3f)
        bytes[at++] = 0x80 | (unit & 0x3f)
      }
    }
    return at - start
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2))
    grown.set(this.bytes.subarray(0, this.position))
    this.bytes = grown
    this.view = viewOf(grown)
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
