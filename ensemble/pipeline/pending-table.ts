/**
 * The pending nodes by path: a table of chains, looked up with the hash that a request's path has
 * anyway.
 *
 * Invariants: of each path at most one node is listed; `isListed` tells whether it is.
 */
import { textOf, type PathBytes } from '../tree/path-bytes.ts'
import { NO_NODE, type NodeId } from '../tree/tree.ts'
import type { Acl } from '../protocol/acl.ts'

/** One node with the effects of the transactions in flight. */
export class PendingNode {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  readonly hash: number
  /** Where the tree has the node; NO_NODE as long as it does not exist there. */
  base: NodeId = NO_NODE
  /** The last transaction that touched it. */
  zxid = 0n
  exists = true
  mzxidHigh = 0
  mzxidLow = 0
  pzxidHigh = 0
  pzxidLow = 0
  mtime = 0
  version = 0
  /** As stored: the number of children ever created. */
  cversion = 0
  aversion = 0
  /** As stored: a session id, or the mark of a container or TTL node. */
  owner = 0n
  numChildren = 0
  /** Length of the data; 0 for null. */
  dataBytes = 0
  acl: readonly Acl[] = NO_ACL
  /** Whether the tree's digest counts it: nodes below `/zookeeper` are left out. */
  isDigested = true
  /** What path and data contribute to the digest. */
  content = 0
  /** What the parts of the stat contribute that never change: czxid, ctime, owner. */
  origin = 0
  /** Of the node as it is now. */
  digest = 0
  isListed = false
  nextInChain: PendingNode | null = null

  constructor(bytes: Buffer, start: number, end: number, hash: number) {
    // A node may stay listed longer than the request that it came with: it keeps no large one alive.
    const isKept = bytes.length <= CHUNK_BYTES_MAX
    this.bytes = isKept ? bytes : Buffer.from(bytes.subarray(start, end))
    this.start = isKept ? start : 0
    this.end = isKept ? end : end - start
    this.hash = hash
  }

  get path(): string {
    return textOf(this.bytes, this.start, this.end)
  }

  /** Takes over everything but path and place. */
  assign(other: PendingNode): void {
    this.base = other.base
    this.zxid = other.zxid
    this.exists = other.exists
    this.mzxidHigh = other.mzxidHigh
    this.mzxidLow = other.mzxidLow
    this.pzxidHigh = other.pzxidHigh
    this.pzxidLow = other.pzxidLow
    this.mtime = other.mtime
    this.version = other.version
    this.cversion = other.cversion
    this.aversion = other.aversion
    this.owner = other.owner
    this.numChildren = other.numChildren
    this.dataBytes = other.dataBytes
    this.acl = other.acl
    this.isDigested = other.isDigested
    this.content = other.content
    this.origin = other.origin
    this.digest = other.digest
  }

  copy(): PendingNode {
    const copy = new PendingNode(this.bytes, this.start, this.end, this.hash)
    copy.assign(this)
    return copy
  }
}

const NO_ACL: readonly Acl[] = []
/** What a socket gives at a time. */
const CHUNK_BYTES_MAX = 65_536
const CHAINS = 4096
const CHAIN_MASK = CHAINS - 1

export class PendingTable {
  readonly #chains: (PendingNode | null)[] = Array.from({ length: CHAINS }, () => null)
  #size = 0

  get size(): number {
    return this.#size
  }

  find(path: PathBytes): PendingNode | null {
    return this.#find(path.bytes, path.start, path.end, path.hash)
  }

  /** The node above `path`, which has a slash. */
  findParent(path: PathBytes): PendingNode | null {
    return this.#find(path.bytes, path.start, path.parentEnd, path.parentHash)
  }

  /** The node with the same path as `node`. */
  findSame(node: PendingNode): PendingNode | null {
    return this.#find(node.bytes, node.start, node.end, node.hash)
  }

  add(node: PendingNode): void {
    const chain = node.hash & CHAIN_MASK
    node.nextInChain = this.#chains[chain]!
    node.isListed = true
    this.#chains[chain] = node
    this.#size++
  }

  remove(node: PendingNode): void {
    const chain = node.hash & CHAIN_MASK
    const first = this.#chains[chain]!
    if (first === node) this.#chains[chain] = node.nextInChain
    else {
      let before: PendingNode | null = first
      while (before !== null && before.nextInChain !== node) before = before.nextInChain
      if (before !== null) before.nextInChain = node.nextInChain
    }
    node.nextInChain = null
    node.isListed = false
    this.#size--
  }

  #find(bytes: Buffer, start: number, end: number, hash: number): PendingNode | null {
    let node: PendingNode | null = this.#chains[hash & CHAIN_MASK]!
    while (node !== null && !(node.hash === hash && isAt(node, bytes, start, end))) {
      node = node.nextInChain
    }
    return node
  }
}

/** Whether the node's path is `bytes[start, end)`. */
function isAt(node: PendingNode, bytes: Buffer, start: number, end: number): boolean {
  if (node.end - node.start !== end - start) return false
  const own = node.bytes
  for (let at = start, from = node.start; at < end; at++, from++) {
    if (bytes[at] !== own[from]) return false
  }
  return true
}
