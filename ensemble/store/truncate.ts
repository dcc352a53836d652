/**
 * Cuts a log behind a transaction that the leader names (TRUNC).
 *
 * Invariants:
 * 1. The log must hold exactly that transaction: otherwise nothing is changed and it fails. (Apache
 *    keeps the next higher one, which a correct leader never makes it do.)
 * 2. Later files go first, newest first, then the cut, each durable before the next: a crash in
 *    between leaves a shorter log without a hole (N-2).
 * 3. Snapshots of later states are moved aside before that: recovery would take one up and bring back
 *    what was cut (B-15).
 *
 * Source: FileTxnLog.java#truncate, 3.9.5; disk-format 7.
 */
import { Reader } from '../jute/reader.ts'
import { TxnHeader } from '../protocol/transactions.ts'
import { hex } from '../protocol/zxid.ts'
import type { FileSystem } from '../sys/file-system.ts'
import { byZxid, parseLogName, parseSnapshotName } from './file-names.ts'
import { RECORD_FRAME_BYTES } from './log-format.ts'
import { readLog } from './log-reader.ts'
import { repair } from './repairs.ts'
import { StoreError, storeError } from './store-error.ts'

/** @throws StoreError */
export async function truncateLogs(
  files: FileSystem,
  logDirectory: string,
  snapshotDirectory: string,
  zxid: bigint,
): Promise<void> {
  const logs = (await list(files, logDirectory))
    .map(parseLogName)
    .filter((name) => name !== null)
    .toSorted(byZxid)
  const holder = logs.findLast((log) => log.zxid <= zxid)
  const end = holder && (await endOfTxn(files, `${logDirectory}/${holder.name}`, zxid))
  if (holder === undefined || end === undefined || end === null) {
    throw new StoreError(`holds no transaction ${hex(zxid)} to truncate at`, { file: logDirectory })
  }
  const newer = (await list(files, snapshotDirectory))
    .map(parseSnapshotName)
    .filter((name) => name !== null && name.zxid > zxid)
  for (const snapshot of newer) {
    const why = `newer than ${hex(zxid)}, to which the log is truncated`
    if (snapshot !== null) {
      await repair(files, snapshotDirectory, { kind: 'moved-aside', name: snapshot.name, why })
    }
  }
  const why = `behind ${hex(zxid)}, to which the log is truncated`
  for (const log of logs.filter((each) => each.zxid > holder.zxid).toReversed()) {
    await repair(files, logDirectory, { kind: 'dropped', name: log.name, why })
  }
  await repair(files, logDirectory, { kind: 'cut', name: holder.name, offset: end, why })
}

/** Where the record of `zxid` ends in a log; null if it holds none. */
async function endOfTxn(files: FileSystem, path: string, zxid: bigint): Promise<number | null> {
  const reader = new Reader()
  let found: number | null = null
  try {
    const file = await files.open(path, 'read')
    try {
      await readLog(file, (bytes, start, end, offset) => {
        const header = TxnHeader.read(reader.reset(bytes, start, end))
        if (header.zxid === zxid) found = offset + end - start + RECORD_FRAME_BYTES
        return header.zxid <= zxid
      })
    } finally {
      await file.close()
    }
  } catch (error) {
    throw storeError('cannot read the log', path, error)
  }
  return found
}

async function list(files: FileSystem, directory: string): Promise<string[]> {
  try {
    return await files.list(directory)
  } catch (error) {
    throw storeError('cannot list the directory', directory, error)
  }
}
