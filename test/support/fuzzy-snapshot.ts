/** A snapshot as Apache's server writes one while its tree changes: whole, but not the tree its digest tells. */
import { adler32 } from '../../ensemble/sys/hash.ts'

const SEAL_BYTES = 13
/** Digest section and zxid section, each with its seal, as 3.9 writes them. */
const DIGEST_BYTES = 20
const ZXID_BYTES = 8

/** @param exact a snapshot of 3.9 with both sections */
export function fuzzySnapshot(exact: Buffer): Buffer {
  const bytes = Buffer.from(exact)
  const digestAt = bytes.length - ZXID_BYTES - DIGEST_BYTES - 2 * SEAL_BYTES
  // A transaction later, with what that did to the digest.
  bytes.writeBigInt64BE(bytes.readBigInt64BE(digestAt) + 1n, digestAt)
  bytes.writeBigInt64BE(bytes.readBigInt64BE(digestAt + 12) + 12_345n, digestAt + 12)
  for (const sealAt of [digestAt + DIGEST_BYTES, bytes.length - SEAL_BYTES]) {
    bytes.writeUInt32BE(adler32(bytes, 0, sealAt), sealAt + 4)
  }
  return bytes
}
