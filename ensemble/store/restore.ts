/**
 * Goes back to a snapshot, as a new history that nobody has seen (H-2, F-31).
 *
 * Invariants:
 * 1. The file is read whole and checked, seals and digest, before anything is changed. One that is not
 *    exact (Apache writes while its tree changes) needs its logs and is refused.
 * 2. Its sessions and their ephemeral nodes are left out: their owners live in the other history.
 * 3. What is restored gets the zxid (e + 2^16, 1), where e is the highest epoch seen here or in the file:
 *    zxids, and so the tokens of controllers, are never given twice. Counter 1, not 0: no
 *    transaction behind it can be taken for one that follows the old history.
 * 4. The rename of the new snapshot is the switch. A crash before it leaves the old state, one after
 *    it the new; the files of the old history stay until they are purged, below everything new.
 *
 * Source: ZooKeeperServer#restoreFromSnapshot, 3.9.5, which swaps what is in memory, keeps sessions and
 * goes back in zxids (N-7).
 */
import { Op } from '../protocol/op-codes.ts'
import { epochOf, makeZxid } from '../protocol/zxid.ts'
import type { Clock } from '../sys/clock.ts'
import type { FileSystem } from '../sys/file-system.ts'
import type { Tree } from '../tree/tree.ts'
import { readEpoch, writeEpoch } from './epoch-files.ts'
import {
  CREATED_MARKER,
  NEW_PREFIX,
  parseSnapshotName,
  VERSION_DIRECTORY,
  type SnapshotStream,
} from './file-names.ts'
import { SNAPPY_MAGIC } from './snappy.ts'
import { readSnapshot } from './snapshot-reader.ts'
import { writeSnapshot, type WrittenSnapshot } from './snapshot-writer.ts'
import { StoreError, storeError } from './store-error.ts'

export interface RestoreSys {
  readonly files: FileSystem
  readonly clock: Clock
}

/** A snapshot that was read whole. */
export interface SnapshotContents {
  readonly tree: Tree
  readonly sessions: ReadonlyMap<bigint, number>
  readonly stream: SnapshotStream
  readonly sizeBytes: number
  /** The last transaction whose effects it may hold; null when neither name nor contents tell. */
  readonly zxid: bigint | null
  /** `fuzzy`: another tree than its digest tells; `unknown`: it carries no digest to compare. */
  readonly exactness: 'exact' | 'fuzzy' | 'unknown'
}

export interface RestoredSnapshot extends WrittenSnapshot {
  readonly sessionsDropped: number
  readonly ephemeralsDropped: number
}

const EPOCHS_ABOVE = 2 ** 16
const EPOCH_MAX = 0x7fff_ffff
/** A packed stream may grow to so many times its size, and to this much in any case (S-14). */
const RATIO_MAX = 200
const UNPACKED_BYTES_MIN = 64 * 1024 * 1024
const UPLOAD = `${NEW_PREFIX}snapshot.upload`
/** How much is received between two looks at the free space. */
const SPACE_CHECK_BYTES = 16 * 1024 * 1024

/** Reads any snapshot, whatever its file is called. @throws SnapshotError, StoreError */
export async function loadSnapshot(
  files: FileSystem,
  directory: string,
  name: string,
): Promise<SnapshotContents> {
  const path = `${directory}/${name}`
  const stat = await files.stat(path)
  if (stat === null || stat.isDirectory) throw new StoreError('no such file', { file: path })
  const { sizeBytes } = stat
  const stream = await streamOf(files, path)
  const named = parseSnapshotName(name)?.zxid ?? null
  // TTL nodes are data, whether or not the server that asks knows them: they stay.
  const options = { digestEnabled: true, extendedTypes: true }
  const bytesMax =
    stream === 'plain'
      ? Number.POSITIVE_INFINITY
      : Math.max(UNPACKED_BYTES_MIN, sizeBytes * RATIO_MAX)
  const source = { name, zxid: named ?? 0n, stream }
  const loaded = await readSnapshot(files, directory, source, options, bytesMax)
  const { tree, sessions, digest, lastProcessedZxid } = loaded
  const known = [named, digest?.zxid ?? null, lastProcessedZxid].filter((zxid) => zxid !== null)
  const zxid = known.length === 0 ? null : known.reduce((a, b) => (a > b ? a : b))
  return { tree, sessions, stream, sizeBytes, zxid, exactness: exactnessOf(loaded, zxid) }
}

/** Takes in a snapshot that somebody sends, and reads it. Leaves no file behind. */
export async function receiveSnapshot(
  body: AsyncIterable<Buffer>,
  { dataDir, freeBytesMin }: { dataDir: string; freeBytesMin: number },
  { files }: RestoreSys,
): Promise<SnapshotContents> {
  const directory = `${dataDir}/${VERSION_DIRECTORY}`
  const path = `${directory}/${UPLOAD}`
  try {
    if ((await files.stat(path)) !== null) await files.unlink(path)
    const file = await files.open(path, 'create')
    try {
      let position = 0
      let checkAt = 0
      for await (const piece of body) {
        if (position >= checkAt) {
          const free = await files.freeBytes(dataDir)
          if (free < freeBytesMin + SPACE_CHECK_BYTES) {
            throw new StoreError(`only ${free} bytes are free`, { file: path })
          }
          checkAt = position + SPACE_CHECK_BYTES
        }
        await file.write(piece, position)
        position += piece.length
      }
    } finally {
      await file.close()
    }
    return await loadSnapshot(files, directory, UPLOAD)
  } finally {
    await files.unlink(path).catch(() => {})
  }
}

/** Why a snapshot must not be restored as it is; null when it may. */
export function refusalOf(contents: SnapshotContents): string | null {
  if (contents.tree.unresolvedAclCount > 0) {
    return 'nodes name access control lists that the snapshot does not hold'
  }
  if (contents.exactness === 'fuzzy') {
    return (
      'the snapshot was taken while its server wrote, and its tree is not the one that its digest ' +
      'tells: it needs the logs of that server; take one while nobody writes'
    )
  }
  return null
}

/**
 * Makes the contents the state of a data directory; they must have been found fit. Nothing may write
 * there meanwhile.
 *
 * @param seen every zxid that this ensemble is known to have given
 * @throws StoreError: the directory is as it was, but for a higher acceptedEpoch
 */
export async function storeRestored(
  contents: SnapshotContents,
  to: {
    readonly dataDir: string
    readonly seen: readonly bigint[]
    readonly digestEnabled: boolean
    readonly stream: SnapshotStream
  },
  sys: RestoreSys,
): Promise<RestoredSnapshot> {
  const { files } = sys
  const { tree, sessions } = contents
  const directory = `${to.dataDir}/${VERSION_DIRECTORY}`
  const accepted = await readEpoch(files, directory, 'acceptedEpoch')
  const current = await readEpoch(files, directory, 'currentEpoch')
  const epoch =
    EPOCHS_ABOVE +
    Math.max(
      0,
      accepted ?? 0,
      current ?? 0,
      ...[tree.lastZxid, contents.zxid ?? 0n, ...to.seen].map(epochOf),
    )
  if (epoch > EPOCH_MAX) {
    throw new StoreError(`epoch ${epoch} is above ${EPOCH_MAX}: no zxid is left`, {
      file: directory,
    })
  }
  const ephemeralsDropped = tree.ephemeralCount
  beginHistory(tree, makeZxid(epoch, 1))

  // Promised first: from now on no zxid below it can be agreed on with anybody.
  if (accepted !== null) await writeEpoch(files, directory, 'acceptedEpoch', epoch)
  const { digestEnabled, stream } = to
  const frozen = tree.freeze()
  let written: WrittenSnapshot
  try {
    written = await writeSnapshot({ directory, digestEnabled, stream }, frozen, new Map(), sys)
  } finally {
    frozen.release()
  }
  // A crash before this is mended at the next start (epoch-files.ts).
  if (current !== null) await writeEpoch(files, directory, 'currentEpoch', epoch)
  return { ...written, sessionsDropped: sessions.size, ephemeralsDropped }
}

/** Makes a new data directory that holds the contents. @throws StoreError when there is one */
export async function restoreInto(
  contents: SnapshotContents,
  to: { readonly dataDir: string; readonly seen: readonly bigint[] },
  sys: RestoreSys,
): Promise<RestoredSnapshot> {
  const { files } = sys
  const { dataDir } = to
  const directory = `${dataDir}/${VERSION_DIRECTORY}`
  for (const name of await namesIn(files, dataDir)) {
    if (name === VERSION_DIRECTORY || BESIDE.test(name)) continue
    throw new StoreError('the directory is not empty', { file: `${dataDir}/${name}` })
  }
  for (const name of await namesIn(files, directory)) {
    // What an interrupted restore left.
    if (name === CREATED_MARKER || name.startsWith(`${NEW_PREFIX}snapshot.`)) continue
    throw new StoreError('the directory is not empty', { file: `${directory}/${name}` })
  }
  try {
    await files.makeDirectory(directory)
    const marker = `${directory}/${CREATED_MARKER}`
    if ((await files.stat(marker)) === null) await (await files.open(marker, 'create')).close()
    await files.syncDirectory(dataDir)
    await files.syncDirectory(parentOf(dataDir))
  } catch (error) {
    throw storeError('cannot make the directory', directory, error)
  }
  return storeRestored(contents, { ...to, digestEnabled: true, stream: 'plain' }, sys)
}

/** Files of a data directory that say nothing about its nodes; ours keep session ids from coming twice. */
const BESIDE = /^(myid|lost\+found|zookeeper_server\.pid|howdah\..*)$/

/** All sessions end, as if by one transaction at `zxid`. */
function beginHistory(tree: Tree, zxid: bigint): void {
  const owners = Array.from(tree.ephemeralSessions())
  for (const clientId of owners) {
    tree.apply({ type: Op.closeSession, clientId, cxid: 0, zxid, time: 0, paths: null }, null)
  }
  tree.lastZxid = zxid
}

function exactnessOf(
  { tree, digest }: Awaited<ReturnType<typeof readSnapshot>>,
  zxid: bigint | null,
): SnapshotContents['exactness'] {
  // A new database has 0 for its digest, whatever its nodes are.
  if (digest === null || digest.treeDigest === null || zxid === null) return 'unknown'
  if (digest.zxid === 0n) return zxid === 0n ? 'exact' : 'unknown'
  return BigInt.asIntN(64, tree.treeDigest) === digest.treeDigest ? 'exact' : 'fuzzy'
}

/** By the first bytes: names of files that were handed about may have lost their ending. */
async function streamOf(files: FileSystem, path: string): Promise<SnapshotStream> {
  try {
    const file = await files.open(path, 'read')
    try {
      const head = await file.read(0, SNAPPY_MAGIC.length)
      if (head.equals(SNAPPY_MAGIC)) return 'snappy'
      return head[0] === 0x1f && head[1] === 0x8b ? 'gz' : 'plain'
    } finally {
      await file.close()
    }
  } catch (error) {
    throw storeError('cannot read', path, error)
  }
}

async function namesIn(files: FileSystem, directory: string): Promise<string[]> {
  try {
    const stat = await files.stat(directory)
    if (stat === null) return []
    if (!stat.isDirectory) throw new StoreError('not a directory', { file: directory })
    return await files.list(directory)
  } catch (error) {
    throw storeError('cannot read the directory', directory, error)
  }
}

function parentOf(path: string): string {
  const trimmed = path.replace(/\/+$/, '')
  const slash = trimmed.lastIndexOf('/')
  return slash > 0 ? trimmed.slice(0, slash) : slash === 0 ? '/' : '.'
}
