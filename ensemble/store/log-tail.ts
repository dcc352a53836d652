/**
 * Judges the end of a log: is it the end, was a write torn there, or did a record go bad?
 *
 * A torn write was never synced, so never acknowledged: it may be cut. Damage may sit on top of
 * acknowledged records: it must be refused. What tells them apart (F-3, F-4):
 * 1. A write that was torn leaves *missing* bytes, not changed ones: the file ends, or whole sectors
 *    still hold the zeros of preallocated space (or an old batch mark), or zeros run to the end of the
 *    file. A complete record with a wrong checksum, length or end byte has gone bad.
 * 2. Nothing valid follows a torn record, except other records of the same batch. The batch mark says
 *    which batch was the last (log-format.ts). Where it is missing, the end of the batch must be
 *    missing too; otherwise valid records behind the hole prove damage.
 * 3. Whatever stays unclear is damage: to refuse costs an operator's look, to cut may cost a write.
 *
 * Pure functions over the bytes from the sector of the first bad record to the end of the file.
 */
import { assert } from '../assert.ts'
import { adler32 } from '../sys/hash.ts'
import {
  decodeMark,
  LOG_HEADER_BYTES,
  LOG_MAGIC,
  MARK_BYTES,
  MARK_MAGIC,
  markPosition,
  PAYLOAD_BYTES_MIN,
  RECORD_END,
  RECORD_FRAME_BYTES,
  RECORD_PREFIX_BYTES,
  SECTOR_BYTES,
  type BatchMark,
} from './log-format.ts'

export type LogEnd =
  | { readonly kind: 'clean'; readonly offset: number }
  /** Cut at `offset`: nothing behind it was ever acknowledged. */
  | { readonly kind: 'torn'; readonly offset: number; readonly why: string }
  | { readonly kind: 'damaged'; readonly offset: number; readonly why: string }

/**
 * Judges a log from `offset` on, where no valid record begins and before which all are valid.
 *
 * @param tail the file from `base`, the start of the sector of `offset`, to its end
 */
export function judgeTail(tail: Buffer, base: number, offset: number): LogEnd {
  assert(base % SECTOR_BYTES === 0 && base <= offset, 'a tail starts at its sector')
  const at = offset - base
  const end = endOfData(tail)
  if (end <= at) return { kind: 'clean', offset }

  const markAt = markPosition(offset) - base
  const isOnlyMark = end <= markAt + MARK_BYTES && isZero(tail, at, markAt)
  if (isOnlyMark) return { kind: 'clean', offset } // valid or not: no record is that short
  if (decodeMark(tail, markAt, base + markAt)?.end === offset && isZero(tail, at, markAt)) {
    return { kind: 'torn', offset, why: 'the batch behind the last synced one is incomplete' }
  }

  const last = lastMark(tail, base, at)
  if (last !== null) {
    const isFollowed = end > markPosition(last.end) - base + MARK_BYTES
    if (last.start > offset || isFollowed) {
      return { kind: 'damaged', offset, why: 'no valid record here, and later batches follow' }
    }
  }
  const dataEnd = last === null ? end : last.end - base
  const next = firstValidRecord(tail, at + 1, dataEnd)
  const changed =
    changedRecord(tail, at, next ?? dataEnd) ??
    (last !== null && lengthPasses(tail, at, dataEnd) ? 'the length of a record is wrong' : null)
  if (changed !== null) return { kind: 'damaged', offset, why: changed }

  const missing = missingPart(tail, base, at, end)
  if (missing === null) return { kind: 'damaged', offset, why: 'no valid record here' }
  if (last === null) {
    const validEnd = next === null ? 0 : endOfValidRecords(tail, next, end)
    if (validEnd === end) {
      return { kind: 'damaged', offset, why: 'no valid record here, but valid records follow' }
    }
  }
  return { kind: 'torn', offset, why: missing }
}

/** Judges a file whose first 16 bytes are no header; `tail` is the whole file. */
export function judgeHeader(tail: Buffer): LogEnd {
  const end = endOfData(tail)
  const isShort = tail.length < LOG_HEADER_BYTES
  if (isShort || end === 0) {
    // no record can have been acknowledged before the header was synced
    return { kind: 'torn', offset: 0, why: isShort ? 'the header is cut short' : 'no header' }
  }
  const hasHole = isZero(tail, 0, Math.min(SECTOR_BYTES, tail.length))
  if (hasHole && endOfValidRecords(tail, LOG_HEADER_BYTES, end) === 0) {
    return { kind: 'torn', offset: 0, why: 'the first sector was never written' }
  }
  const magic = tail.readUInt32BE(0)
  assert(magic !== LOG_MAGIC, 'a header with the right magic is a header')
  return { kind: 'damaged', offset: 0, why: `no header of a log: it starts with ${hex(magic)}` }
}

/** Index behind the last byte that is not zero. */
export function endOfData(bytes: Buffer): number {
  let end = bytes.length
  while (
    end >= ZEROS.length &&
    bytes.compare(ZEROS, 0, ZEROS.length, end - ZEROS.length, end) === 0
  )
    end -= ZEROS.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return end
}

/**
 * Why the record at `at` is complete but not as it was written; null if that is not certain.
 *
 * @param end where the next valid record begins or the data end: a record may have a bad length
 */
function changedRecord(tail: Buffer, at: number, end: number): string | null {
  const payloadAt = at + RECORD_PREFIX_BYTES
  if (payloadAt + PAYLOAD_BYTES_MIN >= tail.length) return null
  const stored = tail.readUInt32BE(at + 4)
  const length = tail.readInt32BE(at + 8)
  if (end > payloadAt && tail[end - 1] === RECORD_END) {
    const isWhole = adler32(tail, payloadAt, end - 1) === stored
    if (isWhole && length !== end - 1 - payloadAt)
      return `the length ${length} of a record is wrong`
  }
  const recordEnd = payloadAt + length + 1
  if (length < PAYLOAD_BYTES_MIN || recordEnd > tail.length) return null
  const endByte = tail[recordEnd - 1]!
  const computed = adler32(tail, payloadAt, recordEnd - 1)
  if (computed === stored && endByte === RECORD_END) return 'the checksum has more than 32 bits'
  if (endByte === RECORD_END && differInOneByte(computed, stored)) return 'wrong checksum'
  if (endByte !== RECORD_END && endByte !== 0) return `end byte ${hex(endByte)} instead of 0x42`
  if (isOneByteOff(tail, payloadAt, recordEnd - 1, computed, stored)) return 'wrong checksum'
  return null
}

/** Does a record whose length was written go beyond the end of its batch? */
function lengthPasses(tail: Buffer, at: number, batchEnd: number): boolean {
  if (at + RECORD_PREFIX_BYTES > batchEnd) return false
  const length = tail.readInt32BE(at + 8)
  return length < 0 || at + RECORD_FRAME_BYTES + length > batchEnd
}

/** Which part of the record at `at` was never written; null if none visibly is. */
function missingPart(tail: Buffer, base: number, at: number, end: number): string | null {
  const payloadAt = at + RECORD_PREFIX_BYTES
  if (payloadAt > tail.length) return 'the file ends inside a record'
  const nextSector = (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES

  // The start of the record. Its first four bytes are zeros anyway, so they alone prove nothing.
  if (isBlank(tail, base, at, nextSector)) {
    if (nextSector >= at + 8) return 'the sector in which a record starts was never written'
    if (isChecksumCut(tail, at, nextSector)) return 'a sector of a checksum was never written'
  }
  if (payloadAt > nextSector && isBlank(tail, base, nextSector, nextSector + SECTOR_BYTES)) {
    return 'a sector of the length of a record was never written'
  }
  const length = tail.readInt32BE(at + 8)
  if (end <= payloadAt) return 'nothing of a record was written but its checksum and length'
  if (length < PAYLOAD_BYTES_MIN) return null
  const recordEnd = payloadAt + length + 1
  if (recordEnd > tail.length) return 'the file ends inside a record'

  const isWhole = adler32(tail, payloadAt, recordEnd - 1) === tail.readUInt32BE(at + 4)
  if (!isWhole && end < recordEnd) return 'zeros run from inside a record to the end of the file'
  for (let sector = nextSector; sector < recordEnd; sector += SECTOR_BYTES) {
    if (isBlank(tail, base, sector, sector + SECTOR_BYTES)) {
      return 'a sector of a record was never written'
    }
  }
  return null
}

/** Does the checksum fit but for its bytes before `sector`, which were never written? */
function isChecksumCut(tail: Buffer, at: number, sector: number): boolean {
  const payloadAt = at + RECORD_PREFIX_BYTES
  const length = tail.readInt32BE(at + 8)
  const recordEnd = payloadAt + length + 1
  if (length < PAYLOAD_BYTES_MIN || recordEnd > tail.length) return false
  if (tail[recordEnd - 1] !== RECORD_END) return false
  const computed = Buffer.alloc(4)
  computed.writeUInt32BE(adler32(tail, payloadAt, recordEnd - 1))
  const cut = Math.max(0, sector - (at + 4))
  return computed.compare(tail, at + 4 + cut, at + 8, cut) === 0
}

/** The last batch mark at or behind `from`. */
function lastMark(tail: Buffer, base: number, from: number): BatchMark | null {
  let at = tail.length
  while (at > from) {
    at = tail.lastIndexOf(MARK_MAGIC, at - 1)
    if (at < from) return null
    const mark = decodeMark(tail, at, base + at)
    if (mark !== null && mark.end > base + from) return mark
  }
  return null
}

/** Where the first valid record in `[from, end)` begins; null if there is none. */
function firstValidRecord(tail: Buffer, from: number, end: number): number | null {
  for (let at = from; at + RECORD_FRAME_BYTES + PAYLOAD_BYTES_MIN <= end; at++) {
    if (validRecordEnd(tail, at, end) > 0) return at
  }
  return null
}

/** Where the last valid record in `[from, end)` ends, 0 if there is none. */
function endOfValidRecords(tail: Buffer, from: number, end: number): number {
  let validEnd = 0
  let at = from
  while (at + RECORD_FRAME_BYTES + PAYLOAD_BYTES_MIN <= end) {
    const recordEnd = validRecordEnd(tail, at, end)
    if (recordEnd > 0) validEnd = recordEnd
    at = recordEnd > 0 ? recordEnd : at + 1
  }
  return validEnd
}

/** Where the record at `at` ends if it is valid, otherwise 0. */
function validRecordEnd(tail: Buffer, at: number, end: number): number {
  if (tail[at] !== 0 || tail.readUInt32BE(at) !== 0) return 0
  const length = tail.readInt32BE(at + 8)
  const payloadAt = at + RECORD_PREFIX_BYTES
  const recordEnd = payloadAt + length + 1
  if (length < PAYLOAD_BYTES_MIN || recordEnd > end) return 0
  if (tail[recordEnd - 1] !== RECORD_END) return 0
  return adler32(tail, payloadAt, recordEnd - 1) === tail.readUInt32BE(at + 4) ? recordEnd : 0
}

/** Nothing but the zeros of preallocated space, or a mark that a lost write should have replaced. */
function isBlank(tail: Buffer, base: number, start: number, end: number): boolean {
  const stop = Math.min(end, tail.length)
  if (start >= stop) return false // beyond the end of the file nothing is missing from it
  for (let at = start; at < stop;) {
    if (tail[at] === 0) at += 1
    else if (decodeMark(tail, at, base + at) !== null) at += MARK_BYTES
    else return false
  }
  return true
}

const ADLER_BASE = 65521

/**
 * Would changing one single byte of `[start, end)` give the stored checksum? Then a byte went bad,
 * even if the payload also holds whole sectors of zeros. Adler-32 is linear: a change of `d` at `i`
 * moves the low sum by `d` and the high one by `d` times the distance of `i` to the end.
 */
function isOneByteOff(
  bytes: Buffer,
  start: number,
  end: number,
  computed: number,
  stored: number,
): boolean {
  const low = ((computed & 0xffff) - (stored & 0xffff) + ADLER_BASE) % ADLER_BASE
  const high = ((computed >>> 16) - (stored >>> 16) + ADLER_BASE) % ADLER_BASE
  const change = low > ADLER_BASE / 2 ? low - ADLER_BASE : low
  if (change === 0 || Math.abs(change) > 255) return false
  for (let at = start; at < end; at++) {
    const before = bytes[at]! - change
    if (before < 0 || before > 255) continue
    if ((low * ((end - at) % ADLER_BASE)) % ADLER_BASE === high) return true
  }
  return false
}

function differInOneByte(left: number, right: number): boolean {
  const difference = (left ^ right) >>> 0
  return [0xff, 0xff00, 0xff0000, 0xff000000].some((mask) => (difference & ~mask) === 0)
}

const ZEROS = Buffer.alloc(64 * 1024)

function isZero(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false
  return true
}

function hex(value: number): string {
  return `0x${value.toString(16)}`
}
