/**
 * Reads the snappy streams that Apache writes: a header of 16 bytes, then chunks, each an int length
 * and one raw snappy block of at most 32 KiB of contents.
 *
 * No length is believed before it was checked against what is there.
 * Source: disk-format 3.3; google/snappy format_description.txt.
 */
export const SNAPPY_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])

const HEADER_BYTES = 16
/** Apache writes 32 KiB; other writers of the format up to this much. */
const BLOCK_BYTES_MAX = 1024 * 1024

/** The contents of a stream; throws when it is cut short or corrupt. */
export async function* unsnappy(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  let hasHeader = false
  for await (const piece of source) {
    rest = rest.length === 0 ? piece : Buffer.concat([rest, piece])
    if (!hasHeader) {
      if (rest.length < HEADER_BYTES) continue
      if (!rest.subarray(0, SNAPPY_MAGIC.length).equals(SNAPPY_MAGIC)) {
        throw new Error('no header of a snappy stream')
      }
      rest = rest.subarray(HEADER_BYTES)
      hasHeader = true
    }
    let at = 0
    while (rest.length - at >= 4) {
      const length = rest.readUInt32BE(at)
      if (length > BLOCK_BYTES_MAX) throw new Error(`snappy block of ${length} bytes`)
      if (rest.length - at - 4 < length) break
      yield decodeBlock(rest.subarray(at + 4, at + 4 + length))
      at += 4 + length
    }
    rest = rest.subarray(at)
  }
  if (!hasHeader || rest.length > 0) throw new Error('snappy stream cut short')
}

/** Decodes one raw block. */
export function decodeBlock(block: Buffer): Buffer {
  let at = 0
  const byte = () => {
    if (at >= block.length) throw new Error('snappy block cut short')
    return block[at++]!
  }
  const little = (bytes: number) => {
    let value = 0
    for (let shift = 0; shift < bytes; shift++) value += byte() * 2 ** (8 * shift)
    return value
  }
  let size = 0
  for (let shift = 0; ; shift += 7) {
    const next = byte()
    size += (next & 0x7f) * 2 ** shift
    if (next < 0x80) break
    if (shift > 21) throw new Error('snappy block of unreasonable size')
  }
  if (size > BLOCK_BYTES_MAX) throw new Error(`snappy block of ${size} bytes`)

  const contents = Buffer.alloc(size)
  let filled = 0
  while (at < block.length) {
    const tag = byte()
    const kind = tag & 3
    if (kind === 0) {
      const short = tag >>> 2
      const length = (short < 60 ? short : little(short - 59)) + 1
      if (length > block.length - at || length > size - filled)
        throw new Error('bad snappy literal')
      block.copy(contents, filled, at, at + length)
      at += length
      filled += length
      continue
    }
    const length = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1
    const offset = kind === 1 ? (tag >>> 5) * 256 + byte() : little(kind === 2 ? 2 : 4)
    if (offset === 0 || offset > filled || length > size - filled)
      throw new Error('bad snappy copy')
    // byte by byte: a copy may read what it has just written
    for (let i = 0; i < length; i++, filled++) contents[filled] = contents[filled - offset]!
  }
  if (filled !== size) throw new Error('snappy block shorter than it says')
  return contents
}
