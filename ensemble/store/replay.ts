/**
 * Applies logs to the tree of a snapshot.
 *
 * Invariants:
 * 1. No zxid is missing between the snapshot and the last record (I-12, N-4): each record follows the
 *    one before, or the snapshot. What a snapshot covers is read and checked, but not applied.
 * 2. A record is applied only if its checksum was right, and its file's name is the zxid of its first.
 * 3. The digests that transactions carry are compared with the tree's (I-13). While an Apache
 *    snapshot is fuzzy they differ; from then on, or at the end at the latest, they must agree.
 * 4. Nothing on disk is changed; what must be changed later is returned as repairs.
 *
 * Damage is a StoreError, or, where the operator accepts it, the end of its file.
 * Source: disk-format 5.1, 5.3, with the stricter rules of F-3 to F-5.
 */
import { Reader } from '../jute/reader.ts'
import { WireError } from '../jute/wire-error.ts'
import { Op } from '../protocol/op-codes.ts'
import { readTxn, type Txn } from '../protocol/transactions.ts'
import { hex } from '../protocol/zxid.ts'
import type { FileSystem } from '../sys/file-system.ts'
import type { Tree } from '../tree/tree.ts'
import type { LogName } from './file-names.ts'
import { LOG_HEADER_BYTES } from './log-format.ts'
import { readLog } from './log-reader.ts'
import type { LogEnd } from './log-tail.ts'
import type { Repair } from './repairs.ts'
import { DIGEST_VERSION } from './snapshot-format.ts'
import { StoreError, storeError } from './store-error.ts'
import { follows } from './zxid-order.ts'

export const ACCEPT_DAMAGE_KEY = 'howdah.acceptDamagedLog'

const HINT =
  `; restore the file from a backup, or start once with -D${ACCEPT_DAMAGE_KEY}=true to go on with ` +
  'what comes before (transactions may be lost; the original is kept aside)'

/** In a transaction header: behind clientId and cxid. */
const ZXID_AT = 12

/** A serialized transaction, as it stands in the log and in a PROPOSAL. */
export interface LoggedTxn {
  readonly zxid: bigint
  readonly payload: Buffer
}

export interface Replayed {
  readonly lastZxid: bigint
  /** Transactions applied on top of the snapshot. */
  readonly appliedCount: number
  /** The last transactions, oldest first. */
  readonly recent: LoggedTxn[]
  readonly repairs: Repair[]
  /** Logs that hold records and stay. */
  readonly logs: string[]
}

export interface ReplayOptions {
  readonly logDirectory: string
  /** The logs to read, lowest zxid first. */
  readonly logs: readonly LogName[]
  readonly tree: Tree
  readonly sessions: Map<bigint, number>
  readonly snapshotZxid: bigint
  readonly digestEnabled: boolean
  readonly acceptDamage: boolean
  readonly recentMax: number
}

/** @throws StoreError */
export async function replay(options: ReplayOptions, files: FileSystem): Promise<Replayed> {
  const { logDirectory, logs, tree, sessions, snapshotZxid, acceptDamage } = options
  const reader = new Reader()
  /** The last ones, where they lie in pieces of their files: only those that stay are copied. */
  const recent: { zxid: bigint; bytes: Buffer; start: number; stop: number }[] = []
  const repairs: Repair[] = []
  const kept: string[] = []
  /** Where the next record must follow on. */
  let last = snapshotZxid
  /** Last record read, also below the snapshot. */
  let lastRead = -1n
  let mismatch: { name: string; offset: number; zxid: bigint } | null = null
  let isBroken = false
  let appliedCount = 0

  for (const log of logs) {
    const path = `${logDirectory}/${log.name}`
    let records = 0
    let problem: { offset: number; why: string } | null = null
    const refuse = (offset: number, why: string) => {
      if (!acceptDamage) throw new StoreError(why + HINT, { file: path, offset })
      problem = { offset, why }
      return false
    }
    const end = await readRecords(files, path, (bytes, start, stop, offset) => {
      const zxid = bytes.readBigInt64BE(start + ZXID_AT)
      if (records === 0 && zxid !== log.zxid) {
        return refuse(offset, `the first transaction is ${hex(zxid)}, not that of the file's name`)
      }
      if (zxid < lastRead) {
        return refuse(offset, `transaction ${hex(zxid)} after ${hex(lastRead)}: out of order`)
      }
      if (zxid > last && !follows(last, zxid)) {
        return refuse(offset, `transaction ${hex(zxid)} after ${hex(last)}: some are missing`)
      }
      if (zxid <= last) {
        // covered by the snapshot, or logged twice
        records += 1
        lastRead = zxid
        return true
      }
      let txn: Txn
      let digest
      try {
        ;({ txn, digest } = readTxn(reader.reset(bytes, start, stop)))
      } catch (error) {
        if (!(error instanceof WireError)) throw error
        return refuse(offset, `a transaction that cannot be read (${error.message})`)
      }
      records += 1
      lastRead = zxid
      last = zxid
      tree.apply(txn, null)
      appliedCount += 1
      if (txn.type === Op.createSession) sessions.set(txn.clientId, txn.timeOut)
      else if (txn.type === Op.closeSession) sessions.delete(txn.clientId)
      recent.push({ zxid, bytes, start, stop })
      if (recent.length >= 2 * options.recentMax)
        recent.splice(0, recent.length - options.recentMax)
      if (options.digestEnabled && digest?.version === DIGEST_VERSION) {
        const isEqual = BigInt.asIntN(64, tree.treeDigest) === digest.treeDigest
        if (isEqual) mismatch = null
        else mismatch ??= { name: log.name, offset, zxid }
      }
      return true
    })

    if (end?.kind === 'damaged') refuse(end.offset, end.why)
    // true: assigned in the closures above, which the compiler does not follow
    const stopped = problem as { offset: number; why: string } | null
    if (stopped !== null) {
      const isWhole = isBroken || records === 0 || stopped.offset <= LOG_HEADER_BYTES
      if (isWhole) repairs.push({ kind: 'moved-aside', name: log.name, why: stopped.why })
      else repairs.push({ kind: 'cut-damaged', name: log.name, ...stopped })
      isBroken = true
      if (!isWhole) kept.push(log.name)
      continue
    }
    if (records === 0) {
      const why = end?.kind === 'torn' ? end.why : 'it holds no record'
      repairs.push({ kind: 'dropped', name: log.name, why })
      continue
    }
    if (end?.kind === 'torn') {
      repairs.push({ kind: 'cut', name: log.name, offset: end.offset, why: end.why })
    }
    kept.push(log.name)
  }

  // true: assigned in a closure above, which the compiler does not follow
  const wrong = mismatch as { name: string; offset: number; zxid: bigint } | null
  if (wrong !== null && !acceptDamage) {
    throw new StoreError(
      `the tree after transaction ${hex(wrong.zxid)} is not the one its digest tells` + HINT,
      { file: `${logDirectory}/${wrong.name}`, offset: wrong.offset },
    )
  }
  tree.lastZxid = last
  const lastOnes = recent
    .slice(Math.max(0, recent.length - options.recentMax))
    .map(({ zxid, bytes, start, stop }) => {
      return { zxid, payload: Buffer.from(bytes.subarray(start, stop)) }
    })
  return { lastZxid: last, appliedCount, recent: lastOnes, repairs, logs: kept }
}

/** Does any of the logs hold a record? @throws StoreError also when that cannot be told */
export async function holdRecords(
  files: FileSystem,
  directory: string,
  logs: readonly LogName[],
): Promise<boolean> {
  for (const { name } of logs) {
    const path = `${directory}/${name}`
    const end = await readRecords(files, path, () => false)
    if (end === null) return true
    if (end.kind === 'damaged') throw new StoreError(end.why, { file: path, offset: end.offset })
  }
  return false
}

async function readRecords(
  files: FileSystem,
  path: string,
  onRecord: Parameters<typeof readLog>[1],
): Promise<LogEnd | null> {
  try {
    const stat = await files.stat(path)
    if (stat?.isDirectory)
      throw new StoreError('a directory where a log is expected', { file: path })
    const file = await files.open(path, 'read')
    try {
      return await readLog(file, onRecord)
    } finally {
      await file.close()
    }
  } catch (error) {
    if (isSystemError(error)) throw storeError('cannot read the log', path, error)
    throw error
  }
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && 'syscall' in error
}
