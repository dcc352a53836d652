/**
 * Writes a snapshot beside everything else, from a frozen tree: exact, never fuzzy.
 *
 * Invariants:
 * 1. A file named `snapshot.*` is complete and durable: it is written under a name that no reader
 *    takes for a snapshot, synced, renamed, and the directory synced (B-11).
 * 2. No turn of the event loop is held longer than about a millisecond; between two turns the loop is
 *    left alone for a multiple of that, so that a snapshot takes a fifth of the core at most (F-20).
 * 3. The file is synced as it grows: one sync of everything at the end would hold up the log's (F-10).
 * 4. On failure the unfinished file is removed and the peer goes on without (F-8, F-9, B-35).
 */
import { Writer } from '../jute/writer.ts'
import { sleep, type Clock } from '../sys/clock.ts'
import { gzipPacker, type Packer } from '../sys/compression.ts'
import type { File, FileSystem } from '../sys/file-system.ts'
import { adler32 } from '../sys/hash.ts'
import type { FrozenTree } from '../tree/frozen-tree.ts'
import { SnapshotBodyWriter } from '../tree/snapshot-body.ts'
import { NEW_PREFIX, snapshotName, type SnapshotStream } from './file-names.ts'
import { snappyPacker } from './snappy-writer.ts'
import { DIGEST_VERSION, writeSeal, writeSnapshotHeader } from './snapshot-format.ts'
import { storeError } from './store-error.ts'

export interface SnapshotOptions {
  /** The version-2 directory of the snapshots. */
  readonly directory: string
  readonly digestEnabled: boolean
  /** How the file is packed; plain when absent. Its name says so. */
  readonly stream?: SnapshotStream
  /** false: without the zxid behind the digest, as before 3.9. */
  readonly serializeLastZxid?: boolean
}

export interface WrittenSnapshot {
  readonly name: string
  readonly zxid: bigint
  readonly sizeBytes: number
}

/** Work in one turn: until this much time has passed or this much was written. */
const TURN_MS = 0.7
const TURN_BYTES = 128 * 1024
const STEP_BYTES = 16 * 1024
/** Pause after a turn, as a multiple of it. */
const PAUSE_RATIO = 4
const WRITE_BYTES = 256 * 1024
const SYNC_BYTES = 8 * 1024 * 1024

/** Takes a snapshot of `frozen`, which stays the caller's to release. @throws StoreError */
export async function writeSnapshot(
  options: SnapshotOptions,
  frozen: FrozenTree,
  sessions: ReadonlyMap<bigint, number>,
  sys: { files: FileSystem; clock: Clock },
): Promise<WrittenSnapshot> {
  const { files } = sys
  const zxid = frozen.lastZxid
  const name = snapshotName(zxid, options.stream)
  const temporary = `${options.directory}/${NEW_PREFIX}${name}`
  const path = `${options.directory}/${name}`
  let file: File | null = null
  try {
    if ((await files.stat(temporary)) !== null) await files.unlink(temporary)
    file = await files.open(temporary, 'create')
    const sizeBytes = await writeContents(file, options, frozen, sessions, sys.clock)
    await file.close()
    await files.rename(temporary, path)
    await files.syncDirectory(options.directory)
    return { name, zxid, sizeBytes }
  } catch (error) {
    await file?.close().catch(() => {})
    if (file !== null) await files.unlink(temporary).catch(() => {})
    throw storeError('cannot write a snapshot', path, error)
  }
}

async function writeContents(
  file: File,
  { digestEnabled, stream = 'plain', serializeLastZxid = true }: SnapshotOptions,
  frozen: FrozenTree,
  sessions: ReadonlyMap<bigint, number>,
  clock: Clock,
): Promise<number> {
  const packer = await packerOf(stream, clock)
  const writer = new Writer(WRITE_BYTES + TURN_BYTES)
  let position = 0
  let syncedTo = 0
  let checksum = 1
  let checkedTo = 0 // in the writer
  const check = () => {
    checksum = adler32(writer.bytes, checkedTo, writer.position, checksum)
    checkedTo = writer.position
    return checksum
  }
  const write = async () => {
    const bytes = packer === null ? writer.written() : await packer.push(writer.written())
    await file.write(bytes, position)
    position += bytes.length
    writer.reset()
    checkedTo = 0
    if (position - syncedTo < SYNC_BYTES) return
    await file.datasync()
    syncedTo = position
  }

  writeSnapshotHeader(writer)
  const body = new SnapshotBodyWriter(frozen, sessions)
  for (let hasMore = true; hasMore;) {
    const startMs = clock.monotonicMs()
    const stop = writer.position + TURN_BYTES
    do {
      hasMore = body.next(writer, STEP_BYTES)
    } while (hasMore && writer.position < stop && clock.monotonicMs() - startMs < TURN_MS)
    check()
    const turnMs = clock.monotonicMs() - startMs
    if (writer.position >= WRITE_BYTES) await write()
    if (hasMore) await sleep(clock, turnMs * PAUSE_RATIO)
  }

  writeSeal(writer, check())
  if (digestEnabled) {
    writer.long(frozen.lastZxid)
    writer.int(DIGEST_VERSION)
    writer.long(frozen.lastZxid === 0n ? 0n : frozen.treeDigest) // 0 in a new database, as Apache
    writeSeal(writer, check())
  }
  // Without a digest no zxid either: 3.8 could not read it (snapshot-format.ts).
  if (digestEnabled && serializeLastZxid) {
    writer.long(frozen.lastZxid)
    writeSeal(writer, check())
  }
  await write()
  if (packer !== null) {
    const rest = await packer.end()
    await file.write(rest, position)
    position += rest.length
  }
  await file.datasync()
  return position
}

/** null: the bytes go to disk as they are. The checksum is of the bytes before they are packed. */
async function packerOf(stream: SnapshotStream, clock: Clock): Promise<Packer | null> {
  if (stream === 'plain') return null
  if (stream === 'gz') return gzipPacker()
  let startMs = clock.monotonicMs()
  return snappyPacker(async () => {
    const turnMs = clock.monotonicMs() - startMs
    if (turnMs >= TURN_MS) await sleep(clock, turnMs * PAUSE_RATIO)
    startMs = clock.monotonicMs()
  })
}
