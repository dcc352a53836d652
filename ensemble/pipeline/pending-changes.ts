/**
 * Nodes as they will be once every transaction in flight has been applied: what the next request is
 * checked against. The tree itself holds only what is durable, so reads never see what a crash could
 * take back.
 *
 * Invariants:
 *  1. A node is here exactly while a transaction that touches it is in flight; all other nodes are
 *     as the tree has them.
 *  2. `digest` is the tree's digest after the last transaction in flight.
 *  3. `rollBack` undoes everything since `begin`: a failed multi leaves no trace.
 * Source: ZooKeeperServer#outstandingChanges, PrepRequestProcessor, 3.9.5.
 */
import { assert } from '../assert.ts'
import type { Acl } from '../protocol/acl.ts'
import { contentDigest, statDigest } from '../tree/node-digest.ts'
import { DigestSum } from './digest-sum.ts'
import { PipelineCounts } from './pipeline-counts.ts'
import type { NodeId, Tree } from '../tree/tree.ts'

/** One node with the effects of the transactions in flight. */
export interface PendingNode {
  readonly path: string
  /** Where the tree keeps the node as it was; 0 when it does not exist there. */
  readonly base: NodeId
  /** The last transaction that touched it. */
  zxid: bigint
  exists: boolean
  czxid: bigint
  mzxid: bigint
  pzxid: bigint
  ctime: number
  mtime: number
  version: number
  /** As stored: the number of children ever created. */
  cversion: number
  aversion: number
  /** As stored: a session id, or the mark of a container or TTL node. */
  owner: bigint
  numChildren: number
  /** Length of the data that a transaction in flight gave it; -1: that of the tree. */
  dataBytes: number
  acl: readonly Acl[]
  /** What path and data contribute to `digest`; null where the tree's digest leaves the node out. */
  content: number | null
  digest: number
}

export class PendingChanges {
  readonly #tree: Tree
  readonly #nodes = new Map<string, PendingNode>()
  /** By session: paths of ephemerals whose creation is in flight. */
  readonly #ephemerals = new Map<bigint, Set<string>>()
  readonly #digest = new DigestSum()
  #undo: Map<string, PendingNode | null> | null = null
  #undoDigest = 0n
  readonly #counts: PipelineCounts

  constructor(tree: Tree, counts = new PipelineCounts()) {
    this.#tree = tree
    this.#counts = counts
    this.#digest.set(tree.treeDigest)
  }

  get size(): number {
    return this.#nodes.size
  }

  get digest(): bigint {
    return this.#digest.value
  }

  /** The node as the next transaction finds it; undefined when there is none. */
  get(path: string): PendingNode | undefined {
    const pending = this.#nodes.get(path)
    if (pending !== undefined) return pending.exists ? pending : undefined
    const tree = this.#tree
    const base = tree.find(path)
    return base === 0 ? undefined : this.#load(path, base)
  }

  /** Announces that transaction `zxid` changes `node`; `settle` follows once its fields are set. */
  touch(node: PendingNode, zxid: bigint): void {
    this.#remember(node.path)
    this.#counts.changesQueued++
    node.zxid = zxid
    this.#nodes.set(node.path, node)
  }

  /** Gives a touched node other data. */
  replaceData(node: PendingNode, data: Buffer | null): void {
    node.dataBytes = data === null ? 0 : data.length
    if (node.content !== null) node.content = contentDigest(node.path, data)
  }

  /** Length of the data of a node that `get` gave. */
  dataBytes(node: PendingNode): number {
    // Of data that is null, the tree's length is -1.
    return node.dataBytes < 0 ? Math.max(0, this.#tree.dataLength(node.base)) : node.dataBytes
  }

  /** The fields of a touched node are final for this transaction. */
  settle(node: PendingNode): void {
    if (node.content === null) return
    this.#digest.subtract(node.digest)
    node.digest = (node.content ^ statDigest(node)) >>> 0
    this.#digest.add(node.digest)
  }

  create(
    fields: Omit<PendingNode, 'base' | 'exists' | 'dataBytes' | 'content' | 'digest'>,
    data: Buffer | null,
  ): void {
    const before = this.#nodes.get(fields.path)
    assert(before === undefined || !before.exists, 'a node is created once')
    if (before !== undefined) this.#forgetEphemeral(before)
    this.#remember(fields.path)
    this.#counts.changesQueued++
    const content = contentDigest(fields.path, data)
    const dataBytes = data === null ? 0 : data.length
    const node: PendingNode = { ...fields, base: 0, exists: true, dataBytes, content, digest: 0 }
    this.#nodes.set(node.path, node)
    this.settle(node)
    if (this.isEphemeral(node)) this.#noteEphemeral(node)
  }

  remove(node: PendingNode, zxid: bigint): void {
    this.touch(node, zxid)
    node.exists = false
    this.#digest.subtract(node.digest)
    node.digest = 0
  }

  /** Whether a session owns the node: as the tree sees owners, with and without TTL nodes. */
  isEphemeral(node: PendingNode): boolean {
    return node.owner !== 0n && this.#tree.isSessionOwner(node.owner)
  }

  /** Paths of every ephemeral that the session will own when its next transaction applies (B-52). */
  ephemeralsOf(sessionId: bigint): string[] {
    const paths = new Set([
      ...this.#tree.ephemeralsOf(sessionId),
      ...(this.#ephemerals.get(sessionId) ?? []),
    ])
    return [...paths].filter((path) => this.get(path)?.owner === sessionId)
  }

  /** Starts to remember, so that `rollBack` can undo what follows. */
  begin(): void {
    assert(this.#undo === null, 'multis do not nest')
    this.#undo = new Map()
    this.#undoDigest = this.#digest.value
  }

  commit(): void {
    this.#undo = null
  }

  rollBack(): void {
    assert(this.#undo !== null, 'there is something to roll back')
    for (const [path, before] of this.#undo) {
      const after = this.#nodes.get(path)
      if (after !== undefined) this.#forgetEphemeral(after)
      if (before === null) this.#nodes.delete(path)
      else {
        this.#nodes.set(path, before)
        if (before.exists && this.isEphemeral(before)) this.#noteEphemeral(before)
      }
    }
    this.#digest.set(this.#undoDigest)
    this.#undo = null
  }

  /** Transaction `zxid` has been applied: the tree has what it did to `path`. */
  applied(path: string, zxid: bigint): void {
    this.#counts.changesApplied++
    const node = this.#nodes.get(path)
    if (node === undefined || node.zxid !== zxid) return
    this.#nodes.delete(path)
    this.#forgetEphemeral(node)
  }

  #load(path: string, base: NodeId): PendingNode {
    const tree = this.#tree
    const node: PendingNode = {
      path,
      base,
      zxid: 0n,
      exists: true,
      czxid: tree.czxid(base),
      mzxid: tree.mzxid(base),
      pzxid: tree.pzxid(base),
      ctime: tree.ctime(base),
      mtime: tree.mtime(base),
      version: tree.version(base),
      cversion: tree.storedCversion(base),
      aversion: tree.aversion(base),
      owner: tree.owner(base),
      numChildren: tree.numChildren(base),
      dataBytes: -1,
      acl: tree.acl(base),
      content: null,
      digest: tree.nodeDigest(base),
    }
    // The contribution of path and data, without a look at them: the digest less that of the stat.
    if (!isLeftOutOfDigest(path)) node.content = node.digest ^ statDigest(node)
    return node
  }

  #remember(path: string): void {
    if (this.#undo === null || this.#undo.has(path)) return
    const before = this.#nodes.get(path)
    this.#undo.set(path, before === undefined ? null : { ...before })
  }

  #noteEphemeral(node: PendingNode): void {
    let paths = this.#ephemerals.get(node.owner)
    if (paths === undefined) this.#ephemerals.set(node.owner, (paths = new Set()))
    paths.add(node.path)
  }

  #forgetEphemeral(node: PendingNode): void {
    const paths = this.#ephemerals.get(node.owner)
    if (paths?.delete(node.path) && paths.size === 0) this.#ephemerals.delete(node.owner)
  }
}

/** Nodes below `/zookeeper` are in no digest (quorum-protocol 8.3). */
function isLeftOutOfDigest(path: string): boolean {
  return path.startsWith('/zookeeper/')
}
