/**
 * What writes do, as plainly as can be: a map of whole nodes for each zxid, strings for paths, one
 * request at a time. It knows nothing of batches, bytes or hashes, and shares no code with the write
 * path but declared records and numbers.
 *
 * Source: client-protocol 2.4, 2.6, 4.
 */
import type { Acl } from '../../ensemble/protocol/acl.ts'
import { Code } from '../../ensemble/protocol/error-codes.ts'
import { Op } from '../../ensemble/protocol/op-codes.ts'

export interface ModelNode {
  readonly data: Buffer | null
  readonly acl: readonly Acl[]
  readonly czxid: bigint
  readonly mzxid: bigint
  readonly pzxid: bigint
  readonly ctime: number
  readonly mtime: number
  readonly version: number
  readonly created: number // children ever
  readonly aversion: number
  readonly children: number
  /** Of an ephemeral its session; else nobody, or why the server may remove it. */
  readonly owner: bigint | 'container' | { readonly ttlMs: number }
}

export type ModelTree = ReadonlyMap<string, ModelNode>

/** A write as the client means it; `path` null is a null string. */
export interface ModelWrite {
  readonly op: number
  readonly path: string | null
  readonly data?: Buffer | null
  readonly acl?: readonly Acl[] | null
  readonly flags?: number
  readonly ttl?: number
  readonly version?: number
  readonly parts?: readonly ModelWrite[]
  /** What is sent for the path, where that is not its UTF-8. */
  readonly raw?: Buffer
}

/** What the client gets: an error, or what is in the reply. */
export interface ModelAnswer {
  readonly err: number
  readonly path?: string
  /** The node whose stat is told, as it was then. */
  readonly node?: ModelNode
  readonly results?: readonly ModelAnswer[]
}

const OPEN: readonly Acl[] = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]
const READ_ONLY: readonly Acl[] = [{ perms: 1, id: { scheme: 'world', id: 'anyone' } }]
const Perm = { read: 1, write: 2, create: 4, delete: 8, admin: 16 }
const BUILT_IN = ['/', '/zookeeper', '/zookeeper/quota', '/zookeeper/config']
const COUNTER_MAX = 2 ** 31 - 1

/** Asks for a transaction: who, when, as which. */
interface Asker {
  readonly session: bigint
  readonly zxid: bigint
  readonly time: number
}

export class WriteModel {
  /** The tree after each zxid, the last one last. */
  readonly history = new Map<bigint, ModelTree>()
  #tree: Map<string, ModelNode>
  readonly #hasTtl: boolean

  constructor(zxid: bigint, hasTtl: boolean) {
    this.#hasTtl = hasTtl
    const node = (acl: readonly Acl[], children: number, aversion = 0): ModelNode => ({
      data: Buffer.alloc(0),
      acl,
      czxid: 0n,
      mzxid: 0n,
      pzxid: 0n,
      ctime: 0,
      mtime: 0,
      version: 0,
      created: 0,
      aversion,
      children,
      owner: 0n,
    })
    this.#tree = new Map([
      ['/', node(OPEN, 1)],
      ['/zookeeper', node(OPEN, 2)],
      ['/zookeeper/quota', node(OPEN, 0)],
      ['/zookeeper/config', node(READ_ONLY, 0, -1)],
    ])
    this.history.set(zxid, this.#tree)
  }

  /** Puts a node where there was one before all that is done here. */
  give(path: string, node: ModelNode): void {
    this.#tree.set(path, node)
  }

  get tree(): ModelTree {
    return this.#tree
  }

  /** Nothing changed, such as by the creation of a session. */
  pass(zxid: bigint): void {
    this.history.set(zxid, this.#tree)
  }

  write(write: ModelWrite, asker: Asker): ModelAnswer {
    const before = this.#tree
    this.#tree = new Map(before)
    const answer = write.op === Op.multi ? this.#multi(write, asker) : this.#one(write, asker)
    if (answer.err !== Code.ok || answer.results?.some(({ err }) => err !== Code.ok)) {
      this.#tree = before
    }
    this.history.set(asker.zxid, this.#tree)
    return answer
  }

  closeSession(session: bigint, zxid: bigint): void {
    this.#tree = new Map(this.#tree)
    for (const [path, { owner }] of this.#tree) if (owner === session) this.#remove(path, zxid)
    this.history.set(zxid, this.#tree)
  }

  /** The server removes a container or TTL node, if it may. */
  reap(path: string, asker: Asker): number {
    const before = this.#tree
    this.#tree = new Map(before)
    this.history.set(asker.zxid, this.#tree)
    const node = before.get(path)
    if (BUILT_IN.includes(path)) return Code.badArguments
    if (node === undefined) return Code.noNode
    if (node.children > 0) return Code.notEmpty
    const { owner } = node
    if (typeof owner === 'bigint') return Code.badVersion
    const isDue = owner === 'container' ? node.created > 0 : asker.time - node.mtime > owner.ttlMs
    if (!isDue) return Code.badVersion
    this.#remove(path, asker.zxid)
    return Code.ok
  }

  #multi({ parts = [] }: ModelWrite, asker: Asker): ModelAnswer {
    const isUnreadable = ({ op, path, acl, flags = 0 }: ModelWrite): boolean =>
      path === null || ((op === Op.create || op === Op.create2) && (acl === null || flags > 4))
    if (parts.some(isUnreadable)) return { err: Code.marshallingError }
    const results: ModelAnswer[] = []
    for (const part of parts) {
      const result = this.#one({ ...part, op: partOp(part) }, asker)
      if (result.err === Code.marshallingError) return result
      if (result.err !== Code.ok) {
        const done = results.map(() => ({ err: Code.ok }))
        const rest = parts.slice(results.length + 1).map(() => ({ err: Code.runtimeInconsistency }))
        return { err: Code.ok, results: [...done, { err: result.err }, ...rest] }
      }
      results.push(result)
    }
    return { err: Code.ok, results }
  }

  #one(write: ModelWrite, asker: Asker): ModelAnswer {
    switch (write.op) {
      case Op.delete:
        return this.#delete(write, asker)
      case Op.setData:
      case Op.setAcl:
      case Op.check:
        return this.#change(write, asker)
      default:
        return this.#create(write, asker)
    }
  }

  #create({ op, path, data, acl, flags = 0, ttl = 0 }: ModelWrite, asker: Asker): ModelAnswer {
    const isTtl = flags === 5 || flags === 6
    if (flags < 0 || flags > 6) return { err: Code.badArguments }
    if (isTtl && !this.#hasTtl) return { err: Code.unimplemented }
    if (isTtl !== (op === Op.createTtl) || (isTtl && ttl < 1)) return { err: Code.badArguments }
    if (path === null) return { err: Code.marshallingError }
    const slash = path.lastIndexOf('/')
    if (slash < 0 || path.includes('\0')) return { err: Code.badArguments }
    if (!acl?.length || acl.some(({ id }) => id.scheme === 'none')) return { err: Code.invalidAcl }
    const parentPath = slash === 0 ? '/' : path.slice(0, slash)
    const parent = this.#tree.get(parentPath)
    if (parent === undefined) return { err: Code.noNode }
    if (!may(Perm.create, parent)) return { err: Code.noAuth }
    const isSequential = flags === 2 || flags === 3 || flags === 6
    const whole = isSequential ? path + String(parent.created).padStart(10, '0') : path
    if (!isValid(whole)) return { err: Code.badArguments }
    if (this.#tree.has(whole)) return { err: Code.nodeExists }
    if (typeof parent.owner === 'bigint' && parent.owner !== 0n) {
      return { err: Code.noChildrenForEphemerals }
    }
    const { zxid, time, session } = asker
    const isFull = parent.created === COUNTER_MAX
    const counted = isFull ? {} : { created: parent.created + 1, pzxid: zxid }
    this.#tree.set(parentPath, { ...parent, ...counted, children: parent.children + 1 })
    const ephemeral = flags === 1 || flags === 3 ? session : 0n
    const marked = op === Op.createTtl ? { ttlMs: ttl } : ephemeral
    const owner = op === Op.createContainer ? ('container' as const) : marked
    const node = {
      data: data ?? null,
      acl,
      czxid: zxid,
      mzxid: zxid,
      pzxid: zxid,
      ctime: time,
      mtime: time,
      version: 0,
      created: 0,
      aversion: 0,
      children: 0,
      owner,
    }
    this.#tree.set(whole, node)
    return { err: Code.ok, path: whole, node }
  }

  #delete({ path, version = -1 }: ModelWrite, { zxid }: Asker): ModelAnswer {
    if (path === null) return { err: Code.marshallingError }
    const slash = path.lastIndexOf('/')
    if (slash < 0 || path.includes('\0') || BUILT_IN.includes(path)) {
      return { err: Code.badArguments }
    }
    const parent = this.#tree.get(slash === 0 ? '/' : path.slice(0, slash))
    if (parent === undefined) return { err: Code.noNode }
    if (!may(Perm.delete, parent)) return { err: Code.noAuth }
    const node = this.#tree.get(path)
    if (node === undefined) return { err: Code.noNode }
    if (version !== -1 && version !== node.version) return { err: Code.badVersion }
    if (node.children > 0) return { err: Code.notEmpty }
    this.#remove(path, zxid)
    return { err: Code.ok }
  }

  #change({ op, path, data, acl, version = -1 }: ModelWrite, asker: Asker): ModelAnswer {
    if (path === null || !isValid(path)) return { err: Code.badArguments }
    if (op === Op.setAcl && (!acl?.length || acl.some(({ id }) => id.scheme === 'none'))) {
      return { err: Code.invalidAcl }
    }
    const node = this.#tree.get(path)
    if (node === undefined) return { err: Code.noNode }
    const needed = { [Op.setData]: Perm.write, [Op.setAcl]: Perm.admin }[op] ?? Perm.read
    if (!may(needed, node)) return { err: Code.noAuth }
    const actual = op === Op.setAcl ? node.aversion : node.version
    if (version !== -1 && version !== actual) return { err: Code.badVersion }
    if (op === Op.check) return { err: Code.ok }
    const next = actual + 1 === -1 ? 0 : actual + 1
    const changed: ModelNode =
      op === Op.setAcl
        ? { ...node, acl: acl!, aversion: next }
        : { ...node, data: data ?? null, mzxid: asker.zxid, mtime: asker.time, version: next }
    this.#tree.set(path, changed)
    return { err: Code.ok, node: changed }
  }

  #remove(path: string, zxid: bigint): void {
    const slash = path.lastIndexOf('/')
    const parentPath = slash === 0 ? '/' : path.slice(0, slash)
    const parent = this.#tree.get(parentPath)!
    this.#tree.set(parentPath, { ...parent, pzxid: zxid, children: parent.children - 1 })
    this.#tree.delete(path)
  }
}

/** Inside a multi the flags decide what a create makes. */
export function partOp({ op, flags }: ModelWrite): number {
  if (op !== Op.create && op !== Op.create2 && op !== Op.createTtl) return op
  if (flags === 4) return Op.createContainer
  return op === Op.createTtl && flags !== 5 && flags !== 6 ? Op.create : op
}

function may(needed: number, { acl }: ModelNode): boolean {
  return acl.some(({ perms, id }) => id.scheme === 'world' && (perms & needed) !== 0)
}

/** Regular expressions in place of the loop: no control characters, surrogates, private use. */
function isValid(path: string): boolean {
  if (path === '/') return true
  if (!/^(\/[^/]+)+$/.test(path)) return false
  if (path.split('/').some((part) => part === '.' || part === '..')) return false
  return !/[\p{Cc}\ud800-\uf8ff\ufff0-\uffff\u{10000}-\u{10ffff}]/u.test(path)
}
