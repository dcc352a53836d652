/** Frames: whole, in order, each once, however the stream was chopped. */
import { describe, expect, test } from 'vitest'
import { FrameCutter } from '../../../ensemble/jute/frame-cutter.ts'
import { WireError } from '../../../ensemble/jute/wire-error.ts'
import { RandomValues } from '../../support/random-values.ts'

const frames = ['', 'a', 'bc', '', 'the fourth frame', 'x'.repeat(300)].map((text) =>
  Buffer.from(text),
)

describe('FrameCutter', () => {
  test('X-1 a stream split at every byte gives the same frames', () => {
    const stream = framed(frames)
    for (let split = 0; split <= stream.length; split++) {
      expect(cut([stream.subarray(0, split), stream.subarray(split)])).toEqual(frames)
    }
    expect(cut([...stream].map((byte) => Buffer.from([byte])))).toEqual(frames)
  })

  test.each([1, 2, 3])('X-1 any chunks of any frames (seed %i)', (seed) => {
    const random = new RandomValues(seed)
    for (let round = 0; round < 50; round++) {
      const sent = Array.from({ length: random.below(40) }, () =>
        random.bytes(random.pick([3, 60, 900])),
      )
      expect(cut(chop(framed(sent), random))).toEqual(sent)
    }
  })

  test('X-1 10^4 frames in one chunk, none of them copied', () => {
    const chunk = framed(Array.from({ length: 10_000 }, (_, i) => Buffer.from(`frame ${i}`)))
    const cutter = new FrameCutter({ frameBytesMax: 100 })
    let count = 0
    cutter.push(chunk, (bytes, start, end) => {
      expect(bytes).toBe(chunk)
      expect(bytes.toString('latin1', start, end)).toBe(`frame ${count}`)
      count++
    })
    expect(count).toBe(10_000)
    expect(cutter.pendingBytes).toBe(0)
  })

  test.each([-1, -0x80000000, 101, 0x7fffffff, 0x72756f6b])(
    'X-1 S-13 a length of %i is refused',
    (length) => {
      const prefix = Buffer.alloc(4)
      prefix.writeInt32BE(length)
      const whole = new FrameCutter({ frameBytesMax: 100 })
      expect(() => whole.push(prefix, unexpected)).toThrow(WireError)
      const split = new FrameCutter({ frameBytesMax: 100 })
      split.push(prefix.subarray(0, 3), unexpected)
      expect(() => split.push(prefix.subarray(3), unexpected)).toThrow(WireError)
    },
  )

  test('X-1 the longest frame passes, one byte more does not', () => {
    expect(cut([framed([Buffer.alloc(1000)])], 1000)).toEqual([Buffer.alloc(1000)])
    expect(() => cut([framed([Buffer.alloc(1001)])], 1000)).toThrow(WireError)
  })

  test('frames before an impossible length are delivered', () => {
    const seen: string[] = []
    const cutter = new FrameCutter({ frameBytesMax: 10 })
    const stream = Buffer.concat([framed([Buffer.from('ok')]), Buffer.from('ffffffff', 'hex')])
    expect(() =>
      cutter.push(stream, (b, s, e) => void seen.push(b.toString('latin1', s, e))),
    ).toThrow()
    expect(seen).toEqual(['ok'])
  })

  test('X-1 a long announced length reserves nothing: memory follows what was received', () => {
    const cutter = new FrameCutter({ frameBytesMax: 1 << 30 })
    const before = process.memoryUsage().arrayBuffers
    cutter.push(Buffer.from('3fffffff', 'hex'), unexpected)
    for (let i = 0; i < 100; i++) cutter.push(Buffer.alloc(10), unexpected)
    expect(cutter.pendingBytes).toBe(1004)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20)
  })

  test('a chunk may be reused by its owner once push has returned', () => {
    const cutter = new FrameCutter({ frameBytesMax: 100 })
    const chunk = framed([Buffer.from('abcdef')])
    const second = Buffer.from(chunk.subarray(7))
    cutter.push(chunk.subarray(0, 7), unexpected)
    chunk.fill(0)
    const seen: string[] = []
    cutter.push(second, (b, s, e) => void seen.push(b.toString('latin1', s, e)))
    expect(seen).toEqual(['abcdef'])
  })

  test.each([1, 2, 3])('false stops until resume, and nothing is lost (seed %i)', (seed) => {
    const random = new RandomValues(seed)
    for (let round = 0; round < 50; round++) {
      const sent = Array.from({ length: random.below(30) }, () => random.bytes(40))
      const cutter = new FrameCutter({ frameBytesMax: 1000 })
      const seen: Buffer[] = []
      const onFrame = (bytes: Buffer, start: number, end: number): boolean => {
        expect(cutter.isStopped).toBe(false)
        seen.push(Buffer.from(bytes.subarray(start, end)))
        return random.bool()
      }
      for (const chunk of chop(framed(sent), random)) {
        const before = seen.length
        const wasStopped = cutter.isStopped
        cutter.push(chunk, onFrame)
        if (wasStopped) expect(seen.length).toBe(before)
        while (cutter.isStopped && random.bool()) cutter.resume(onFrame)
      }
      while (cutter.isStopped) cutter.resume(onFrame)
      expect(seen).toEqual(sent)
      expect(cutter.pendingBytes).toBe(0)
    }
  })
})

function framed(bodies: readonly Buffer[]): Buffer {
  return Buffer.concat(
    bodies.flatMap((body) => {
      const prefix = Buffer.alloc(4)
      prefix.writeInt32BE(body.length)
      return [prefix, body]
    }),
  )
}

function chop(stream: Buffer, random: RandomValues): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0; at < stream.length;) {
    const length = 1 + random.below(random.pick([2, 10, 500]))
    chunks.push(stream.subarray(at, at + length))
    at += length
  }
  return chunks
}

/** Cuts chunks whose memory is overwritten after each push, but for frames being delivered. */
function cut(chunks: readonly Buffer[], frameBytesMax = 1000): Buffer[] {
  const cutter = new FrameCutter({ frameBytesMax })
  const seen: Buffer[] = []
  for (const chunk of chunks) {
    const own = Buffer.from(chunk)
    cutter.push(own, (bytes, start, end) => {
      seen.push(Buffer.from(bytes.subarray(start, end)))
    })
    own.fill(0xee)
  }
  expect(cutter.pendingBytes).toBe(0)
  return seen
}

function unexpected(): void {
  throw new Error('no frame is complete')
}
