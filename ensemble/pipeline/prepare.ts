/**
 * A write request becomes a transaction: everything that was random, clocked or conditional is
 * decided here, against the state with all transactions in flight, so that applying it later can
 * neither fail nor differ.
 *
 * Every function answers with the body of the transaction, or with the error code that the client
 * gets; then nothing has changed.
 * Source: PrepRequestProcessor#pRequest2Txn, 3.9.5; order of checks: client-protocol 2.4.
 */
import { fixUpAcl, type OwnIds } from '../auth/acl-rules.ts'
import { isAllowed } from '../auth/permissions.ts'
import type { AuthId, AuthScheme } from '../auth/schemes.ts'
import { highOf, lowOf } from '../jute/long-halves.ts'
import { Perm, type Acl } from '../protocol/acl.ts'
import { Code } from '../protocol/error-codes.ts'
import { Op } from '../protocol/op-codes.ts'
import { validatePath } from '../protocol/paths.ts'
import type { TxnBody } from '../protocol/transactions.ts'
import type { ClientLimits, OnLimited } from './client-limits.ts'
import { digestWithoutStat, isLeftOut, originDigest } from '../tree/node-digest.ts'
import type { PathBytes } from '../tree/path-bytes.ts'
import type { PendingChanges } from './pending-changes.ts'
import { PendingNode } from './pending-table.ts'
import type { QuotaCheck } from './quota-check.ts'
import { CreateWrite, SetDataWrite, type DataRange } from './writes.ts'

export interface PrepareSettings {
  readonly schemes: ReadonlyMap<string, AuthScheme>
  readonly skipAcl: boolean
  readonly extendedTypesEnabled: boolean
  readonly limits: ClientLimits
}

/** Who asks, and which transaction it will be. */
export interface Asker extends OwnIds {
  readonly sessionId: bigint
  readonly authIds: readonly AuthId[]
  readonly zxid: bigint
  readonly zxidHigh: number
  readonly zxidLow: number
  readonly time: number
}

/** Stored owner of a container node. */
const CONTAINER_OWNER = -(1n << 63n)
/** Top byte of the stored owner of a TTL node. */
const TTL_MARK = 0xffn << 56n
const TTL_MS_MAX = (1n << 40n) - 1n
const SPECIAL_PATHS = new Set(['/', '/zookeeper', '/zookeeper/quota', '/zookeeper/config'])

export interface CreateFields {
  readonly path: PathBytes | null
  readonly data: DataRange
  readonly acl: readonly Acl[] | null
  readonly flags: number
  readonly ttl?: bigint | undefined
}

export type CreateOp =
  | typeof Op.create
  | typeof Op.create2
  | typeof Op.createContainer
  | typeof Op.createTtl

/** What flags mean for one of the four create operations (client-protocol 4.5). */
interface CreateKind {
  readonly isSequential: boolean
  readonly isEphemeral: boolean
}

export class Preparer {
  readonly #changes: PendingChanges
  readonly #settings: PrepareSettings
  readonly #quota: QuotaCheck

  readonly #onLimited: OnLimited

  constructor(
    changes: PendingChanges,
    settings: PrepareSettings,
    quota: QuotaCheck,
    onLimited: OnLimited,
  ) {
    this.#onLimited = onLimited
    this.#changes = changes
    this.#settings = settings
    this.#quota = quota
  }

  create(type: CreateOp, fields: CreateFields, asker: Asker): CreateWrite | number {
    const kind = this.#createKind(type, fields)
    if (typeof kind === 'number') return kind
    const given = fields.path
    if (given === null) return Code.marshallingError
    if (given.slash < 0 || given.hasNul) return Code.badArguments
    const acl = fixUpAcl(fields.acl, asker.authIds, this.#settings.schemes, asker)
    if (typeof acl === 'number') return acl
    const parent = this.#changes.findParent(given)
    if (parent === null) return Code.noNode
    if (!this.#may(Perm.create, parent.acl, asker)) return Code.noAuth
    const path = kind.isSequential ? given.with(sequenceSuffix(parent.cversion)) : given
    if (!path.isValid) return Code.badArguments
    if (this.#changes.has(path)) return Code.nodeExists
    if (this.#changes.isEphemeral(parent)) return Code.noChildrenForEphemerals
    const { data } = fields
    const { ephemeralsMax } = this.#settings.limits
    if (ephemeralsMax > 0 && kind.isEphemeral) {
      if (this.#changes.ephemeralCount(asker.sessionId) >= ephemeralsMax) {
        this.#onLimited(asker.sessionId, 'ephemerals', ephemeralsMax)
        return Code.quotaExceeded
      }
    }
    if (this.#quota.isNeeded) {
      const excess = this.#quota.check(path.toString(), 1, data.end - data.start)
      if (excess !== Code.ok) return excess
    }

    const parentCVersion = (parent.cversion + 1) | 0
    this.#changes.touch(parent, asker.zxid)
    // The counter stays where it is once it would overflow, and so does pzxid (client-protocol 4.3).
    if (parentCVersion > parent.cversion) {
      parent.cversion = parentCVersion
      parent.pzxidHigh = asker.zxidHigh
      parent.pzxidLow = asker.zxidLow
    }
    parent.numChildren++
    this.#changes.settle(parent)
    const node = newNode(path, asker)
    node.owner = storedOwner(type, kind, fields, asker)
    node.acl = acl
    node.origin = originDigest(asker.zxidHigh, asker.zxidLow, asker.time, node.owner)
    node.dataBytes = data.end - data.start
    if (node.isDigested) node.content = contentOf(path, data)
    this.#changes.create(node)
    const { isEphemeral } = kind
    return new CreateWrite(type, path, data, node, parent, { isEphemeral, parentCVersion })
  }

  delete(path: string | null, version: number, asker: Asker): TxnBody | number {
    if (path === null) return Code.marshallingError
    const slash = path.lastIndexOf('/')
    if (slash < 0 || path.includes('\0') || SPECIAL_PATHS.has(path)) return Code.badArguments
    const parent = this.#changes.get(slash === 0 ? '/' : path.slice(0, slash))
    if (parent === null) return Code.noNode
    if (!this.#may(Perm.delete, parent.acl, asker)) return Code.noAuth
    const node = this.#changes.get(path)
    if (node === null) return Code.noNode
    if (!matches(version, node.version)) return Code.badVersion
    if (node.numChildren > 0) return Code.notEmpty
    this.#remove(parent, node, asker.zxid)
    return { type: Op.delete, path }
  }

  /** Removes a container or TTL node whose time has come, unless a child has appeared (I-58). */
  deleteContainer(path: string, asker: Asker, neverUsedMs: number): TxnBody | number {
    if (SPECIAL_PATHS.has(path)) return Code.badArguments
    const slash = path.lastIndexOf('/')
    const parent = this.#changes.get(slash === 0 ? '/' : path.slice(0, slash))
    const node = this.#changes.get(path)
    if (parent === null || node === null) return Code.noNode
    if (node.numChildren > 0) return Code.notEmpty
    if (!mayBeReaped(node, asker.time, neverUsedMs) || this.#changes.isEphemeral(node))
      return Code.badVersion
    this.#remove(parent, node, asker.zxid)
    return { type: Op.deleteContainer, path }
  }

  setData(
    path: PathBytes | null,
    data: DataRange,
    version: number,
    asker: Asker,
  ): SetDataWrite | number {
    if (path === null || !path.isValid) return Code.badArguments
    const node = this.#changes.find(path)
    if (node === null) return Code.noNode
    if (!this.#may(Perm.write, node.acl, asker)) return Code.noAuth
    if (this.#quota.isNeeded) {
      const growth = data.end - data.start - node.dataBytes
      const excess = this.#quota.check(path.toString(), 0, growth)
      if (excess !== Code.ok) return excess
    }
    if (!matches(version, node.version)) return Code.badVersion
    this.#changes.touch(node, asker.zxid)
    node.version = nextVersion(node.version)
    node.mzxidHigh = asker.zxidHigh
    node.mzxidLow = asker.zxidLow
    node.mtime = asker.time
    node.dataBytes = data.end - data.start
    if (node.isDigested) node.content = contentOf(path, data)
    this.#changes.settle(node)
    return new SetDataWrite(path, data, node)
  }

  setAcl(
    path: string | null,
    acl: readonly Acl[] | null,
    version: number,
    asker: Asker,
  ): TxnBody | number {
    if (path === null || validatePath(path) !== null) return Code.badArguments
    const stored = fixUpAcl(acl, asker.authIds, this.#settings.schemes, asker)
    if (typeof stored === 'number') return stored
    const node = this.#changes.get(path)
    if (node === null) return Code.noNode
    if (!this.#may(Perm.admin, node.acl, asker)) return Code.noAuth
    if (!matches(version, node.aversion)) return Code.badVersion
    this.#changes.touch(node, asker.zxid)
    node.aversion = nextVersion(node.aversion)
    node.acl = stored
    this.#changes.settle(node)
    return { type: Op.setAcl, path, acl: stored as Acl[], version: node.aversion }
  }

  check(path: string | null, version: number, asker: Asker): TxnBody | number {
    if (path === null || validatePath(path) !== null) return Code.badArguments
    const node = this.#changes.get(path)
    if (node === null) return Code.noNode
    if (!this.#may(Perm.read, node.acl, asker)) return Code.noAuth
    if (!matches(version, node.version)) return Code.badVersion
    return { type: Op.check, path, version: nextVersion(node.version) }
  }

  /** Ends a session: its ephemerals go in the same transaction, those in flight included (I-50). */
  closeSession(sessionId: bigint, zxid: bigint): TxnBody {
    const paths = this.#changes.ephemeralsOf(sessionId)
    for (const path of paths) {
      const slash = path.lastIndexOf('/')
      const parent = this.#changes.get(slash === 0 ? '/' : path.slice(0, slash))
      const node = this.#changes.get(path)
      if (parent !== null && node !== null) this.#remove(parent, node, zxid)
    }
    return { type: Op.closeSession, paths }
  }

  #remove(parent: PendingNode, node: PendingNode, zxid: bigint): void {
    this.#changes.touch(parent, zxid)
    const high = highOf(zxid)
    const low = lowOf(zxid) | 0
    if (isLater(high, low, parent)) {
      parent.pzxidHigh = high
      parent.pzxidLow = low
    }
    parent.numChildren--
    this.#changes.settle(parent)
    this.#changes.remove(node, zxid)
  }

  #may(permission: number, acl: readonly Acl[], asker: Asker): boolean {
    if (this.#settings.skipAcl) return true
    return isAllowed(acl, permission, asker.authIds, this.#settings.schemes)
  }

  #createKind(type: CreateOp, { flags, ttl }: CreateFields): CreateKind | number {
    if (flags < 0 || flags > 6) return Code.badArguments
    const isTtl = flags === 5 || flags === 6
    if (isTtl && !this.#settings.extendedTypesEnabled) return Code.unimplemented
    if (type === Op.createTtl) {
      // Apache logs a ttl below zero with a flag of no TTL, and cannot replay it: refused here.
      if (!isTtl || ttl === undefined || ttl < 1n || ttl > TTL_MS_MAX) return Code.badArguments
    } else if (isTtl) return Code.badArguments
    return {
      isSequential: flags === 2 || flags === 3 || flags === 6,
      isEphemeral: (flags === 1 || flags === 3) && type !== Op.createContainer,
    }
  }
}

/** A node as its creation leaves it, but for owner, ACL and digest. */
function newNode({ bytes, start, end, hash }: PathBytes, asker: Asker): PendingNode {
  const node = new PendingNode(bytes, start, end, hash)
  node.zxid = asker.zxid
  node.mzxidHigh = node.pzxidHigh = asker.zxidHigh
  node.mzxidLow = node.pzxidLow = asker.zxidLow
  node.mtime = asker.time
  node.isDigested = !isLeftOut(bytes, start, end)
  return node
}

function contentOf({ bytes, start, end }: PathBytes, data: DataRange): number {
  return digestWithoutStat(bytes, start, end, data.bytes ?? bytes, data.start, data.end)
}

/** Whether a zxid is later than the node's pzxid. */
function isLater(high: number, low: number, { pzxidHigh, pzxidLow }: PendingNode): boolean {
  return high > pzxidHigh || (high === pzxidHigh && low >>> 0 > pzxidLow >>> 0)
}

/** A container that had a child once, or a TTL node idle for longer than that. */
function mayBeReaped(node: PendingNode, timeMs: number, neverUsedMs: number): boolean {
  if (node.owner === CONTAINER_OWNER) {
    return node.cversion > 0 || (neverUsedMs > 0 && timeMs - node.mtime > neverUsedMs)
  }
  const isTtl = (BigInt.asUintN(64, node.owner) & TTL_MARK) === TTL_MARK
  return isTtl && BigInt(timeMs - node.mtime) > (node.owner & TTL_MS_MAX)
}

/** The number of children ever created, as Java's `%010d` prints it. */
export function sequenceSuffix(cversion: number): string {
  return cversion < 0
    ? `-${String(-cversion).padStart(9, '0')}`
    : String(cversion).padStart(10, '0')
}

/** The version after this one; -1 means "any" to clients, so it is never given (B-60). */
export function nextVersion(version: number): number {
  const next = (version + 1) | 0
  return next === -1 ? 0 : next
}

function matches(asked: number, actual: number): boolean {
  return asked === -1 || asked === actual
}

function storedOwner(type: CreateOp, kind: CreateKind, fields: CreateFields, asker: Asker): bigint {
  if (type === Op.createContainer) return CONTAINER_OWNER
  if (type === Op.createTtl) return BigInt.asIntN(64, TTL_MARK | (fields.ttl ?? 0n))
  return kind.isEphemeral ? asker.sessionId : 0n
}
