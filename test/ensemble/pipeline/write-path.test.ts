/**
 * The write path as a whole against a model (write-model.ts): several clients write and read whatever
 * there is, odd paths and broken requests included, connections break and come back, sessions end and
 * expire, while what is in flight becomes durable in random portions.
 *
 * Held against the model: each answer and its order, that it shows nothing that is not durable and
 * everything its session wrote before, the tree at the end, the tree that comes back from any part of
 * the log, and from a snapshot taken while writes were in flight.
 */
import { expect, test } from 'vitest'
import { Reader } from '../../../ensemble/jute/reader.ts'
import { Writer } from '../../../ensemble/jute/writer.ts'
import { AclList, type Acl } from '../../../ensemble/protocol/acl.ts'
import { Code } from '../../../ensemble/protocol/error-codes.ts'
import { MultiHeader } from '../../../ensemble/protocol/multi.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import { Stat } from '../../../ensemble/protocol/stat.ts'
import type { Txn } from '../../../ensemble/protocol/transactions.ts'
import type { FrozenTree } from '../../../ensemble/tree/frozen-tree.ts'
import { SnapshotBodyReader, SnapshotBodyWriter } from '../../../ensemble/tree/snapshot-body.ts'
import { Tree } from '../../../ensemble/tree/tree.ts'
import { PipelineBench, type BenchClient, type Reply } from '../../support/pipeline-bench.ts'
import {
  partOp,
  WriteModel,
  type ModelAnswer,
  type ModelNode,
  type ModelTree,
  type ModelWrite,
} from '../../support/write-model.ts'
import { randomOf } from '../tree/random-transactions.ts'

const world = (perms: number): Acl => ({ perms, id: { scheme: 'world', id: 'anyone' } })
const OPEN = [world(31)]
const ACLS: readonly (readonly Acl[] | null)[] = [
  [{ perms: 31, id: { scheme: 'digest', id: 'ü:b' } }, world(15)],
  [world(17)],
  [{ perms: 31, id: { scheme: 'none', id: 'x' } }, world(31)],
  [],
  null,
]
const VALID = ['/a', '/a/b', '/a/b/c', '/ä', '/ä/€', '/a/\ufeff', '/a.b', '/max', '/max/a', '/max/']
const FEW = ['/a', '/ä', '/a/b']
const SPECIAL = [
  '/',
  '/zookeeper',
  '/zookeeper/x',
  '/zookeeper/quota/a',
  '/zookeeper/config',
  `/${'ü'.repeat(70)}`,
  '/zookeeper/quota/a/zookeeper_limits',
  '/zookeeper/quota/a/zookeeper_stats',
]
const BAD = [
  '',
  'a',
  'a/b',
  '//',
  '//a',
  '/a/',
  '/a//b',
  '/a/.',
  '/./a',
  '/a/../b',
  '/..',
  '/a\0',
  '/a/\u0001',
  '/a/😀',
  '/\u0085',
  '/a/\ufffd',
]
const RAW = ['2fff', '2fc1a1', '2f61eda0bdedb880', '2fe282', '2f61c080', '61ff'].map((hex) =>
  Buffer.from(hex, 'hex'),
)
const FIRST_ZXID = 2n
const STATS = 'zookeeper_stats' // what the server writes there is no transaction

type Expected = (reply: Reply) => void

interface Slot {
  client: BenchClient
  expected: Expected[]
  session: { id: bigint; passwd: Buffer; lastWrite: bigint } | null
  /** What the connect request in work asks for; null: welcomed. */
  asks: 'new' | 'resume' | null
}

class Run {
  readonly random: () => number
  readonly hasTtl: boolean
  /** Every other run has few paths and few odd requests, so that those in flight meet. */
  readonly isOrderly: boolean
  readonly bench: PipelineBench
  readonly model: WriteModel
  readonly slots: Slot[]
  readonly snapshots: { frozen: FrozenTree; model: ModelTree }[] = []
  readonly counts = { ok: 0, failed: 0, read: 0, resumed: 0 }
  durableZxid = FIRST_ZXID

  constructor(seed: number) {
    this.random = randomOf(seed)
    this.hasTtl = this.below(4) > 0
    this.isOrderly = seed % 2 === 0
    const common = { clientId: 0n, cxid: 0, time: 5, data: Buffer.alloc(0), acl: OPEN }
    const made = { type: Op.create, ephemeral: false, ...common }
    const before: Txn[] = [
      { ...made, zxid: 1n, path: '/max', parentCVersion: 2 },
      { ...made, zxid: 2n, path: '/max/x', parentCVersion: 2 ** 31 - 3 },
    ]
    this.bench = new PipelineBench({ extendedTypesEnabled: this.hasTtl }, { before })
    this.model = new WriteModel(FIRST_ZXID, this.hasTtl)
    const root = this.model.tree.get('/')!
    const node: ModelNode = {
      data: common.data,
      acl: OPEN,
      czxid: 1n,
      mzxid: 1n,
      pzxid: 2n,
      ctime: 5,
      mtime: 5,
      version: 0,
      created: 2 ** 31 - 3,
      aversion: 0,
      children: 1,
      owner: 0n,
    }
    this.model.give('/', { ...root, created: 2, children: 2, pzxid: 1n })
    this.model.give('/max', node)
    const leaf = { ...node, czxid: 2n, mzxid: 2n, created: 0, children: 0 }
    this.model.give('/max/x', leaf)
    this.slots = Array.from({ length: 3 }, () => this.dial(null))
  }

  below(n: number): number {
    return Math.floor(this.random() * n)
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }

  get lastZxid(): bigint {
    return this.bench.txns.at(-1)?.txn.zxid ?? FIRST_ZXID
  }

  // -- connections -----------------------------------------------------------------------------------

  dial(session: Slot['session']): Slot {
    const client = this.bench.connection()
    const slot: Slot = { client, expected: [], session, asks: session === null ? 'new' : 'resume' }
    if (session === null) client.connect()
    else client.connect({ sessionId: session.id, passwd: session.passwd })
    if (session === null) this.model.pass(this.lastZxid)
    return slot
  }

  /** Frames lie anywhere in what a connection has received. */
  send(slot: Slot, type: number, body: Buffer): void {
    const writer = new Writer()
    writer.raw(Buffer.from('/a'.slice(0, this.below(3))))
    const start = writer.position
    writer.int(7)
    writer.int(type)
    writer.raw(body)
    const end = writer.position
    writer.raw(Buffer.from('/a'.slice(0, this.below(3))))
    this.bench.pipeline.request(slot.client.link, writer.take(), start, end)
  }

  /** Takes what was sent to the clients. */
  collect(): void {
    for (const slot of this.slots) {
      for (const frame of slot.client.frames()) {
        if (slot.asks !== null) this.connected(slot, frame)
        else {
          const reader = new Reader(frame)
          const [xid, zxid, err] = [reader.int(), reader.long(), reader.int()]
          holds(xid === 7 && slot.expected.length > 0, 'what was asked is answered, once')
          holds(zxid <= this.durableZxid, 'nothing is shown that is not durable')
          slot.expected.shift()!({ xid, zxid, err, body: frame.subarray(reader.position) })
        }
      }
      // Its session has ended before it was welcomed, or as soon as it was.
      if (slot.client.link.isClosing) Object.assign(slot, this.dial(null))
    }
  }

  connected(slot: Slot, frame: Buffer): void {
    const reader = new Reader(frame)
    reader.skip(8)
    const [id, passwd] = [reader.long(), Buffer.from(reader.buffer()!)]
    if (id === 0n) {
      const dead = slot.session!.id
      const known = this.bench.sessions.get(dead)
      expect(known === undefined || known.isClosing).toBe(true)
      return void Object.assign(slot, this.dial(null))
    }
    if (slot.asks === 'resume') this.counts.resumed++
    else slot.session = { id, passwd, lastWrite: 0n }
    slot.asks = null
  }

  // -- requests --------------------------------------------------------------------------------------

  path(): Pick<ModelWrite, 'path' | 'raw'> {
    const kind = this.below(this.isOrderly ? 200 : 20)
    if (kind > 4) return { path: this.pick(this.isOrderly ? FEW : VALID) }
    if (kind > 2) return { path: this.pick(SPECIAL) }
    if (kind > 1) return { path: this.pick(BAD) }
    if (kind === 0 && this.below(4) === 0) return { path: null }
    const raw = this.pick(RAW)
    return { path: new TextDecoder('utf-8', { ignoreBOM: true }).decode(raw), raw }
  }

  newWrite(isPart: boolean): ModelWrite {
    const version = this.below(4) === 0 ? this.below(3) : -1
    const acl = this.below(this.isOrderly ? 60 : 6) === 0 ? this.pick(ACLS) : OPEN
    const length = this.below(20) === 0 ? 40_000 : this.below(300)
    const data = this.below(6) === 0 ? null : Buffer.alloc(length, this.below(256))
    switch (this.below(isPart ? 9 : 15)) {
      case 0:
      case 1:
        return { op: Op.delete, ...this.path(), version }
      case 2:
      case 3:
        return { op: Op.setData, ...this.path(), data, version }
      case 4:
      case 5:
      case 6:
        return {
          op: this.pick([Op.create, Op.create2]),
          ...this.path(),
          data,
          acl,
          flags: this.isOrderly ? this.below(4) % 2 : this.below(isPart ? 7 : 8),
        }
      case 7: {
        const flags = this.below(5) > 0 ? 5 + this.below(2) : this.below(8)
        return { op: Op.createTtl, ...this.path(), data, acl, flags, ttl: this.below(9000) }
      }
      case 8:
        if (isPart) return { op: Op.check, ...this.path(), version }
        return { op: Op.createContainer, ...this.path(), data, acl, flags: this.below(5) }
      case 9:
        return { op: Op.setAcl, ...this.path(), acl, version }
      default: {
        const parts = Array.from({ length: this.below(5) }, () => this.newWrite(true))
        return { op: Op.multi, path: '/', parts }
      }
    }
  }

  write(slot: Slot): void {
    const write = this.newWrite(false)
    const writer = new Writer()
    encode(writer, write)
    const body = writer.take()
    const isCut = this.below(40) === 0
    const before = this.lastZxid
    this.send(slot, write.op, isCut ? body.subarray(0, this.below(body.length)) : body)
    const { txn } = this.bench.txns.at(-1)!
    holds(txn.zxid === before + 1n, 'each write is one transaction')
    const session = slot.session!
    session.lastWrite = txn.zxid
    const { zxid } = txn
    let answer: ModelAnswer
    if (isCut) {
      answer = { err: Code.marshallingError }
      this.model.pass(zxid)
    } else {
      const asker = { session: session.id, zxid, time: this.bench.wallMs }
      answer = this.model.write(write, asker)
    }
    if (answer.err !== Code.ok) {
      holds(txn.type === Op.error && txn.err === answer.err, 'what fails leaves an error')
    }
    this.counts[answer.err === Code.ok ? 'ok' : 'failed']++
    slot.expected.push((reply) => {
      if (reply.zxid !== zxid || reply.err !== answer.err) {
        expect([reply.zxid, reply.err], told(write)).toEqual([zxid, answer.err])
      }
      if ([write, ...(write.parts ?? [])].some(({ path }) => path?.endsWith(STATS))) return
      const due = answer.err === Code.ok ? encodedAnswer(write, answer) : Buffer.alloc(0)
      if (!reply.body.equals(due)) expect(reply.body, told(write)).toEqual(due)
    })
  }

  read(slot: Slot): void {
    const { path, raw } = this.path()
    const writer = new Writer()
    writer.buffer(path === null ? null : (raw ?? Buffer.from(path)))
    writer.bool(false)
    const type = this.pick([Op.getData, Op.exists, Op.getChildren2])
    this.send(slot, type, writer.take())
    const { lastWrite } = slot.session!
    this.counts.read++
    slot.expected.push(({ zxid, err, body }) => {
      holds(zxid >= lastWrite, 'a session sees what it wrote')
      const tree = this.model.history.get(zxid)!
      const node = path === null ? undefined : tree.get(path === '' ? '/' : path)
      if (path === null) return expect(err).toBe(Code.marshallingError)
      if (type === Op.exists && path.includes('\0')) return expect(err).toBe(Code.badArguments)
      if (node === undefined) return expect(err).toBe(Code.noNode)
      const mayRead = node.acl.some(({ perms, id }) => id.scheme === 'world' && (perms & 1) !== 0)
      if (!mayRead) return expect(err).toBe(Code.noAuth)
      expect(err).toBe(Code.ok)
      const reader = new Reader(body)
      if (path.endsWith(STATS)) return
      if (type === Op.getData) expectSameBytes(reader.buffer(), node.data)
      if (type === Op.getChildren2) {
        const names = Array.from({ length: reader.int() }, () => reader.string())
        expect(new Set(names)).toEqual(childrenOf(tree, path === '' ? '/' : path))
      }
      expect(Stat.read(reader)).toEqual(statOf(node))
    })
  }

  close(slot: Slot): void {
    this.send(slot, Op.closeSession, Buffer.alloc(0))
    const zxid = this.lastZxid
    this.model.closeSession(slot.session!.id, zxid)
    const { client, expected } = slot
    expected.push((reply) => expect([reply.zxid, reply.err]).toEqual([zxid, Code.ok]))
    // Its replies still come: it keeps its slot until then.
    this.durable(1)
    expect([expected.length, client.link.isClosing]).toEqual([0, true])
  }

  expire(): void {
    const count = this.bench.txns.length
    this.bench.advance(this.below(5) * 1000)
    this.bench.pipeline.expireSessions()
    const ended = this.bench.txns.slice(count).map(({ txn }) => txn)
    for (const { type, clientId, zxid } of ended) {
      expect(type).toBe(Op.closeSession)
      this.model.closeSession(clientId, zxid)
    }
    if (ended.length > 0) this.durable(1)
  }

  reap(): void {
    const path = this.pick([...VALID, ...SPECIAL])
    this.bench.pipeline.reap(path)
    const { txn } = this.bench.txns.at(-1)!
    const err = this.model.reap(path, { session: 0n, zxid: txn.zxid, time: this.bench.wallMs })
    expect(txn).toMatchObject(
      err === Code.ok ? { type: Op.deleteContainer, path } : { type: Op.error, err },
    )
  }

  durable(share: number): void {
    const { txns, pipeline } = this.bench
    const last = txns.length - pipeline.inFlightCount
    const count = Math.ceil(pipeline.inFlightCount * share)
    if (count > 0) {
      this.durableZxid = txns[last + count - 1]!.txn.zxid
      pipeline.onDurable(this.durableZxid)
    }
    this.collect()
  }

  step(): void {
    const slot = this.pick(this.slots)
    const kind = this.below(60)
    if (kind < 7) this.durable(this.pick([1, 0.5, this.random()]))
    else if (kind < 9) this.expire()
    else if (kind < 11) this.reap()
    else if (kind < 12 && this.snapshots.length < 2) {
      const { tree } = this.bench
      const model = this.model.history.get(tree.lastZxid)!
      this.snapshots.push({ frozen: tree.freeze(), model })
    } else if (slot.asks !== null) return
    // One that was welcomed after its time was up.
    else if (this.bench.sessions.get(slot.session!.id)!.isClosing) this.durable(1)
    else if (kind < 14) this.close(slot)
    else if (kind < 18) {
      // The connection breaks, seen by the server or not yet, and its client comes again.
      if (this.below(2) === 0) this.bench.pipeline.disconnected(slot.client.link)
      Object.assign(slot, this.dial(slot.session))
      this.collect()
    } else if (kind < 32) this.read(slot)
    else this.write(slot)
  }

  // -- the end ---------------------------------------------------------------------------------------

  finish(): void {
    this.durable(1)
    this.durable(1)
    for (const slot of this.slots) expect(slot.expected.length).toBe(0)
    const { tree, txns } = this.bench
    expectTree(tree, this.model.tree)
    for (const share of [this.random(), 1]) {
      const recovered = new Tree({ extendedTypes: this.hasTtl })
      const common = { clientId: 0n, cxid: 0, time: 5, data: Buffer.alloc(0), acl: OPEN }
      const made = { type: Op.create, ephemeral: false, ...common }
      recovered.apply({ ...made, zxid: 1n, path: '/max', parentCVersion: 2 }, null)
      recovered.apply({ ...made, zxid: 2n, path: '/max/x', parentCVersion: 2 ** 31 - 3 }, null)
      for (const { txn, treeDigest } of txns.slice(0, Math.ceil(txns.length * share))) {
        recovered.apply(txn, null)
        holds(treeDigest === null || recovered.treeDigest === treeDigest, 'I-13')
      }
      expectTree(recovered, this.model.history.get(recovered.lastZxid)!)
    }
    for (const { frozen, model } of this.snapshots) {
      const body = new SnapshotBodyWriter(frozen, new Map())
      const writer = new Writer()
      while (body.next(writer, 1 << 20));
      const reader = new SnapshotBodyReader({ extendedTypes: this.hasTtl })
      reader.push(writer.take())
      expectTree(reader.result().tree, model)
      frozen.release()
    }
  }
}

function encode(writer: Writer, write: ModelWrite): void {
  const { op, path, raw, data = null, acl = null, flags = 0, ttl = 0, version = -1, parts } = write
  if (parts !== undefined) {
    for (const part of parts) {
      MultiHeader.write(writer, { type: part.op, done: false, err: -1 })
      encode(writer, part)
    }
    return MultiHeader.write(writer, { type: -1, done: true, err: -1 })
  }
  writer.buffer(path === null ? null : (raw ?? Buffer.from(path)))
  if (op === Op.delete || op === Op.check) return writer.int(version)
  if (op !== Op.setAcl) writer.buffer(data)
  if (op === Op.setData) return writer.int(version)
  AclList.write(writer, acl as Acl[] | null)
  writer.int(op === Op.setAcl ? version : flags)
  if (op === Op.createTtl) writer.long(BigInt(ttl))
}

/** An expectation that is cheap when it is met. */
function holds(isSo: boolean, what: string): void {
  if (!isSo) expect.fail(what)
}

/** A write for people. */
function told({ parts = [], data, ...rest }: ModelWrite): string {
  return `${JSON.stringify({ ...rest, bytes: data?.length })} ${parts.map(told).join(' ')}`
}

/** The reply as it is due. */
function encodedAnswer(write: ModelWrite, answer: ModelAnswer): Buffer {
  const writer = new Writer()
  const tell = (op: number, { path, node }: ModelAnswer): void => {
    if (path !== undefined) writer.string(path)
    if (node !== undefined && op !== Op.create) Stat.write(writer, statOf(node))
  }
  if (write.op !== Op.multi) tell(write.op, answer)
  else {
    const results = answer.results!
    const isFailed = results.some(({ err }) => err !== Code.ok)
    for (const [index, result] of results.entries()) {
      const op = partOp(write.parts![index]!)
      const isMade = op === Op.createContainer || op === Op.createTtl
      const type = isFailed ? Op.error : isMade ? Op.create2 : op
      MultiHeader.write(writer, { type, done: false, err: result.err })
      if (isFailed) writer.int(result.err)
      else tell(op, result)
    }
    MultiHeader.write(writer, { type: -1, done: true, err: -1 })
  }
  return writer.take()
}

function ownerOf({ owner }: ModelNode): bigint {
  if (owner === 'container') return -(2n ** 63n)
  return typeof owner === 'bigint' ? owner : BigInt.asIntN(64, (0xffn << 56n) | BigInt(owner.ttlMs))
}

function statOf(node: ModelNode): Stat {
  const { czxid, mzxid, ctime, mtime, version, created, aversion, owner, data, children, pzxid } =
    node
  return {
    czxid,
    mzxid,
    ctime,
    mtime,
    version,
    aversion,
    pzxid,
    cversion: (2 * created - children) | 0,
    ephemeralOwner: typeof owner === 'bigint' ? owner : 0n,
    dataLength: data?.length ?? 0,
    numChildren: children,
  }
}

function childrenOf(tree: ModelTree, path: string): Set<string> {
  const prefix = path === '/' ? '/' : `${path}/`
  const below = [...tree.keys()].filter((one) => one !== '/' && one.startsWith(prefix))
  const names = below.map((one) => one.slice(prefix.length))
  return new Set(names.filter((name) => !name.includes('/')))
}

function expectSameBytes(got: Buffer | null, due: Buffer | null): void {
  holds(got === null || due === null ? got === due : got.equals(due), 'the data are the same')
}

function expectTree(tree: Tree, model: ModelTree): void {
  expect(tree.nodeCount).toBe(model.size + 1)
  for (const [path, due] of model) {
    const node = tree.find(path)
    holds(node !== 0 && tree.pathOf(node) === path, path)
    expect([tree.owner(node), tree.acl(node)]).toEqual([ownerOf(due), due.acl])
    if (path.endsWith(STATS)) continue
    expect(tree.stat(node), path).toEqual(statOf(due))
    expectSameBytes(tree.data(node), due.data)
  }
  const ephemerals = [...model].filter(([, { owner }]) => typeof owner === 'bigint' && owner !== 0n)
  expect(tree.ephemeralCount).toBe(ephemerals.length)
  for (const session of new Set(ephemerals.map(([, { owner }]) => owner as bigint))) {
    const own = ephemerals.filter(([, { owner }]) => owner === session).map(([path]) => path)
    expect([...tree.ephemeralsOf(session)].toSorted()).toEqual(own.toSorted())
  }
  expect(tree.treeDigest).toBe(tree.digestFromScratch())
}

const SEEDS = Number(process.env['HOWDAH_SEEDS'] ?? 200)
const FIRST_SEED = Number(process.env['HOWDAH_FIRST_SEED'] ?? 1)

test(`answers, trees, logs and snapshots are those of the model, ${SEEDS} runs (I-9, I-12, I-20, I-22, I-23, I-25, I-27, B-52)`, () => {
  const all = { ok: 0, failed: 0, read: 0, resumed: 0 }
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    const run = new Run(seed)
    try {
      run.durable(1)
      for (let step = 0; step < 120; step++) run.step()
      run.finish()
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
    for (const key of ['ok', 'failed', 'read', 'resumed'] as const) all[key] += run.counts[key]
  }
  for (const count of Object.values(all)) expect(count).toBeGreaterThan(SEEDS)
})
