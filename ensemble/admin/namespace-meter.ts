/**
 * Bytes written below each top-level node: path and data of each change, as Apache counts them.
 *
 * Source: DataTree#updateWriteStat, PathUtils#getTopNamespace, 3.9.5.
 */
import { Op } from '../protocol/op-codes.ts'
import type { TxnBody } from '../protocol/transactions.ts'
import type { Summary, SummarySet } from './summary.ts'

export class NamespaceMeter {
  readonly #summaries: SummarySet
  /** The namespace of the last write, with its slashes: the next one is most often below it too. */
  #lastPrefix = '//'
  #last: Summary | null = null

  constructor(summaries: SummarySet) {
    this.#summaries = summaries
  }

  noteTxn(txn: TxnBody): void {
    switch (txn.type) {
      case Op.create:
      case Op.create2:
      case Op.createContainer:
      case Op.createTtl:
      case Op.setData:
        return this.#note(txn.path, txn.data?.length ?? 0)
      case Op.delete:
      case Op.deleteContainer:
        return this.#note(txn.path, 0)
      case Op.multi: {
        // A multi that failed holds an error in the place of each op, and wrote nothing.
        for (const sub of txn.txns) this.noteTxn(sub)
        return
      }
      default:
        return
    }
  }

  #note(path: string, dataBytes: number): void {
    if (!path.startsWith(this.#lastPrefix)) {
      const slash = path.indexOf('/', 1)
      const name = slash < 0 ? path.slice(1) : path.slice(1, slash)
      if (name === '') return
      this.#lastPrefix = `/${name}/`
      this.#last = this.#summaries.of(name)
    }
    this.#last?.add(path.length + dataBytes)
  }
}
