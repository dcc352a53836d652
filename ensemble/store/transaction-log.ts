/**
 * The transaction log being written: group commit driven by completions.
 *
 * `append` encodes straight into the buffer of the next batch and does no I/O. `flush`, at the end
 * of each turn, starts one durable write of all that was appended, unless one is under way: then the
 * records ride with the next, which starts when that one completes. Two buffers swap; a slow disk
 * makes batches larger, not more (F-10).
 *
 * Invariants:
 * 1. `onDurable(zxid)` is called after every byte up to that record is durable, with the directory
 *    entry of its file, and in zxid order (I-9). At most one batch is on its way to the disk.
 * 2. zxids are contiguous (I-12): `append` asserts it.
 * 3. A file is named by its first record and was created in this run: after a start or a roll the
 *    next append begins a new one. The space ahead of the records is real zeros, written before it
 *    is needed, so that a full disk fails there and not inside a record (F-9), and so that a batch
 *    is one write in place: one hop, no new metadata.
 * 4. After the first error nothing is written, synced or reported any more (F-8).
 *
 * Layout: log-format.ts. Why these calls: docs/decisions/0004-write-path.md.
 */
import { assert } from '../assert.ts'
import { Writer } from '../jute/writer.ts'
import type { TxnRecord } from '../protocol/transactions.ts'
import { hex } from '../protocol/zxid.ts'
import type { File, FileSystem } from '../sys/file-system.ts'
import { adler32 } from '../sys/hash.ts'
import { logName } from './file-names.ts'
import {
  encodeLogHeader,
  encodeMark,
  LOG_HEADER_BYTES,
  MARK_BYTES,
  MARK_ROOM_BYTES,
  markPosition,
  RECORD_END,
} from './log-format.ts'
import { storeError, type StoreError } from './store-error.ts'
import { follows } from './zxid-order.ts'

export interface TransactionLogOptions {
  /** The version-2 directory of the logs. */
  readonly directory: string
  readonly lastZxid: bigint
  /** Zeros written ahead at a time; 0 or less writes none. */
  readonly preallocBytes: number
  /** false trades durability for speed: nothing is synced (`zookeeper.forceSync=no`). */
  readonly forceSync: boolean
  readonly onDurable: (zxid: bigint) => void
  readonly onFailure: (error: StoreError) => void
}

const BATCH_BUFFER_BYTES = 256 * 1024
/** Zeros written at a time, at most; the write of a batch waits behind at most one of them. */
const ZEROS_BYTES_MAX = 1024 * 1024
const ZEROS = Buffer.alloc(ZEROS_BYTES_MAX)

/** Records for one file: a roll between two appends splits a batch. */
interface Segment {
  readonly start: number
  readonly startsFile: boolean
  readonly firstZxid: bigint
}

interface Batch {
  readonly writer: Writer
  segments: Segment[]
  lastZxid: bigint
}

interface OpenLog {
  readonly file: File
  readonly path: string
  /** Where the next record goes. */
  position: number
  /** Up to here the file was written, with records or zeros. */
  zerosEnd: number
  /** The writing of zeros under way. */
  growing: Promise<void> | null
}

export class TransactionLog {
  readonly #options: TransactionLogOptions
  readonly #files: FileSystem
  readonly #monotonicMs: () => number
  /** Zeros per write: whatever the settings say, small enough to be quick. */
  readonly #zerosBytes: number

  #filling: Batch = newBatch()
  #idle: Batch = newBatch()
  #writing: Batch | null = null
  #isFlushWanted = false
  #startsFile = true
  #open: OpenLog | null = null

  #lastAppended: bigint
  #lastDurable: bigint
  #failure: StoreError | null = null
  #isClosed = false
  #writeStartedMs = 0
  #lastWriteMs = 0
  #onIdle: (() => void)[] = []
  /** The closing of files that were rolled away. */
  #finishing: Promise<void> = Promise.resolve()

  constructor(options: TransactionLogOptions, files: FileSystem, monotonicMs: () => number) {
    this.#options = options
    this.#files = files
    this.#monotonicMs = monotonicMs
    this.#zerosBytes = Math.max(0, Math.min(options.preallocBytes, ZEROS_BYTES_MAX))
    this.#lastAppended = options.lastZxid
    this.#lastDurable = options.lastZxid
  }

  get lastAppendedZxid(): bigint {
    return this.#lastAppended
  }

  get lastDurableZxid(): bigint {
    return this.#lastDurable
  }

  /** Bytes appended and not yet durable: above a bound of its own, the caller takes no more. */
  get pendingBytes(): number {
    return this.#filling.writer.position + (this.#writing?.writer.position ?? 0)
  }

  /** How long the write under way has taken so far; 0 without one (for the watchdog of F-11). */
  get stuckMs(): number {
    return this.#writing === null ? 0 : this.#monotonicMs() - this.#writeStartedMs
  }

  /** How long the last write took, until it was durable. */
  get lastWriteMs(): number {
    return this.#lastWriteMs
  }

  get failure(): StoreError | null {
    return this.#failure
  }

  /** Fails, with a message that is not worth making for every transaction. */
  #assertContiguous(zxid: bigint): void {
    const last = this.#lastAppended
    assert(follows(last, zxid), `the log is contiguous: ${hex(zxid)} follows ${hex(last)}`)
  }

  /**
   * Encodes a transaction into the next batch.
   * @returns the bytes it takes in the log
   */
  append(txn: TxnRecord): number {
    assert(!this.#isClosed, 'nothing is appended to a closed log')
    if (!follows(this.#lastAppended, txn.zxid)) this.#assertContiguous(txn.zxid)
    this.#lastAppended = txn.zxid
    if (this.#failure !== null) return 0
    const batch = this.#filling
    const writer = batch.writer
    const at = writer.position
    if (at === 0 || this.#startsFile) {
      batch.segments.push({ start: at, startsFile: this.#startsFile, firstZxid: txn.zxid })
      this.#startsFile = false
    }
    writer.longParts(0, 0)
    writer.int(0)
    const start = writer.position
    txn.writeTo(writer)
    const end = writer.position
    writer.patchInt(at + 4, adler32(writer.bytes, start, end))
    writer.patchInt(at + 8, end - start)
    writer.byte(RECORD_END)
    batch.lastZxid = txn.zxid
    return writer.position - at
  }

  /** Ends a batch: everything appended so far becomes durable as soon as the disk allows. */
  flush(): void {
    if (this.#filling.writer.position === 0 || this.#failure !== null) return
    if (this.#writing !== null) {
      this.#isFlushWanted = true
      return
    }
    void this.#write()
  }

  /** The next append begins a new file. */
  roll(): void {
    this.#startsFile = true
  }

  /** The history goes on behind `zxid`, such as that of a snapshot received: begins a new file. */
  restartAt(zxid: bigint): void {
    assert(this.#writing === null && this.pendingBytes === 0, 'a log restarts when it is idle')
    this.#lastAppended = zxid
    this.#lastDurable = zxid
    this.roll()
  }

  /** Resolves when nothing is on its way to the disk; after a failure nothing ever is. */
  async whenIdle(): Promise<void> {
    while (this.#writing !== null) {
      await new Promise<void>((resolve) => this.#onIdle.push(resolve))
    }
  }

  /** Writes what was appended, then cuts the zeros off the file and closes it. */
  async close(): Promise<void> {
    this.flush()
    this.#isClosed = true
    await this.whenIdle()
    await this.#finish()
    await this.#finishing
  }

  /** Closes the file under way, so that it may be cut or removed. */
  async release(): Promise<void> {
    this.flush()
    await this.whenIdle()
    await this.#finish()
    await this.#finishing
    this.roll()
  }

  async #write(): Promise<void> {
    const batch = this.#filling
    this.#filling = this.#idle
    this.#writing = batch
    this.#isFlushWanted = false
    this.#writeStartedMs = this.#monotonicMs()
    try {
      await this.#writeSegments(batch)
    } catch (error) {
      this.#fail(
        storeError('cannot write the log', this.#open?.path ?? this.#options.directory, error),
      )
    }
    this.#lastWriteMs = this.#monotonicMs() - this.#writeStartedMs
    const { lastZxid } = batch
    batch.writer.reset()
    batch.segments = []
    this.#idle = batch
    this.#writing = null
    if (this.#failure === null) {
      assert(lastZxid > this.#lastDurable, 'zxids become durable in order')
      this.#lastDurable = lastZxid
      // The next batch starts first: the disk works while the answers to this one go out.
      if (this.#isFlushWanted) this.flush()
      this.#options.onDurable(lastZxid)
    }
    if (this.#writing === null) {
      const waiting = this.#onIdle
      this.#onIdle = []
      for (const resolve of waiting) resolve()
    }
  }

  async #writeSegments(batch: Batch): Promise<void> {
    const { segments, writer } = batch
    const dataEnd = writer.position
    for (const [index, segment] of segments.entries()) {
      const end = segments[index + 1]?.start ?? dataEnd
      const log = segment.startsFile ? await this.#startFile(segment.firstZxid) : this.#open
      assert(log !== null, 'records go to an open log')
      // Only behind the last records of the buffer there is room for the mark.
      if (end === dataEnd) await this.#writeRecords(log, writer, segment.start, end)
      else {
        const own = new Writer(end - segment.start + MARK_ROOM_BYTES)
        own.raw(writer.bytes, segment.start, end)
        await this.#writeRecords(log, own, 0, own.position)
      }
    }
  }

  /** Writes `[start, end)` of the buffer, the last it holds, with the mark behind. */
  async #writeRecords(log: OpenLog, writer: Writer, start: number, end: number): Promise<void> {
    assert(end === writer.position, 'the mark overwrites no record')
    const bytes = end - start
    const position = log.position
    if (log.growing !== null && position + bytes + MARK_ROOM_BYTES > log.zerosEnd) await log.growing
    while (this.#zerosBytes > 0 && position + bytes + MARK_ROOM_BYTES > log.zerosEnd) {
      await this.#grow(log)
    }
    const markAt = start + markPosition(position + bytes) - position
    const stop = markAt + MARK_BYTES
    writer.reserve(stop - end)
    writer.bytes.fill(0, end, markAt)
    encodeMark(writer.bytes, markAt, bytes, position + bytes)
    await log.file.write(writer.bytes.subarray(start, stop), position)
    log.position = position + bytes
    const isShortOfZeros = log.position + this.#zerosBytes / 2 > log.zerosEnd
    if (isShortOfZeros && this.#zerosBytes > 0 && log.growing === null) {
      // ahead of need, beside the next batches; a failure counts when a batch needs the space
      log.growing = this.#grow(log).finally(() => (log.growing = null))
      log.growing.catch(() => {})
    }
  }

  async #startFile(firstZxid: bigint): Promise<OpenLog> {
    const rolled = this.#finish()
    this.#finishing = this.#finishing.then(() => rolled)
    const path = `${this.#options.directory}/${logName(firstZxid)}`
    const mode = this.#options.forceSync ? 'create-synced' : 'create'
    try {
      const file = await this.#files.open(path, mode)
      const log = { file, path, position: LOG_HEADER_BYTES, zerosEnd: 0, growing: null }
      this.#open = log
      // Header and first zeros are durable before the first record: no record in a nameless file.
      const first = Buffer.alloc(
        Math.max(LOG_HEADER_BYTES, Math.min(this.#zerosBytes, FIRST_BYTES)),
      )
      encodeLogHeader().copy(first)
      await file.write(first, 0)
      log.zerosEnd = first.length
      if (this.#options.forceSync) await this.#files.syncDirectory(this.#options.directory)
      return log
    } catch (error) {
      throw storeError('cannot start a log', path, error)
    }
  }

  /** Writes the next zeros; the file ends on a multiple of their size, as Apache's does. */
  async #grow(log: OpenLog): Promise<void> {
    const size = this.#zerosBytes
    const end = (Math.floor(log.zerosEnd / size) + 1) * size
    await log.file.write(ZEROS.subarray(0, end - log.zerosEnd), log.zerosEnd)
    log.zerosEnd = end
  }

  /** Closes the file whose records are all durable. What it loses may fail: the records are safe. */
  async #finish(): Promise<void> {
    const log = this.#open
    if (log === null) return
    this.#open = null
    try {
      await log.growing
      if (this.#failure === null) await log.file.truncate(log.position)
    } catch {
      // zeros behind the last record are as good as none
    }
    await log.file.close().catch(() => {})
  }

  #fail(error: StoreError): void {
    if (this.#failure !== null) return
    this.#failure = error
    this.#filling.writer.reset()
    this.#filling.segments = []
    this.#options.onFailure(error)
  }
}

/** Zeros of a fresh log: few, so that its first record waits little. */
const FIRST_BYTES = 64 * 1024

function newBatch(): Batch {
  return { writer: new Writer(BATCH_BUFFER_BYTES), segments: [], lastZxid: 0n }
}
