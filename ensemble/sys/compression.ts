/** Decompression by node:zlib, as a transformation of pieces: equal input, equal output. */
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'

/** The contents of one gzip stream, piece by piece; throws when it is cut short or corrupt. */
export async function* gunzip(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
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
