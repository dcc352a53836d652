/**
 * A write in flight: one object that becomes a record of the log, a change of the tree, and a reply.
 *
 * Creations and changes of data, nearly all there is, keep path and data as bytes of the request they
 * came in; what is left is a transaction as the log and other servers know it. A write is prepared
 * (prepare.ts, request-preparer.ts), then the pipeline says whose it is and which zxid it has.
 *
 * Invariant: what a write did to the pending changes (pending-changes.ts) it still knows when it is
 * applied: `settle` takes exactly that off them.
 */
import { assert } from '../assert.ts'
import { highOf, lowOf } from '../jute/long-halves.ts'
import type { Writer } from '../jute/writer.ts'
import { writeAcl, type Acl } from '../protocol/acl.ts'
import { Code } from '../protocol/error-codes.ts'
import { Op } from '../protocol/op-codes.ts'
import {
  withHeader,
  writeTxn,
  writeTxnDigest,
  writeTxnHeader,
  type Txn,
  type TxnBody,
  type TxnRecord,
} from '../protocol/transactions.ts'
import type { PathBytes } from '../tree/path-bytes.ts'
import { ttlOf } from '../tree/owners.ts'
import type { Applied, DataChange, NodeChange, NodeId, Tree, TreeChange } from '../tree/tree.ts'
import type { ClientLink } from './client-link.ts'
import type { PendingChanges } from './pending-changes.ts'
import type { PendingNode } from './pending-table.ts'
import type { CreateOp } from './prepare.ts'
import { writeReply } from './write-replies.ts'

/** What is told of applied writes. */
export interface WriteMeter {
  wrote(txn: TxnBody): void
  /** The same of one node: its path is UTF-8 in `[start, end)`. */
  wroteAt(bytes: Buffer, start: number, end: number, writtenBytes: number): void
}

/** Data in a request: null, or `[start, end)` of `bytes`. */
export interface DataRange {
  readonly bytes: Buffer | null
  readonly start: number
  readonly end: number
}

export abstract class Write implements TxnRecord {
  zxid = 0n
  zxidHigh = 0
  zxidLow = 0
  /** The session; 0 for what the server does by itself. */
  clientId = 0n
  time = 0
  xid = 0
  /** What the client asked for: decides the form of the reply. */
  type = 0
  receivedMs = 0
  /** Whom to answer; null for what the server does by itself. */
  link: ClientLink | null = null
  /** Of the tree after this write. */
  digestHigh = 0
  digestLow = 0
  hasDigest = false

  /** Whether it failed: it uses its zxid and changes nothing. */
  get isError(): boolean {
    return false
  }

  abstract writeTo(writer: Writer): void
  /** Does it to the tree; events go to `changes`. */
  abstract apply(tree: Tree, changes: TreeChange[] | null): void
  /** The tree has it now. */
  abstract settle(pending: PendingChanges): void
  abstract reply(link: ClientLink, tree: Tree): void
  abstract meter(edge: WriteMeter): void

  setZxid(zxid: bigint): void {
    this.zxid = zxid
    this.zxidHigh = highOf(zxid)
    this.zxidLow = lowOf(zxid) | 0
  }

  protected writeHeader(writer: Writer, type: number): void {
    writeTxnHeader(writer, this.clientId, this.xid, this.zxidHigh, this.zxidLow, this.time, type)
  }

  protected writeDigest(writer: Writer): void {
    if (this.hasDigest) writeTxnDigest(writer, this.digestHigh, this.digestLow)
  }
}

/** What one write does to the path of one node. */
abstract class NodeWrite extends Write implements DataChange {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  readonly pathUnits: number
  readonly data: Buffer | null
  readonly dataStart: number
  readonly dataEnd: number
  readonly isDigested: boolean
  readonly content: number
  abstract readonly version: number

  constructor(path: PathBytes, data: DataRange, node: PendingNode) {
    super()
    this.bytes = path.bytes
    this.start = path.start
    this.end = path.end
    this.pathUnits = path.isPlain ? path.end - path.start : path.toString().length
    this.data = data.bytes
    this.dataStart = data.start
    this.dataEnd = data.end
    this.isDigested = node.isDigested
    this.content = node.content
  }

  abstract body(): TxnBody

  meter(edge: WriteMeter): void {
    const writtenBytes = this.pathUnits + this.dataEnd - this.dataStart
    edge.wroteAt(this.bytes, this.start, this.end, writtenBytes)
  }

  /** The root's path is empty here, and `/` where it is written. */
  protected writePath(writer: Writer): void {
    if (this.end === this.start) writer.string('/')
    else writer.range(this.bytes, this.start, this.end)
  }

  protected writeData(writer: Writer): void {
    if (this.data === null) writer.int(-1)
    else writer.range(this.data, this.dataStart, this.dataEnd)
  }

  protected path(): string {
    return this.end === this.start ? '/' : this.bytes.toString('utf8', this.start, this.end)
  }

  protected dataCopy(): Buffer | null {
    return this.data === null ? null : this.data.subarray(this.dataStart, this.dataEnd)
  }
}

export class SetDataWrite extends NodeWrite {
  readonly version: number
  readonly #node: PendingNode
  #place: NodeId = 0

  constructor(path: PathBytes, data: DataRange, node: PendingNode) {
    super(path, data, node)
    this.version = node.version
    this.#node = node
  }

  writeTo(writer: Writer): void {
    this.writeHeader(writer, Op.setData)
    this.writePath(writer)
    this.writeData(writer)
    writer.int(this.version)
    this.writeDigest(writer)
  }

  apply(tree: Tree, changes: TreeChange[] | null): void {
    this.#place = placeOf(this.#node, tree)
    tree.changeData(this.#place, this, changes)
  }

  settle(pending: PendingChanges): void {
    pending.applied(this.#node, this.zxid)
  }

  reply(link: ClientLink, tree: Tree): void {
    tree.writeStat(this.#place, link.beginReply(this.xid, this.zxid, Code.ok))
    link.endFrame()
  }

  body(): TxnBody {
    const { version } = this
    return { type: Op.setData, path: this.path(), data: this.dataCopy(), version }
  }
}

export class CreateWrite extends NodeWrite implements NodeChange {
  /** Of the transaction: what the request asked for, but for a container made by a flag. */
  readonly op: CreateOp
  readonly slash: number
  readonly hash: number
  readonly acl: readonly Acl[]
  readonly owner: bigint
  readonly isEphemeral: boolean
  readonly version = 0
  readonly parentCVersion: number
  readonly #node: PendingNode
  readonly #parent: PendingNode
  #place: NodeId = 0

  constructor(
    op: CreateOp,
    path: PathBytes,
    data: DataRange,
    node: PendingNode,
    parent: PendingNode,
    made: { readonly isEphemeral: boolean; readonly parentCVersion: number },
  ) {
    super(path, data, node)
    this.op = op
    this.slash = path.slash
    this.hash = path.hash
    this.acl = node.acl
    this.owner = node.owner
    this.isEphemeral = made.isEphemeral
    this.parentCVersion = made.parentCVersion
    this.#node = node
    this.#parent = parent
  }

  writeTo(writer: Writer): void {
    this.writeHeader(writer, this.op)
    this.writePath(writer)
    this.writeData(writer)
    writeAcl(writer, this.acl)
    if (this.op === Op.create || this.op === Op.create2) writer.bool(this.isEphemeral)
    writer.int(this.parentCVersion)
    if (this.op === Op.createTtl) writer.longNumber(ttlOf(this.owner))
    this.writeDigest(writer)
  }

  apply(tree: Tree, changes: TreeChange[] | null): void {
    this.#place = tree.addNode(placeOf(this.#parent, tree), this, changes)
    this.#node.base = this.#place
  }

  settle(pending: PendingChanges): void {
    pending.applied(this.#node, this.zxid)
    pending.applied(this.#parent, this.zxid)
  }

  reply(link: ClientLink, tree: Tree): void {
    const writer = link.beginReply(this.xid, this.zxid, Code.ok)
    this.writePath(writer)
    if (this.type !== Op.create) tree.writeStat(this.#place, writer)
    link.endFrame()
  }

  body(): TxnBody {
    const { parentCVersion } = this
    const path = this.path()
    const data = this.dataCopy()
    const acl = this.acl as Acl[]
    switch (this.op) {
      case Op.createContainer:
        return { type: this.op, path, data, acl, parentCVersion }
      case Op.createTtl:
        return { type: this.op, path, data, acl, parentCVersion, ttl: BigInt(ttlOf(this.owner)) }
      default:
        return { type: this.op, path, data, acl, ephemeral: this.isEphemeral, parentCVersion }
    }
  }
}

/** Any other write, by its transaction. */
export class TxnWrite extends Write {
  readonly #body: TxnBody
  #txn: Txn | null = null
  #applied: Applied | null = null
  #isListLeftOut = false

  constructor(body: TxnBody) {
    super()
    this.#body = body
  }

  get txn(): Txn {
    this.#txn ??= withHeader(this.#body, this.clientId, this.xid, this.zxid, this.time)
    return this.#txn
  }

  override get isError(): boolean {
    return this.#body.type === Op.error
  }

  /** The log gets the end of a session without the list of what went with it. */
  leaveOutList(): void {
    this.#isListLeftOut = true
  }

  writeTo(writer: Writer): void {
    const { txn } = this
    writeTxn(
      writer,
      this.#isListLeftOut ? { ...txn, type: Op.closeSession, paths: null } : txn,
      null,
    )
    this.writeDigest(writer)
  }

  apply(tree: Tree, changes: TreeChange[] | null): void {
    this.#applied = tree.apply(this.txn, changes)
  }

  settle(pending: PendingChanges): void {
    settleBody(pending, this.#body, this.zxid)
  }

  reply(link: ClientLink, tree: Tree): void {
    assert(this.#applied !== null, 'a write is applied before it is answered')
    const { xid, type, txn } = this
    writeReply(link, tree, { xid, type, txn, applied: this.#applied })
  }

  meter(edge: WriteMeter): void {
    edge.wrote(this.#body)
  }
}

function settleBody(pending: PendingChanges, body: TxnBody, zxid: bigint): void {
  switch (body.type) {
    case Op.error:
    case Op.check:
    case Op.createSession:
      return
    case Op.multi:
      for (const sub of body.txns) settleBody(pending, sub, zxid)
      return
    case Op.closeSession:
      for (const path of body.paths ?? []) pending.appliedWithParent(path, zxid)
      return
    case Op.setData:
    case Op.reconfig:
    case Op.setAcl:
      pending.appliedAt(body.path, zxid)
      return
    default:
      pending.appliedWithParent(body.path, zxid)
  }
}

/** Where the tree has a node, now that everything before has been applied. */
function placeOf(node: PendingNode, tree: Tree): NodeId {
  if (node.base === 0) node.base = tree.findHashed(node.bytes, node.start, node.end, node.hash)
  assert(node.base !== 0, 'what a write changes is there when it is applied')
  return node.base
}
