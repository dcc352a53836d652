/**
 * The tree as the protocol describes it, in the plainest way: a second opinion for the checkers
 * (D-23). It replays a log of transactions, checks that each one is possible where it stands, and
 * keeps for every path when it changed. Nothing here is shared with the tree in production.
 *
 * Source: spec of the client protocol, sections 4 and 6.3.
 */
import type { Acl } from '../../ensemble/protocol/acl.ts'
import { Op } from '../../ensemble/protocol/op-codes.ts'
import type { Stat } from '../../ensemble/protocol/stat.ts'
import type { Txn, TxnBody } from '../../ensemble/protocol/transactions.ts'

export interface ModelNode {
  data: Buffer | null
  acl: readonly Acl[]
  czxid: bigint
  mzxid: bigint
  pzxid: bigint
  ctime: number
  mtime: number
  version: number
  aversion: number
  /** Children ever created: the stored cversion, and the next sequential suffix. */
  creates: number
  owner: bigint
  children: Set<string>
}

/** 1 created, 2 deleted, 3 data changed, 4 children changed. */
export interface Change {
  readonly zxid: bigint
  readonly type: 1 | 2 | 3 | 4
  readonly path: string
  /** Of a session's end: the order among its nodes is free. */
  readonly isUnordered: boolean
}

/** What a path was from `zxid` on. */
export interface Moment {
  readonly zxid: bigint
  readonly exists: boolean
  readonly czxid: bigint
  readonly mzxid: bigint
  readonly pzxid: bigint
  readonly data: Buffer | null
}

export interface Problem {
  readonly id: string
  readonly text: string
}

const CONTAINER_OWNER = -0x8000000000000000n

export class Model {
  readonly nodes = new Map<string, ModelNode>()
  /** Open sessions, with their time-outs. */
  readonly sessions = new Map<bigint, number>()
  readonly everOpened = new Set<bigint>()
  /** Zxid of the closeSession of each session that ended. */
  readonly closedAt = new Map<bigint, bigint>()
  readonly changes: Change[] = []
  readonly moments = new Map<string, Moment[]>()
  readonly problems: Problem[] = []
  lastZxid = 0n

  constructor() {
    for (const path of ['/', '/zookeeper', '/zookeeper/quota', '/zookeeper/config']) {
      this.nodes.set(path, emptyNode(path === '/zookeeper/config' ? null : Buffer.alloc(0)))
    }
    this.nodes.get('/')!.children.add('zookeeper')
    this.nodes.get('/zookeeper')!.children.add('quota').add('config')
  }

  apply(txn: Txn): void {
    const { zxid } = txn
    const sameEpoch = zxid >> 32n === this.lastZxid >> 32n
    if (
      zxid <= this.lastZxid ||
      (sameEpoch && this.lastZxid !== 0n && zxid !== this.lastZxid + 1n)
    ) {
      this.#problem('I-12', `zxid ${hex(zxid)} follows ${hex(this.lastZxid)}`)
    }
    this.lastZxid = zxid
    if (txn.type === Op.createSession) {
      if (this.everOpened.has(txn.clientId)) {
        this.#problem('I-55', `session ${hex(txn.clientId)} is created again at ${hex(zxid)}`)
      }
      this.everOpened.add(txn.clientId)
      this.sessions.set(txn.clientId, txn.timeOut)
      return
    }
    const needsSession = txn.clientId !== 0n && txn.type !== Op.error
    if (needsSession && !this.sessions.has(txn.clientId)) {
      const id = txn.type === Op.closeSession ? 'I-50' : 'I-53'
      this.#problem(id, `txn ${hex(zxid)} of session ${hex(txn.clientId)}, which is not open`)
    }
    if (txn.type === Op.closeSession) return this.#closeSession(txn)
    this.#applyBody(txn, txn)
  }

  #closeSession(txn: Txn & { type: typeof Op.closeSession }): void {
    this.sessions.delete(txn.clientId)
    this.closedAt.set(txn.clientId, txn.zxid)
    const owned = this.ephemeralsOf(txn.clientId)
    if (txn.paths !== null && txn.paths.toSorted().join() !== owned.join()) {
      this.#problem(
        'I-50',
        `closeSession ${hex(txn.zxid)} lists [${txn.paths.toSorted().join()}], the session owns [${owned.join()}]`,
      )
    }
    for (const path of owned) this.#remove(txn, path, true)
  }

  ephemeralsOf(sessionId: bigint): string[] {
    const owned: string[] = []
    for (const [path, node] of this.nodes) if (node.owner === sessionId) owned.push(path)
    return owned.toSorted()
  }

  #applyBody(txn: Txn, body: TxnBody): void {
    switch (body.type) {
      case Op.create:
      case Op.create2:
        return this.#create(txn, body, body.ephemeral ? txn.clientId : 0n)
      case Op.createContainer:
        return this.#create(txn, body, CONTAINER_OWNER)
      case Op.createTtl:
        return this.#create(txn, body, BigInt.asIntN(64, 0xff00000000000000n | body.ttl))
      case Op.delete:
      case Op.deleteContainer:
        return this.#remove(txn, body.path, false)
      case Op.setData:
        return this.#setData(txn, body)
      case Op.setAcl:
        return this.#setAcl(txn, body)
      case Op.multi:
        if (isFailedMulti(body)) return
        for (const part of body.txns) this.#applyBody(txn, part)
        return
      case Op.check:
      case Op.error:
      case Op.reconfig:
        return
      case Op.createSession:
      case Op.closeSession:
        this.#problem('I-27', `${body.type} inside a multi at ${hex(txn.zxid)}`)
    }
  }

  #create(
    txn: Txn,
    body: { path: string; data: Buffer | null; acl: readonly Acl[]; parentCVersion: number },
    owner: bigint,
  ): void {
    const { path } = body
    const parentPath = parentOf(path)
    const parent = this.nodes.get(parentPath)
    if (parent === undefined) return this.#impossible(txn, path, 'create below a missing node')
    if (this.nodes.has(path)) return this.#impossible(txn, path, 'create of an existing node')
    if (isSessionOwner(parent.owner)) this.#impossible(txn, path, 'create below an ephemeral')
    parent.creates++
    if (body.parentCVersion !== -1 && body.parentCVersion !== parent.creates) {
      this.#problem(
        'I-28',
        `create ${path} at ${hex(txn.zxid)} has parentCVersion ${body.parentCVersion}, not ${parent.creates}`,
      )
    }
    parent.children.add(path.slice(path.lastIndexOf('/') + 1))
    parent.pzxid = txn.zxid
    this.nodes.set(path, {
      ...emptyNode(body.data),
      acl: body.acl,
      czxid: txn.zxid,
      mzxid: txn.zxid,
      pzxid: txn.zxid,
      ctime: txn.time,
      mtime: txn.time,
      owner,
    })
    this.#changed(txn, 1, path)
    this.#changed(txn, 4, parentPath)
  }

  #remove(txn: Txn, path: string, isUnordered: boolean): void {
    const node = this.nodes.get(path)
    if (node === undefined) return this.#impossible(txn, path, 'delete of a missing node')
    if (node.children.size > 0) this.#impossible(txn, path, 'delete of a node with children')
    this.nodes.delete(path)
    const parentPath = parentOf(path)
    const parent = this.nodes.get(parentPath)!
    parent.children.delete(path.slice(path.lastIndexOf('/') + 1))
    parent.pzxid = txn.zxid
    this.#changed(txn, 2, path, isUnordered)
    this.#changed(txn, 4, parentPath, isUnordered)
  }

  #setData(txn: Txn, body: { path: string; data: Buffer | null; version: number }): void {
    const node = this.nodes.get(body.path)
    if (node === undefined) return this.#impossible(txn, body.path, 'setData of a missing node')
    node.data = body.data
    node.version++
    if (body.version !== node.version) {
      this.#problem(
        'I-29',
        `setData ${body.path} at ${hex(txn.zxid)} makes version ${body.version}`,
      )
    }
    node.mzxid = txn.zxid
    node.mtime = txn.time
    this.#changed(txn, 3, body.path)
  }

  #setAcl(txn: Txn, body: { path: string; acl: readonly Acl[]; version: number }): void {
    const node = this.nodes.get(body.path)
    if (node === undefined) return this.#impossible(txn, body.path, 'setACL of a missing node')
    node.acl = body.acl
    node.aversion++
    if (body.version !== node.aversion) {
      this.#problem('I-29', `setACL ${body.path} at ${hex(txn.zxid)} makes version ${body.version}`)
    }
  }

  #changed(txn: Txn, type: Change['type'], path: string, isUnordered = false): void {
    this.changes.push({ zxid: txn.zxid, type, path, isUnordered })
    const node = this.nodes.get(path)
    let moments = this.moments.get(path)
    if (moments === undefined) {
      moments = []
      this.moments.set(path, moments)
    }
    moments.push({
      zxid: txn.zxid,
      exists: node !== undefined,
      czxid: node?.czxid ?? 0n,
      mzxid: node?.mzxid ?? 0n,
      pzxid: node?.pzxid ?? 0n,
      data: node?.data ?? null,
    })
  }

  /** What a path was once `zxid` had been applied; null when nothing ever touched it by then. */
  momentAt(path: string, zxid: bigint): Moment | null {
    let found: Moment | null = null
    for (const moment of this.moments.get(path) ?? []) {
      if (moment.zxid > zxid) break
      found = moment
    }
    return found
  }

  stat(path: string): Stat | null {
    const node = this.nodes.get(path)
    if (node === undefined) return null
    return {
      czxid: node.czxid,
      mzxid: node.mzxid,
      ctime: node.ctime,
      mtime: node.mtime,
      version: node.version,
      cversion: 2 * node.creates - node.children.size,
      aversion: node.aversion,
      ephemeralOwner: isSessionOwner(node.owner) ? node.owner : 0n,
      dataLength: node.data?.length ?? 0,
      numChildren: node.children.size,
      pzxid: node.pzxid,
    }
  }

  #impossible(txn: Txn, path: string, what: string): void {
    this.#problem('I-20', `${what}: ${path} at ${hex(txn.zxid)}`)
  }

  #problem(id: string, text: string): void {
    this.problems.push({ id, text })
  }
}

function emptyNode(data: Buffer | null): ModelNode {
  return {
    data,
    acl: [],
    czxid: 0n,
    mzxid: 0n,
    pzxid: 0n,
    ctime: 0,
    mtime: 0,
    version: 0,
    aversion: 0,
    creates: 0,
    owner: 0n,
    children: new Set(),
  }
}

/** Not of a container, nor of a TTL node. */
function isSessionOwner(owner: bigint): boolean {
  return owner !== 0n && owner !== CONTAINER_OWNER && BigInt.asUintN(64, owner) >> 56n !== 0xffn
}

/** A failed multi is logged with the parts before the failure as they were asked; none is done. */
export function isFailedMulti(body: { readonly txns: readonly TxnBody[] }): boolean {
  return body.txns.some((part) => part.type === Op.error)
}

export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash <= 0 ? '/' : path.slice(0, slash)
}

export function hex(value: bigint): string {
  return `0x${BigInt.asUintN(64, value).toString(16)}`
}
