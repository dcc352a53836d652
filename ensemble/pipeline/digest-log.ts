/**
 * The tree's digest at every 128th transaction: what members of an ensemble compare.
 *
 * Source: DataTree#logZxidDigest, 3.9.5 (client-protocol 10.1, `hash`).
 */
import { longOf } from '../jute/long-halves.ts'

export interface ZxidDigest {
  readonly zxid: bigint
  readonly digest: bigint
}

const INTERVAL = 128
const KEPT_MAX = 1024

export class DigestLog {
  readonly #entries: ZxidDigest[] = []
  /** Transactions until the next multiple, so that most of them cost a subtraction. */
  #left = 1

  get entries(): readonly ZxidDigest[] {
    return this.#entries
  }

  /** Told every transaction, in order, with the halves of the digest after it. */
  note(zxid: bigint, digestHigh: number, digestLow: number): void {
    if (--this.#left > 0) return
    const past = Number(BigInt.asUintN(32, zxid)) % INTERVAL
    this.#left = INTERVAL - past
    if (past !== 0) return
    const digest = longOf(digestHigh, digestLow)
    this.#entries.push({ zxid, digest })
    if (this.#entries.length > KEPT_MAX) this.#entries.shift()
  }
}
