/** The primitives of jute: what is written is read, to the byte as Java writes it. */
import { describe, expect, test } from 'vitest'
import { highOf, longOf, lowOf } from '../../../ensemble/jute/long-halves.ts'
import { decodeUtf8, Reader } from '../../../ensemble/jute/reader.ts'
import { WireError } from '../../../ensemble/jute/wire-error.ts'
import { Writer } from '../../../ensemble/jute/writer.ts'
import { RandomValues } from '../../support/random-values.ts'

describe('Writer', () => {
  test("every primitive is big-endian two's complement", () => {
    const writer = new Writer()
    writer.int(-2)
    writer.byte(-1)
    writer.bool(true)
    writer.bool(false)
    writer.long(-3n)
    writer.longParts(1, 0xffff_ffff)
    writer.longNumber(-1)
    writer.longNumber(1_763_726_000_123)
    expect(writer.written().toString('hex')).toBe(
      'fffffffe' +
        'ff' +
        '01' +
        '00' +
        'fffffffffffffffd' +
        '00000001ffffffff' +
        'ffffffffffffffff' +
        '0000019aa642fffb',
    )
  })

  test('null is length -1 and empty is length 0, for buffers and strings', () => {
    const writer = new Writer()
    writer.buffer(null)
    writer.buffer(Buffer.alloc(0))
    writer.string(null)
    writer.string('')
    expect(writer.written().toString('hex')).toBe('ffffffff00000000ffffffff00000000')
  })

  test.each([
    ['ASCII', '/a', '2f61'],
    ['two and three bytes', 'é漢', 'c3a9e6bca2'],
    ['NUL is one byte', '\0', '00'],
    ['the last of the BMP', '\uffff', 'efbfbf'],
    ['outside the BMP, each half of the pair by itself', '😀', 'eda0bdedb880'],
    ['a half without the other', 'a\ud800', '61eda080'],
  ])('a string as Java encodes it: %s', (_, text, hex) => {
    for (const padding of ['', 'x'.repeat(100), 'é'.repeat(5000)]) {
      const writer = new Writer(16)
      writer.string(padding + text)
      const bytes = Buffer.concat([Buffer.from(padding), Buffer.from(hex, 'hex')])
      expect(writer.written().readInt32BE(0)).toBe(bytes.length)
      expect(writer.written().subarray(4).equals(bytes)).toBe(true)
    }
  })

  test('grows by itself, and `view` follows `bytes`', () => {
    const writer = new Writer(16)
    for (let i = 0; i < 1000; i++) writer.int(i)
    writer.patchInt(0, 77)
    const reader = new Reader(writer.written())
    expect(reader.int()).toBe(77)
    for (let i = 1; i < 1000; i++) expect(reader.int()).toBe(i)
  })

  test('raw writes a range without a length', () => {
    const writer = new Writer(16)
    writer.raw(Buffer.from('abcdef'), 2, 4)
    writer.raw(Buffer.from('xyz'))
    expect(writer.written().toString()).toBe('cdxyz')
  })

  test('what take() gave away is not written again', () => {
    const writer = new Writer(16)
    writer.string('first')
    const first = writer.take()
    writer.string('other')
    expect(first.toString('latin1', 4)).toBe('first')
    expect(writer.written().toString('latin1', 4)).toBe('other')
    writer.reset()
    expect(writer.position).toBe(0)
  })
})

describe('Reader', () => {
  test.each([1, 2, 3])('reads what Writer wrote, wherever it lies (seed %i)', (seed) => {
    const random = new RandomValues(seed)
    for (let round = 0; round < 200; round++) {
      const writer = new Writer(16)
      const padding = random.bytes(9)
      writer.raw(padding)
      const checks: ((reader: Reader) => void)[] = []
      for (let i = 0; i < 20; i++) checks.push(writeRandom(writer, random))
      const end = writer.position
      writer.raw(random.bytes(9))
      const reader = new Reader(writer.written(), padding.length, end)
      for (const check of checks) check(reader)
      expect(reader.remaining).toBe(0)
    }
  })

  test('byte is signed, every byte but 0 is true', () => {
    const reader = new Reader(Buffer.from([0x80, 5, 0, 0xff]))
    expect([reader.byte(), reader.bool(), reader.bool(), reader.bool()]).toEqual([
      -128,
      true,
      false,
      true,
    ])
  })

  test('a long in halves, without moving', () => {
    const reader = new Reader(Buffer.from('fffffffeffffffff', 'hex'))
    expect([reader.longHigh(), reader.longLow(), reader.position]).toEqual([-2, 0xffff_ffff, 0])
    reader.skip(8)
    expect(reader.remaining).toBe(0)
    expect(() => reader.longHigh()).toThrow(WireError)
    expect(() => reader.longLow()).toThrow(WireError)
  })

  test('buffer is a view, bufferRange its place', () => {
    const bytes = Buffer.from('00000002aabbffffffff', 'hex')
    const reader = new Reader(bytes)
    const view = reader.buffer()!
    expect(view.buffer).toBe(bytes.buffer)
    expect([reader.rangeStart, reader.rangeEnd]).toEqual([4, 6])
    expect(reader.bufferRange()).toBe(false)
    expect(reader.rangeEnd - reader.rangeStart).toBe(0)
    reader.reset(bytes)
    expect(reader.bufferRange()).toBe(true)
    expect(bytes.toString('hex', reader.rangeStart, reader.rangeEnd)).toBe('aabb')
  })

  test.each([
    ['-2', -2, 'unreasonable length -2'],
    ['the least int', -0x80000000, 'unreasonable length'],
    ['more than is left', 5, 'length 5 with 4 bytes left'],
    ['2^31-1', 0x7fffffff, 'unreasonable length'],
    ['above the limit', 101, 'unreasonable length 101'],
  ])('S-12 X-1 a length of %s is refused before anything is allocated', (_, length, text) => {
    const writer = new Writer()
    writer.int(length)
    writer.raw(length === 101 ? Buffer.alloc(200) : Buffer.alloc(4))
    const limits = { bufferBytesMax: 100 }
    const reader = (): Reader => new Reader(writer.written(), 0, writer.position, limits)
    expect(() => reader().buffer()).toThrow(text)
    expect(() => reader().string()).toThrow(text)
    expect(() => reader().bufferRange()).toThrow(WireError)
  })

  test('S-12 nothing outside of the range is looked at', () => {
    const reader = new Reader(Buffer.alloc(100), 10, 13)
    expect(() => reader.int()).toThrow('4 bytes needed, 3 left at offset 10')
    expect(() => reader.long()).toThrow(WireError)
    expect(() => reader.longNumber()).toThrow(WireError)
    expect(() => reader.skip(4)).toThrow(WireError)
    expect(() => reader.skip(-1)).toThrow(WireError)
    reader.skip(3)
    expect(() => reader.bool()).toThrow(WireError)
    expect(() => reader.byte()).toThrow(WireError)
  })

  test('S-12 X-3 a vector needs as many bytes as its elements take at least', () => {
    const counted = (count: number, bytes: number): Reader => {
      const writer = new Writer()
      writer.int(count)
      writer.raw(Buffer.alloc(bytes))
      return new Reader(writer.written())
    }
    expect(counted(3, 12).vectorCount(4)).toBe(3)
    expect(() => counted(4, 12).vectorCount(4)).toThrow('4 elements in 12 bytes')
    expect(() => counted(0x7fffffff, 12).vectorCount(4)).toThrow(WireError)
    expect(counted(-1, 0).vectorCount(4)).toBe(-1)
    expect(counted(-2, 0).vectorCount(4)).toBe(0) // an empty loop in Java
  })

  test.each([
    ['an encoded surrogate, one for its three bytes', 'eda0bd', '\ufffd'],
    ['a pair of them', '61eda0bdedb88062', 'a\ufffd\ufffdb'],
    ['four proper bytes', 'f09f9880', '😀'],
    ['a lone continuation', '6180', 'a\ufffd'],
    ['a group cut short', 'e282', '\ufffd'],
    ['a replacement character that was sent', 'efbfbd', '\ufffd'],
    ['a byte order mark', 'efbbbf61', '\ufeffa'],
  ])('text that is malformed is replaced as in Java: %s', (_, hex, text) => {
    for (const padding of ['', 'long enough for the other path ']) {
      const bytes = Buffer.concat([Buffer.from(padding), Buffer.from(hex, 'hex')])
      expect(decodeUtf8(bytes, 0, bytes.length)).toBe(padding + text)
    }
  })
})

test.each([0n, 1n, -1n, 0x7fff_ffff_ffff_ffffn, -0x8000_0000_0000_0000n, 0x1_8000_0000n])(
  'a long is the sum of its halves: %s',
  (value) => {
    expect(highOf(value)).toBe(Number(value >> 32n))
    expect(lowOf(value)).toBe(Number(value & 0xffff_ffffn))
    expect(longOf(highOf(value), lowOf(value))).toBe(value)
    expect(longOf(highOf(value), lowOf(value) | 0)).toBe(value)
  },
)

/** Writes one value of a random kind and returns the check that reads it. */
function writeRandom(writer: Writer, random: RandomValues): (reader: Reader) => void {
  switch (random.below(7)) {
    case 0: {
      const value = random.int32()
      writer.int(value)
      return (reader) => expect(reader.int()).toBe(value)
    }
    case 1: {
      const value = random.int64()
      writer.long(value)
      return (reader) => expect(reader.long()).toBe(value)
    }
    case 2: {
      const value = random.int53()
      writer.longNumber(value)
      return (reader) => expect(reader.longNumber()).toBe(value)
    }
    case 3: {
      const value = random.bool() ? null : random.bytes(70)
      writer.buffer(value)
      return (reader) => expect(reader.buffer()).toEqual(value)
    }
    case 4: {
      const value = random.bool() ? null : random.text(90)
      writer.string(value)
      return (reader) => expect(reader.string()).toBe(value)
    }
    case 5: {
      const value = random.bool()
      writer.bool(value)
      return (reader) => expect(reader.bool()).toBe(value)
    }
    default: {
      const value = random.int64()
      writer.longParts(Number(value >> 32n), Number(value & 0xffff_ffffn))
      return (reader) => expect(reader.long()).toBe(value)
    }
  }
}
