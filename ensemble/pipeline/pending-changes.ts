/**
 * Nodes as they will be once every transaction in flight has been applied: what the next request is
 * checked against. The tree itself holds only what is durable, so reads never see what a crash could
 * take back.
 *
 * Invariants:
 *  1. A node is listed here exactly while a transaction that touches it is in flight; all other nodes
 *     are as the tree has them.
 *  2. `digest` is the tree's digest after the last transaction in flight.
 *  3. `rollBack` undoes everything since `begin`: a failed multi leaves no trace.
 *  4. A node keeps being the same object from its first transaction in flight to its last, or to its
 *     removal: transactions hold on to it.
 * Source: ZooKeeperServer#outstandingChanges, PrepRequestProcessor, 3.9.5.
 */
import { assert } from '../assert.ts'
import { isLeftOut, stateDigest } from '../tree/node-digest.ts'
import { PathBytes } from '../tree/path-bytes.ts'
import { NO_NODE, type NodeId, type Tree } from '../tree/tree.ts'
import { DigestSum } from './digest-sum.ts'
import { PendingNode, PendingTable } from './pending-table.ts'
import { PipelineCounts } from './pipeline-counts.ts'

/** What a multi that fails has to undo, newest last. */
type Undo =
  | {
      readonly kind: 'touched'
      readonly node: PendingNode
      readonly before: PendingNode
      readonly wasListed: boolean
    }
  | { readonly kind: 'created'; readonly node: PendingNode; readonly former: PendingNode | null }

export class PendingChanges {
  readonly #tree: Tree
  readonly #nodes = new PendingTable()
  /** By session: paths of ephemerals whose creation is in flight. */
  readonly #ephemerals = new Map<bigint, Set<string>>()
  readonly digest = new DigestSum()
  #undo: Undo[] | null = null
  #undoDigest = 0n
  readonly #counts: PipelineCounts

  constructor(tree: Tree, counts = new PipelineCounts()) {
    this.#tree = tree
    this.#counts = counts
    this.digest.set(tree.treeDigest)
  }

  get size(): number {
    return this.#nodes.size
  }

  /** The node as the next transaction finds it; null when there is none. */
  get(path: string): PendingNode | null {
    return this.find(PathBytes.of(path))
  }

  /** The same, for a path that is bytes already. */
  find(path: PathBytes): PendingNode | null {
    const pending = this.#nodes.find(path)
    if (pending !== null) return pending.exists ? pending : null
    const base = this.#tree.findHashed(path.bytes, path.start, path.end, path.hash)
    return base === NO_NODE ? null : this.#load(path.bytes, path.start, path.end, path.hash, base)
  }

  /** The node above a path that has a slash. */
  findParent(path: PathBytes): PendingNode | null {
    const pending = this.#nodes.findParent(path)
    if (pending !== null) return pending.exists ? pending : null
    const { bytes, start, parentEnd, parentHash } = path
    const base = this.#tree.findHashed(bytes, start, parentEnd, parentHash)
    return base === NO_NODE ? null : this.#load(bytes, start, parentEnd, parentHash, base)
  }

  has(path: PathBytes): boolean {
    const pending = this.#nodes.find(path)
    if (pending !== null) return pending.exists
    return this.#tree.findHashed(path.bytes, path.start, path.end, path.hash) !== NO_NODE
  }

  /** Announces that transaction `zxid` changes `node`; `settle` follows once its fields are set. */
  touch(node: PendingNode, zxid: bigint): void {
    if (this.#undo !== null) {
      const before = node.copy()
      this.#undo.push({ kind: 'touched', node, before, wasListed: node.isListed })
    }
    this.#counts.changesQueued++
    node.zxid = zxid
    if (!node.isListed) this.#nodes.add(node)
  }

  /** The fields of a touched node are final for this transaction. */
  settle(node: PendingNode): void {
    if (!node.isDigested) return
    const digest = (node.content ^ node.origin ^ stateDigest(node)) >>> 0
    this.digest.move(node.digest, digest)
    node.digest = digest
  }

  /** Adds a node that does not exist; its fields are set, but for the digest. */
  create(node: PendingNode): void {
    const former = this.#nodes.findSame(node)
    if (former !== null) {
      assert(!former.exists, 'a node is created once')
      this.#forgetEphemeral(former)
      this.#nodes.remove(former)
    }
    this.#undo?.push({ kind: 'created', node, former })
    this.#counts.changesQueued++
    this.#nodes.add(node)
    this.settle(node)
    if (this.isEphemeral(node)) this.#noteEphemeral(node)
  }

  remove(node: PendingNode, zxid: bigint): void {
    this.touch(node, zxid)
    node.exists = false
    this.digest.move(node.digest, 0)
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

  /** At most how many ephemerals the session has, or will have: those that are going count, too. */
  ephemeralCount(sessionId: bigint): number {
    return this.#tree.ephemeralCountOf(sessionId) + (this.#ephemerals.get(sessionId)?.size ?? 0)
  }

  /** Starts to remember, so that `rollBack` can undo what follows. */
  begin(): void {
    assert(this.#undo === null, 'multis do not nest')
    this.#undo = []
    this.#undoDigest = this.digest.value
  }

  commit(): void {
    this.#undo = null
  }

  rollBack(): void {
    assert(this.#undo !== null, 'there is something to roll back')
    for (const step of this.#undo.reverse()) {
      const { node } = step
      if (step.kind === 'created') {
        this.#forgetEphemeral(node)
        this.#nodes.remove(node)
        if (step.former !== null) this.#nodes.add(step.former)
      } else {
        node.assign(step.before)
        if (!step.wasListed) this.#nodes.remove(node)
        else if (node.exists && this.isEphemeral(node)) this.#noteEphemeral(node)
      }
    }
    this.digest.set(this.#undoDigest)
    this.#undo = null
  }

  /** Transaction `zxid` has been applied: the tree has what it did to the node. */
  applied(node: PendingNode, zxid: bigint): void {
    this.#counts.changesApplied++
    if (node.zxid !== zxid || !node.isListed) return
    this.#nodes.remove(node)
    if (node.owner !== 0n) this.#forgetEphemeral(node)
  }

  /** The same where only the path is at hand. */
  appliedAt(path: string, zxid: bigint): void {
    const key = PathBytes.of(path)
    this.#appliedTo(this.#nodes.find(key), zxid)
  }

  /** The same for a path and the one above. */
  appliedWithParent(path: string, zxid: bigint): void {
    const key = PathBytes.of(path)
    this.#appliedTo(this.#nodes.find(key), zxid)
    this.#appliedTo(this.#nodes.findParent(key), zxid)
  }

  #appliedTo(node: PendingNode | null, zxid: bigint): void {
    if (node !== null) return this.applied(node, zxid)
    this.#counts.changesApplied++
  }

  #load(bytes: Buffer, start: number, end: number, hash: number, base: NodeId): PendingNode {
    const tree = this.#tree
    const node = new PendingNode(bytes, start, end, hash)
    node.base = base
    node.aversion = tree.aversion(base)
    node.version = tree.version(base)
    node.cversion = tree.storedCversion(base)
    node.numChildren = tree.numChildren(base)
    node.dataBytes = Math.max(0, tree.dataLength(base))
    node.mtime = tree.mtime(base)
    node.owner = tree.owner(base)
    node.acl = tree.acl(base)
    tree.loadZxids(base, node)
    node.isDigested = !isLeftOut(bytes, start, end)
    if (node.isDigested) {
      node.digest = tree.nodeDigest(base)
      node.origin = tree.originDigest(base)
      // What path and data contribute, without a look at them: the rest of the digest.
      node.content = node.digest ^ node.origin ^ stateDigest(node)
    }
    return node
  }

  #noteEphemeral(node: PendingNode): void {
    let paths = this.#ephemerals.get(node.owner)
    if (paths === undefined) this.#ephemerals.set(node.owner, (paths = new Set()))
    paths.add(node.path)
  }

  #forgetEphemeral(node: PendingNode): void {
    if (this.#ephemerals.size === 0) return
    const paths = this.#ephemerals.get(node.owner)
    if (paths?.delete(node.path) && paths.size === 0) this.#ephemerals.delete(node.owner)
  }
}
