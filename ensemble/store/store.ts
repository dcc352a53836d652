/**
 * What is durable of one peer: its log, its snapshots, its epochs.
 *
 * The pipeline appends (`appendTxn`, no I/O) and ends each batch with `flush`; `onDurable` says up to
 * which zxid the disk has it. After `onFailure` nothing is acknowledged any more and the peer ends.
 *
 * A snapshot is due after a number of transactions or bytes, drawn anew each time between half of the
 * setting and all of it, so that the members of an ensemble do not all write at once. The caller
 * freezes its tree and hands it over; the log rolls at that moment.
 *
 * Source: SyncRequestProcessor.java#shouldSnapshot, 3.9.5; disk-format 2.3.
 */
import { assert } from '../assert.ts'
import { writeTxn, type Txn, type TxnDigest, type TxnRecord } from '../protocol/transactions.ts'
import type { Clock } from '../sys/clock.ts'
import type { FileSystem } from '../sys/file-system.ts'
import type { Logger } from '../sys/logger.ts'
import { below, type Random } from '../sys/random.ts'
import type { FrozenTree } from '../tree/frozen-tree.ts'
import { loadEpochs, writeEpoch, type EpochName, type Epochs } from './epoch-files.ts'
import { VERSION_DIRECTORY, type SnapshotStream } from './file-names.ts'
import { purge } from './purge.ts'
import { recover, type Recovered } from './recovery.ts'
import { writeSnapshot, type WrittenSnapshot } from './snapshot-writer.ts'
import { storeError, type StoreError } from './store-error.ts'
import { TransactionLog } from './transaction-log.ts'
import { truncateLogs } from './truncate.ts'

export interface StoreOptions {
  readonly dataDir: string
  readonly dataLogDir: string
  readonly preallocBytes?: number
  /** Transactions between snapshots; at least 2. */
  readonly snapCount?: number
  /** Bytes of log between snapshots; 0 or less: no such limit. */
  readonly snapSizeLimitBytes?: number
  /** A log above this size is rolled, without a snapshot; 0 or less: no such limit. */
  readonly logSizeLimitBytes?: number
  readonly forceSync?: boolean
  readonly digestEnabled?: boolean
  readonly extendedTypes?: boolean
  readonly trustEmptySnapshot?: boolean
  readonly autocreate?: boolean
  /** false: directories that are missing are an error. */
  readonly autocreateDirectories?: boolean
  /** Snapshots end with their zxid, as since 3.9. */
  readonly serializeLastZxid?: boolean
  /** How snapshots are packed; those on disk are read whatever it says. */
  readonly snapshotStream?: SnapshotStream
  readonly acceptDamage?: boolean
  readonly freeBytesMin?: number
  /** How many of the last transactions recovery returns. */
  readonly recentMax?: number
  /** Everything up to this transaction is durable here. */
  readonly onDurable: (zxid: bigint) => void
  /** The log failed: stop this peer. Called once. */
  readonly onFailure: (error: StoreError) => void
}

export interface StoreSys {
  readonly files: FileSystem
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export type SnapshotOutcome =
  | ({ readonly ok: true } & WrittenSnapshot)
  | { readonly ok: false; readonly error: StoreError }

const MIB = 1024 * 1024
const PREALLOC_BYTES = 64 * MIB
const SNAP_COUNT = 100_000
const SNAP_SIZE_LIMIT_BYTES = 4096 * MIB
export const FREE_BYTES_MIN = 4 * MIB
const RECENT_MAX = 500

/** Recovers what is in the directories and opens them for writing. @throws StoreError */
export async function openStore(
  options: StoreOptions,
  sys: StoreSys,
): Promise<Recovered & { store: Store }> {
  const recovered = await recover(
    {
      dataDir: options.dataDir,
      dataLogDir: options.dataLogDir,
      digestEnabled: options.digestEnabled ?? true,
      extendedTypes: options.extendedTypes ?? false,
      trustEmptySnapshot: options.trustEmptySnapshot ?? false,
      autocreate: options.autocreate ?? true,
      autocreateDirectories: options.autocreateDirectories ?? true,
      serializeLastZxid: options.serializeLastZxid ?? true,
      acceptDamage: options.acceptDamage ?? false,
      freeBytesMin: options.freeBytesMin ?? FREE_BYTES_MIN,
      recentMax: options.recentMax ?? RECENT_MAX,
      snapshotStream: options.snapshotStream ?? 'plain',
    },
    sys,
  )
  return { ...recovered, store: new Store(options, sys, recovered) }
}

export class Store {
  readonly #options: StoreOptions
  readonly #sys: StoreSys
  readonly #log: TransactionLog
  readonly #snapshotDirectory: string
  readonly #logDirectory: string
  readonly #digestEnabled: boolean
  /** Snapshots whose every byte was checked or written in this run. */
  readonly #verified = new Set<string>()

  #txnsLeft = 0
  #bytesLeft = 0
  #fileBytes = 0
  #snapshotUnderWay: Promise<SnapshotOutcome> | null = null
  #purgeUnderWay: Promise<unknown> | null = null

  constructor(options: StoreOptions, sys: StoreSys, recovered: Recovered) {
    this.#options = options
    this.#sys = sys
    this.#snapshotDirectory = `${options.dataDir}/${VERSION_DIRECTORY}`
    this.#logDirectory = `${options.dataLogDir}/${VERSION_DIRECTORY}`
    this.#digestEnabled = options.digestEnabled ?? true
    if (recovered.snapshot !== null) this.#verified.add(recovered.snapshot)
    this.#log = new TransactionLog(
      {
        directory: this.#logDirectory,
        lastZxid: recovered.lastZxid,
        preallocBytes: options.preallocBytes ?? PREALLOC_BYTES,
        forceSync: options.forceSync ?? true,
        onDurable: options.onDurable,
        onFailure: options.onFailure,
      },
      sys.files,
      () => sys.clock.monotonicMs(),
    )
    this.#drawLimits()
    // A server that restarts often must not replay more and more: what it replayed counts.
    this.#txnsLeft -= recovered.replayedCount
  }

  // --- Log --------------------------------------------------------------------------------------

  /** Encodes a transaction into the next batch; no I/O. It must follow the one before. */
  appendTxn(txn: Txn, digest: TxnDigest | null): void {
    this.append({ zxid: txn.zxid, writeTo: (writer) => writeTxn(writer, txn, digest) })
  }

  /** The same for what writes itself. */
  append(txn: TxnRecord): void {
    const bytes = this.#log.append(txn)
    this.#txnsLeft -= 1
    this.#bytesLeft -= bytes
    this.#fileBytes += bytes
  }

  /** Ends a batch: what was appended becomes durable as soon as the disk allows. */
  flush(): void {
    this.#log.flush()
    const limit = this.#options.logSizeLimitBytes ?? 0
    if (limit > 0 && this.#fileBytes > limit) this.rollLog()
  }

  /** The next transaction begins a new log. */
  rollLog(): void {
    this.#log.roll()
    this.#fileBytes = 0
  }

  get lastAppendedZxid(): bigint {
    return this.#log.lastAppendedZxid
  }

  get lastDurableZxid(): bigint {
    return this.#log.lastDurableZxid
  }

  /** Bytes appended and not yet durable: the back-pressure signal. */
  get pendingBytes(): number {
    return this.#log.pendingBytes
  }

  /** How long the disk has been busy with the write under way; 0 without one (F-11). */
  get stuckMs(): number {
    return this.#log.stuckMs
  }

  /** How long the last batch took to become durable. */
  get lastWriteMs(): number {
    return this.#log.lastWriteMs
  }

  get failure(): StoreError | null {
    return this.#log.failure
  }

  /** Resolves when all that was flushed is durable, or the log has failed. */
  whenDurable(): Promise<void> {
    return this.#log.whenIdle()
  }

  /**
   * Cuts the log behind `zxid`, which it must hold, and moves snapshots of later states aside (B-15).
   * The caller then closes this store and recovers. @throws StoreError
   */
  async truncateLog(zxid: bigint): Promise<void> {
    await this.#log.release()
    await this.#snapshotUnderWay
    const { files } = this.#sys
    await truncateLogs(files, this.#logDirectory, this.#snapshotDirectory, zxid)
    this.#verified.clear()
    this.#log.restartAt(zxid)
  }

  /** The history goes on behind a snapshot that was received and is stored. */
  async restartAt(zxid: bigint): Promise<void> {
    await this.#log.release()
    this.#log.restartAt(zxid)
  }

  // --- Snapshots --------------------------------------------------------------------------------

  /** Is it time for a snapshot? Asks the caller to freeze its tree and call `snapshot`. */
  get shouldSnapshot(): boolean {
    if (this.#txnsLeft > 0 && this.#bytesLeft > 0) return false
    if (this.#snapshotUnderWay === null) return true
    // still busy with the last one: the log rolls all the same, as Apache's does
    this.rollLog()
    this.#drawLimits()
    return false
  }

  get isSnapshotUnderWay(): boolean {
    return this.#snapshotUnderWay !== null
  }

  /**
   * Rolls the log and writes a snapshot beside everything else; releases `frozen` when done. A
   * failure is logged and returned: the peer goes on, with more log to replay (F-8, F-9).
   */
  snapshot(frozen: FrozenTree, sessions: ReadonlyMap<bigint, number>): Promise<SnapshotOutcome> {
    assert(this.#snapshotUnderWay === null, 'one snapshot at a time')
    this.rollLog()
    this.#drawLimits()
    const underWay = this.#write(frozen, sessions)
    this.#snapshotUnderWay = underWay
    return underWay
  }

  /** Removes snapshots and logs that the newest `retain` snapshots do not need. */
  async purge(retain: number): Promise<string[]> {
    await this.#purgeUnderWay
    const purging = purge(
      {
        snapshotDirectory: this.#snapshotDirectory,
        logDirectory: this.#logDirectory,
        retain,
        verified: this.#verified,
      },
      this.#sys.files,
    )
    this.#purgeUnderWay = purging.catch(() => {})
    return purging
  }

  // --- Epochs -----------------------------------------------------------------------------------

  /** @throws StoreError */
  loadEpochs(lastZxid: bigint): Promise<Epochs> {
    return loadEpochs(this.#sys.files, this.#snapshotDirectory, lastZxid)
  }

  /** Resolves once the promise is durable. @throws StoreError */
  writeEpoch(name: EpochName, epoch: number): Promise<void> {
    return writeEpoch(this.#sys.files, this.#snapshotDirectory, name, epoch)
  }

  /** Writes what was appended, finishes a snapshot under way, and closes the files. */
  async close(): Promise<void> {
    await this.#log.close()
    await this.#snapshotUnderWay
    await this.#purgeUnderWay
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #write(
    frozen: FrozenTree,
    sessions: ReadonlyMap<bigint, number>,
  ): Promise<SnapshotOutcome> {
    const { log } = this.#sys
    const options = {
      directory: this.#snapshotDirectory,
      digestEnabled: this.#digestEnabled,
      stream: this.#options.snapshotStream ?? 'plain',
      serializeLastZxid: this.#options.serializeLastZxid ?? true,
    }
    try {
      const written = await writeSnapshot(options, frozen, sessions, this.#sys)
      this.#verified.add(written.name)
      log.info({ name: written.name, sizeBytes: written.sizeBytes }, 'snapshot taken')
      return { ok: true, ...written }
    } catch (failure) {
      const error = storeError('cannot write a snapshot', this.#snapshotDirectory, failure)
      log.error({ file: error.file, error }, 'snapshot failed')
      return { ok: false, error }
    } finally {
      frozen.release()
      this.#snapshotUnderWay = null
    }
  }

  #drawLimits(): void {
    const { random } = this.#sys
    const count = Math.max(2, this.#options.snapCount ?? SNAP_COUNT)
    const half = Math.floor(count / 2)
    this.#txnsLeft = half + below(random, half) + 1
    const size = this.#options.snapSizeLimitBytes ?? SNAP_SIZE_LIMIT_BYTES
    const halfSize = Math.floor(size / 2)
    this.#bytesLeft = size > 0 ? halfSize + below(random, halfSize) + 1 : Number.POSITIVE_INFINITY
  }
}
