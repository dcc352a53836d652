/**
 * Removes what no recovery needs any more.
 *
 * Invariants:
 * 1. Only snapshots whose every byte was checked count (B-35). With fewer than asked for, nothing goes.
 * 2. Every log that the oldest kept snapshot needs stays, the one that begins before it included
 *    (B-34).
 * 3. Oldest first, each step durable before the next: a crash in between leaves no hole (N-2).
 *
 * Source: PurgeTxnLog.java, 3.9.5; disk-format 8.
 */
import type { FileSystem } from '../sys/file-system.ts'
import { byZxid, parseLogName, parseSnapshotName } from './file-names.ts'
import { checkSnapshot, SnapshotError } from './snapshot-reader.ts'
import { storeError } from './store-error.ts'

export interface PurgeOptions {
  readonly snapshotDirectory: string
  readonly logDirectory: string
  readonly retain: number
  /** Names of snapshots already checked; those checked here are added. */
  readonly verified: Set<string>
}

/** @returns the names removed @throws StoreError */
export async function purge(options: PurgeOptions, files: FileSystem): Promise<string[]> {
  const { snapshotDirectory, logDirectory, verified } = options
  const retain = Math.max(1, options.retain)
  const snapshots = (await names(files, snapshotDirectory))
    .map(parseSnapshotName)
    .filter((name) => name !== null)
    .toSorted(byZxid)

  let keptFrom: bigint | null = null
  let kept = 0
  for (const snapshot of snapshots.toReversed()) {
    if (!verified.has(snapshot.name)) {
      try {
        await checkSnapshot(files, snapshotDirectory, snapshot)
      } catch (error) {
        if (error instanceof SnapshotError) continue
        throw error
      }
      verified.add(snapshot.name)
    }
    keptFrom = snapshot.zxid
    kept += 1
    if (kept === retain) break
  }
  if (keptFrom === null || kept < retain) return []

  const from = keptFrom
  const oldSnapshots = snapshots.filter(({ zxid }) => zxid < from).map(({ name }) => name)
  const logs = (await names(files, logDirectory))
    .map(parseLogName)
    .filter((name) => name !== null)
    .toSorted(byZxid)
  const straddling = logs.findLast(({ zxid }) => zxid <= from)
  const oldLogs = logs
    .filter(({ zxid }) => straddling !== undefined && zxid < straddling.zxid)
    .map(({ name }) => name)
  await remove(files, snapshotDirectory, oldSnapshots)
  await remove(files, logDirectory, oldLogs)
  for (const name of oldSnapshots) verified.delete(name)
  return [...oldSnapshots, ...oldLogs]
}

async function names(files: FileSystem, directory: string): Promise<string[]> {
  try {
    return await files.list(directory)
  } catch (error) {
    throw storeError('cannot list the directory', directory, error)
  }
}

async function remove(files: FileSystem, directory: string, old: string[]): Promise<void> {
  for (const name of old) {
    try {
      await files.unlink(`${directory}/${name}`)
      await files.syncDirectory(directory)
    } catch (error) {
      throw storeError('cannot remove an old file', `${directory}/${name}`, error)
    }
  }
}
