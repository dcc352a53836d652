/**
 * Requests that change nothing: answered from the tree as it is, which is everything applied so far
 * and nothing else (I-23).
 *
 * Source: FinalRequestProcessor, 3.9.5; checks and answers: client-protocol 2.4 to 2.7, 6.
 */
import { isAllowed } from '../auth/permissions.ts'
import type { AuthScheme } from '../auth/schemes.ts'
import { decodeUtf8, type Reader } from '../jute/reader.ts'
import type { Writer } from '../jute/writer.ts'
import { AclList, Perm, type Acl } from '../protocol/acl.ts'
import { Code } from '../protocol/error-codes.ts'
import { isMalformed, isMultiRead, MultiRequest, writeHeader } from '../protocol/multi.ts'
import { Op } from '../protocol/op-codes.ts'
import * as requests from '../protocol/requests.ts'
import * as watchRequests from '../protocol/watches.ts'
import { EventType, KeeperState, WatcherEvent } from '../protocol/watches.ts'
import { ClientInfo, GetEphemeralsResponse } from '../protocol/replies.ts'
import { vector } from '../jute/record.ts'
import type { NodeId, Tree } from '../tree/tree.ts'
import type { Watches } from '../tree/watches.ts'
import type { ClientLink } from './client-link.ts'
import { sessionIdOf, type ClientLimits, type OnLimited } from './client-limits.ts'

export interface ReadSettings {
  readonly schemes: ReadonlyMap<string, AuthScheme>
  readonly skipAcl: boolean
  readonly limits: ClientLimits
}

/** Told each answered read: its path as UTF-8 in `[start, end)`, and the bytes of data or names. */
export interface ReadMeter {
  read(bytes: Buffer, start: number, end: number, dataBytes: number): void
  /** A client was refused something for a limit. */
  limited: OnLimited
}

export class Reads {
  readonly #tree: Tree
  readonly #watches: Watches<ClientLink>
  readonly #settings: ReadSettings
  readonly #meter: ReadMeter
  /** Of nodes below others, at one zxid. */
  #counted = { zxid: -1n, counts: new Map<NodeId, number>() }

  constructor(tree: Tree, watches: Watches<ClientLink>, settings: ReadSettings, meter: ReadMeter) {
    this.#meter = meter
    this.#tree = tree
    this.#watches = watches
    this.#settings = settings
  }

  /**
   * Answers the request whose body is in `reader`.
   * @returns false when `type` is no read
   * @throws WireError when the body cannot be read: nothing has been written then
   */
  answer(link: ClientLink, xid: number, type: number, reader: Reader): boolean {
    switch (type) {
      case Op.getData:
        this.#getData(link, xid, reader)
        return true
      case Op.exists:
        this.#exists(link, xid, reader)
        return true
      case Op.getChildren:
      case Op.getChildren2:
        this.#getChildren(link, xid, type, reader)
        return true
      case Op.getAcl:
        this.#getAcl(link, xid, reader)
        return true
      case Op.sync: {
        const { path } = requests.SyncRequest.read(reader)
        this.#begin(link, xid).string(path)
        link.endFrame()
        return true
      }
      case Op.multiRead:
        this.#multiRead(link, xid, reader)
        return true
      case Op.getEphemerals:
        this.#getEphemerals(link, xid, reader)
        return true
      case Op.getAllChildrenNumber:
        this.#getAllChildrenNumber(link, xid, reader)
        return true
      case Op.whoAmI:
        vector(ClientInfo).write(this.#begin(link, xid), clientInfos(link, this.#settings.schemes))
        link.endFrame()
        return true
      case Op.setWatches:
        this.#setWatches(link, xid, watchRequests.SetWatches.read(reader), [], [])
        return true
      case Op.setWatches2: {
        const request = watchRequests.SetWatches2.read(reader)
        const { persistentWatches, persistentRecursiveWatches } = request
        this.#setWatches(link, xid, request, persistentWatches, persistentRecursiveWatches)
        return true
      }
      case Op.addWatch:
        this.#addWatch(link, xid, reader)
        return true
      case Op.checkWatches:
      case Op.removeWatches:
        this.#findWatches(link, xid, type, reader)
        return true
      default:
        return false
    }
  }

  /** Whether the ids of `link` have `permission` on `acl`. */
  may(link: ClientLink, permission: number, acl: readonly Acl[]): boolean {
    if (this.#settings.skipAcl) return true
    return isAllowed(acl, permission, link.authIds, this.#settings.schemes)
  }

  #begin(link: ClientLink, xid: number): Writer {
    return link.beginReply(xid, this.#tree.lastZxid, Code.ok)
  }

  #fail(link: ClientLink, xid: number, err: number): void {
    link.beginReply(xid, this.#tree.lastZxid, err)
    link.endFrame()
  }

  /** Whether `node` exists and may be read; if not, the client has been told. */
  #mayRead(link: ClientLink, xid: number, node: NodeId): boolean {
    const { ok, marshallingError, noNode, noAuth } = Code
    let err: number = ok
    if (node === NULL_PATH) err = marshallingError
    else if (node === 0) err = noNode
    else if (!this.may(link, Perm.read, this.#tree.acl(node))) err = noAuth
    if (err !== ok) this.#fail(link, xid, err)
    return err === ok
  }

  /** Whether a client may watch so many more paths; if not, it has been told. */
  #mayWatch(link: ClientLink, xid: number, count = 1): boolean {
    const { watchesMax } = this.#settings.limits
    if (watchesMax === 0 || this.#watches.countOf(link) + count <= watchesMax) return true
    this.#meter.limited(sessionIdOf(link), 'watches', watchesMax)
    this.#fail(link, xid, Code.quotaExceeded)
    return false
  }

  /** The node that a path in the request names: 0 when missing; null paths are no request at all. */
  #find(reader: Reader): NodeId {
    if (!reader.bufferRange()) return NULL_PATH
    return this.#tree.findBytes(reader.bytes, reader.rangeStart, reader.rangeEnd)
  }

  #getData(link: ClientLink, xid: number, reader: Reader): void {
    const tree = this.#tree
    const node = this.#find(reader)
    const { rangeStart, rangeEnd } = reader
    const watch = reader.bool()
    if (!this.#mayRead(link, xid, node)) return
    if (watch) {
      if (!this.#mayWatch(link, xid)) return
      this.#watches.add(decodeUtf8(reader.bytes, rangeStart, rangeEnd), 'data', link)
    }
    const writer = this.#begin(link, xid)
    const dataStart = writer.position + 4
    tree.writeData(node, writer)
    this.#meter.read(reader.bytes, rangeStart, rangeEnd, writer.position - dataStart)
    tree.writeStat(node, writer)
    link.endFrame()
  }

  #exists(link: ClientLink, xid: number, reader: Reader): void {
    const tree = this.#tree
    const node = this.#find(reader)
    const path = decodeUtf8(reader.bytes, reader.rangeStart, reader.rangeEnd)
    const watch = reader.bool()
    if (node === NULL_PATH) return this.#fail(link, xid, Code.marshallingError)
    if (path.includes('\0')) return this.#fail(link, xid, Code.badArguments)
    if (node !== 0 && !this.may(link, Perm.read, tree.acl(node))) {
      return this.#fail(link, xid, Code.noAuth)
    }
    if (watch) {
      if (!this.#mayWatch(link, xid)) return
      this.#watches.add(path, 'data', link)
    }
    if (node === 0) return this.#fail(link, xid, Code.noNode)
    tree.writeStat(node, this.#begin(link, xid))
    link.endFrame()
    this.#meter.read(reader.bytes, reader.rangeStart, reader.rangeEnd, 0)
  }

  #getChildren(link: ClientLink, xid: number, type: number, reader: Reader): void {
    const tree = this.#tree
    const node = this.#find(reader)
    const { rangeStart, rangeEnd } = reader
    const watch = reader.bool()
    if (!this.#mayRead(link, xid, node)) return
    if (watch) {
      if (!this.#mayWatch(link, xid)) return
      this.#watches.add(decodeUtf8(reader.bytes, rangeStart, rangeEnd), 'child', link)
    }
    const writer = this.#begin(link, xid)
    const namesStart = writer.position
    tree.writeChildNames(node, writer)
    // A list has a length, and each name has one.
    const nameBytes = writer.position - namesStart - 4 * (1 + tree.numChildren(node))
    if (type === Op.getChildren2) tree.writeStat(node, writer)
    link.endFrame()
    this.#meter.read(reader.bytes, rangeStart, rangeEnd, nameBytes)
  }

  #getAcl(link: ClientLink, xid: number, reader: Reader): void {
    const tree = this.#tree
    const node = this.#find(reader)
    if (node === NULL_PATH) return this.#fail(link, xid, Code.marshallingError)
    if (node === 0) return this.#fail(link, xid, Code.noNode)
    const acl = tree.acl(node)
    const mayAdminister = this.may(link, Perm.admin, acl)
    if (!mayAdminister && !this.may(link, Perm.read, acl)) return this.#fail(link, xid, Code.noAuth)
    const writer = this.#begin(link, xid)
    AclList.write(writer, mayAdminister ? acl : acl.map(withoutSecret))
    tree.writeStat(node, writer)
    link.endFrame()
  }

  #getEphemerals(link: ClientLink, xid: number, reader: Reader): void {
    const { prefixPath } = requests.GetEphemeralsRequest.read(reader)
    const trimmed = prefixPath === null ? '' : javaTrim(prefixPath)
    const prefix = trimmed === '' || trimmed === '/' ? '/' : prefixPath!
    const ephemerals = []
    for (const path of this.#tree.ephemeralsOf(link.session?.id ?? 0n)) {
      if (path.startsWith(prefix)) ephemerals.push(path)
    }
    GetEphemeralsResponse.write(this.#begin(link, xid), { ephemerals })
    link.endFrame()
  }

  #getAllChildrenNumber(link: ClientLink, xid: number, reader: Reader): void {
    const node = this.#find(reader)
    if (!this.#mayRead(link, xid, node)) return
    // The root has two names, "" and "/", of which the longer counts as below the shorter.
    const isNameless = reader.rangeStart === reader.rangeEnd
    this.#begin(link, xid).int(this.#descendantCount(node) + (isNameless ? 1 : 0))
    link.endFrame()
    this.#meter.read(reader.bytes, reader.rangeStart, reader.rangeEnd, 0)
  }

  /** Counted once per state of the tree: a segment of requests asks a thousand times, and holds up all. */
  #descendantCount(node: NodeId): number {
    const { lastZxid } = this.#tree
    if (this.#counted.zxid !== lastZxid) this.#counted = { zxid: lastZxid, counts: new Map() }
    const { counts } = this.#counted
    const known = counts.get(node)
    if (known !== undefined) return known
    const count = this.#tree.descendantCount(node)
    if (counts.size < COUNTS_MAX) counts.set(node, count)
    return count
  }

  /** Each op succeeds or fails alone (client-protocol 2.7); one that is no read ends the list. */
  #multiRead(link: ClientLink, xid: number, reader: Reader): void {
    const ops = MultiRequest.read(reader)
    if (ops.some(isMalformed)) return this.#fail(link, xid, Code.marshallingError)
    const isBroken = ops.some((op) => !isMultiRead(op) || op.path === null)
    const writer = link.beginReply(xid, this.#tree.lastZxid, isBroken ? Code.marshallingError : 0)
    for (const op of ops) {
      if (!isMultiRead(op) || op.path === null) break
      if (link.replyBytes > MULTI_READ_BYTES_MAX) {
        // One request may name a large node many times: nobody could read that answer.
        link.dropFrame()
        return this.#fail(link, xid, Code.marshallingError)
      }
      const node = this.#tree.find(op.path)
      const isMissing = node === 0
      const isRefused = !isMissing && !this.may(link, Perm.read, this.#tree.acl(node))
      if (isMissing || isRefused) {
        const err = isMissing ? Code.noNode : Code.noAuth
        writeHeader(writer, Op.error, false, err)
        writer.int(err)
        continue
      }
      writeHeader(writer, op.type, false, Code.ok)
      if (op.type === Op.getChildren) this.#tree.writeChildNames(node, writer)
      else {
        this.#tree.writeData(node, writer)
        this.#tree.writeStat(node, writer)
      }
    }
    writeHeader(writer, -1, true, -1)
    link.endFrame()
  }

  /** Re-registration after a reconnect: what changed meanwhile becomes an event now (I-42). */
  #setWatches(
    link: ClientLink,
    xid: number,
    request: watchRequests.SetWatches,
    persistent: WatchedPaths,
    recursive: WatchedPaths,
  ): void {
    const { relativeZxid, dataWatches, existWatches, childWatches } = request
    const lists = [dataWatches, existWatches, childWatches, persistent, recursive]
    const count = lists.reduce((sum, list) => sum + (list?.length ?? 0), 0)
    if (!this.#mayWatch(link, xid, count)) return
    // In this order, up to a list or a path that is missing: what comes before it stands.
    const isDone =
      this.#resetData(link, dataWatches, relativeZxid) &&
      this.#resetExists(link, existWatches) &&
      this.#resetChild(link, childWatches, relativeZxid) &&
      this.#resetPersistent(link, persistent, 'persistent') &&
      this.#resetPersistent(link, recursive, 'persistentRecursive')
    this.#fail(link, xid, isDone ? Code.ok : Code.marshallingError)
  }

  #resetData(link: ClientLink, paths: WatchedPaths, since: bigint): boolean {
    const tree = this.#tree
    for (const path of paths ?? MISSING) {
      if (path === null) return false
      const node = tree.find(path)
      if (node === 0) this.#notify(link, EventType.nodeDeleted, path)
      else if (tree.mzxid(node) > since) this.#notify(link, EventType.nodeDataChanged, path)
      else this.#watches.add(path, 'data', link)
    }
    return true
  }

  #resetExists(link: ClientLink, paths: WatchedPaths): boolean {
    for (const path of paths ?? MISSING) {
      if (path === null) return false
      if (this.#tree.find(path) !== 0) this.#notify(link, EventType.nodeCreated, path)
      else this.#watches.add(path, 'data', link)
    }
    return true
  }

  #resetChild(link: ClientLink, paths: WatchedPaths, since: bigint): boolean {
    const tree = this.#tree
    for (const path of paths ?? MISSING) {
      if (path === null) return false
      const node = tree.find(path)
      if (node === 0) this.#notify(link, EventType.nodeDeleted, path)
      else if (tree.pzxid(node) > since) this.#notify(link, EventType.nodeChildrenChanged, path)
      else this.#watches.add(path, 'child', link)
    }
    return true
  }

  /** Persistent watches: changes meanwhile are not told. */
  #resetPersistent(
    link: ClientLink,
    paths: WatchedPaths,
    kind: 'persistent' | 'persistentRecursive',
  ): boolean {
    if (paths === null) return false
    for (const path of paths) if (path !== null) this.#watches.add(path, kind, link)
    return true
  }

  /** An event for a change while the client was away; only for those who may read the node. */
  #notify(link: ClientLink, type: number, path: string): void {
    const node = this.#tree.find(path)
    if (node !== 0 && !this.may(link, Perm.read, this.#tree.acl(node))) return
    writeEvent(link, type, path, NO_ZXID)
  }

  #addWatch(link: ClientLink, xid: number, reader: Reader): void {
    const { path, mode } = watchRequests.AddWatchRequest.read(reader)
    const { persistent, persistentRecursive } = watchRequests.AddWatchMode
    if (path === null || (mode !== persistent && mode !== persistentRecursive)) {
      return this.#fail(link, xid, Code.marshallingError)
    }
    if (!this.#mayWatch(link, xid)) return
    this.#watches.add(path, mode === persistent ? 'persistent' : 'persistentRecursive', link)
    this.#begin(link, xid).int(0)
    link.endFrame()
  }

  #findWatches(link: ClientLink, xid: number, type: number, reader: Reader): void {
    const { path, type: watcherType } = watchRequests.CheckWatchesRequest.read(reader)
    if (!isWatcherType(watcherType)) return this.#fail(link, xid, Code.marshallingError)
    if (path === null) return this.#fail(link, xid, Code.noWatcher)
    const isFound =
      type === Op.checkWatches
        ? this.#watches.has(path, watcherType, link)
        : this.#watches.remove(path, watcherType, link)
    this.#fail(link, xid, isFound ? Code.ok : Code.noWatcher)
  }
}

/** Of setWatches: a list may be missing, and so may a path in it. */
type WatchedPaths = readonly (string | null)[] | null
/** Stands for a list that is missing: it fails as a path that is missing does. */
const MISSING: readonly null[] = [null]

/** The answer to a multiRead stays below what even clients with a raised `jute.maxbuffer` take. */
const MULTI_READ_BYTES_MAX = 32 * 1024 * 1024
/** How many counts of descendants are kept. */
const COUNTS_MAX = 10_000
/** A path that is null on the wire: Apache fails on it with a marshalling error. */
const NULL_PATH = -1
/** Events made by setWatches belong to no transaction. */
const NO_ZXID = -1n

/** Writes a notification; `zxid` is that of the transaction that fired the watch. */
export function writeEvent(link: ClientLink, type: number, path: string, zxid: bigint): void {
  const writer = link.beginReply(requests.Xid.notification, zxid, Code.ok)
  WatcherEvent.write(writer, { type, state: KeeperState.syncConnected, path })
  link.endFrame()
}

/** String#trim: whatever is not above a space, and nothing else. */
function javaTrim(text: string): string {
  let [start, end] = [0, text.length]
  while (start < end && text.charCodeAt(start) <= 0x20) start++
  while (end > start && text.charCodeAt(end - 1) <= 0x20) end--
  return text.slice(start, end)
}

function isWatcherType(type: number): type is 1 | 2 | 3 | 4 | 5 {
  return type >= 1 && type <= 5
}

function withoutSecret(entry: Acl): Acl {
  if (entry.id.scheme !== 'digest') return entry
  return {
    perms: entry.perms,
    id: { scheme: 'digest', id: entry.id.id?.replaceAll(/:.*/g, ':x') ?? null },
  }
}

/** A scheme that ACLs do not have, `super` among them, knows no names. */
function clientInfos(link: ClientLink, schemes: ReadonlyMap<string, AuthScheme>): ClientInfo[] {
  return link.authIds.map(({ scheme, id }) => ({
    authScheme: scheme,
    user: !schemes.has(scheme) ? '' : scheme === 'digest' ? id.split(':')[0]! : id,
  }))
}
