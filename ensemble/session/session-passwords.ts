/**
 * The 16 bytes that let a client take its session back.
 *
 * Ours are an HMAC of the id under a secret of the ensemble, so that an id seen as `ephemeralOwner`
 * does not give the session away (S-20, N-8). Apache derives them from the id alone; that
 * derivation serves mixed ensembles, behind a setting.
 * Source of Apache's: ZooKeeperServer#generatePasswd, 3.9.5 (client-protocol 1.5).
 */
import { equalInConstantTime, hmacSha256 } from '../sys/hash.ts'

export interface SessionPasswords {
  of(sessionId: bigint): Buffer
  /** Compares in constant time. */
  matches(sessionId: bigint, password: Uint8Array | null): boolean
}

export function secretPasswords(secret: Buffer): SessionPasswords {
  return passwordsBy((sessionId) => {
    const id = Buffer.alloc(8)
    id.writeBigInt64BE(sessionId)
    return hmacSha256(secret, id).subarray(0, 16)
  })
}

/** Java's `Random(sessionId ^ 0xB3415C00).nextBytes(16)`. */
export function apachePasswords(): SessionPasswords {
  return passwordsBy((sessionId) => {
    const mask = (1n << 48n) - 1n
    let state = (sessionId ^ 0xb3415c00n ^ 0x5deece66dn) & mask
    const password = Buffer.alloc(16)
    for (let word = 0; word < 4; word++) {
      state = (state * 0x5deece66dn + 0xbn) & mask
      password.writeUInt32LE(Number((state >> 16n) & 0xffff_ffffn), word * 4)
    }
    return password
  })
}

function passwordsBy(of: (sessionId: bigint) => Buffer): SessionPasswords {
  return {
    of,
    matches: (sessionId, password) =>
      password !== null && equalInConstantTime(of(sessionId), password),
  }
}
