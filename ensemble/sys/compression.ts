/**
 * gzip by node:zlib, as a transformation of pieces: equal input, equal output. The module is loaded
 * with the first stream that needs it; it works beside the event loop.
 */
import { Readable } from 'node:stream'

/** The contents of one gzip stream, piece by piece; throws when it is cut short or corrupt. */
export async function* gunzip(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const { createGunzip } = await import('node:zlib')
  const compressed = Readable.from(source)
  const contents = compressed.pipe(createGunzip())
  compressed.on('error', (error) => contents.destroy(error))
  try {
    // true: a stream without encoding or object mode gives Buffers
    for await (const piece of contents) yield piece as Buffer
  } finally {
    compressed.destroy()
  }
}

/** Turns the contents of a stream into what is stored, piece by piece. */
export interface Packer {
  /** What can be stored by now; `piece` may be changed once it resolves. */
  push(piece: Buffer): Promise<Buffer>
  /** The rest. */
  end(): Promise<Buffer>
}

/** One gzip member. */
export async function gzipPacker(): Promise<Packer> {
  const { createGzip } = await import('node:zlib')
  const stream = createGzip()
  let packed: Buffer[] = []
  let failure: Error | null = null
  stream.on('data', (piece: Buffer) => packed.push(piece))
  stream.on('error', (error) => (failure = error))
  const taken = (): Buffer => {
    const all = Buffer.concat(packed)
    packed = []
    return all
  }
  return {
    push: (piece) =>
      new Promise((resolve, reject) => {
        stream.write(piece, (error) => (error ? reject(failure ?? error) : resolve(taken())))
      }),
    end: () =>
      new Promise((resolve, reject) => {
        stream.once('end', () => resolve(taken()))
        stream.once('error', reject)
        stream.end()
      }),
  }
}
