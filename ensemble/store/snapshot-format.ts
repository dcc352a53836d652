/**
 * A snapshot file as bytes: header, body (tree/snapshot-body.ts), seals and optional sections.
 *
 *   header          int magic `ZKSN`, int version 2, long dbid -1
 *   body
 *   seal            long Adler-32 of all bytes so far, ustring "/"
 *   digest section  long zxid, int version, long tree digest; seal     with digests on
 *   zxid section    long zxid; seal                                    3.9 only
 *
 * The sections do not say what they are. Apache goes by its settings, we by the number of bytes behind
 * the first seal: 0, 21 (zxid only), 33 (digest only) or 54. We write 54 with digests on and 0 with
 * digests off: of those every release and setting reads what it can. Source: FileSnap.java, 3.9.5.
 */
import type { Writer } from '../jute/writer.ts'

export const SNAPSHOT_MAGIC = 0x5a4b534e
export const SNAPSHOT_HEADER_BYTES = 16
export const SEAL_BYTES = 13
export const ZXID_SECTION_BYTES = 8 + SEAL_BYTES
/** With a digest of 8 bytes; before version 2 it was text. */
export const DIGEST_SECTION_BYTES = 20 + SEAL_BYTES
/** Possible numbers of bytes behind the first seal. */
export const TRAILER_BYTES = [
  DIGEST_SECTION_BYTES + ZXID_SECTION_BYTES,
  DIGEST_SECTION_BYTES,
  ZXID_SECTION_BYTES,
  0,
] as const

export const DIGEST_VERSION = 2

export function writeSnapshotHeader(writer: Writer): void {
  writer.int(SNAPSHOT_MAGIC)
  writer.int(2)
  writer.long(-1n)
}

export function writeSeal(writer: Writer, checksum: number): void {
  writer.longParts(0, checksum | 0)
  writer.string('/')
}

/** Is there the seal of `checksum` at `at`? */
export function isSeal(bytes: Buffer, at: number, checksum: number): boolean {
  return (
    at + SEAL_BYTES <= bytes.length &&
    bytes.readUInt32BE(at) === 0 &&
    bytes.readUInt32BE(at + 4) === checksum &&
    bytes.readUInt32BE(at + 8) === 1 &&
    bytes[at + 12] === 0x2f
  )
}
