/**
 * What a client is told of its write, once that has been applied.
 *
 * Source: FinalRequestProcessor, 3.9.5 (client-protocol 2.3, 2.6).
 */
import { assert } from '../assert.ts'
import type { Writer } from '../jute/writer.ts'
import { Code } from '../protocol/error-codes.ts'
import { writeHeader } from '../protocol/multi.ts'
import { Op } from '../protocol/op-codes.ts'
import type { Txn } from '../protocol/transactions.ts'
import type { Applied, Tree } from '../tree/tree.ts'
import type { ClientLink } from './client-link.ts'

export interface AppliedWrite {
  readonly xid: number
  /** What the client asked for. */
  readonly type: number
  readonly txn: Txn
  readonly applied: Applied
}

export function writeReply(link: ClientLink, tree: Tree, write: AppliedWrite): void {
  const { xid, type, txn, applied } = write
  // A failed multi is no error of the reply: its results say what failed.
  const err = txn.type === Op.error ? txn.err : type === Op.multi ? Code.ok : applied.err
  const writer = link.beginReply(xid, txn.zxid, err)
  link.traffic.lastZxid = txn.zxid
  if (err === Code.ok) {
    switch (type) {
      case Op.create:
        writer.string(applied.path)
        break
      case Op.create2:
      case Op.createContainer:
      case Op.createTtl:
        writer.string(applied.path)
        tree.writeStat(applied.node, writer)
        break
      case Op.setData:
      case Op.setAcl:
        tree.writeStat(applied.node, writer)
        break
      case Op.multi:
        writeResults(writer, txn, applied)
        break
    }
  }
  link.endFrame()
}

function writeResults(writer: Writer, txn: Txn, applied: Applied): void {
  assert(txn.type === Op.multi && applied.results !== null, 'a multi has results')
  const isFailed = txn.txns.some((sub) => sub.type === Op.error)
  for (const [index, result] of applied.results.entries()) {
    const sub = txn.txns[index]!
    if (isFailed) {
      writeHeader(writer, Op.error, false, result.err)
      writer.int(result.err)
      continue
    }
    const isCreate2 = sub.type === Op.createContainer || sub.type === Op.createTtl
    writeHeader(writer, isCreate2 ? Op.create2 : sub.type, false, Code.ok)
    if (sub.type === Op.create || sub.type === Op.create2 || isCreate2) writer.string(result.path)
    if (sub.type === Op.create2 || isCreate2 || sub.type === Op.setData) writer.raw(result.stat!)
  }
  writeHeader(writer, -1, true, -1)
}
