/**
 * Brings a data directory back to life: the newest valid snapshot, then the logs behind it.
 *
 * Invariants:
 * 1. What was acknowledged comes back, or the start is refused with file and offset (I-6, F-5). A torn
 *    tail is cut (log-tail.ts); nothing else is, unless the operator accepts it.
 * 2. Everything returned is durable again before it is returned (N-1, I-9): bytes that a killed
 *    process left in the page cache, and the names of their files, are synced first.
 * 3. Each try of a snapshot starts with a fresh tree and session table (disk-format 5.1).
 * 4. A snapshot that is not valid is skipped only if the logs reach at least as far as its name says:
 *    otherwise it held transactions that nothing else holds.
 * 5. A directory that is refused stays as it was, byte for byte.
 *
 * Source: FileTxnSnapLog.java#restore, FileSnap.java#deserialize, 3.9.5; disk-format 5 and 6.
 */
import { hex } from '../protocol/zxid.ts'
import type { Clock } from '../sys/clock.ts'
import type { FileSystem } from '../sys/file-system.ts'
import type { Logger } from '../sys/logger.ts'
import { Tree } from '../tree/tree.ts'
import {
  byZxid,
  CREATED_MARKER,
  NEW_PREFIX,
  parseLogName,
  parseSnapshotName,
  VERSION_DIRECTORY,
  type LogName,
  snapshotName,
  type SnapshotName,
  type SnapshotStream,
} from './file-names.ts'
import { repair, type Repair } from './repairs.ts'
import { ACCEPT_DAMAGE_KEY, holdRecords, replay, type LoggedTxn } from './replay.ts'
import { readSnapshot, SnapshotError, type LoadedSnapshot } from './snapshot-reader.ts'
import { writeSnapshot } from './snapshot-writer.ts'
import { StoreError, storeError } from './store-error.ts'

export interface RecoveryOptions {
  readonly dataDir: string
  readonly dataLogDir: string
  readonly digestEnabled: boolean
  readonly extendedTypes: boolean
  /** Replay the logs on an empty tree when there is no snapshot (`snapshot.trust.empty`). */
  readonly trustEmptySnapshot: boolean
  /** Without data, start with an empty database (`zookeeper.db.autocreate`). */
  readonly autocreate: boolean
  /** Make directories that are missing (`zookeeper.datadir.autocreate`). */
  readonly autocreateDirectories: boolean
  readonly serializeLastZxid: boolean
  /** Go on behind damage; see ACCEPT_DAMAGE_KEY. */
  readonly acceptDamage: boolean
  /** Below this much free space the start is refused (F-9). */
  readonly freeBytesMin: number
  /** How many of the last transactions are returned. */
  readonly recentMax: number
  /** How the first snapshot of a new database is packed. */
  readonly snapshotStream: SnapshotStream
}

export interface Recovered {
  readonly tree: Tree
  /** Session id -> timeout in milliseconds. */
  readonly sessions: Map<bigint, number>
  /** -1 if there is no database and none may be made: the server must not vote. */
  readonly lastZxid: bigint
  /** null without a snapshot: one should be taken soon. */
  readonly snapshot: string | null
  /** The database was created now. */
  readonly isNew: boolean
  /** The database was created by us, now or before, not by an Apache server. */
  readonly createdByUs: boolean
  readonly recent: LoggedTxn[]
  /** Transactions replayed on top of the snapshot: the next one is due that much sooner. */
  readonly replayedCount: number
  /** Owners of ephemerals that are no known sessions: a leader or lone server drops those nodes. */
  readonly orphanSessions: bigint[]
  readonly repairs: Repair[]
  /** Damage was accepted: what this server does not know may have been acknowledged all the same. */
  readonly isTainted: boolean
}

interface Directories {
  readonly snapshots: string
  readonly logs: string
}

export interface RecoverySys {
  readonly files: FileSystem
  readonly clock: Clock
  readonly log: Logger
}

/** @throws StoreError: the directory is as it was, unless it says that a repair failed */
export async function recover(options: RecoveryOptions, sys: RecoverySys): Promise<Recovered> {
  const { files, log } = sys
  const directories = await openDirectories(options, files)
  await checkSpace(options, files)
  const snapshotNames = await list(files, directories.snapshots)
  const logNames = await list(files, directories.logs)
  checkSeparation(options, snapshotNames, logNames)
  reportForeign(log, [...snapshotNames, ...logNames])
  const snapshots = snapshotNames.map(parseSnapshotName).filter((name) => name !== null)
  const logs = logNames.map(parseLogName).filter((name) => name !== null)
  snapshots.sort(byZxid)
  logs.sort(byZxid)

  const found = snapshots.length > 0 ? await load(options, directories, snapshots, files) : null
  if (found === null) {
    const hasRecords = await holdRecords(files, directories.logs, logs)
    if (!hasRecords) return startEmpty(options, directories, logs, sys)
    if (!options.trustEmptySnapshot) {
      throw new StoreError(
        'there are logs with transactions but no snapshot; restore a snapshot, or start once with ' +
          'snapshot.trust.empty=true to build everything from the logs alone',
        { file: directories.snapshots },
      )
    }
  }

  const snapshotZxid = found?.snapshot.zxid ?? 0n
  const tree = found?.tree ?? new Tree(options)
  const sessions = found?.sessions ?? new Map<bigint, number>()
  const replayed = await replay(
    {
      logDirectory: directories.logs,
      logs: logsBehind(logs, snapshotZxid),
      tree,
      sessions,
      snapshotZxid,
      digestEnabled: options.digestEnabled,
      acceptDamage: options.acceptDamage,
      recentMax: options.recentMax,
    },
    files,
  )
  const { lastZxid } = replayed
  const rejected = found?.rejected ?? []
  checkReach(options, directories, found, lastZxid)

  await clean(files, directories, [...snapshotNames, ...logNames])
  for (const { snapshot, why } of rejected) {
    await repair(files, directories.snapshots, { kind: 'moved-aside', name: snapshot.name, why })
  }
  for (const change of replayed.repairs) await repair(files, directories.logs, change)
  for (const name of replayed.logs) await syncFile(files, `${directories.logs}/${name}`)
  if (found !== null) await syncFile(files, `${directories.snapshots}/${found.snapshot.name}`)
  await removeInitialize(options, files)
  await syncDirectories(options, directories, files)

  const repairs = [
    ...rejected.map(({ snapshot, why }) => movedAside(snapshot, why)),
    ...replayed.repairs,
  ]
  for (const change of repairs) log.warn({ ...change }, 'data directory repaired')
  return {
    tree,
    sessions,
    lastZxid,
    snapshot: found?.snapshot.name ?? null,
    isNew: false,
    createdByUs: snapshotNames.includes(CREATED_MARKER),
    recent: replayed.recent,
    replayedCount: replayed.appliedCount,
    orphanSessions: [...tree.ephemeralSessions()].filter((id) => !sessions.has(id)),
    repairs,
    isTainted: replayed.repairs.some(
      ({ kind }) => kind === 'cut-damaged' || kind === 'moved-aside',
    ),
  }
}

// --- Snapshots ------------------------------------------------------------------------------------

interface Rejected {
  readonly snapshot: SnapshotName
  readonly offset: number
  readonly why: string
}

interface Found extends LoadedSnapshot {
  readonly snapshot: SnapshotName
  /** Newer ones that are not valid. */
  readonly rejected: Rejected[]
}

/** The newest valid snapshot. */
async function load(
  options: RecoveryOptions,
  directories: Directories,
  snapshots: readonly SnapshotName[],
  files: FileSystem,
): Promise<Found> {
  const rejected: Rejected[] = []
  for (const snapshot of snapshots.toReversed()) {
    try {
      const stat = await files.stat(`${directories.snapshots}/${snapshot.name}`)
      if (stat?.isDirectory) throw new SnapshotError('a directory', 0)
      const loaded = await readSnapshot(files, directories.snapshots, snapshot, options)
      checkDigest(options, snapshot, loaded)
      loaded.tree.lastZxid = snapshot.zxid
      return { ...loaded, snapshot, rejected }
    } catch (error) {
      if (!(error instanceof SnapshotError)) throw error
      rejected.push({ snapshot, offset: error.offset, why: error.message })
    }
  }
  const newest = rejected[0]!
  throw new StoreError(`no snapshot is valid, this newest one is not: ${newest.why}`, {
    file: `${directories.snapshots}/${newest.snapshot.name}`,
    offset: newest.offset,
  })
}

/** An exact snapshot tells the digest of its own tree. */
function checkDigest(
  options: RecoveryOptions,
  { zxid }: SnapshotName,
  { digest, tree }: LoadedSnapshot,
): void {
  if (!options.digestEnabled || digest === null || digest.treeDigest === null) return
  if (zxid === 0n || digest.zxid !== zxid) return
  if (BigInt.asIntN(64, tree.treeDigest) !== digest.treeDigest) {
    throw new SnapshotError('the tree is not the one its digest tells', 0)
  }
}

/** Do the logs reach as far as everything that the snapshots held? */
function checkReach(
  options: RecoveryOptions,
  directories: Directories,
  found: Found | null,
  lastZxid: bigint,
): void {
  if (found === null || options.acceptDamage) return
  const lost = found.rejected.find(({ snapshot }) => snapshot.zxid > lastZxid)
  if (lost !== undefined) {
    throw new StoreError(
      `${lost.why}; the logs end at ${hex(lastZxid)}, before it, so transactions would be lost. ` +
        `Restore the file, or start once with ${ACCEPT_DAMAGE_KEY}=true`,
      { file: `${directories.snapshots}/${lost.snapshot.name}`, offset: lost.offset },
    )
  }
  const fuzzyTo = found.digest?.zxid ?? 0n
  if (fuzzyTo > lastZxid) {
    throw new StoreError(
      `holds effects of transactions up to ${hex(fuzzyTo)}, but the logs end at ${hex(lastZxid)}. ` +
        `Restore the logs, or start once with ${ACCEPT_DAMAGE_KEY}=true`,
      { file: `${directories.snapshots}/${found.snapshot.name}` },
    )
  }
  if (found.tree.unresolvedAclCount > 0) {
    throw new StoreError('nodes name access control lists that neither it nor the logs hold', {
      file: `${directories.snapshots}/${found.snapshot.name}`,
    })
  }
}

function movedAside({ name }: SnapshotName, why: string): Repair {
  return { kind: 'moved-aside', name, why }
}

// --- Logs -----------------------------------------------------------------------------------------

/** The newest log that may hold the transaction after the snapshot, and all later ones. */
function logsBehind(logs: readonly LogName[], snapshotZxid: bigint): readonly LogName[] {
  const straddling = logs.findLastIndex(({ zxid }) => zxid <= snapshotZxid)
  return logs.slice(Math.max(0, straddling))
}

// --- An empty database ----------------------------------------------------------------------------

async function startEmpty(
  options: RecoveryOptions,
  directories: Directories,
  logs: readonly LogName[],
  sys: RecoverySys,
): Promise<Recovered> {
  const { files } = sys
  const mayCreate = (await findInitialize(options, files)).length > 0 || options.autocreate
  const names = await list(files, directories.snapshots)
  await clean(files, directories, [...names, ...(await list(files, directories.logs))])
  const repairs: Repair[] = []
  for (const { name } of logs) {
    repairs.push({ kind: 'dropped', name, why: 'it holds no record' })
    await repair(files, directories.logs, repairs.at(-1)!)
  }
  const tree = new Tree(options)
  const sessions = new Map<bigint, number>()
  if (mayCreate) {
    if (!names.includes(CREATED_MARKER)) await writeMarker(files, directories.snapshots)
    const frozen = tree.freeze()
    const { snapshots: directory } = directories
    const { digestEnabled, snapshotStream: stream, serializeLastZxid } = options
    const form = { directory, digestEnabled, stream, serializeLastZxid }
    try {
      await writeSnapshot(form, frozen, sessions, sys)
    } finally {
      frozen.release()
    }
    await removeInitialize(options, files)
  }
  await syncDirectories(options, directories, files)
  return {
    tree,
    sessions,
    lastZxid: mayCreate ? 0n : -1n,
    snapshot: mayCreate ? snapshotName(0n, options.snapshotStream) : null,
    isNew: mayCreate,
    createdByUs: mayCreate,
    recent: [],
    replayedCount: 0,
    orphanSessions: [],
    repairs,
    isTainted: false,
  }
}

/** Tells later starts that this database never belonged to an Apache server. */
async function writeMarker(files: FileSystem, directory: string): Promise<void> {
  const path = `${directory}/${CREATED_MARKER}`
  try {
    const file = await files.open(path, 'create')
    await file.datasync()
    await file.close()
    await files.syncDirectory(directory)
  } catch (error) {
    throw storeError('cannot write', path, error)
  }
}

/** `initialize` belongs beside version-2 of the logs; Apache's script puts it beside the snapshots. */
async function findInitialize(options: RecoveryOptions, files: FileSystem): Promise<string[]> {
  const found: string[] = []
  for (const directory of new Set([options.dataLogDir, options.dataDir])) {
    const path = `${directory}/initialize`
    if ((await files.stat(path)) !== null) found.push(path)
  }
  return found
}

async function removeInitialize(options: RecoveryOptions, files: FileSystem): Promise<void> {
  for (const path of await findInitialize(options, files)) {
    try {
      await files.unlink(path)
    } catch (error) {
      throw storeError('cannot remove', path, error)
    }
  }
}

// --- Directories ----------------------------------------------------------------------------------

async function openDirectories(options: RecoveryOptions, files: FileSystem): Promise<Directories> {
  const directories = {
    snapshots: `${options.dataDir}/${VERSION_DIRECTORY}`,
    logs: `${options.dataLogDir}/${VERSION_DIRECTORY}`,
  }
  for (const path of new Set([directories.snapshots, directories.logs])) {
    try {
      if (!options.autocreateDirectories && (await files.stat(path)) === null) {
        throw new StoreError('the directory is missing, and datadir.autocreate is false', {
          file: path,
        })
      }
      await files.makeDirectory(path)
    } catch (error) {
      throw storeError('cannot make the directory', path, error)
    }
  }
  return directories
}

async function checkSpace(options: RecoveryOptions, files: FileSystem): Promise<void> {
  for (const path of new Set([options.dataDir, options.dataLogDir])) {
    let free: number
    try {
      free = await files.freeBytes(path)
    } catch (error) {
      throw storeError('cannot tell the free space', path, error)
    }
    if (free < options.freeBytesMin) {
      throw new StoreError(`only ${free} bytes are free, ${options.freeBytesMin} are needed`, {
        file: path,
      })
    }
  }
}

async function list(files: FileSystem, directory: string): Promise<string[]> {
  try {
    return await files.list(directory)
  } catch (error) {
    throw storeError('cannot list the directory', directory, error)
  }
}

function checkSeparation(
  { dataDir, dataLogDir }: RecoveryOptions,
  snapshotNames: string[],
  logNames: string[],
): void {
  if (dataDir === dataLogDir) return
  const log = snapshotNames.find((name) => name.startsWith('log.'))
  const snapshot = logNames.find((name) => name.startsWith('snapshot.'))
  const stray = log ?? snapshot
  if (stray === undefined) return
  const directory = log === undefined ? dataLogDir : dataDir
  throw new StoreError(
    'logs belong in dataLogDir and snapshots in dataDir, and this one does not',
    {
      file: `${directory}/${VERSION_DIRECTORY}/${stray}`,
    },
  )
}

function reportForeign(log: Logger, names: string[]): void {
  for (const name of new Set(names)) {
    const isOdd =
      (name.startsWith('log.') && parseLogName(name) === null) ||
      (name.startsWith('snapshot.') && parseSnapshotName(name) === null)
    if (isOdd) log.warn({ name }, 'file ignored: its name is no zxid')
  }
}

/** Removes what an interrupted write of ours left. */
async function clean(files: FileSystem, directories: Directories, names: string[]): Promise<void> {
  for (const name of new Set(names)) {
    if (!name.startsWith(`${NEW_PREFIX}snapshot.`)) continue
    const path = `${directories.snapshots}/${name}`
    try {
      if ((await files.stat(path)) !== null) await files.unlink(path)
    } catch (error) {
      throw storeError('cannot remove', path, error)
    }
  }
}

async function syncFile(files: FileSystem, path: string): Promise<void> {
  try {
    const file = await files.open(path, 'read')
    try {
      await file.datasync()
    } finally {
      await file.close()
    }
  } catch (error) {
    throw storeError('cannot sync', path, error)
  }
}

/** The names in the directories, and their own names in their parents. */
async function syncDirectories(
  options: RecoveryOptions,
  directories: Directories,
  files: FileSystem,
): Promise<void> {
  const { dataDir, dataLogDir } = options
  const paths = [directories.snapshots, directories.logs, dataDir, dataLogDir]
  for (const path of new Set([...paths, parentOf(dataDir), parentOf(dataLogDir)])) {
    try {
      await files.syncDirectory(path)
    } catch (error) {
      throw storeError('cannot sync the directory', path, error)
    }
  }
}

function parentOf(path: string): string {
  const trimmed = path.replace(/\/+$/, '')
  const slash = trimmed.lastIndexOf('/')
  return slash > 0 ? trimmed.slice(0, slash) : slash === 0 ? '/' : '.'
}
