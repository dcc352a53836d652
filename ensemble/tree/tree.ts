/**
 * The data tree: what a server knows after the transactions it applied.
 *
 * `apply` is the only writer; it takes every transaction type, and decides nothing: times, versions
 * and owners come with the transaction. It tolerates transactions whose effects are already there
 * (a log replayed over the snapshot of an Apache server, which is fuzzy), by the rules of
 * disk-format 5.2; in normal operation none of those cases comes up.
 *
 * Invariants:
 * 1. Equal transactions in equal order give equal trees, digests included, on every server.
 * 2. `treeDigest` is the sum of `nodeDigest` over all nodes not below /zookeeper.
 * 3. A frozen view never changes.
 *
 * One long file: what reads a node and what changes it share the private state, and apart from each
 * other they would have to make it public. The layout is in node-store.ts, quotas in quota.ts.
 *
 * Source: quorum-protocol 8, disk-format 5.2, client-protocol 4 and 6.3 (DataTree, DataNode, 3.9.5).
 */
import { unreachable } from '../assert.ts'
import { highOf, longOf, lowOf } from '../jute/long-halves.ts'
import type { Writer } from '../jute/writer.ts'
import type { Acl } from '../protocol/acl.ts'
import { Code } from '../protocol/error-codes.ts'
import { Op } from '../protocol/op-codes.ts'
import { STAT_BYTES, type Stat } from '../protocol/stat.ts'
import type { Txn, TxnBody } from '../protocol/transactions.ts'
import { EventType } from '../protocol/watches.ts'
import { AclTable, OPEN, UNRESOLVED } from './acl-table.ts'
import { FrozenTree } from './frozen-tree.ts'
import {
  digestWithoutStat,
  isLeftOut,
  originDigest,
  statDelta,
  StatWord,
  type ChangingStat,
} from './node-digest.ts'
import {
  Directory,
  Field,
  NO_NODE,
  NODE_WORDS,
  NodeStore,
  ROOT,
  type NodeId,
} from './node-store.ts'
import { CONTAINER_OWNER, Owners, ttlOf, ttlOwner } from './owners.ts'
import { textOf } from './path-bytes.ts'
import { HASH_START, hashBytes } from './path-index.ts'
import {
  LIMITS_NAME,
  limitsPath,
  movedUsageText,
  QUOTA_TEXT_BYTES_MAX,
  readQuota,
  QUOTA_ROOT,
  QuotaPaths,
  STATS_NAME,
  statsPath,
  subjectOf,
  usageText,
  type QuotaNumbers,
} from './quota.ts'
import { PAGE_MASK, PAGE_SHIFT } from './record-pages.ts'

export { NO_NODE, ROOT, type NodeId } from './node-store.ts'

export type TreeOptions = {
  /** Keep digests; without, `treeDigest` and `nodeDigest` are 0. */
  digestEnabled?: boolean
  /** Know TTL nodes by their owner (zookeeper.extendedTypesEnabled). */
  extendedTypes?: boolean
}

/** One event that a transaction causes, for whoever watches. */
export type TreeChange = {
  readonly type: 1 | 2 | 3 | 4
  readonly path: string
  /** The list to check READ against before telling a session. */
  readonly acl: readonly Acl[]
  readonly zxid: bigint
}

export type Applied = {
  readonly err: number
  readonly path: string | null
  /** The node created or changed; 0 if there is none. */
  readonly node: NodeId
  /** Its stat as clients see it, 68 bytes: inside a multi only, where a later part may change it. */
  readonly stat: Buffer | null
  /** One for each part of a multi. */
  readonly results: Applied[] | null
}

interface ChangeTime {
  readonly zxidHigh: number
  readonly zxidLow: number
  readonly time: number
}

/** A setData as `changeData` takes it: path and data are where the request has them. */
export interface DataChange extends ChangeTime {
  readonly zxid: bigint
  /** Hold the path in `[start, end)`; the root's is empty. */
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  /** The length of the path as a string. */
  readonly pathUnits: number
  /** null, or the data in `[dataStart, dataEnd)`; an empty range with null. */
  readonly data: Buffer | null
  readonly dataStart: number
  readonly dataEnd: number
  readonly version: number
  /** Whether the tree's digest counts the node: those below /zookeeper are left out. */
  readonly isDigested: boolean
  /** What path and data contribute to the node's digest. */
  readonly content: number
}

/** A create as `addNode` takes it. */
export interface NodeChange extends DataChange {
  /** The last slash of the path, and the hash of the whole. */
  readonly slash: number
  readonly hash: number
  readonly acl: readonly Acl[]
  readonly owner: bigint
  readonly parentCVersion: number
}

export type Quota = {
  path: string
  /** As written; null when that cannot be read. */
  limits: QuotaNumbers | null
  /** As counted; null when somebody has made it unreadable, undefined when it is not there. */
  usage: QuotaNumbers | null | undefined
}

const SLASH = 0x2f
const NO_BYTES = Buffer.alloc(0)
/** Of /zookeeper/config: anyone may read. */
const READ_ONLY_ACL: readonly Acl[] = [{ perms: 1, id: { scheme: 'world', id: 'anyone' } }]
const CONFIG_PATH = '/zookeeper/config'

export class Tree {
  lastZxid = 0n
  readonly #store = new NodeStore()
  readonly #acls = new AclTable()
  readonly #owners: Owners
  readonly #quotas = new QuotaPaths()
  readonly #digestEnabled: boolean
  #digestHigh = 0
  #digestLow = 0
  /** Path lengths and data, with the root counted under its two names, as Apache does. */
  #dataSize = 1

  /** The path at hand as UTF-8, and where its last slash is. */
  #path = Buffer.allocUnsafeSlow(1024)
  #pathEnd = 0
  #slash = 0
  #parentHash = 0

  constructor(options: TreeOptions = {}) {
    this.#digestEnabled = options.digestEnabled ?? true
    this.#owners = new Owners(options.extendedTypes ?? false)
    this.#acls.useAgain(OPEN)
    this.#countDigest(ROOT, this.#digestOfNode(ROOT, NO_BYTES, 0, 0))
    for (const path of ['/zookeeper', QUOTA_ROOT, CONFIG_PATH]) this.#addBuiltIn(path)
  }

  // --- lookup ---

  find(path: string): NodeId {
    this.#setPath(path)
    return this.#store.find(this.#path, 0, this.#pathEnd)
  }

  findBytes(bytes: Uint8Array, start: number, end: number): NodeId {
    return this.#store.find(bytes, start, end)
  }

  /** The same for a path whose hash is known; the root's is empty. */
  findHashed(bytes: Uint8Array, start: number, end: number, hash: number): NodeId {
    return end === start ? ROOT : this.#store.findHashed(bytes, start, end, hash)
  }

  // --- one node ---

  czxid(node: NodeId): bigint {
    return this.#store.getLong(node, Field.czxid)
  }

  mzxid(node: NodeId): bigint {
    return this.#store.getLong(node, Field.mzxid)
  }

  pzxid(node: NodeId): bigint {
    return longOf(this.#store.pzxidHigh(node), this.#store.pzxidLow(node))
  }

  ctime(node: NodeId): number {
    return this.#store.getTime(node, Field.ctime)
  }

  mtime(node: NodeId): number {
    return this.#store.getTime(node, Field.mtime)
  }

  version(node: NodeId): number {
    return this.#store.get(node, Field.version)
  }

  /** Children ever created; clients see `2 * stored - numChildren`. */
  storedCversion(node: NodeId): number {
    return this.#store.cversion(node)
  }

  aversion(node: NodeId): number {
    return this.#store.get(node, Field.aversion)
  }

  /** As stored: a session, or the mark of a container or TTL node. */
  owner(node: NodeId): bigint {
    return this.#owners.valueOf(this.#store.get(node, Field.owner))
  }

  /** True for a node of a session; containers and TTL nodes have owners but are not ephemeral. */
  isEphemeral(node: NodeId): boolean {
    return this.#owners.isSession(this.#store.get(node, Field.owner))
  }

  numChildren(node: NodeId): number {
    return this.#store.children(node)
  }

  /** -1 for null data. */
  dataLength(node: NodeId): number {
    return this.#store.get(node, Field.dataBytes)
  }

  /** A copy. */
  data(node: NodeId): Buffer | null {
    const length = this.dataLength(node)
    if (length < 0) return null
    const start = this.#store.dataStart(node)
    return Buffer.from(this.#store.blobBytes(node).subarray(start, start + length))
  }

  pathOf(node: NodeId): string {
    return this.#store.pathOf(node)
  }

  nameOf(node: NodeId): string {
    return this.#store.nameOf(node)
  }

  parent(node: NodeId): NodeId {
    return this.#store.get(node, Field.parent)
  }

  acl(node: NodeId): readonly Acl[] {
    return this.#acls.listOf(this.aclId(node))
  }

  /** Equal for nodes with equal lists, while they have them. */
  aclId(node: NodeId): number {
    return this.#store.get(node, Field.acl)
  }

  firstChild(node: NodeId): NodeId {
    return this.#store.firstChild(node)
  }

  nextSibling(node: NodeId): NodeId {
    return this.#store.next(node)
  }

  /** Nodes strictly below. */
  descendantCount(node: NodeId): number {
    let count = -1
    this.#visit(node, () => count++)
    return count
  }

  childNames(node: NodeId): string[] {
    const names: string[] = []
    for (let child = this.firstChild(node); child !== NO_NODE; child = this.nextSibling(child)) {
      names.push(this.#store.nameOf(child))
    }
    return names
  }

  stat(node: NodeId): Stat {
    return {
      czxid: this.czxid(node),
      mzxid: this.mzxid(node),
      ctime: this.ctime(node),
      mtime: this.mtime(node),
      version: this.version(node),
      cversion: this.#visibleCversion(node),
      aversion: this.aversion(node),
      ephemeralOwner: this.isEphemeral(node) ? this.owner(node) : 0n,
      dataLength: this.#store.dataBytes(node),
      numChildren: this.numChildren(node),
      pzxid: this.pzxid(node),
    }
  }

  /** The CRC-32 of quorum-protocol 8.3; 0 for nodes below /zookeeper. */
  nodeDigest(node: NodeId): number {
    return this.#store.get(node, Field.digest) >>> 0
  }

  /** Takes mzxid and pzxid of a node to `into`. */
  loadZxids(node: NodeId, into: ChangingStat): void {
    const store = this.#store
    into.mzxidHigh = store.get(node, Field.mzxid)
    into.mzxidLow = store.get(node, Field.mzxid + 1)
    into.pzxidHigh = store.pzxidHigh(node)
    into.pzxidLow = store.pzxidLow(node)
  }

  /** What czxid, ctime and owner contribute to the digest of a node. */
  originDigest(node: NodeId): number {
    const page = this.#store.nodes.pages[node >>> PAGE_SHIFT]!
    const at = (node & PAGE_MASK) * NODE_WORDS
    const ctime = this.#store.getTime(node, Field.ctime)
    return originDigest(page[at]!, page[at + 1]!, ctime, this.owner(node))
  }

  /** The stat as clients see it: 68 bytes. */
  writeStat(node: NodeId, writer: Writer): void {
    writer.reserve(STAT_BYTES)
    this.#putStat(node, writer.view, writer.position)
    writer.position += STAT_BYTES
  }

  /** The data, with its length; null is length -1. */
  writeData(node: NodeId, writer: Writer): void {
    this.#store.writeData(node, writer)
  }

  /** The names of the children, as a vector, in no promised order. */
  writeChildNames(node: NodeId, writer: Writer): void {
    writer.int(this.numChildren(node))
    for (let child = this.firstChild(node); child !== NO_NODE; child = this.nextSibling(child)) {
      this.#store.writeName(child, writer)
    }
  }

  // --- the whole ---

  /** As `srvr` counts: the root has two names. */
  get nodeCount(): number {
    return this.#store.count + 1
  }

  get approximateDataSize(): number {
    return this.#dataSize
  }

  get treeDigest(): bigint {
    return longOf(this.#digestHigh, this.#digestLow)
  }

  /** Whether `treeDigest` has these halves, both signed; true where digests are not kept. */
  hasDigest(high: number, low: number): boolean {
    return !this.#digestEnabled || (this.#digestHigh === high && (this.#digestLow | 0) === low)
  }

  /** The same computed from all nodes, to check that the two agree: for tests and simulation. */
  digestFromScratch(): bigint {
    let sum = 0n
    this.#visit(ROOT, (node) => {
      const path = node === ROOT ? NO_BYTES : Buffer.from(this.pathOf(node))
      sum += BigInt(this.#digestOfNode(node, path, 0, path.length) >>> 0)
    })
    return BigInt.asIntN(64, sum)
  }

  get ephemeralCount(): number {
    return this.#owners.ephemeralCount
  }

  /** Whether a stored owner is a session: neither nobody nor the mark of a container or TTL node. */
  isSessionOwner(owner: bigint): boolean {
    return owner !== 0n && this.#owners.kindOf(owner) === 'session'
  }

  /** Paths of the ephemerals of a session, in the order in which they were created. */
  *ephemeralsOf(sessionId: bigint): Generator<string> {
    if (!this.isSessionOwner(sessionId)) return
    for (const node of this.#owners.nodesOf(sessionId)) yield this.#store.pathOf(node)
  }

  /** Ephemerals of a session. */
  ephemeralCountOf(sessionId: bigint): number {
    return this.isSessionOwner(sessionId) ? this.#owners.nodesOf(sessionId).size : 0
  }

  /** Sessions that own nodes. */
  ephemeralSessions(): Iterable<bigint> {
    return this.#owners.valuesOf('session')
  }

  /** Nodes that are removed once they have no children any more. */
  containerNodes(): Iterable<NodeId> {
    return this.#owners.nodesOf(CONTAINER_OWNER)
  }

  /** Nodes that are removed when not written for their time to live, each with it. */
  *ttlNodes(): Generator<{ node: NodeId; ttlMs: number }> {
    for (const owner of this.#owners.valuesOf('ttl')) {
      for (const node of this.#owners.nodesOf(owner)) yield { node, ttlMs: ttlOf(owner) }
    }
  }

  /** The quota that covers a path: limits and committed usage. */
  quotaFor(path: string): Quota | null {
    const subject = this.#quotas.covering(path)
    if (subject === null) return null
    const limits = this.find(limitsPath(subject))
    if (limits === NO_NODE) return null
    const usage = this.find(statsPath(subject))
    return {
      path: subject,
      limits: readQuota(this.#quotaText(limits)),
      usage: usage === NO_NODE ? undefined : readQuota(this.#quotaText(usage)),
    }
  }

  /** null for what is far too long to be one: every write below would have to read it. */
  #quotaText(node: NodeId): Buffer | null {
    return this.dataLength(node) > QUOTA_TEXT_BYTES_MAX ? null : this.data(node)
  }

  /** Whether any path has limits: without, no write has to be looked at. */
  get hasQuotas(): boolean {
    return this.#quotas.size > 0
  }

  /**
   * Limits and usage that lie in the quota tree, each with its subject: what metrics add up. Those
   * that cannot be read are left out.
   */
  *quotaNodes(): Generator<{ path: string; isLimits: boolean; numbers: QuotaNumbers }> {
    const nodes: NodeId[] = []
    this.#visit(this.find(QUOTA_ROOT), (node) => {
      if (this.#store.firstChild(node) === NO_NODE) nodes.push(node)
    })
    for (const node of nodes) {
      const name = this.nameOf(node)
      if (name !== LIMITS_NAME && name !== STATS_NAME) continue
      const path = subjectOf(this.pathOf(node))
      const numbers = readQuota(this.#quotaText(node))
      if (path !== null && numbers !== null) yield { path, isLimits: name === LIMITS_NAME, numbers }
    }
  }

  /** Nodes whose ACL a snapshot named but did not hold, and no transaction has restored yet. */
  get unresolvedAclCount(): number {
    return this.#acls.usesOf(UNRESOLVED)
  }

  /** Bytes of the pages, to weigh memory. */
  get pageBytes(): number {
    const { nodes, directories, blobs, index } = this.#store
    return nodes.bytes + directories.bytes + blobs.bytes + index.bytes
  }

  /**
   * The tree as it is now, unchanged by later transactions. Several views may exist (a snapshot, and
   * a SNAP to each of some learners); each keeps the pages that were written since it was made.
   */
  freeze(): FrozenTree {
    const { nodes, directories, blobs } = this.#store
    const parts = {
      lastZxid: this.lastZxid,
      treeDigest: this.treeDigest,
      nodeCount: this.nodeCount,
      nodes: nodes.freeze(),
      directories: directories.freeze(),
      blobs: blobs.freeze(),
      owners: this.#owners.values(),
      acls: this.#acls.lists(),
    }
    return new FrozenTree(parts, () => {
      nodes.thaw(parts.nodes)
      directories.thaw(parts.directories)
      blobs.thaw(parts.blobs)
    })
  }

  // --- the writer ---

  /** Applies a transaction; events are pushed to `changes` in the order in which they are due. */
  apply(txn: Txn, changes: TreeChange[] | null): Applied {
    const applied =
      txn.type === Op.multi
        ? this.#applyMulti(txn, txn.txns, changes)
        : this.#applyOne(txn, txn, changes)
    if (txn.zxid > this.lastZxid) this.lastZxid = txn.zxid
    return applied
  }

  /**
   * What `apply` does for a setData, without a look-up: `node` is where the path of `change` leads.
   * Of its digest what path and data contribute is taken from the change, the rest computed anew.
   */
  changeData(node: NodeId, change: DataChange, changes: TreeChange[] | null): void {
    const { data, dataStart, dataEnd, zxid } = change
    const growth = dataEnd - dataStart - this.#store.dataBytes(node)
    this.#store.setData(node, data, dataStart, dataEnd)
    this.#noteWritten(node, change)
    if (change.isDigested) this.#countDigest(node, change.content ^ this.#statDigest(node))
    this.#dataSize += growth
    if (this.#quotas.size > 0) this.#countUsage(pathOf(change), 0, growth)
    if (changes !== null) {
      const acl = this.acl(node)
      changes.push({ type: EventType.nodeDataChanged, path: pathOf(change), acl, zxid })
    }
    if (zxid > this.lastZxid) this.lastZxid = zxid
  }

  /**
   * What `apply` does for a create, without a look-up: `parent` is the node above, and there is none
   * yet at the path of `change`.
   */
  addNode(parent: NodeId, change: NodeChange, changes: TreeChange[] | null): NodeId {
    const { bytes, start, end, slash, hash, zxid, zxidHigh, zxidLow } = change
    const { data, dataStart, dataEnd } = change
    const store = this.#store
    const isLeftOutParent = isLeftOut(bytes, start, slash)
    this.#raiseCversion(parent, change.parentCVersion, zxidHigh, zxidLow, isLeftOutParent)
    const node = store.insert(parent, hash, bytes, slash + 1, end, data, dataStart, dataEnd)
    this.#noteCreated(node, change)
    const number = this.#acls.use(change.acl)
    store.set(node, Field.acl, number)
    const { owner } = change
    if (owner !== 0n) store.set(node, Field.owner, this.#owners.attach(node, owner))
    if (change.isDigested) this.#countDigest(node, change.content ^ this.#statDigest(node))
    else this.#quotaNodeCreated(pathOf(change))
    this.#dataSize += change.pathUnits + dataEnd - dataStart
    if (this.#quotas.size > 0) this.#countUsage(pathOf(change), 1, dataEnd - dataStart)
    if (changes !== null) {
      const path = pathOf(change)
      changes.push({ type: EventType.nodeCreated, path, acl: this.acl(node), zxid })
      changes.push(this.#childrenChanged(path, parent, zxid))
    }
    if (zxid > this.lastZxid) this.lastZxid = zxid
    return node
  }

  #noteCreated(node: NodeId, { zxidHigh, zxidLow, time }: ChangeTime): void {
    const timeHigh = Math.floor(time / 0x1_0000_0000) | 0
    const page = this.#store.nodes.writable(node)
    const at = (node & PAGE_MASK) * NODE_WORDS
    page[at + Field.czxid] = zxidHigh
    page[at + Field.czxid + 1] = zxidLow
    page[at + Field.mzxid] = zxidHigh
    page[at + Field.mzxid + 1] = zxidLow
    page[at + Field.ctime] = timeHigh
    page[at + Field.ctime + 1] = time | 0
    page[at + Field.mtime] = timeHigh
    page[at + Field.mtime + 1] = time | 0
  }

  #noteWritten(node: NodeId, change: ChangeTime & { readonly version: number }): void {
    const { zxidHigh, zxidLow, time, version } = change
    const page = this.#store.nodes.writable(node)
    const at = (node & PAGE_MASK) * NODE_WORDS
    page[at + Field.mzxid] = zxidHigh
    page[at + Field.mzxid + 1] = zxidLow
    page[at + Field.mtime] = Math.floor(time / 0x1_0000_0000) | 0
    page[at + Field.mtime + 1] = time | 0
    page[at + Field.version] = version
  }

  #applyOne(header: Header, body: TxnBody, changes: TreeChange[] | null): Applied {
    switch (body.type) {
      case Op.create:
      case Op.create2:
        return this.#create(header, body, body.ephemeral ? header.clientId : 0n, changes)
      case Op.createContainer:
        return this.#create(header, body, CONTAINER_OWNER, changes)
      case Op.createTtl:
        return this.#create(header, body, ttlOwner(body.ttl), changes)
      case Op.delete:
      case Op.deleteContainer:
        return this.#delete(header, body.path, changes)
      case Op.setData:
      case Op.reconfig:
        return this.#setData(header, body, changes)
      case Op.setAcl:
        return this.#setAcl(body)
      case Op.closeSession:
        return this.#closeSession(header, body.paths, changes)
      case Op.error:
        return { err: body.err, path: null, node: NO_NODE, stat: null, results: null }
      case Op.check:
        return applied(body.path, NO_NODE)
      case Op.createSession:
        return applied(null, NO_NODE)
      case Op.multi:
        return this.#applyMulti(header, body.txns, changes)
      default:
        return unreachable(body)
    }
  }

  /** All parts, or none when one of them is an error; all with the zxid and time of the whole. */
  #applyMulti(header: Header, parts: TxnBody[], changes: TreeChange[] | null): Applied {
    const failed = parts.findIndex((part) => part.type === Op.error)
    if (failed >= 0) return failedMulti(parts, failed)
    const results = parts.map((part) => {
      const result = this.#applyOne(header, part, changes)
      return result.node === NO_NODE ? result : { ...result, stat: this.#statBytes(result.node) }
    })
    const err = results.find((result) => result.err !== Code.ok)?.err ?? Code.ok
    return { err, path: null, node: NO_NODE, stat: null, results }
  }

  #create(
    { zxid, time }: Header,
    body: TxnBody & { path: string; data: Buffer | null; acl: Acl[]; parentCVersion: number },
    owner: bigint,
    changes: TreeChange[] | null,
  ): Applied {
    const store = this.#store
    const { path, data } = body
    this.#setPath(path)
    const bytes = this.#path
    const nameStart = this.#slash + 1
    const parent = this.#parentAtPath()
    if (parent === NO_NODE) return refused(Code.noNode, path)
    const hash = hashBytes(this.#parentHash, bytes, this.#slash, this.#pathEnd)
    const existing =
      nameStart === this.#pathEnd
        ? parent
        : store.findChild(parent, bytes, nameStart, this.#pathEnd, hash)
    const zxidHigh = highOf(zxid)
    const zxidLow = lowOf(zxid)
    const isLeftOutParent = this.#isLeftOutAtPath(this.#slash)
    if (existing !== NO_NODE) {
      if (existing !== parent) this.#replaceAcl(existing, body.acl)
      if (body.type === Op.create) {
        this.#raiseCversion(parent, body.parentCVersion, zxidHigh, zxidLow, isLeftOutParent)
      }
      return refused(Code.nodeExists, path)
    }

    this.#raiseCversion(parent, body.parentCVersion, zxidHigh, zxidLow, isLeftOutParent)
    const dataBytes = data === null ? 0 : data.length
    const node = store.insert(parent, hash, bytes, nameStart, this.#pathEnd, data, 0, dataBytes)
    this.#noteCreated(node, { zxidHigh, zxidLow, time })
    store.set(node, Field.acl, this.#acls.use(body.acl))
    if (owner !== 0n) store.set(node, Field.owner, this.#owners.attach(node, owner))
    this.#countDigest(node, this.#digestOfNode(node, bytes, 0, this.#pathEnd))
    this.#dataSize += path.length + dataBytes

    this.#quotaNodeCreated(path)
    this.#countUsage(path, 1, dataBytes)
    if (changes !== null) {
      const acl = this.acl(node)
      changes.push({ type: EventType.nodeCreated, path, acl, zxid })
      changes.push(this.#childrenChanged(path, parent, zxid))
    }
    return applied(path, node)
  }

  /** A missing node still raises the parent's pzxid, and a node with children takes them along. */
  #delete({ zxid }: Header, path: string, changes: TreeChange[] | null): Applied {
    const store = this.#store
    this.#setPath(path)
    const parent = this.#parentAtPath()
    if (parent === NO_NODE || this.#slash + 1 === this.#pathEnd) return refused(Code.noNode, path)
    this.#raisePzxid(parent, highOf(zxid), lowOf(zxid))
    const hash = hashBytes(this.#parentHash, this.#path, this.#slash, this.#pathEnd)
    const node = store.findHashed(this.#path, 0, this.#pathEnd, hash)
    if (node === NO_NODE) return refused(Code.noNode, path)

    const acl = this.acl(node)
    while (store.firstChild(node) !== NO_NODE) this.#removeLeafBelow(node)
    const dataBytes = store.dataBytes(node)
    this.#remove(node, hash, path.length)

    if (path.endsWith(`/${LIMITS_NAME}`)) this.#quotas.delete(subjectOf(path) ?? '')
    this.#countUsage(path, -1, -dataBytes)
    if (changes !== null) {
      changes.push({ type: EventType.nodeDeleted, path, acl, zxid })
      changes.push(this.#childrenChanged(path, parent, zxid))
    }
    return applied(path, NO_NODE)
  }

  #setData(
    { zxid, time }: Header,
    { path, data, version }: { path: string; data: Buffer | null; version: number },
    changes: TreeChange[] | null,
  ): Applied {
    const store = this.#store
    const node = this.find(path)
    if (node === NO_NODE) return refused(Code.noNode, path)
    const dataBytes = data === null ? 0 : data.length
    const growth = dataBytes - store.dataBytes(node)
    store.setData(node, data, 0, dataBytes)
    this.#noteWritten(node, { zxidHigh: highOf(zxid), zxidLow: lowOf(zxid), time, version })
    const pathEnd = node === ROOT ? 0 : this.#pathEnd
    this.#countDigest(node, this.#digestOfNode(node, this.#path, 0, pathEnd))
    this.#dataSize += growth

    this.#countUsage(path, 0, growth)
    if (changes !== null) {
      const acl = this.acl(node)
      changes.push({ type: EventType.nodeDataChanged, path: path === '' ? '/' : path, acl, zxid })
    }
    return applied(path, node)
  }

  #setAcl({ path, acl, version }: { path: string; acl: Acl[]; version: number }): Applied {
    const node = this.find(path)
    if (node === NO_NODE) return refused(Code.noNode, path)
    this.#replaceAcl(node, acl)
    const delta = statDelta(StatWord.aversion, this.aversion(node) ^ version)
    this.#store.set(node, Field.aversion, version)
    if (!this.#isLeftOutAtPath(this.#pathEnd)) this.#changeDigest(node, delta)
    return applied(path, node)
  }

  /** Deletes what the transaction names, then what else the session owns. */
  #closeSession(header: Header, paths: string[] | null, changes: TreeChange[] | null): Applied {
    for (const path of paths ?? []) this.#delete(header, path, changes)
    const left = Array.from(this.ephemeralsOf(header.clientId))
    for (const path of left) this.#delete(header, path, changes)
    return applied(null, NO_NODE)
  }

  #removeLeafBelow(node: NodeId): void {
    let leaf = node
    while (this.#store.firstChild(leaf) !== NO_NODE) leaf = this.#store.firstChild(leaf)
    this.#removeByPath(leaf, this.#store.pathOf(leaf))
  }

  #removeByPath(leaf: NodeId, path: string): void {
    const bytes = Buffer.from(path)
    this.#remove(leaf, hashBytes(HASH_START, bytes, 0, bytes.length), path.length)
  }

  #remove(leaf: NodeId, hash: number, pathUnits: number): void {
    const store = this.#store
    this.#countDigest(leaf, 0)
    this.#dataSize -= pathUnits + store.dataBytes(leaf)
    this.#acls.release(store.get(leaf, Field.acl))
    this.#owners.detach(leaf, store.get(leaf, Field.owner))
    store.remove(leaf, hash)
  }

  #replaceAcl(node: NodeId, list: readonly Acl[]): void {
    const number = this.#acls.use(list)
    this.#acls.release(this.#store.get(node, Field.acl))
    this.#store.set(node, Field.acl, number)
  }

  // --- the parent ---

  /** A child was created: the parent's count of creations only ever grows; -1 adds one. */
  #raiseCversion(
    parent: NodeId,
    cversion: number,
    zxidHigh: number,
    zxidLow: number,
    isLeftOutParent: boolean,
  ): void {
    const store = this.#store
    const directory = store.directoryOf(parent)
    const old = store.inDirectory(directory, Directory.cversion)
    const raised = cversion === -1 ? (old + 1) | 0 : cversion
    if (raised <= old) return
    store.setInDirectory(directory, Directory.cversion, raised)
    const delta = statDelta(StatWord.cversion, old ^ raised)
    this.#setPzxid(parent, zxidHigh, zxidLow, delta, isLeftOutParent)
  }

  #raisePzxid(parent: NodeId, high: number, low: number): void {
    const oldHigh = this.#store.pzxidHigh(parent)
    if (high < oldHigh) return
    if (high === oldHigh && low >>> 0 <= this.#store.pzxidLow(parent) >>> 0) return
    this.#setPzxid(parent, high, low, 0, this.#isLeftOutAtPath(this.#slash))
  }

  /** `delta` is what else changed of the parent's digest. */
  #setPzxid(
    parent: NodeId,
    high: number,
    low: number,
    delta: number,
    isLeftOutParent: boolean,
  ): void {
    const store = this.#store
    const directory = store.directoryOf(parent)
    const oldHigh = store.inDirectory(directory, Directory.pzxid)
    const oldLow = store.inDirectory(directory, Directory.pzxid + 1)
    store.setInDirectory(directory, Directory.pzxid, high)
    store.setInDirectory(directory, Directory.pzxid + 1, low)
    if (isLeftOutParent) return
    const pzxidDelta =
      statDelta(StatWord.pzxid, oldHigh ^ high) ^ statDelta(StatWord.pzxid + 1, oldLow ^ low)
    this.#changeDigest(parent, delta ^ pzxidDelta)
  }

  #childrenChanged(path: string, parent: NodeId, zxid: bigint): TreeChange {
    const slash = path.lastIndexOf('/')
    const parentPath = slash === 0 ? '/' : path.slice(0, slash)
    return { type: EventType.nodeChildrenChanged, path: parentPath, acl: this.acl(parent), zxid }
  }

  // --- digest ---

  /** Of a node whose record is filled; `path[start, end)` is its path, empty for the root. */
  #digestOfNode(node: NodeId, path: Uint8Array, start: number, end: number): number {
    if (!this.#digestEnabled || isLeftOut(path, start, end)) return 0
    const store = this.#store
    const dataStart = store.dataStart(node)
    const dataEnd = dataStart + store.dataBytes(node)
    const content = digestWithoutStat(path, start, end, store.blobBytes(node), dataStart, dataEnd)
    return content ^ this.#statDigest(node)
  }

  /** What the stat of a node contributes to its digest. */
  #statDigest(node: NodeId): number {
    const store = this.#store
    const page = store.nodes.pages[node >>> PAGE_SHIFT]!
    const at = (node & PAGE_MASK) * NODE_WORDS
    let digest =
      statDelta(StatWord.czxid, page[at + Field.czxid]!) ^
      statDelta(StatWord.czxid + 1, page[at + Field.czxid + 1]!) ^
      statDelta(StatWord.mzxid, page[at + Field.mzxid]!) ^
      statDelta(StatWord.mzxid + 1, page[at + Field.mzxid + 1]!) ^
      statDelta(StatWord.ctime, page[at + Field.ctime]!) ^
      statDelta(StatWord.ctime + 1, page[at + Field.ctime + 1]!) ^
      statDelta(StatWord.mtime, page[at + Field.mtime]!) ^
      statDelta(StatWord.mtime + 1, page[at + Field.mtime + 1]!) ^
      statDelta(StatWord.version, page[at + Field.version]!) ^
      statDelta(StatWord.aversion, page[at + Field.aversion]!) ^
      statDelta(StatWord.pzxid, store.pzxidHigh(node)) ^
      statDelta(StatWord.pzxid + 1, store.pzxidLow(node)) ^
      statDelta(StatWord.cversion, store.cversion(node))
    if (page[at + Field.owner] !== 0) {
      const owner = this.owner(node)
      digest ^=
        statDelta(StatWord.owner, highOf(owner)) ^ statDelta(StatWord.owner + 1, lowOf(owner))
    }
    return digest
  }

  /** The digest of a node moves by the contribution of the bits of its stat that changed. */
  #changeDigest(node: NodeId, delta: number): void {
    if (!this.#digestEnabled) return
    this.#countDigest(node, this.#store.get(node, Field.digest) ^ delta)
  }

  /** Makes `digest` the one of the node: the sum loses the old one and gains it. */
  #countDigest(node: NodeId, digest: number): void {
    if (!this.#digestEnabled) return
    const old = this.#store.get(node, Field.digest)
    if (old === digest) return
    let low = this.#digestLow + (digest >>> 0) - (old >>> 0)
    if (low < 0) {
      low += 0x1_0000_0000
      this.#digestHigh = (this.#digestHigh - 1) | 0
    } else if (low >= 0x1_0000_0000) {
      low -= 0x1_0000_0000
      this.#digestHigh = (this.#digestHigh + 1) | 0
    }
    this.#digestLow = low
    this.#store.set(node, Field.digest, digest)
  }

  #isLeftOutAtPath(end: number): boolean {
    return isLeftOut(this.#path, 0, end)
  }

  // --- quota ---

  /** Limits take effect, and counting starts, when their nodes are created. */
  #quotaNodeCreated(path: string): void {
    if (!path.startsWith(QUOTA_ROOT)) return
    const subject = subjectOf(path)
    if (subject === null) return
    if (path.endsWith(`/${LIMITS_NAME}`)) this.#quotas.add(subject)
    if (path.endsWith(`/${STATS_NAME}`)) this.#recountUsage(subject)
  }

  /** Moves the usage of the quota that covers `path`: no transaction, no stat, no event. */
  #countUsage(path: string, count: number, bytes: number): void {
    const subject = this.#quotas.covering(path)
    if (subject === null) return
    const stats = this.find(statsPath(subject))
    if (stats === NO_NODE) return
    this.#setUsage(stats, movedUsageText(this.#quotaText(stats)?.toString() ?? '', count, bytes))
  }

  #recountUsage(subject: string): void {
    const stats = this.find(statsPath(subject))
    if (stats === NO_NODE) return
    let count = 0
    let bytes = 0
    const top = this.find(subject)
    if (top !== NO_NODE) {
      this.#visit(top, (node) => {
        count++
        bytes += this.#store.dataBytes(node)
      })
    }
    this.#setUsage(stats, usageText(count, bytes))
  }

  #setUsage(stats: NodeId, usage: string): void {
    const text = Buffer.from(usage)
    this.#dataSize += text.length - this.#store.dataBytes(stats)
    this.#store.setData(stats, text, 0, text.length)
  }

  // --- loading (snapshot-body.ts) ---

  /** An empty tree for a snapshot to fill: nothing but a root, whose stat comes first. */
  static forLoading(options: TreeOptions): { tree: Tree; loader: TreeLoader } {
    const tree = new Tree(options)
    for (const path of [CONFIG_PATH, QUOTA_ROOT, '/zookeeper']) {
      tree.#removeByPath(tree.find(path), path)
    }
    const directory = tree.#store.get(ROOT, Field.directory)
    tree.#store.set(ROOT, Field.directory, 0)
    tree.#store.directories.release(directory)
    tree.#countDigest(ROOT, 0)
    return {
      tree,
      loader: {
        store: tree.#store,
        acls: tree.#acls,
        finishNode: (node, owner, pathUnits, bytes, start, end) => {
          if (owner !== 0n) tree.#store.set(node, Field.owner, tree.#owners.attach(node, owner))
          tree.#dataSize += pathUnits + tree.#store.dataBytes(node)
          tree.#countDigest(node, tree.#digestOfNode(node, bytes, start, end))
        },
        finish: () => tree.#finishLoading(),
      },
    }
  }

  /** Adds what releases before 3.5 did not have, and counts what quotas cover. */
  #finishLoading(): void {
    for (const path of ['/zookeeper', QUOTA_ROOT, CONFIG_PATH]) {
      if (this.find(path) === NO_NODE) this.#addBuiltIn(path)
    }
    this.#visit(this.find(QUOTA_ROOT), (node) => {
      if (this.#store.firstChild(node) !== NO_NODE || this.nameOf(node) !== LIMITS_NAME) return
      const subject = subjectOf(this.pathOf(node))
      if (subject !== null) this.#quotas.add(subject)
    })
    for (const subject of this.#quotas) this.#recountUsage(subject)
  }

  // --- helpers ---

  #addBuiltIn(path: string): void {
    const store = this.#store
    this.#setPath(path)
    const parent = this.#parentAtPath()
    const start = this.#slash + 1
    const hash = hashBytes(this.#parentHash, this.#path, this.#slash, this.#pathEnd)
    const node = store.insert(parent, hash, this.#path, start, this.#pathEnd, NO_BYTES, 0, 0)
    if (path === CONFIG_PATH) {
      store.set(node, Field.acl, this.#acls.use(READ_ONLY_ACL))
      store.set(node, Field.aversion, -1) // Apache sets the list with version -1
    } else this.#acls.useAgain(OPEN)
    this.#countDigest(node, this.#digestOfNode(node, this.#path, 0, this.#pathEnd))
    this.#dataSize += path.length
  }

  /** The node above the path at hand; 0 when it is missing or the path has no slash. */
  #parentAtPath(): NodeId {
    if (this.#slash < 0) return NO_NODE
    this.#parentHash = hashBytes(HASH_START, this.#path, 0, this.#slash)
    if (this.#slash === 0) return ROOT
    return this.#store.findHashed(this.#path, 0, this.#slash, this.#parentHash)
  }

  #setPath(path: string): void {
    const length = path.length
    if (length * 3 > this.#path.length) this.#path = Buffer.allocUnsafeSlow(length * 6)
    const bytes = this.#path
    let slash = -1
    let at = 0
    for (; at < length; at++) {
      const unit = path.charCodeAt(at)
      if (unit >= 0x80) break
      if (unit === SLASH) slash = at
      bytes[at] = unit
    }
    this.#pathEnd = at === length ? length : bytes.write(path, 0)
    this.#slash = at === length ? slash : bytes.lastIndexOf(SLASH, this.#pathEnd - 1)
  }

  /** Calls `visitor` with `top` and all nodes below, parents first. */
  #visit(top: NodeId, visitor: (node: NodeId) => void): void {
    let node = top
    while (node !== NO_NODE) {
      visitor(node)
      let next = this.firstChild(node)
      while (next === NO_NODE && node !== top) {
        next = this.nextSibling(node)
        if (next === NO_NODE) node = this.parent(node)
      }
      node = next
    }
  }

  #visibleCversion(node: NodeId): number {
    return (2 * this.#store.cversion(node) - this.#store.children(node)) | 0
  }

  #statBytes(node: NodeId): Buffer {
    const stat = Buffer.allocUnsafe(STAT_BYTES)
    this.#putStat(node, new DataView(stat.buffer, stat.byteOffset, STAT_BYTES), 0)
    return stat
  }

  #putStat(node: NodeId, view: DataView, to: number): void {
    const store = this.#store
    const page = store.nodes.pages[node >>> PAGE_SHIFT]!
    const at = (node & PAGE_MASK) * NODE_WORDS
    for (let word = 0; word < 8; word++) view.setInt32(to + word * 4, page[at + word]!)
    view.setInt32(to + 32, page[at + Field.version]!)
    view.setInt32(to + 36, this.#visibleCversion(node))
    view.setInt32(to + 40, page[at + Field.aversion]!)
    const owner = this.isEphemeral(node) ? this.owner(node) : 0n
    view.setInt32(to + 44, highOf(owner))
    view.setInt32(to + 48, lowOf(owner))
    view.setInt32(to + 52, Math.max(page[at + Field.dataBytes]!, 0))
    view.setInt32(to + 56, store.children(node))
    view.setInt32(to + 60, store.pzxidHigh(node))
    view.setInt32(to + 64, store.pzxidLow(node))
  }
}

type Header = { readonly clientId: bigint; readonly zxid: bigint; readonly time: number }

/** What the reader of a snapshot needs of a tree that it fills. */
export type TreeLoader = {
  readonly store: NodeStore
  readonly acls: AclTable
  /** To call once the record of `node` is filled; `bytes[start, end)` is its path. */
  finishNode(
    node: NodeId,
    owner: bigint,
    pathUnits: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void
  finish(): void
}

function pathOf({ bytes, start, end }: DataChange): string {
  return textOf(bytes, start, end)
}

function applied(path: string | null, node: NodeId): Applied {
  return { err: Code.ok, path, node, stat: null, results: null }
}

function refused(err: number, path: string): Applied {
  return { err, path, node: NO_NODE, stat: null, results: null }
}

/** Parts before the first error count as done, those after it as not tried. */
function failedMulti(parts: TxnBody[], failed: number): Applied {
  const results = parts.map((part, index) => {
    const notTried = index < failed ? Code.ok : Code.runtimeInconsistency
    const err = part.type === Op.error ? part.err : notTried
    return { err, path: null, node: NO_NODE, stat: null, results: null }
  })
  const err = results.find((result) => result.err !== Code.ok)?.err ?? Code.ok
  return { err, path: null, node: NO_NODE, stat: null, results }
}
