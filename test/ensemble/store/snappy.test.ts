/** Snappy as we write it, held to the decoder that reads Apache's recordings. */
import { expect, test } from 'vitest'
import { decodeBlock, unsnappy } from '../../../ensemble/store/snappy.ts'
import { encodeBlock, snappyPacker } from '../../../ensemble/store/snappy-writer.ts'
import { seededRandom } from '../../simulation/sim-file-system.ts'
import { below } from '../../../ensemble/sys/random.ts'

const random = seededRandom(7)

/** Bytes with repetitions of any length and distance, and with none. */
function contents(bytes: number, alphabet: number): Buffer {
  const result = Buffer.alloc(bytes)
  for (let at = 0; at < bytes;) {
    const copied = at > 0 && below(random, 3) === 0 ? below(random, 200) : 0
    const from = below(random, at + 1)
    for (let i = 0; i < copied && at < bytes; i++, at++) result[at] = result[from + i]!
    if (at < bytes) result[at++] = below(random, alphabet)
  }
  return result
}

test.each([
  ['nothing', Buffer.alloc(0)],
  ['one byte', Buffer.from('a')],
  ['three', Buffer.from('aaa')],
  ['zeros', Buffer.alloc(32_768)],
  ['sixty literals', Buffer.from(Array.from({ length: 60 }, (_, i) => i))],
  ['sixty-one', Buffer.from(Array.from({ length: 61 }, (_, i) => i))],
  ['bytes without a match', contents(32_768, 256)],
])('a block of %s comes back', (_name, plain) => {
  expect(decodeBlock(encodeBlock(plain)).equals(plain)).toBe(true)
})

test('blocks of any contents come back, and repetitions make them smaller', () => {
  for (let round = 0; round < 300; round++) {
    const plain = contents(below(random, 32_769), 2 + below(random, 255))
    expect(decodeBlock(encodeBlock(plain)).equals(plain)).toBe(true)
  }
  expect(encodeBlock(Buffer.from('/orders/item-'.repeat(2000))).length).toBeLessThan(2000)
})

test('a stream comes back however it was cut, in blocks of at most 32 KiB', async () => {
  for (const pieceBytes of [1000, 32_768, 100_000]) {
    const plain = contents(200_001, 16)
    let blocks = 0
    const packer = snappyPacker(async () => void blocks++)
    const packed: Buffer[] = []
    for (let at = 0; at < plain.length; at += pieceBytes) {
      packed.push(await packer.push(plain.subarray(at, at + pieceBytes)))
    }
    packed.push(await packer.end())
    expect(blocks).toBe(7)
    const pieces: Buffer[] = []
    for await (const piece of unsnappy(one(Buffer.concat(packed)))) pieces.push(piece)
    expect(pieces.every((piece) => piece.length <= 32_768)).toBe(true)
    expect(Buffer.concat(pieces).equals(plain)).toBe(true)
  }
})

async function* one(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}
