/**
 * Reads the records of one log file in order, and judges its end (log-tail.ts).
 *
 * Memory: one piece of the file at a time, grown for a record that is longer. The length of a record
 * is bounded by the file alone: what was once logged must stay readable, whatever limits the ports
 * have now (B-40). Source: FileTxnLog.java#FileTxnIterator, 3.9.5.
 */
import { assert } from '../assert.ts'
import type { File } from '../sys/file-system.ts'
import { adler32 } from '../sys/hash.ts'
import {
  LOG_HEADER_BYTES,
  LOG_MAGIC,
  PAYLOAD_BYTES_MIN,
  RECORD_END,
  RECORD_FRAME_BYTES,
  RECORD_PREFIX_BYTES,
  SECTOR_BYTES,
} from './log-format.ts'
import { judgeHeader, judgeTail, type LogEnd } from './log-tail.ts'

const PIECE_BYTES = 1024 * 1024

/**
 * Takes the payload `bytes[start, end)` of the record at `offset` of the file. The bytes are a view
 * of a piece of the file: copy what is kept. Returning false ends the reading before this record.
 */
export type OnRecord = (bytes: Buffer, start: number, end: number, offset: number) => boolean | void

/** @returns how the log ends; null when `onRecord` ended the reading */
export async function readLog(file: File, onRecord: OnRecord): Promise<LogEnd | null> {
  const size = await file.size()
  let bytes = await file.read(0, Math.min(size, PIECE_BYTES))
  if (bytes.length < LOG_HEADER_BYTES || bytes.readUInt32BE(0) !== LOG_MAGIC) {
    return judgeHeader(await file.read(0, size))
  }
  let base = 0 // offset in the file of bytes[0]
  let at = LOG_HEADER_BYTES // offset in the file of the next record
  for (;;) {
    const length = payloadLength(bytes, at - base, size - at)
    if (length === 0) break
    const needed = length === null ? RECORD_PREFIX_BYTES : length + RECORD_FRAME_BYTES
    if (at - base + needed > bytes.length) {
      // never before one whole piece: records are short and calls are not
      bytes = await file.read(at, Math.max(PIECE_BYTES, needed))
      base = at
      if (bytes.length < needed) break
      continue
    }
    assert(length !== null, 'a record whose start was read has a length')
    const start = at - base + RECORD_PREFIX_BYTES
    const end = start + length
    if (bytes[end] !== RECORD_END || bytes.readUInt32BE(at - base) !== 0) break
    if (adler32(bytes, start, end) !== bytes.readUInt32BE(at - base + 4)) break
    if (onRecord(bytes, start, end, at) === false) return null
    at += length + RECORD_FRAME_BYTES
  }
  const sector = Math.floor(at / SECTOR_BYTES) * SECTOR_BYTES
  return judgeTail(await file.read(sector, size - sector), sector, at)
}

/** The length of the record at `at`; null if its start was not read yet, 0 if there is none. */
function payloadLength(bytes: Buffer, at: number, left: number): number | null {
  if (left < RECORD_FRAME_BYTES + PAYLOAD_BYTES_MIN) return 0
  if (at + RECORD_PREFIX_BYTES > bytes.length) return null
  const length = bytes.readInt32BE(at + 8)
  const isPlausible = length >= PAYLOAD_BYTES_MIN && length + RECORD_FRAME_BYTES <= left
  return isPlausible ? length : 0
}
