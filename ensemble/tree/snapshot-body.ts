/**
 * The body of a snapshot, in pieces both ways: sessions, ACL table, nodes with parents before their
 * children, and "/" in place of a path as the end. The same bytes follow a SNAP packet.
 *
 * The writer keeps its place in a frozen view, so the event loop can turn between two pieces. The
 * reader takes chunks of any size; it holds back only the record that a chunk cuts, and believes no
 * length before the bytes are there. An ACL id that the table lacks is tolerated (Apache writes the
 * table before the nodes, while the tree changes): `Tree.unresolvedAclCount` tells how many remain.
 *
 * Source: disk-format 3.2, 5.2 (SerializeUtils#serializeSnapshot, DataTree#serializeNode, 3.9.5).
 */
import { unreachable } from '../assert.ts'
import { highOf, longOf, lowOf } from '../jute/long-halves.ts'
import { Reader } from '../jute/reader.ts'
import { WireError } from '../jute/wire-error.ts'
import type { Writer } from '../jute/writer.ts'
import { AclList } from '../protocol/acl.ts'
import { OPEN, UNRESOLVED } from './acl-table.ts'
import { copyBytes, PAGED_MAX, SLOT_MASK, SLOT_SHIFT } from './blob-pages.ts'
import type { FrozenParts, FrozenTree } from './frozen-tree.ts'
import {
  Directory,
  DIRECTORY_WORDS,
  Field,
  NO_NODE,
  NODE_WORDS,
  ROOT,
  type NodeId,
  type NodeStore,
} from './node-store.ts'
import { HASH_START, hashBytes } from './path-index.ts'
import { PAGE_MASK, PAGE_SHIFT } from './record-pages.ts'
import { Tree, type TreeLoader, type TreeOptions } from './tree.ts'

const SLASH = 0x2f
/** ACL id and stat behind a node's data. */
const NODE_TAIL_BYTES = 8 + 60
const SESSION_BYTES = 12
/** No path or data is longer: `jute.maxbuffer` is an int, and so is the length of a record. */
const LENGTH_MAX = 0x3fff_ffff

export class SnapshotBodyWriter {
  readonly #parts: FrozenParts
  readonly #sessions: [bigint, number][]
  #stage: 'sessions' | 'acls' | 'nodes' | 'done' = 'sessions'
  /** Next of the sessions or ACL lists to write. */
  #index = 0
  #node: NodeId = ROOT
  /** Path of the parent of `#node`, and the lengths of the paths of its ancestors. */
  #path = Buffer.allocUnsafeSlow(256)
  #parentBytes = 0
  readonly #lengths: number[] = []

  /** @param sessions global sessions and their timeouts in ms, at the moment of the freeze */
  constructor(frozen: FrozenTree, sessions: ReadonlyMap<bigint, number>) {
    this.#parts = frozen.parts
    this.#sessions = [...sessions]
  }

  /** Writes about `bytesMax` more bytes, at least one record. @returns false when all is written */
  next(writer: Writer, bytesMax: number): boolean {
    const stop = writer.position + bytesMax
    while (this.#stage !== 'done') {
      if (this.#stage === 'sessions') this.#writeSession(writer)
      else if (this.#stage === 'acls') this.#writeAcl(writer)
      else this.#writeNodes(writer, stop)
      if (writer.position >= stop) break
    }
    return this.#stage !== 'done'
  }

  #writeSession(writer: Writer): void {
    if (this.#index === 0) writer.int(this.#sessions.length)
    const session = this.#sessions[this.#index++]
    if (session === undefined) return this.#startStage('acls')
    writer.long(session[0])
    writer.int(session[1])
  }

  #writeAcl(writer: Writer): void {
    const lists = this.#parts.acls
    if (this.#index === 0) {
      const count = lists.filter((list, number) => list !== null && number !== OPEN).length
      writer.int(count)
    }
    const number = this.#index++
    if (number >= lists.length) return this.#startStage('nodes')
    const list = lists[number]
    if (list === null || list === undefined || number === OPEN) return
    writer.longParts(0, number)
    AclList.write(writer, list)
  }

  #startStage(stage: 'acls' | 'nodes'): void {
    this.#stage = stage
    this.#index = 0
  }

  #writeNodes(writer: Writer, stop: number): void {
    while (writer.position < stop) {
      const pathBytes = this.#writeNode(writer)
      if (!this.#advance(pathBytes)) {
        writer.string('/')
        this.#stage = 'done'
        return
      }
    }
  }

  /** Goes to the first child, or the next sibling of the node or of an ancestor. */
  #advance(pathBytes: number): boolean {
    const child = this.#inDirectory(this.#get(this.#node, Field.directory), Directory.first)
    if (child !== NO_NODE) {
      this.#lengths.push(this.#parentBytes)
      this.#parentBytes = pathBytes
      this.#node = child
      return true
    }
    while (this.#node !== ROOT) {
      const next = this.#get(this.#node, Field.next)
      if (next !== NO_NODE) {
        this.#node = next
        return true
      }
      this.#node = this.#get(this.#node, Field.parent)
      this.#parentBytes = this.#lengths.pop()!
    }
    return false
  }

  /** @returns the length of the node's path, which `#path` now holds */
  #writeNode(writer: Writer): number {
    const { blobs, owners } = this.#parts
    const page = this.#parts.nodes[this.#node >>> PAGE_SHIFT]!
    const at = (this.#node & PAGE_MASK) * NODE_WORDS
    const nameBytes = page[at + Field.nameBytes]!
    const dataBytes = page[at + Field.dataBytes]!
    const blobBytes = nameBytes + Math.max(dataBytes, 0)
    const blob = page[at + Field.blob]!
    const isLarge = blobBytes > PAGED_MAX
    const bytes = isLarge ? blobs.large[blob]! : blobs.pages[blob >>> SLOT_SHIFT]!
    const start = isLarge ? 0 : (blob & SLOT_MASK) * blobs.slotBytes[blob >>> SLOT_SHIFT]!
    const pathBytes = this.#appendName(bytes, start, nameBytes)

    writer.reserve(4 + pathBytes + 4 + blobBytes + NODE_TAIL_BYTES)
    writer.int(pathBytes)
    copyBytes(this.#path, 0, pathBytes, writer.bytes, writer.position)
    writer.position += pathBytes
    writer.int(dataBytes)
    if (dataBytes > 0) {
      copyBytes(bytes, start + nameBytes, start + blobBytes, writer.bytes, writer.position)
      writer.position += dataBytes
    }

    const acl = page[at + Field.acl]!
    const owner = page[at + Field.owner]!
    const ownerValue = owner === 0 ? 0n : owners[owner]!
    const directory = page[at + Field.directory]!
    const view = writer.view
    let to = writer.position
    view.setInt32(to, acl === OPEN ? -1 : 0)
    view.setInt32(to + 4, acl === OPEN ? -1 : acl)
    for (let word = 0; word < 8; word++) view.setInt32(to + 8 + word * 4, page[at + word]!)
    to += 40
    view.setInt32(to, page[at + Field.version]!)
    view.setInt32(to + 4, this.#inDirectory(directory, Directory.cversion))
    view.setInt32(to + 8, page[at + Field.aversion]!)
    view.setInt32(to + 12, owner === 0 ? 0 : highOf(ownerValue))
    view.setInt32(to + 16, owner === 0 ? 0 : lowOf(ownerValue))
    const hasDirectory = directory !== 0
    view.setInt32(
      to + 20,
      hasDirectory ? this.#inDirectory(directory, Directory.pzxid) : page[at + Field.czxid]!,
    )
    view.setInt32(
      to + 24,
      hasDirectory
        ? this.#inDirectory(directory, Directory.pzxid + 1)
        : page[at + Field.czxid + 1]!,
    )
    writer.position = to + 28
    return pathBytes
  }

  #appendName(name: Buffer, start: number, nameBytes: number): number {
    if (nameBytes === 0) return 0
    const pathBytes = this.#parentBytes + 1 + nameBytes
    if (pathBytes > this.#path.length) {
      const larger = Buffer.allocUnsafeSlow(pathBytes * 2)
      this.#path.copy(larger)
      this.#path = larger
    }
    this.#path[this.#parentBytes] = SLASH
    copyBytes(name, start, start + nameBytes, this.#path, this.#parentBytes + 1)
    return pathBytes
  }

  #get(node: NodeId, field: number): number {
    return this.#parts.nodes[node >>> PAGE_SHIFT]![(node & PAGE_MASK) * NODE_WORDS + field]!
  }

  #inDirectory(directory: number, field: number): number {
    if (directory === 0) return 0
    return this.#parts.directories[directory >>> PAGE_SHIFT]![
      (directory & PAGE_MASK) * DIRECTORY_WORDS + field
    ]!
  }
}

type Stage = 'sessionCount' | 'session' | 'aclCount' | 'acl' | 'root' | 'node' | 'done'

export class SnapshotBodyReader {
  readonly #tree: Tree
  readonly #loader: TreeLoader
  readonly #store: NodeStore
  readonly #sessions = new Map<bigint, number>()
  /** ACL ids of the file, and the number of the same list in our table. */
  readonly #aclNumbers = new Map<bigint, number>()
  #recentAclId = -1n
  #recentAcl = OPEN

  #stage: Stage = 'sessionCount'
  /** Sessions or ACL lists still to come. */
  #left = 0
  /** Start of the record at hand, from the start of the body. */
  #offset = 0
  /** The beginning of a record that a chunk cut, and how many bytes must be there to go on. */
  #carry = Buffer.allocUnsafeSlow(4096)
  #carried = 0
  #needed = 0

  /** The parent found last: nearly always that of the next node too. */
  #parent: NodeId = NO_NODE
  #parentHash = 0
  #parentPath = Buffer.allocUnsafeSlow(256)
  #parentPathBytes = 0
  #isFinished = false

  constructor(options: TreeOptions = {}) {
    const { tree, loader } = Tree.forLoading(options)
    this.#tree = tree
    this.#loader = loader
    this.#store = loader.store
  }

  get done(): boolean {
    return this.#stage === 'done'
  }

  /** Bytes of the body taken so far, in all chunks. */
  get bytesRead(): number {
    return this.#offset + this.#carried
  }

  /**
   * Takes the next piece; it may be changed afterwards.
   * @returns how many bytes of `chunk` belong to the body: all, unless it ended inside
   * @throws WireError with the offset from the start of the body; the reader is of no use then
   */
  push(chunk: Buffer): number {
    let at = 0
    while (!this.done) {
      if (this.#carried === 0) {
        at = this.#readRecords(chunk, at)
        if (this.done || at === chunk.length) break
      }
      const taken = Math.min(this.#needed - this.#carried, chunk.length - at)
      this.#keep(chunk, at, at + taken)
      at += taken
      if (this.#carried < this.#needed) break
      const used = this.#readRecord(this.#carry, 0, this.#carried)
      if (used > 0) {
        this.#offset += used
        this.#carried = 0
      }
    }
    return at
  }

  /** What was read. @throws WireError when the body has not ended */
  result(): { tree: Tree; sessions: Map<bigint, number> } {
    if (!this.done) throw new WireError('snapshot ends inside its body', this.bytesRead)
    if (!this.#isFinished) {
      this.#isFinished = true
      for (const number of this.#aclNumbers.values()) this.#loader.acls.release(number)
      this.#loader.finish()
    }
    return { tree: this.#tree, sessions: this.#sessions }
  }

  #keep(chunk: Buffer, start: number, end: number): void {
    const length = this.#carried + end - start
    if (length > this.#carry.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, this.#carry.length * 2))
      this.#carry.copy(larger, 0, 0, this.#carried)
      this.#carry = larger
    }
    chunk.copy(this.#carry, this.#carried, start, end)
    this.#carried = length
  }

  /** Reads the whole records from `at` on. @returns where the first one starts that is cut */
  #readRecords(chunk: Buffer, from: number): number {
    let at = from
    while (at < chunk.length && !this.done) {
      const used = this.#readRecord(chunk, at, chunk.length)
      if (used === 0) break
      at += used
      this.#offset += used
    }
    return at
  }

  /** Reads one record. @returns its length, or 0 when `#needed` bytes must be there to go on */
  #readRecord(bytes: Buffer, start: number, end: number): number {
    switch (this.#stage) {
      case 'root':
      case 'node':
        return this.#readNode(bytes, start, end)
      case 'session':
        return this.#readSession(bytes, start, end)
      case 'acl':
        return this.#readAcl(bytes, start, end)
      case 'sessionCount':
      case 'aclCount':
        return this.#readCount(bytes, start, end)
      case 'done':
        return 0
      default:
        return unreachable(this.#stage)
    }
  }

  #readCount(bytes: Buffer, start: number, end: number): number {
    if (!this.#has(4, start, end)) return 0
    const count = bytes.readInt32BE(start)
    if (count < 0) this.#fail(`count ${count}`, 0)
    this.#left = count
    if (this.#stage === 'sessionCount') this.#stage = count > 0 ? 'session' : 'aclCount'
    else this.#stage = count > 0 ? 'acl' : 'root'
    return 4
  }

  #readSession(bytes: Buffer, start: number, end: number): number {
    if (!this.#has(SESSION_BYTES, start, end)) return 0
    this.#sessions.set(bytes.readBigInt64BE(start), bytes.readInt32BE(start + 8))
    if (--this.#left === 0) this.#stage = 'aclCount'
    return SESSION_BYTES
  }

  #readAcl(bytes: Buffer, start: number, end: number): number {
    const length = this.#aclLength(bytes, start, end)
    if (length === 0) return 0
    const id = bytes.readBigInt64BE(start)
    const list = AclList.read(new Reader(bytes, start + 8, start + length)) ?? []
    if (this.#aclNumbers.has(id)) this.#fail(`ACL id ${id} for the second time`, 0)
    this.#aclNumbers.set(id, this.#loader.acls.use(list)) // a use of its own, until all is read
    if (--this.#left === 0) this.#stage = 'root'
    return length
  }

  /** Bytes of an id and its list; 0 when more must be there to tell. */
  #aclLength(bytes: Buffer, start: number, end: number): number {
    let length = 12
    if (!this.#has(length, start, end)) return 0
    for (let entries = bytes.readInt32BE(start + 8); entries > 0; entries--) {
      length += 4
      for (let text = 0; text < 2; text++) {
        if (!this.#has(length + 4, start, end)) return 0
        length += 4 + this.#lengthAt(bytes, start, length)
      }
      if (!this.#has(length, start, end)) return 0
    }
    return length
  }

  #readNode(bytes: Buffer, start: number, end: number): number {
    if (!this.#has(4, start, end)) return 0
    const pathBytes = this.#lengthAt(bytes, start, 0)
    if (!this.#has(8 + pathBytes, start, end)) return this.#readEnd(bytes, start, end, pathBytes)
    const pathStart = start + 4
    const pathEnd = pathStart + pathBytes
    if (pathBytes === 1 && bytes[pathStart] === SLASH) return this.#end()
    const isNull = bytes.readInt32BE(pathEnd) === -1
    const dataStart = pathEnd + 4
    const dataBytes = this.#lengthAt(bytes, start, 4 + pathBytes)
    const length = 8 + pathBytes + dataBytes + NODE_TAIL_BYTES
    if (!this.#has(length, start, end)) return 0

    const dataEnd = dataStart + dataBytes
    const node = this.#addNode(bytes, pathStart, pathEnd, isNull ? null : bytes, dataStart, dataEnd)
    this.#fillNode(node, bytes, dataEnd, pathStart, pathEnd)
    this.#stage = 'node'
    return length
  }

  /** The end is shorter than any node. */
  #readEnd(bytes: Buffer, start: number, end: number, pathBytes: number): number {
    if (pathBytes !== 1) return 0
    if (!this.#has(5, start, end)) return 0
    if (bytes[start + 4] === SLASH) return this.#end()
    return this.#fail('a node other than the root without a slash', 4)
  }

  #end(): number {
    if (this.#stage === 'root') this.#fail('nodes without a root', 4)
    this.#stage = 'done'
    return 5
  }

  #addNode(
    bytes: Buffer,
    start: number,
    end: number,
    data: Buffer | null,
    dataStart: number,
    dataEnd: number,
  ): NodeId {
    const store = this.#store
    if (this.#stage === 'root') {
      if (end !== start) this.#fail('the first node is not the root', 4)
      store.setData(ROOT, data, dataStart, dataEnd)
      return ROOT
    }
    if (end === start) this.#fail('a second root', 4)
    let nameStart = end
    while (nameStart > start && bytes[nameStart - 1] !== SLASH) nameStart--
    if (nameStart === start || nameStart === end) this.#fail('path without a name', 4)
    if (!this.#isParent(bytes, start, nameStart - 1)) {
      this.#findParent(bytes, start, nameStart - 1)
    }
    const parent = this.#parent
    const hash = hashBytes(this.#parentHash, bytes, nameStart - 1, end)
    if (store.findChild(parent, bytes, nameStart, end, hash) !== NO_NODE) {
      this.#fail('a path for the second time', 4)
    }
    return store.insert(parent, hash, bytes, nameStart, end, data, dataStart, dataEnd)
  }

  #isParent(bytes: Buffer, start: number, end: number): boolean {
    if (this.#parent === NO_NODE || end - start !== this.#parentPathBytes) return false
    for (let i = 0; start + i < end; i++) {
      if (bytes[start + i] !== this.#parentPath[i]) return false
    }
    return true
  }

  #findParent(bytes: Buffer, start: number, end: number): void {
    const hash = hashBytes(HASH_START, bytes, start, end)
    const parent = end === start ? ROOT : this.#store.findHashed(bytes, start, end, hash)
    if (parent === NO_NODE) this.#fail('a node before its parent', 4)
    if (end - start > this.#parentPath.length) {
      this.#parentPath = Buffer.allocUnsafeSlow((end - start) * 2)
    }
    bytes.copy(this.#parentPath, 0, start, end)
    this.#parentPathBytes = end - start
    this.#parent = parent
    this.#parentHash = hash
  }

  /** Fills the record from the 68 bytes at `at`; `bytes[pathStart, pathEnd)` is the path. */
  #fillNode(node: NodeId, bytes: Buffer, at: number, pathStart: number, pathEnd: number): void {
    const store = this.#store
    const page = store.nodes.writable(node)
    const to = (node & PAGE_MASK) * NODE_WORDS
    for (let word = 0; word < 9; word++) page[to + word] = intAt(bytes, at + 8 + word * 4)
    page[to + Field.aversion] = intAt(bytes, at + 48)
    page[to + Field.acl] = this.#aclNumber(intAt(bytes, at), intAt(bytes, at + 4))

    const cversion = intAt(bytes, at + 44)
    const pzxidHigh = intAt(bytes, at + 60)
    const pzxidLow = intAt(bytes, at + 64)
    const isAsCreated =
      cversion === 0 &&
      pzxidHigh === page[to + Field.czxid] &&
      pzxidLow === page[to + Field.czxid + 1]
    if (!isAsCreated) {
      const directory = store.directoryOf(node)
      store.setInDirectory(directory, Directory.cversion, cversion)
      store.setInDirectory(directory, Directory.pzxid, pzxidHigh)
      store.setInDirectory(directory, Directory.pzxid + 1, pzxidLow)
    }
    const ownerHigh = intAt(bytes, at + 52)
    const ownerLow = intAt(bytes, at + 56)
    const owner = ownerHigh === 0 && ownerLow === 0 ? 0n : longOf(ownerHigh, ownerLow)
    const pathUnits = utf16Units(bytes, pathStart, pathEnd)
    this.#loader.finishNode(node, owner, pathUnits, bytes, pathStart, pathEnd)
  }

  #aclNumber(high: number, low: number): number {
    const id = longOf(high, low)
    if (id !== this.#recentAclId) {
      this.#recentAclId = id
      this.#recentAcl = id === -1n ? OPEN : (this.#aclNumbers.get(id) ?? UNRESOLVED)
    }
    this.#loader.acls.useAgain(this.#recentAcl)
    return this.#recentAcl
  }

  /** True when `length` bytes of the record are there; notes the need when not. */
  #has(length: number, start: number, end: number): boolean {
    if (length <= end - start) return true
    this.#needed = length
    return false
  }

  /** The length in front of text or data at `at` of the record; null counts 0. */
  #lengthAt(bytes: Buffer, start: number, at: number): number {
    const length = intAt(bytes, start + at)
    if (length < -1 || length > LENGTH_MAX) this.#fail(`length ${length}`, at)
    return Math.max(length, 0)
  }

  #fail(what: string, at: number): never {
    throw new WireError(what, this.#offset + at).within('snapshot')
  }
}

function intAt(bytes: Buffer, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

/** Length of UTF-8 text as a string of JavaScript or Java. */
function utf16Units(bytes: Buffer, start: number, end: number): number {
  let units = end - start
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!
    if (byte < 0x80) continue
    if ((byte & 0xc0) === 0x80) units--
    else if (byte >= 0xf0) units++
  }
  return units
}
