/**
 * The seeded stream of operations: what a client does next, good and bad, over a few paths, so that
 * conflicts happen. It knows what the answers so far gave away (versions, names), and nothing else.
 *
 * Left out, since they harm the reference: createTTL with a flag of no TTL and a ttl below zero ends
 * Apache's server; deleteContainer from a client deletes there what it names (see accepted.ts); a
 * null SASL token ends the connection; createSession from a client is another welcome there; user names
 * beyond the BMP stay what they are in a create and turn to question marks in a multi.
 */
import { Writer } from '../../../ensemble/jute/writer.ts'
import type { Acl } from '../../../ensemble/protocol/acl.ts'
import { MultiHeader } from '../../../ensemble/protocol/multi.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import { opEntry } from '../../../ensemble/protocol/op-table.ts'
import * as requests from '../../../ensemble/protocol/requests.ts'
import * as watches from '../../../ensemble/protocol/watches.ts'
import type { RandomValues } from '../../support/random-values.ts'
import {
  connectOptions,
  firstBytes,
  resumeOptions,
  throwaway,
  type ConnectOptions,
  type FirstBytes,
  type Throwaway,
} from './connections.ts'
import { GOOD_PATHS, Inputs, OPEN } from './inputs.ts'

/** One request, for both servers. */
export interface Request {
  readonly xid: number
  readonly type: number
  /** The body; some hold a zxid, which the servers count differently after some errors. */
  body(rawZxid: (zxid: bigint) => bigint): Buffer
  /** Both servers fail on it, and only ours gives the failure a zxid. */
  readonly mayShift: boolean
  /** The node it is about, to remember its versions. */
  readonly path: string | null
  /** Both servers end the connection after the answer. */
  readonly ends: boolean
}

export type Step =
  | { readonly kind: 'requests'; readonly slot: number; readonly requests: readonly Request[] }
  /** A new connection for the slot's session; the former one is still there when `takesOver`. */
  | { readonly kind: 'resume'; readonly slot: number; readonly connect: ConnectOptions }
  /** On a session of its own, which is then closed. */
  | Throwaway
  | FirstBytes
  /** A session that comes, asks for something in the same breath, and goes. */
  | {
      readonly kind: 'connect'
      readonly connect: ConnectOptions
      readonly behind: readonly Request[]
    }

export const SLOTS = 4
/** The slot that has the super user's id most of the time, and repairs what others locked. */
export const OPERATOR = 0

/** Notifications have xid -1; all others are only echoed. */
const ODD_XIDS = [0, -2, -4, -8, -100, 0x7fffffff, -0x80000000]
const LONGS = [0n, 1n, -1n, 0x7fff_ffff_ffff_ffffn, -0x8000_0000_0000_0000n, 0xffff_ffff_ffn]

export class Operations {
  readonly inputs: Inputs
  readonly #random: RandomValues
  readonly #enforceQuota: boolean
  #xid = 1
  #lastZxid = 0n

  /** @param enforceQuota hard quotas refuse writes: by what has been applied, so as timing has it */
  constructor(random: RandomValues, enforceQuota = false) {
    this.#random = random
    this.#enforceQuota = enforceQuota
    this.inputs = new Inputs(random, enforceQuota)
  }

  sawZxid(zxid: bigint): void {
    if (zxid > this.#lastZxid) this.#lastZxid = zxid
  }

  next(): Step {
    const random = this.#random
    const roll = random.below(1000)
    const slot = random.below(SLOTS)
    if (roll < 6) return { kind: 'resume', slot, connect: resumeOptions(random) }
    if (roll < 8) return this.#connectStep()
    if (roll < 9) return firstBytes(random)
    if (roll < 12) return throwaway(random)
    if (roll < 14) return this.#one(slot, this.#goodAuth(slot))
    if (roll < 17) return this.#one(slot, this.#auth())
    if (roll < 19) return this.#one(slot, this.#request(Op.closeSession, EMPTY, { ends: true }))
    if (roll < 30) return this.#repair()
    if (roll < 200) {
      const requests = this.#pipelined(2 + random.below(6))
      return { kind: 'requests', slot, requests }
    }
    return this.#one(slot, this.#anyOp(false))
  }

  /** What a session says first, so that the operator is one most of the time. */
  goodAuthFor(slot: number): Request {
    return this.#goodAuth(slot)
  }

  #connectStep(): Step {
    const connect = connectOptions(this.#random)
    // Requests behind one that is refused may cost the refusal: the system resets the connection.
    const isWelcome = connect.sessionId === 'new' && connect.lastZxidSeen !== 'future'
    const count = isWelcome ? this.#random.below(4) : 0
    const behind = this.#pipelined(count)
    return { kind: 'connect', connect, behind }
  }

  /** Whether a session may read a node, or why not. */
  exists(path: string): Request {
    return this.#request(Op.exists, requests.ExistsRequest.encode({ path, watch: false }))
  }

  ping(): Request {
    return this.#request(Op.ping, EMPTY)
  }

  closeSession(): Request {
    return this.#request(Op.closeSession, EMPTY, { ends: true })
  }

  #one(slot: number, request: Request): Step {
    return { kind: 'requests', slot, requests: [request] }
  }

  /** Requests behind one another: with enforced quotas, one write at most, and then reads. */
  #pipelined(count: number): Request[] {
    const requests: Request[] = []
    let hasWrite = false
    while (requests.length < count) {
      const request = this.#anyOp(true)
      if (this.#enforceQuota && hasWrite && WRITES.has(request.type)) continue
      hasWrite ||= WRITES.has(request.type)
      requests.push(request)
    }
    return requests
  }

  // -- requests --------------------------------------------------------------------------------------

  #request(type: number, body: Buffer | Body, options: Partial<Request> = {}): Request {
    const xid = this.#random.below(50) === 0 ? this.#random.pick(ODD_XIDS) : this.#xid++
    return {
      xid,
      type,
      body: typeof body === 'function' ? body : () => body,
      mayShift: false,
      path: null,
      ends: false,
      ...options,
    }
  }

  #anyOp(isPipelined: boolean): Request {
    this.inputs.isPipelined = isPipelined
    const random = this.#random
    const roll = random.below(100)
    if (roll < 16) return this.#create()
    if (roll < 26) return this.#delete()
    if (roll < 35) return this.#setData()
    // Requests behind a setACL are checked by the old list or the new one, as timing has it (N-18).
    if (roll < 39) return isPipelined ? this.#setData() : this.#setAcl()
    if (roll < 48) return this.#multi(isPipelined)
    if (roll < 51) return this.#multiRead()
    if (roll < 75) return this.#pathRead()
    if (roll < 80) return this.#addWatch()
    if (roll < 84) return this.#findWatches()
    if (roll < 89) return isPipelined ? this.#addWatch() : this.#setWatches()
    if (roll < 98) return this.#otherRead(isPipelined)
    return isPipelined ? this.#pathRead() : this.#truncated()
  }

  #create(): Request {
    const random = this.#random
    const type = random.pick([Op.create, Op.create, Op.create2, Op.createContainer, Op.createTtl])
    const path = this.inputs.pathToCreate()
    const fields = { path, data: this.inputs.data(path), acl: this.inputs.acl() }
    if (type !== Op.createTtl) {
      const flags = this.inputs.flags(path)
      return this.#request(type, requests.CreateRequest.encode({ ...fields, flags }), { path })
    }
    const value = { ...fields, ...this.inputs.ttl(path) }
    return this.#request(type, requests.CreateTtlRequest.encode(value), { path })
  }

  #delete(): Request {
    const path = this.inputs.pathToDelete()
    const version = this.inputs.version(path, 'version')
    return this.#request(Op.delete, requests.DeleteRequest.encode({ path, version }), { path })
  }

  #setData(): Request {
    const path = this.inputs.path()
    const value = {
      path,
      data: this.inputs.data(path),
      version: this.inputs.version(path, 'version'),
    }
    return this.#request(Op.setData, requests.SetDataRequest.encode(value), { path })
  }

  #setAcl(): Request {
    const path = this.inputs.path()
    const value = { path, acl: this.inputs.acl(), version: this.inputs.version(path, 'aversion') }
    return this.#request(Op.setAcl, requests.SetAclRequest.encode(value), { path })
  }

  /** The super user opens, or removes, what others closed. */
  #repair(): Step {
    const random = this.#random
    const path = random.below(3) === 0 ? '/' : random.pick([...GOOD_PATHS, ...this.inputs.named])
    if (path !== '/' && random.bool()) {
      const value = { path, version: -1 }
      return this.#one(OPERATOR, this.#request(Op.delete, requests.DeleteRequest.encode(value)))
    }
    const value = { path, acl: OPEN, version: -1 }
    const body = requests.SetAclRequest.encode(value)
    return this.#one(OPERATOR, this.#request(Op.setAcl, body, { path }))
  }

  #multi(isPipelined: boolean): Request {
    const random = this.#random
    const writer = new Writer(512)
    let mayShift = false
    const kind = random.below(isPipelined ? 16 : 20)
    for (let left = random.below(6); left > 0; left--) {
      if (kind === 19 && random.bool()) this.#foreignPart(writer)
      else if (this.#writePart(writer, kind < 18) === null) mayShift = true
    }
    if (kind === 18)
      this.#partOf(writer, Op.getData, requests.GetDataRequest, this.inputs.watching())
    const isEnded = kind !== 17
    if (isEnded) MultiHeader.write(writer, { type: -1, done: true, err: -1 })
    const body = writer.take()
    const whole = kind === 16 ? body.subarray(0, random.below(body.length)) : body
    return this.#request(Op.multi, whole, { mayShift })
  }

  /** @returns null for a part without a list, on which Apache fails before it takes a zxid */
  #writePart(writer: Writer, isPlain: boolean): Acl[] | readonly Acl[] | null {
    const random = this.#random
    const type = random.pick([
      Op.create,
      Op.create2,
      Op.createContainer,
      Op.createTtl,
      Op.delete,
      Op.delete,
      Op.setData,
      Op.setData,
      Op.check,
    ])
    switch (type) {
      case Op.delete: {
        const path = this.inputs.pathToDelete()
        const version = this.inputs.version(path, 'version')
        this.#partOf(writer, type, requests.DeleteRequest, { path, version })
        return OPEN
      }
      case Op.setData: {
        const path = this.inputs.path()
        const value = {
          path,
          data: this.inputs.data(path),
          version: this.inputs.version(path, 'version'),
        }
        this.#partOf(writer, type, requests.SetDataRequest, value)
        return OPEN
      }
      case Op.check: {
        const path = this.inputs.path()
        const value = { path, version: this.inputs.version(path, 'version') }
        this.#partOf(writer, type, requests.CheckVersionRequest, value)
        return OPEN
      }
      default: {
        const path = this.inputs.pathToCreate()
        let acl = this.inputs.acl()
        // A null list fails as a whole: only where nothing else is looked at.
        if (acl === null && isPlain) acl = OPEN
        const fields = { path, data: this.inputs.data(path), acl }
        if (type === Op.createTtl) {
          this.#partOf(writer, type, requests.CreateTtlRequest, {
            ...fields,
            ...this.inputs.ttl(path),
          })
          return OPEN
        }
        const flags =
          random.below(isPlain ? 100 : 10) === 0 ? random.pick([-1, 7, 8]) : this.inputs.flags(path)
        this.#partOf(writer, type, requests.CreateRequest, { ...fields, flags })
        return acl
      }
    }
  }

  #foreignPart(writer: Writer): void {
    const type = this.#random.pick([Op.exists, Op.setAcl, Op.deleteContainer, Op.sync, 42, 0, 14])
    MultiHeader.write(writer, { type, done: false, err: -1 })
    requests.GetDataRequest.write(writer, this.inputs.watching())
  }

  #partOf<T>(
    writer: Writer,
    type: number,
    record: { write(writer: Writer, value: T): void },
    value: T,
  ): void {
    MultiHeader.write(writer, { type, done: false, err: this.#random.pick([-1, -1, 0, 5]) })
    record.write(writer, value)
  }

  #multiRead(): Request {
    const random = this.#random
    const writer = new Writer(256)
    const kind = random.below(12)
    for (let left = random.below(5); left > 0; left--) {
      const type = random.pick([Op.getData, Op.getChildren])
      if (kind === 0) this.#writePart(writer, true)
      else if (kind === 1) this.#foreignPart(writer)
      else this.#partOf(writer, type, requests.GetDataRequest, this.inputs.watching())
    }
    if (kind === 2) this.#writePart(writer, true)
    if (kind !== 3) MultiHeader.write(writer, { type: -1, done: true, err: -1 })
    return this.#request(Op.multiRead, writer.take())
  }

  #pathRead(): Request {
    const random = this.#random
    const type = random.pick([
      Op.exists,
      Op.exists,
      Op.getData,
      Op.getData,
      Op.getAcl,
      Op.getChildren,
      Op.getChildren2,
      Op.getAllChildrenNumber,
    ])
    const value = this.inputs.watching()
    const { path } = value
    if (type === Op.getAcl || type === Op.getAllChildrenNumber) {
      return this.#request(type, requests.GetAclRequest.encode(value), { path })
    }
    const body = requests.GetDataRequest.encode(value)
    if (random.below(200) === 0) body[body.length - 1] = 5 // a bool that is neither 0 nor 1
    return this.#request(type, body, { path })
  }

  #otherRead(isPipelined: boolean): Request {
    const random = this.#random
    const picked = random.pick([
      Op.sync,
      Op.ping,
      Op.whoAmI,
      Op.getEphemerals,
      Op.getEphemerals,
      Op.reconfig,
      Op.deleteContainer,
      Op.sasl,
    ])
    // The answer to a step of SASL may overtake those to earlier requests.
    const type = isPipelined && picked === Op.sasl ? Op.whoAmI : picked
    switch (type) {
      case Op.sync:
        return this.#request(type, this.inputs.rawPath())
      case Op.getEphemerals: {
        const prefix = [
          null,
          '',
          ' ',
          '/',
          ' / ',
          '\t',
          '\u00a0',
          '\0',
          '/a',
          '/b/',
          '/zoo',
          '/q/n-0',
        ]
        const prefixPath = random.pick(prefix)
        return this.#request(type, requests.GetEphemeralsRequest.encode({ prefixPath }))
      }
      case Op.reconfig: {
        const value = {
          joiningServers: random.pick([null, '', 'server.1=127.0.0.1:1:2;3', 'x']),
          leavingServers: random.pick([null, '1']),
          newMembers: random.pick([null, 'server.1=127.0.0.1:1:2;3']),
          curConfigId: random.pick(LONGS),
        }
        return this.#request(type, requests.ReconfigRequest.encode(value))
      }
      case Op.deleteContainer: {
        const path = random.pick([
          '/',
          '/zookeeper',
          '/zookeeper/config',
          'a',
          '/a\0',
          '/never',
          ...(isPipelined ? [] : [null]),
        ])
        const body = requests.DeleteContainerRequest.encode({ path })
        return this.#request(type, body, { mayShift: path === null })
      }
      case Op.sasl: {
        const token = random.pick([Buffer.alloc(0), Buffer.from('user')])
        return this.#request(type, requests.GetSaslRequest.encode({ token }))
      }
      default:
        return this.#request(type, random.bool() ? EMPTY : random.bytes(8))
    }
  }

  #addWatch(): Request {
    const mode = this.#random.pick([0, 0, 0, 1, 1, 1, 2, -1])
    const value = { path: this.inputs.path(), mode }
    const { path } = value
    return this.#request(Op.addWatch, watches.AddWatchRequest.encode(value), { path })
  }

  #findWatches(): Request {
    const random = this.#random
    const value = {
      path: this.inputs.path(),
      type: random.pick([1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 0, 6, -1]),
    }
    const op = random.pick([Op.checkWatches, Op.removeWatches, Op.removeWatches])
    const { path } = value
    return this.#request(op, watches.CheckWatchesRequest.encode(value), { path })
  }

  #setWatches(): Request {
    const random = this.#random
    const paths = (): (string | null)[] | null =>
      random.below(60) === 0
        ? null
        : Array.from({ length: random.below(3) }, () => this.inputs.path())
    const lists = {
      dataWatches: paths(),
      existWatches: paths(),
      childWatches: paths(),
      persistentWatches: paths(),
      persistentRecursiveWatches: paths(),
    }
    const seen = this.#lastZxid
    const back = BigInt(random.below(60))
    const relative = random.below(4) === 0 ? random.pick(LONGS) : seen - back
    const isSecond = random.bool()
    const body: Body = (rawZxid) => {
      const relativeZxid = relative > 0n && relative <= seen ? rawZxid(relative) : relative
      const value = { relativeZxid, ...lists }
      return isSecond ? watches.SetWatches2.encode(value) : watches.SetWatches.encode(value)
    }
    return this.#request(isSecond ? Op.setWatches2 : Op.setWatches, body)
  }

  /** A request whose body stops early, has a length that cannot be, or goes on. */
  #truncated(): Request {
    const random = this.#random
    const base = random.pick([
      () => this.#pathRead(),
      () => this.#setWatches(),
      () => this.#addWatch(),
      () => this.#findWatches(),
      () => this.#multiRead(),
      () => this.#create(),
      () => this.#setData(),
      () => this.#delete(),
      () => this.#setAcl(),
      () => this.#otherRead(false),
    ])()
    const kind = random.below(4)
    const at = random.uint32()
    const length = random.pick([-2, -100, 0x7fffffff, -0x80000000, 5000, 1_048_575])
    const isWrite = WRITES.has(base.type) && base.type !== Op.multi
    const body: Body = (rawZxid) => {
      const whole = base.body(rawZxid)
      if (kind === 0) return Buffer.concat([whole, Buffer.alloc(1 + (at % 20), at)])
      if (kind === 1 && whole.length >= 4) {
        const changed = Buffer.from(whole)
        changed.writeInt32BE(length, 0)
        return changed
      }
      return whole.subarray(0, whole.length === 0 ? 0 : at % whole.length)
    }
    const isLost = kind !== 0 && isWrite
    // A vector cut in its middle can still be read whole by chance of its count: no path to learn.
    const ends = kind !== 0 && base.type === Op.sasl
    return { ...base, body, path: null, mayShift: base.mayShift || isLost, ends }
  }

  // -- authentication and connections -------------------------------------------------------------

  #goodAuth(slot: number): Request {
    const random = this.#random
    const own = slot === OPERATOR ? 'super:admin' : random.pick(['alice:pw', 'bob:pw', 'alice:pw'])
    return this.#authPacket('digest', Buffer.from(own), false)
  }

  #auth(): Request {
    const random = this.#random
    if (random.below(3) === 0) {
      const scheme = random.pick([
        'world',
        'auth',
        'foo',
        'super',
        'sasl',
        'x509',
        '',
        null,
        'Digest',
      ])
      return this.#authPacket(scheme, Buffer.from('x:y'), true)
    }
    const [scheme, auth] = random.pick<[string, Buffer | null]>([
      ['ip', Buffer.from('1.2.3.4')],
      ['ip', null],
      ['digest', Buffer.from('carl')],
      ['digest', Buffer.alloc(0)],
      ['digest', Buffer.from(':')],
      ['digest', Buffer.from('a:b:c')],
      ['digest', Buffer.from([0xff, 0x3a, 0xfe])],
      ['digest', Buffer.from('é漢:pw')],
      ['digest', Buffer.from('super:wrong')],
      ['digest', Buffer.from('bob:pw')],
    ])
    return this.#authPacket(scheme, auth, false)
  }

  #authPacket(scheme: string | null, auth: Buffer | null, ends: boolean): Request {
    const value = { type: this.#random.pick([0, 0, 1, -1]), scheme, auth }
    const request = this.#request(Op.auth, requests.AuthPacket.encode(value), { ends })
    return { ...request, xid: -4 }
  }
}

type Body = (rawZxid: (zxid: bigint) => bigint) => Buffer

const EMPTY = Buffer.alloc(0)
const WRITES: ReadonlySet<number> = new Set([
  Op.create,
  Op.create2,
  Op.createContainer,
  Op.createTtl,
  Op.delete,
  Op.deleteContainer,
  Op.setData,
  Op.setAcl,
  Op.multi,
  Op.reconfig,
])

/** A request as a line of text. */
export function describeRequest({ xid, type, body }: Request): string {
  const bytes = body((zxid) => zxid)
  const found = opEntry(type)
  const name = found?.name ?? `op ${type}`
  let text = bytes.toString('hex')
  try {
    if (found?.request) text = `${asText(found.request.decode(bytes))} ${text}`
  } catch {
    text = `(cannot be read) ${text}`
  }
  return `${xid} ${name} ${text}`
}

export function asText(value: unknown): string {
  return JSON.stringify(value, (_, field: unknown) => {
    if (typeof field === 'bigint') return `${field}n`
    const isBuffer =
      typeof field === 'object' && field !== null && 'type' in field && 'data' in field
    if (isBuffer && field.type === 'Buffer')
      return `x${Buffer.from(field.data as number[]).toString('hex')}`
    return field
  })
}
