/** Pure functions over node:zlib and node:crypto, open to the core: equal input, equal output. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { crc32 as zlibCrc32 } from 'node:zlib'

/** CRC-32 as zlib has it, continued from `value`. */
export function crc32(bytes: Uint8Array, value = 0): number {
  return zlibCrc32(bytes, value)
}

/**
 * Adler-32 of `bytes[start, end)`, continued from `value` (1 at the start).
 * 2,880 steps is the longest run whose sums stay exact in 32 bits of a double's integer range.
 */
export function adler32(bytes: Uint8Array, start: number, end: number, value = 1): number {
  let low = value & 0xffff
  let high = value >>> 16
  let at = start
  while (at < end) {
    const stop = Math.min(at + 2880, end)
    for (; at < stop; at++) {
      low += bytes[at]!
      high += low
    }
    low %= 65521
    high %= 65521
  }
  return ((high << 16) | low) >>> 0
}

export function sha1(bytes: Uint8Array): Buffer {
  return createHash('sha1').update(bytes).digest()
}

export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

export function hmacSha256(key: Uint8Array, bytes: Uint8Array): Buffer {
  return createHmac('sha256', key).update(bytes).digest()
}

/** Compares in a time that depends on the lengths only. */
export function equalInConstantTime(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right)
}
