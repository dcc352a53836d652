/**
 * The tree a second time, as plainly as can be: one object for each node in one map. It is what the
 * packed tree is compared with, so it shares no code with it but the declared records.
 */
import { crc32 } from 'node:zlib'

import { Writer } from '../../../ensemble/jute/writer.ts'
import type { Acl } from '../../../ensemble/protocol/acl.ts'
import type { Txn, TxnBody } from '../../../ensemble/protocol/transactions.ts'

export type NaiveNode = {
  data: Buffer | null
  acl: Acl[]
  czxid: bigint
  mzxid: bigint
  pzxid: bigint
  ctime: number
  mtime: number
  version: number
  cversion: number
  aversion: number
  owner: bigint
  children: Set<string>
}

export type NaiveEvent = [type: number, path: string, acl: string]

const CONTAINER = -(2n ** 63n)
const OPEN: Acl[] = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]

export class NaiveTree {
  nodes = new Map<string, NaiveNode>()

  constructor() {
    this.nodes.set('', fresh(Buffer.alloc(0), OPEN, 0n, 0, 0n))
    for (const path of ['/zookeeper', '/zookeeper/quota', '/zookeeper/config']) {
      const acl = [
        { perms: path.endsWith('config') ? 1 : 31, id: { scheme: 'world', id: 'anyone' } },
      ]
      this.nodes.set(path, fresh(Buffer.alloc(0), acl, 0n, 0, 0n))
      const [parent, name] = split(path)
      this.nodes.get(parent)!.children.add(name)
    }
    this.nodes.get('/zookeeper/config')!.aversion = -1
  }

  clone(): NaiveTree {
    const copy = new NaiveTree()
    copy.nodes = new Map(
      [...this.nodes].map(([path, node]) => [path, { ...node, children: new Set(node.children) }]),
    )
    return copy
  }

  get digest(): bigint {
    let sum = 0n
    for (const path of this.nodes.keys()) sum += BigInt(this.nodeDigest(path))
    return BigInt.asUintN(64, sum)
  }

  nodeDigest(path: string): number {
    if (path.startsWith('/zookeeper/')) return 0
    const node = this.nodes.get(path)!
    const writer = new Writer()
    for (const zxid of [node.czxid, node.mzxid, node.pzxid]) writer.long(zxid)
    for (const time of [node.ctime, node.mtime]) writer.long(BigInt(time))
    for (const int of [node.version, node.cversion, node.aversion]) writer.int(int)
    writer.long(node.owner)
    return crc32(Buffer.concat([Buffer.from(path), node.data ?? Buffer.alloc(0), writer.written()]))
  }

  apply(txn: Txn): { events: NaiveEvent[]; err: number } {
    const events: NaiveEvent[] = []
    let err = 0
    const parts = txn.type === 14 ? txn.txns : [txn]
    if (parts.some((part) => part.type === -1)) return { events, err: 0 }
    for (const part of parts) {
      const partErr = this.#applyOne(txn, part, events)
      err ||= partErr
    }
    return { events, err }
  }

  #applyOne(txn: Txn, body: TxnBody, events: NaiveEvent[]): number {
    switch (body.type) {
      case 1:
      case 15:
        return this.#create(txn, body, body.ephemeral ? txn.clientId : 0n, events)
      case 19:
        return this.#create(txn, body, CONTAINER, events)
      case 21:
        return this.#create(txn, body, BigInt.asIntN(64, (0xffn << 56n) | body.ttl), events)
      case 2:
      case 20:
        return this.#delete(txn, body.path, events)
      case 5:
      case 16: {
        const node = this.nodes.get(body.path)
        if (node === undefined) return -101
        node.data = body.data
        node.version = body.version
        node.mzxid = txn.zxid
        node.mtime = txn.time
        events.push([3, body.path, JSON.stringify(node.acl)])
        return 0
      }
      case 7: {
        const node = this.nodes.get(body.path)
        if (node === undefined) return -101
        node.acl = body.acl
        node.aversion = body.version
        return 0
      }
      case -11: {
        const owned = [...this.nodes].filter(([, node]) => node.owner === txn.clientId)
        for (const path of body.paths ?? []) this.#delete(txn, path, events)
        for (const [path] of owned) if (this.nodes.has(path)) this.#delete(txn, path, events)
        return 0
      }
      default:
        return 0
    }
  }

  #create(
    txn: Txn,
    body: { type: number; path: string; data: Buffer | null; acl: Acl[]; parentCVersion: number },
    owner: bigint,
    events: NaiveEvent[],
  ): number {
    const [parentPath, name] = split(body.path)
    const parent = this.nodes.get(parentPath)
    if (parent === undefined) return -101
    const existing = this.nodes.get(body.path)
    const cversion = body.parentCVersion === -1 ? parent.cversion + 1 : body.parentCVersion
    if (existing !== undefined) {
      existing.acl = body.acl
      if (body.type !== 1) return -110
    }
    if (cversion > parent.cversion) {
      parent.cversion = cversion
      parent.pzxid = txn.zxid
    }
    if (existing !== undefined) return -110
    parent.children.add(name)
    this.nodes.set(body.path, fresh(body.data, body.acl, txn.zxid, txn.time, owner))
    events.push([1, body.path, JSON.stringify(body.acl)])
    events.push([4, parentPath === '' ? '/' : parentPath, JSON.stringify(parent.acl)])
    return 0
  }

  #delete(txn: Txn, path: string, events: NaiveEvent[]): number {
    const [parentPath, name] = split(path)
    const parent = this.nodes.get(parentPath)
    if (parent === undefined) return -101
    if (txn.zxid > parent.pzxid) parent.pzxid = txn.zxid
    const node = this.nodes.get(path)
    if (node === undefined) return -101
    parent.children.delete(name)
    for (const below of this.nodes.keys()) {
      if (below === path || below.startsWith(`${path}/`)) this.nodes.delete(below)
    }
    events.push([2, path, JSON.stringify(node.acl)])
    events.push([4, parentPath === '' ? '/' : parentPath, JSON.stringify(parent.acl)])
    return 0
  }
}

function fresh(
  data: Buffer | null,
  acl: Acl[],
  zxid: bigint,
  time: number,
  owner: bigint,
): NaiveNode {
  return {
    data,
    acl,
    czxid: zxid,
    mzxid: zxid,
    pzxid: zxid,
    ctime: time,
    mtime: time,
    version: 0,
    cversion: 0,
    aversion: 0,
    owner,
    children: new Set(),
  }
}

function split(path: string): [parent: string, name: string] {
  const slash = path.lastIndexOf('/')
  return [path.slice(0, slash), path.slice(slash + 1)]
}
