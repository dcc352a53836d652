/**
 * Reads snapshots back, whole or only to see whether they are valid.
 *
 * Invariant: a result was checked from the first byte to the last: structure, every seal, and nothing
 * behind the last one. Whatever is wrong with the contents is a `SnapshotError` (the next older one
 * may do); errors of the file system are thrown as StoreError (nothing may be concluded from them).
 */
import { WireError } from '../jute/wire-error.ts'
import { gunzip } from '../sys/compression.ts'
import type { File, FileSystem } from '../sys/file-system.ts'
import { adler32 } from '../sys/hash.ts'
import { hex } from '../protocol/zxid.ts'
import { SnapshotBodyReader } from '../tree/snapshot-body.ts'
import type { Tree, TreeOptions } from '../tree/tree.ts'
import type { SnapshotName } from './file-names.ts'
import { unsnappy } from './snappy.ts'
import {
  DIGEST_VERSION,
  isSeal,
  SEAL_BYTES,
  SNAPSHOT_HEADER_BYTES,
  SNAPSHOT_MAGIC,
  TRAILER_BYTES,
  ZXID_SECTION_BYTES,
} from './snapshot-format.ts'
import { storeError } from './store-error.ts'

const PIECE_BYTES = 1024 * 1024
const CHECK_PIECE_BYTES = 64 * 1024
/** The longest trailer, with room for a digest of version 1 as text. */
const TRAILER_BYTES_MAX = SEAL_BYTES + TRAILER_BYTES[0] + 64

/** The contents of a snapshot are not valid; `offset` counts in the uncompressed stream. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError'
  readonly offset: number

  constructor(what: string, offset: number, options?: ErrorOptions) {
    super(`${what} at offset ${offset}`, options)
    this.offset = offset
  }
}

export interface SnapshotDigest {
  /** Of the last transaction applied when the section was written; above the file's if fuzzy. */
  readonly zxid: bigint
  readonly version: number
  /** null in a version that is not ours. */
  readonly treeDigest: bigint | null
}

export interface LoadedSnapshot {
  readonly tree: Tree
  readonly sessions: Map<bigint, number>
  readonly digest: SnapshotDigest | null
  /** Of the zxid section; null when the writer left it out. The zxid of the file's name counts more. */
  readonly lastProcessedZxid: bigint | null
}

type Trailer = Pick<LoadedSnapshot, 'digest' | 'lastProcessedZxid'>

/**
 * @param bytesMax of its contents: a stream that grows beyond that when it is unpacked is refused (S-14)
 * @throws SnapshotError, StoreError
 */
export async function readSnapshot(
  files: FileSystem,
  directory: string,
  snapshot: SnapshotName,
  treeOptions: TreeOptions,
  bytesMax = Number.POSITIVE_INFINITY,
): Promise<LoadedSnapshot> {
  const body = new SnapshotBodyReader(treeOptions)
  let header: Buffer = Buffer.alloc(0)
  let trailer: Buffer = Buffer.alloc(0)
  let checksum = 1
  let offset = 0
  await eachPiece(files, directory, snapshot, PIECE_BYTES, (given) => {
    let piece = given
    if (offset + piece.length > bytesMax) {
      throw new SnapshotError(`more than ${bytesMax} bytes of contents`, offset)
    }
    if (offset < SNAPSHOT_HEADER_BYTES) {
      header = Buffer.concat([header, piece])
      if (header.length < SNAPSHOT_HEADER_BYTES) return
      if (header.readUInt32BE(0) !== SNAPSHOT_MAGIC) throw new SnapshotError('wrong magic', 0)
      checksum = adler32(header, 0, SNAPSHOT_HEADER_BYTES)
      offset = SNAPSHOT_HEADER_BYTES
      piece = header.subarray(SNAPSHOT_HEADER_BYTES)
    }
    let used = 0
    if (!body.done) {
      try {
        used = body.push(piece)
      } catch (error) {
        if (!(error instanceof WireError)) throw error
        throw new SnapshotError(error.message, SNAPSHOT_HEADER_BYTES + error.offset, {
          cause: error,
        })
      }
      checksum = adler32(piece, 0, used, checksum)
      offset += used
    }
    if (used === piece.length) return
    trailer = Buffer.concat([trailer, piece.subarray(used)])
    if (trailer.length > TRAILER_BYTES_MAX) throw new SnapshotError('bytes behind the end', offset)
  })
  if (!body.done) throw new SnapshotError('the file ends inside the body', offset)
  return { ...readTrailer(trailer, checksum, offset, snapshot), ...body.result() }
}

/** Checks magic and seals without building a tree. @throws SnapshotError, StoreError */
export async function checkSnapshot(
  files: FileSystem,
  directory: string,
  snapshot: SnapshotName,
): Promise<void> {
  const keep = SEAL_BYTES + TRAILER_BYTES[0]
  let held: Buffer = Buffer.alloc(0)
  let checksum = 1
  let offset = 0
  await eachPiece(files, directory, snapshot, CHECK_PIECE_BYTES, (piece) => {
    const bytes = held.length === 0 ? piece : Buffer.concat([held, piece])
    if (offset === 0 && bytes.length >= 4 && bytes.readUInt32BE(0) !== SNAPSHOT_MAGIC) {
      throw new SnapshotError('wrong magic', 0)
    }
    const end = Math.max(0, bytes.length - keep)
    checksum = adler32(bytes, 0, end, checksum)
    offset += end
    held = Buffer.from(bytes.subarray(end))
  })
  for (const trailerBytes of TRAILER_BYTES) {
    const at = held.length - trailerBytes - SEAL_BYTES
    if (at < 0 || !isSeal(held, at, adler32(held, 0, at, checksum))) continue
    readTrailer(held.subarray(at), adler32(held, 0, at, checksum), offset + at, snapshot)
    return
  }
  throw new SnapshotError('no valid seal', offset)
}

function readTrailer(
  trailer: Buffer,
  bodyChecksum: number,
  offset: number,
  named: SnapshotName,
): Trailer {
  let at = 0
  let checksum = bodyChecksum
  const seal = (what: string) => {
    if (!isSeal(trailer, at, checksum))
      throw new SnapshotError(`wrong seal of ${what}`, offset + at)
    checksum = adler32(trailer, at, at + SEAL_BYTES, checksum)
    at += SEAL_BYTES
  }
  const pass = (bytes: number) => {
    if (at + bytes > trailer.length) throw new SnapshotError('cut short', offset + trailer.length)
    checksum = adler32(trailer, at, at + bytes, checksum)
    at += bytes
    return at - bytes
  }
  seal('the body')
  let digest: SnapshotDigest | null = null
  if (trailer.length - at > ZXID_SECTION_BYTES) {
    const start = pass(12)
    const zxid = trailer.readBigInt64BE(start)
    const version = trailer.readInt32BE(start + 8)
    if (version < DIGEST_VERSION) {
      const lengthAt = pass(4)
      pass(Math.max(0, trailer.readInt32BE(lengthAt)))
      digest = { zxid, version, treeDigest: null }
    } else {
      const treeDigest = trailer.readBigInt64BE(pass(8))
      const isOurs = version === DIGEST_VERSION
      digest = { zxid, version, treeDigest: isOurs ? treeDigest : null }
    }
    seal('the digest')
  }
  let lastProcessedZxid: bigint | null = null
  if (at < trailer.length) {
    // The zxid in the file's name counts, as in Apache. This one was read when the tree had been
    // written, so it is never below the name, unless the file got the name of another.
    const start = pass(8)
    lastProcessedZxid = trailer.readBigInt64BE(start)
    seal('the zxid')
    if (lastProcessedZxid < named.zxid) {
      throw new SnapshotError(
        `it ends at ${hex(lastProcessedZxid)}, before the zxid of its name`,
        offset + start,
      )
    }
  }
  if (at < trailer.length) throw new SnapshotError('bytes behind the end', offset + at)
  return { digest, lastProcessedZxid }
}

async function eachPiece(
  files: FileSystem,
  directory: string,
  snapshot: SnapshotName,
  pieceBytes: number,
  onPiece: (piece: Buffer) => void,
): Promise<void> {
  const path = `${directory}/${snapshot.name}`
  let file: File
  try {
    file = await files.open(path, 'read')
  } catch (error) {
    throw storeError('cannot open a snapshot', path, error)
  }
  const { stream } = snapshot
  const plain = piecesOf(file, pieceBytes, stream === 'plain')
  const pieces = stream === 'gz' ? gunzip(plain) : stream === 'snappy' ? unsnappy(plain) : plain
  try {
    for await (const piece of pieces) onPiece(piece)
  } catch (error) {
    if (error instanceof ReadError) throw storeError('cannot read a snapshot', path, error.cause)
    if (error instanceof SnapshotError || stream === 'plain') throw error
    throw new SnapshotError(error instanceof Error ? error.message : String(error), 0, {
      cause: error,
    })
  } finally {
    await file.close().catch(() => {})
  }
}

/** The file could not be read; `cause` is the system's error. */
class ReadError extends Error {
  override readonly name = 'ReadError'
}

/**
 * The pieces of a file; while one is looked at, the next one is read.
 * @param isPassing nobody keeps a piece: two buffers in turn are enough for all of them
 */
async function* piecesOf(
  file: File,
  pieceBytes: number,
  isPassing: boolean,
): AsyncGenerator<Buffer> {
  const buffers: Buffer[] = []
  const read = (index: number): Promise<Buffer> => {
    // Most files are one piece, which needs neither.
    if (isPassing && index > 0) buffers[index % 2] ??= Buffer.allocUnsafeSlow(pieceBytes)
    const reading = file.read(index * pieceBytes, pieceBytes, buffers[index % 2])
    reading.catch(() => {}) // told when its turn comes
    return reading
  }
  let ahead = read(0)
  try {
    for (let index = 0; ; index++) {
      const piece = await ahead.catch((error: unknown) => {
        throw new ReadError('cannot read', { cause: error })
      })
      if (piece.length === pieceBytes) ahead = read(index + 1)
      if (piece.length > 0) yield piece
      if (piece.length < pieceBytes) return
    }
  } finally {
    await ahead.catch(() => {}) // before the file is closed
  }
}
