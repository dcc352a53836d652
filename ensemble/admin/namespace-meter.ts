/**
 * Bytes read or written below each top-level node: path and data, as Apache counts them.
 *
 * The namespace of the last path is kept as text and as bytes: the next path is most often below it
 * too, and costs a comparison then, no string and no look-up.
 * Source: DataTree#updateReadStat, #updateWriteStat, PathUtils#getTopNamespace, 3.9.5.
 */
import { Op } from '../protocol/op-codes.ts'
import type { TxnBody } from '../protocol/transactions.ts'
import type { Summary, SummarySet } from './summary.ts'

const SLASH = 0x2f
/** What Apache adds to every read: the size of a stat. */
const STAT_BYTES = 68

export class NamespaceMeter {
  readonly #summaries: SummarySet
  /** The namespace of the last path with its leading slash; no path starts with the first value. */
  #prefix = '?'
  #prefixBytes = Buffer.from(this.#prefix)
  #last: Summary | null = null

  constructor(summaries: SummarySet) {
    this.#summaries = summaries
  }

  /** @param bytes hold the path, as UTF-8 in `[start, end)` */
  noteRead(bytes: Buffer, start: number, end: number, dataBytes: number): void {
    if (!this.#isSame(bytes, start, end)) this.#enter(bytes.toString('utf8', start, end))
    if (end - start > 1) this.#last?.add(end - start + dataBytes + STAT_BYTES)
  }

  /** @param bytes hold the path, as for a read; @param writtenBytes of path and data together */
  noteWriteAt(bytes: Buffer, start: number, end: number, writtenBytes: number): void {
    if (!this.#isSame(bytes, start, end)) this.#enter(bytes.toString('utf8', start, end))
    if (end - start > 1) this.#last?.add(writtenBytes)
  }

  noteTxn(txn: TxnBody): void {
    switch (txn.type) {
      case Op.create:
      case Op.create2:
      case Op.createContainer:
      case Op.createTtl:
      case Op.setData:
        return this.#noteWrite(txn.path, txn.data?.length ?? 0)
      case Op.delete:
      case Op.deleteContainer:
        return this.#noteWrite(txn.path, 0)
      case Op.multi: {
        // A multi that failed holds an error in the place of each op, and wrote nothing.
        for (const sub of txn.txns) this.noteTxn(sub)
        return
      }
      default:
        return
    }
  }

  #noteWrite(path: string, dataBytes: number): void {
    const { length } = this.#prefix
    const isSame =
      path.startsWith(this.#prefix) && (path.length === length || path.charCodeAt(length) === SLASH)
    if (!isSame) this.#enter(path)
    if (path.length > 1) this.#last?.add(path.length + dataBytes)
  }

  #isSame(bytes: Buffer, start: number, end: number): boolean {
    const prefix = this.#prefixBytes
    const stop = start + prefix.length
    if (stop > end || (stop < end && bytes[stop] !== SLASH)) return false
    for (let at = 0; at < prefix.length; at++) if (bytes[start + at] !== prefix[at]) return false
    return true
  }

  #enter(path: string): void {
    const slash = path.indexOf('/', 1)
    const prefix = slash < 0 ? path : path.slice(0, slash)
    // The root is in no namespace.
    if (prefix.length <= 1) return
    this.#prefix = prefix
    this.#prefixBytes = Buffer.from(prefix)
    this.#last = this.#summaries.of(prefix.slice(1))
  }
}
