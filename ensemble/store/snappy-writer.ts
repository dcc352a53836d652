/**
 * Writes the snappy streams that Apache reads: a header of 16 bytes, then chunks, each an int length and
 * one raw block of at most 32 KiB of contents.
 *
 * Greedy, as the format's own encoder: the last place of each hash of four bytes is remembered, a match
 * there becomes a copy, everything else literals. Runs without a match are skipped ever faster.
 * Source: disk-format 3.3; google/snappy format_description.txt.
 */
import type { Packer } from '../sys/compression.ts'
import { SNAPPY_MAGIC } from './snappy.ts'

const BLOCK_BYTES = 32 * 1024
const HASH_BITS = 13
const MATCH_BYTES_MIN = 4
const COPY_BYTES_MAX = 64
const LITERAL = 0
const COPY_2 = 2

/** @param pause called after each block, so that others get their turn */
export function snappyPacker(pause: () => Promise<void>): Packer {
  let held: Buffer = Buffer.alloc(0)
  let hasHeader = false
  const pack = async (isLast: boolean): Promise<Buffer> => {
    const packed: Buffer[] = []
    if (!hasHeader) {
      const header = Buffer.alloc(SNAPPY_MAGIC.length + 8)
      SNAPPY_MAGIC.copy(header)
      header.writeInt32BE(1, SNAPPY_MAGIC.length) // version
      header.writeInt32BE(1, SNAPPY_MAGIC.length + 4) // least version that can read it
      packed.push(header)
      hasHeader = true
    }
    let at = 0
    while (held.length - at >= BLOCK_BYTES || (isLast && at < held.length)) {
      const block = encodeBlock(held.subarray(at, at + BLOCK_BYTES))
      const length = Buffer.alloc(4)
      length.writeInt32BE(block.length)
      packed.push(length, block)
      at += BLOCK_BYTES
      await pause()
    }
    held = Buffer.from(held.subarray(at))
    return Buffer.concat(packed)
  }
  return {
    push: (piece) => {
      held = Buffer.concat([held, piece])
      return pack(false)
    },
    end: () => pack(true),
  }
}

/** Encodes one raw block of at most 64 KiB. */
export function encodeBlock(contents: Buffer): Buffer {
  const size = contents.length
  // Literals cost one byte in sixty at worst, and the length in front three.
  const block = Buffer.alloc(size + Math.ceil(size / 60) + 16)
  let to = 0
  for (let rest = size; ; rest >>>= 7) {
    block[to++] = rest < 0x80 ? rest : (rest & 0x7f) | 0x80
    if (rest < 0x80) break
  }
  const literal = (from: number, end: number): void => {
    if (from === end) return
    const length = end - from - 1
    if (length < 60) block[to++] = (length << 2) | LITERAL
    else if (length < 0x100) {
      block[to++] = (60 << 2) | LITERAL
      block[to++] = length
    } else {
      block[to++] = (61 << 2) | LITERAL
      to = block.writeUInt16LE(length, to)
    }
    contents.copy(block, to, from, end)
    to += end - from
  }

  const places = new Int32Array(1 << HASH_BITS).fill(-1)
  let pending = 0
  let at = 0
  let misses = 0
  while (at + MATCH_BYTES_MIN <= size) {
    const word = contents.readInt32LE(at)
    const hash = Math.imul(word, 0x1e35a7bd) >>> (32 - HASH_BITS)
    const candidate = places[hash]!
    places[hash] = at
    if (candidate < 0 || contents.readInt32LE(candidate) !== word) {
      at += 1 + (misses++ >>> 5)
      continue
    }
    literal(pending, at)
    let end = at + MATCH_BYTES_MIN
    while (end < size && contents[end] === contents[candidate + end - at]) end++
    const offset = at - candidate
    for (let left = end - at; left > 0;) {
      const length = Math.min(left, COPY_BYTES_MAX)
      block[to++] = ((length - 1) << 2) | COPY_2
      to = block.writeUInt16LE(offset, to)
      left -= length
    }
    at = end
    pending = end
    misses = 0
  }
  literal(pending, size)
  return block.subarray(0, to)
}
