/**
 * Two servers, the same clients: every step goes to both, both answer, and what each session was sent
 * must be the same, frame by frame.
 *
 * Why that is determined although servers work in parallel: an event is queued on its connection
 * before the reply to the request that caused it is sent, so what a session has received when its
 * next request is answered does not depend on timing.
 */
import { ConnectRequest } from '../../../ensemble/protocol/connect.ts'
import { Code } from '../../../ensemble/protocol/error-codes.ts'
import type { MultiResponse } from '../../../ensemble/protocol/multi.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import { RandomValues } from '../../support/random-values.ts'
import { acceptedFor, type Accepted } from './accepted.ts'
import { View, type Answer } from './answers.ts'
import type { ConnectOptions } from './connections.ts'
import { Coverage } from './coverage.ts'
import {
  asText,
  describeRequest,
  OPERATOR,
  Operations,
  SLOTS,
  type Request,
  type Step,
} from './operations.ts'
import { framed, isNotification, RawConnection } from './raw-connection.ts'

const ANSWER_MS = 20_000
/** Operations shown with a mismatch. */
const HISTORY = 40

export interface Servers {
  readonly oursPort: number
  readonly apachePort: number
}

export interface LockStepOptions {
  readonly enforceQuota?: boolean
  /** Both servers, again and again after so many operations. */
  readonly restarts?: { readonly afterOperations: number; restart(): Promise<void> } | null
}

/** Something for each of the two servers: ours first. */
type Both<T> = readonly [T, T]

/** A session and the connection that it has at the moment. */
interface Slot {
  readonly name: string
  links: Both<RawConnection>
  ids: Both<bigint>
  passwords: Both<Buffer>
}

export class Mismatch extends Error {}

export class LockStep {
  readonly #ports: Both<number>
  readonly #seed: number
  readonly #views: Both<View> = [new View(), new View()]
  readonly #operations: Operations
  readonly #restarts: NonNullable<LockStepOptions['restarts']> | null
  readonly #slots: Slot[] = []
  readonly #history: string[] = []
  /** Transactions that ended sessions: the order of their events is that of a hash table. */
  readonly #closeZxids = new Set<bigint>()
  readonly coverage = new Coverage()
  readonly acceptedCounts = new Map<string, number>()
  operations = 0
  events = 0
  #sessions = 0
  readonly #hidden: string[] = []
  #mustRefuse = false
  #lastZxid = 0n

  constructor(servers: Servers, seed: number, options: LockStepOptions = {}) {
    const { enforceQuota = false, restarts = null } = options
    this.#restarts = restarts
    this.#ports = [servers.oursPort, servers.apachePort]
    this.#seed = seed
    this.#operations = new Operations(new RandomValues(seed), enforceQuota)
    this.#operations.inputs.writesUsage = restarts === null
  }

  /** @throws Mismatch with everything that there is to know about it */
  async run(count: number): Promise<void> {
    for (let index = 0; index < SLOTS; index++) await this.#fillSlot(index)
    let nextRestart = this.#restarts === null ? Infinity : this.#restarts.afterOperations
    while (this.operations < count) {
      await this.#step(this.#operations.next())
      if (this.operations < nextRestart) continue
      await this.#restart()
      nextRestart += this.#restarts!.afterOperations
    }
    for (const slot of this.#slots) {
      await this.#requests(slot, [this.#operations.ping()])
      await this.#requests(slot, [this.#operations.closeSession()])
    }
  }

  /** Sessions and all that they made outlive it; watches and credentials belong to connections. */
  async #restart(): Promise<void> {
    this.#note('restart')
    for (const slot of this.#slots) {
      await this.#requests(slot, [this.#operations.ping()])
      await this.#endLinks(slot)
    }
    await this.#restarts!.restart()
    for (const index of this.#slots.keys()) await this.#resume(index, STANDARD)
    this.coverage.note('restart', 'all sessions go on')
  }

  close(): void {
    for (const { links } of this.#slots) for (const link of links) link.destroy()
  }

  async #step(step: Step): Promise<void> {
    switch (step.kind) {
      case 'requests': {
        const slot = this.#slots[step.slot]!
        await this.#requests(slot, step.requests)
        const [ended] = step.requests.filter((request) => request.ends)
        if (ended?.type === Op.closeSession) await this.#fillSlot(step.slot)
        else if (ended !== undefined) await this.#resume(step.slot, STANDARD)
        return
      }
      case 'resume':
        return this.#resume(step.slot, step.connect)
      case 'connect': {
        const slot = await this.#connect('a passing session', step.connect, null, step.behind)
        if (slot !== null) await this.#requests(slot, [this.#operations.closeSession()])
        return
      }
      case 'firstBytes':
        return this.#firstBytes(step.bytes)
      case 'throwaway':
        return this.#throwaway(step.bytes, step.what)
    }
  }

  // -- requests --------------------------------------------------------------------------------------

  async #requests(slot: Slot, requests: readonly Request[]): Promise<void> {
    this.#count(slot.name, requests)
    const ends = requests.some((request) => request.ends)
    await this.#both(async (side) => {
      const link = slot.links[side]
      await this.#write(link, this.#framesOf(side, requests))
      const isAnswered = () => link.answers >= requests.length && (!ends || link.isClosed)
      await link.until(() => isAnswered() || link.isClosed, ANSWER_MS)
    })
    this.#compare(slot, requests, ends)
    if (this.#hidden.length === 0) return
    // What our setWatches kept to itself has to be closed to this session.
    const asked = this.#hidden.splice(0).map((path) => this.#operations.exists(path))
    this.#mustRefuse = true
    await this.#requests(slot, asked)
    this.#mustRefuse = false
  }

  #count(name: string, requests: readonly Request[]): void {
    for (const request of requests) {
      this.#note(`${name}: ${describeRequest(request)}`)
    }
    this.operations += requests.length
  }

  #framesOf(side: 0 | 1, requests: readonly Request[]): Buffer {
    const view = this.#views[side]
    return Buffer.concat(
      requests.map(({ xid, type, body }) =>
        framed((writer) => {
          writer.int(xid)
          writer.int(type)
          writer.raw(body((zxid) => view.raw(zxid)))
        }),
      ),
    )
  }

  /** Now and then in segments that end anywhere. */
  async #write(link: RawConnection, bytes: Buffer): Promise<void> {
    if (this.operations % 50 !== 0) return link.write(bytes)
    for (let at = 0; at < bytes.length;) {
      const next = at + 1 + ((this.operations + at) % 23)
      link.write(bytes.subarray(at, next))
      at = next
      await new Promise(setImmediate)
    }
  }

  /** Compares what a session was sent since the last time. */
  #compare(slot: Slot, requests: readonly Request[], ends: boolean): void {
    const [ours, apache] = [slot.links[0].take(), slot.links[1].take()]
    // A close is known by its zxid before the events that it caused are looked at.
    for (const [side, frames] of [ours, apache].entries()) this.#noteCloses(side, frames, requests)
    let [oursAt, apacheAt] = [0, 0]
    for (const request of [...requests, null]) {
      const oursEvents = this.#events(0, ours, oursAt)
      const apacheEvents = this.#events(1, apache, apacheAt)
      oursAt += oursEvents.length
      apacheAt += apacheEvents.length
      this.events += apacheEvents.length
      this.#sameEvents(slot, requests, oursEvents, apacheEvents)
      for (const text of apacheEvents) this.#countEvent(text)
      if (request !== null) this.#sameAnswer(slot, request, ours[oursAt++], apache[apacheAt++])
    }
    this.#same(slot, 'frames', ours.length - oursAt, apache.length - apacheAt)
    this.#same(slot, 'closed', slot.links[0].isClosed, slot.links[1].isClosed)
    if (slot.links[1].isClosed !== ends)
      this.#fail(slot, 'closed', slot.links[0].isClosed, '(both)')
  }

  #sameEvents(
    slot: Slot,
    requests: readonly Request[],
    ours: readonly string[],
    apache: readonly string[],
  ): void {
    const isSetWatches = ({ type }: Request) => type === Op.setWatches || type === Op.setWatches2
    if (ours.length < apache.length && requests.some(isSetWatches)) {
      let at = 0
      const missing = apache.filter((text) => (text === ours[at] ? ((at += 1), false) : true))
      const paths = missing.map((text) => /^event [134] 3 (".*") zxid -1 0$/.exec(text)?.[1])
      if (at === ours.length && paths.every((path) => path !== undefined)) {
        this.#accept('hiddenNodes')
        this.#hidden.push(...paths.map((path) => JSON.parse(path) as string))
        return
      }
    }
    this.#same(slot, 'events', `\n${ours.join('\n')}`, `\n${apache.join('\n')}`)
  }

  #countEvent(text: string): void {
    const [, type = ''] = text.split(' ')
    this.coverage.note(`event ${type}`, text.includes('zxid -1 ') ? 'by setWatches' : 'told')
  }

  #noteCloses(side: number, frames: readonly Buffer[], requests: readonly Request[]): void {
    const answers = frames.filter((frame) => !isNotification(frame))
    for (const [index, request] of requests.entries()) {
      const answer = answers[index]
      if (request.type !== Op.closeSession || answer === undefined) continue
      this.#closeZxids.add(this.#views[side]!.answer(request.type, answer).zxid)
    }
  }

  /** The texts of the events from `at` on, up to the next answer. */
  #events(side: 0 | 1, frames: readonly Buffer[], at: number): string[] {
    const texts: string[] = []
    let closing: { zxid: bigint; start: number } | null = null
    const settle = () => {
      if (closing === null) return
      const sorted = texts.slice(closing.start).toSorted()
      texts.splice(closing.start, texts.length, ...sorted)
      closing = null
    }
    for (let index = at; index < frames.length && isNotification(frames[index]!); index++) {
      const { zxid, text } = this.#views[side].event(frames[index]!)
      const open = closing as { zxid: bigint } | null
      if (open !== null && open.zxid !== zxid) settle()
      if (closing === null && this.#closeZxids.has(zxid)) closing = { zxid, start: texts.length }
      texts.push(text)
    }
    settle()
    return texts
  }

  #sameAnswer(slot: Slot, request: Request, ours?: Buffer, apache?: Buffer): void {
    if (ours === undefined || apache === undefined) {
      const text = (frame?: Buffer) => (frame === undefined ? 'no answer' : frame.toString('hex'))
      if (ours !== apache) this.#fail(slot, describeRequest(request), text(ours), text(apache))
      if (!request.ends) this.#fail(slot, describeRequest(request), 'no answer', 'no answer')
      return
    }
    const theirs = this.#views[1].answer(request.type, apache)
    let own = this.#views[0].answer(request.type, ours)
    if (request.mayShift && own.err === theirs.err && own.zxid === theirs.zxid + 1n) {
      this.#accept('undecodableWrite')
      this.#views[0].addExtraZxid(own.rawZxid)
      own = this.#views[0].answer(request.type, ours)
    }
    if (own.text !== theirs.text) {
      const known = acceptedFor(request, own, theirs)
      if (known === undefined) this.#fail(slot, describeRequest(request), own.text, theirs.text)
      this.#accept(known)
    }
    if (this.#mustRefuse && theirs.err !== Code.noAuth) {
      this.#fail(slot, 'an event not sent, though the node may be read', own.text, theirs.text)
    }
    const body = request.body((zxid) => zxid)
    const parts = Array.isArray(theirs.body) ? (theirs.body as MultiResponse) : null
    this.coverage.answered(request.type, body, theirs.err, parts)
    this.#learn(request, theirs)
  }

  #learn({ path, type }: Request, { zxid, err, body }: Answer): void {
    this.#sawZxid(zxid)
    if (err === 0 && type === Op.delete && path !== null) this.#operations.inputs.forget(path)
    if (err !== 0 || body === null || type === Op.multi) return
    const named = typeof body['path'] === 'string' ? body['path'] : path
    const stat = body['stat'] as { version: number; aversion: number } | undefined
    if (named !== null) this.#operations.inputs.learn(named, stat ?? null)
  }

  #sawZxid(zxid: bigint): void {
    if (zxid <= this.#lastZxid) return
    this.#lastZxid = zxid
    this.#operations.sawZxid(zxid)
  }

  // -- connections -----------------------------------------------------------------------------------

  async #fillSlot(index: number): Promise<void> {
    const name = index === OPERATOR ? 'operator' : `client ${index}`
    const slot = await this.#connect(name, { ...STANDARD, sessionId: 'new' }, null)
    if (slot === null) throw new Mismatch('no session to start with')
    this.#slots[index] = slot
    if (index === OPERATOR) await this.#requests(slot, [this.#operations.goodAuthFor(index)])
  }

  async #resume(index: number, options: ConnectOptions): Promise<void> {
    const slot = this.#slots[index]!
    const { links } = slot
    if (!links[1].isClosed) {
      // What was sent so far is compared before the connection goes.
      await this.#requests(slot, [this.#operations.ping()])
      if (!options.takesOver) await this.#endLinks(slot)
    }
    const resumed = await this.#connect(slot.name, options, slot)
    if (resumed !== null) {
      this.#slots[index] = resumed
      await this.#closedBoth(slot, links)
      if (index === OPERATOR) {
        await this.#requests(resumed, [this.#operations.goodAuthFor(index)])
      }
      return
    }
    if (options.password !== 'right' && options.lastZxidSeen !== 'future' && options.takesOver) {
      await links[1].until(() => links[1].isClosed, ANSWER_MS)
      if (!links[1].isClosed) return // Apache's password was among the wrong ones by chance
      if (!links[0].isClosed) this.#accept('wrongPassword')
    }
    if (!links[1].isClosed && !links[0].isClosed) return
    await this.#endLinks(slot)
    await this.#resume(index, STANDARD)
  }

  /** Both connections end, by the client. */
  async #endLinks({ links }: Slot): Promise<void> {
    for (const link of links) link.end()
    await this.#both(async (side) => {
      await links[side].until(() => links[side].isClosed, ANSWER_MS)
    })
  }

  async #closedBoth(slot: Slot, links: Both<RawConnection>): Promise<void> {
    await this.#both(async (side) => {
      await links[side].until(() => links[side].isClosed, ANSWER_MS)
    })
    this.#same(slot, 'former connection closed', links[0].isClosed, links[1].isClosed)
  }

  /** @returns null when both refused */
  async #connect(
    name: string,
    options: ConnectOptions,
    own: Slot | null,
    behind: readonly Request[] = [],
  ): Promise<Slot | null> {
    this.#note(`${name}: connect ${asText(options)}`)
    this.operations++
    const links: Both<RawConnection> = [
      new RawConnection(this.#ports[0]),
      new RawConnection(this.#ports[1]),
    ]
    this.#count(name, behind)
    await this.#both(async (side) => {
      const link = links[side]
      const frame = this.#connectFrame(side, options, own)
      await this.#write(link, Buffer.concat([frame, this.#framesOf(side, behind)]))
      await link.until(() => link.answers > behind.length || link.isClosed, ANSWER_MS)
    })
    const slot: Slot = { name, links, ids: [0n, 0n], passwords: [NO_PASSWORD, NO_PASSWORD] }
    const [ours, apache] = [links[0].takeFirst(), links[1].takeFirst()]
    this.#same(slot, 'a greeting', ours !== undefined, apache !== undefined)
    if (ours === undefined || apache === undefined) {
      this.#same(slot, 'closed', links[0].isClosed, links[1].isClosed)
      this.coverage.note(connectKind(options), 'closed')
      for (const link of links) link.destroy()
      return null
    }
    const [first, second] = [this.#views[0].greeting(ours), this.#views[1].greeting(apache)]
    this.#same(slot, `connect ${asText(options)}`, first.text, second.text)
    this.coverage.note(connectKind(options), second.sessionId === 0n ? 'refused' : 'welcome')
    if (second.sessionId === 0n) {
      await this.#closedBoth(slot, links)
      return null
    }
    slot.ids = [first.sessionId, second.sessionId]
    slot.passwords = [first.passwd, second.passwd]
    if (own === null) {
      this.#sessions++
      for (const side of [0, 1] as const)
        this.#views[side].addSession(slot.ids[side], this.#sessions)
    }
    if (behind.length > 0) this.#compare(slot, behind, false)
    return slot
  }

  #connectFrame(side: 0 | 1, options: ConnectOptions, own: Slot | null): Buffer {
    const { sessionId, password, lastZxidSeen, hasReadOnlyFlag, isReadOnly, timeOut } = options
    const { protocolVersion, trailing } = options
    const seen = {
      none: 0n,
      last: this.#views[side].raw(this.#lastZxid),
      future: 0x7fff_ffff_ffff_ffffn,
      negative: -5n,
    }
    const right = own?.passwords[side] ?? NO_PASSWORD
    const passwords = {
      right,
      wrong: Buffer.from(right.map((byte) => byte ^ 0xff)),
      short: right.subarray(0, 15),
      null: null,
      long: Buffer.concat([right, Buffer.alloc(16)]),
    }
    const ids = { own: own?.ids[side] ?? 0n, unknown: 0x1234_5678_9abcn, new: 0n }
    return framed((writer) => {
      ConnectRequest.write(writer, {
        protocolVersion,
        lastZxidSeen: seen[lastZxidSeen],
        timeOut,
        sessionId: ids[sessionId],
        passwd: passwords[password],
        readOnly: hasReadOnlyFlag ? isReadOnly : undefined,
      })
      writer.raw(Buffer.alloc(trailing, 1))
    })
  }

  /** What makes no session: nothing is answered, and the connection ends. */
  async #firstBytes(bytes: Buffer): Promise<void> {
    this.#note(`first bytes ${bytes.toString('hex')}`)
    this.operations++
    const links: Both<RawConnection> = [
      new RawConnection(this.#ports[0]),
      new RawConnection(this.#ports[1]),
    ]
    await this.#both(async (side) => {
      links[side].write(bytes)
      await links[side].until(() => links[side].isClosed, ANSWER_MS)
    })
    const texts = links.map((link) => link.take().map((frame) => frame.toString('hex')))
    const [ours, apache] = texts.map(
      (frames, side) => `${frames.join(' ')} ${links[side]!.isClosed}`,
    )
    for (const link of links) link.destroy()
    if (ours !== apache) this.#fail(this.#slots[0]!, 'first bytes', ours, apache)
    this.coverage.note('first bytes', 'closed')
  }

  /** A request that costs the connection: on a session of its own, which is closed in order after. */
  async #throwaway(bytes: Buffer, what: string): Promise<void> {
    const slot = await this.#connect('a throwaway', { ...STANDARD, sessionId: 'new' }, null)
    if (slot === null) throw new Mismatch('no session to throw away')
    this.#note(`${slot.name}: ${what} ${bytes.toString('hex')}`)
    this.operations++
    const { links } = slot
    await this.#both(async (side) => {
      links[side].write(bytes)
      await links[side].until(() => links[side].isClosed, ANSWER_MS)
    })
    const texts = ([0, 1] as const).map((side) =>
      links[side].take().map((frame) => this.#views[side].answer(NaN, frame).text),
    )
    this.#same(slot, what, texts[0]!.join('\n'), texts[1]!.join('\n'))
    this.coverage.note(what, texts[1]!.length === 0 ? 'closed' : 'answered, closed')
    this.#same(slot, `closed by ${what}`, links[0].isClosed, links[1].isClosed)
    await this.#endLinks(slot)
    const resumed = await this.#connect('a throwaway', STANDARD, slot)
    if (resumed === null) throw new Mismatch('a throwaway session is gone')
    await this.#requests(resumed, [this.#operations.closeSession()])
  }

  // -- outcome ---------------------------------------------------------------------------------------

  async #both(act: (side: 0 | 1) => Promise<void>): Promise<void> {
    await Promise.all([act(0), act(1)])
  }

  #note(line: string): void {
    this.#history.push(`${this.operations} ${line.length > 600 ? `${line.slice(0, 600)}…` : line}`)
    if (this.#history.length > HISTORY * 2) this.#history.splice(0, HISTORY)
  }

  #accept(name: Accepted): void {
    this.acceptedCounts.set(name, (this.acceptedCounts.get(name) ?? 0) + 1)
  }

  #same(slot: Slot, what: string, ours: unknown, apache: unknown): void {
    if (ours !== apache) this.#fail(slot, what, ours, apache)
  }

  #fail(slot: Slot, what: string, ours: unknown, apache: unknown): never {
    throw new Mismatch(
      [
        `seed ${this.#seed}, after ${this.operations} operations, ${slot.name}: ${what}`,
        `  ours:   ${String(ours)}`,
        `  apache: ${String(apache)}`,
        'last operations:',
        ...this.#history.slice(-HISTORY).map((line) => `  ${line}`),
      ].join('\n'),
    )
  }
}

/** What decides over a connect request. */
function connectKind({ sessionId, password, lastZxidSeen }: ConnectOptions): string {
  if (lastZxidSeen === 'future') return 'connect, zxid ahead'
  return sessionId === 'own' ? `connect, ${password} password` : `connect, ${sessionId} session`
}

const NO_PASSWORD = Buffer.alloc(16)
const STANDARD: ConnectOptions = {
  takesOver: false,
  timeOut: 30_000,
  lastZxidSeen: 'last',
  protocolVersion: 0,
  hasReadOnlyFlag: true,
  trailing: 0,
  isReadOnly: false,
  password: 'right',
  sessionId: 'own',
}
