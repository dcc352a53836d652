/**
 * The transaction log as bytes: what writer and reader share.
 *
 *   header     int magic `ZKLG`, int version 2, long dbid 0
 *   record     long Adler-32 of the payload, int length, payload, byte 0x42; repeated
 *   the rest   zeros: a length of 0 is the end of the log for every reader
 *
 * Behind the records of each batch, after at least the 12 zeros that end the log for every reader,
 * we leave a *batch mark* of 16 bytes; the next batch overwrites it, and closing the log cuts it off.
 * It says where the last batch began. A batch is written only once the one before is durable, so a
 * hole behind that place was never acknowledged, and a hole before it is damage: without the mark a
 * power loss that tore the middle of the last batch looks like a record that went bad (log-tail.ts).
 *
 *   batch mark int magic `HWBM`, int bytes of the batch, int end of the batch (its low 32 bits),
 *              int CRC-32 of these twelve; never across the border of a sector
 *
 * Source: FileTxnLog.java, Util.java#readTxnBytes, 3.9.5 (only the magic is checked on reading).
 */
import { crc32 } from '../sys/hash.ts'

export const LOG_MAGIC = 0x5a4b4c47
export const LOG_VERSION = 2
export const LOG_HEADER_BYTES = 16
/** Checksum and length before the payload. */
export const RECORD_PREFIX_BYTES = 12
/** What a record takes beside its payload. */
export const RECORD_FRAME_BYTES = RECORD_PREFIX_BYTES + 1
export const RECORD_END = 0x42
/** A transaction header alone: no payload is shorter. */
export const PAYLOAD_BYTES_MIN = 32

/** What a disk writes whole or not at all. */
export const SECTOR_BYTES = 512

export const MARK_BYTES = 16
export const MARK_MAGIC = Buffer.from('HWBM')
/** Room that a batch needs behind its records: the zeros and the mark, wherever the sector ends. */
export const MARK_ROOM_BYTES = RECORD_PREFIX_BYTES + 2 * MARK_BYTES

export function encodeLogHeader(): Buffer {
  const header = Buffer.alloc(LOG_HEADER_BYTES)
  header.writeUInt32BE(LOG_MAGIC, 0)
  header.writeUInt32BE(LOG_VERSION, 4)
  return header
}

/** Where the mark of a batch that ends at `end` lies: wholly inside one sector. */
export function markPosition(end: number): number {
  const position = end + RECORD_PREFIX_BYTES
  const left = SECTOR_BYTES - (position % SECTOR_BYTES)
  return left < MARK_BYTES ? position + left : position
}

/** Writes the mark of the batch `[end - batchBytes, end)` of the file into `bytes` at `at`. */
export function encodeMark(bytes: Buffer, at: number, batchBytes: number, end: number): void {
  MARK_MAGIC.copy(bytes, at)
  bytes.writeUInt32BE(batchBytes, at + 4)
  bytes.writeUInt32BE(end % 0x1_0000_0000, at + 8)
  bytes.writeUInt32BE(crc32(bytes.subarray(at, at + 12)), at + 12)
}

/** A batch `[start, end)` of the file. */
export interface BatchMark {
  readonly start: number
  readonly end: number
}

/** The mark at `at` of `bytes`, which is at `position` of the file; null if there is no valid one. */
export function decodeMark(bytes: Buffer, at: number, position: number): BatchMark | null {
  if (at < 0 || at + MARK_BYTES > bytes.length) return null
  if (bytes.compare(MARK_MAGIC, 0, 4, at, at + 4) !== 0) return null
  if (bytes.readUInt32BE(at + 12) !== crc32(bytes.subarray(at, at + 12))) return null
  const high = Math.floor(position / 0x1_0000_0000) * 0x1_0000_0000
  const end = high + bytes.readUInt32BE(at + 8)
  const start = end - bytes.readUInt32BE(at + 4)
  return markPosition(end) === position && start >= LOG_HEADER_BYTES ? { start, end } : null
}
