/** X-3, X-5, X-6: requests of every kind within a session, good, odd, and with bytes changed. */
import { Code } from '../../../ensemble/protocol/error-codes.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import { opEntry, opTable } from '../../../ensemble/protocol/op-table.ts'
import { AuthPacket, Xid } from '../../../ensemble/protocol/requests.ts'
import { Reader } from '../../../ensemble/jute/reader.ts'
import { mutateBytes } from '../mutate.ts'
import { hostileCredentials } from '../hostile.ts'
import { requestFrame, Room, type Stranger } from '../room.ts'
import { must, randomOf, shown, type Target } from '../target.ts'
import { requestOf } from '../values.ts'

const SESSIONS = 4
const REQUESTS = 40

interface Sent {
  readonly xid: number
  readonly type: number
  readonly body: Buffer
}

/** What a client may ask without losing its connection. */
const ANSWERED: ReadonlySet<number> = new Set(
  Object.values(opTable)
    .filter(({ kind }) => ['read', 'write', 'sync', 'local'].includes(kind))
    .map(({ code }) => code)
    .filter((code) => code !== Op.closeSession),
)
const IMMEDIATE: ReadonlySet<number> = new Set([Op.auth, Op.sasl])
const CODES = new Set<number>(Object.values(Code))

export const requests: Target = {
  name: 'requests',
  about: 'requests: one answer each, in order, that its record reads to the end; or the end',
  seeds: 6,
  async run(seed) {
    const random = randomOf(seed)
    const room = await Room.open(seed, {
      reconfigEnabled: random.bool(),
      enforceQuota: random.bool(),
      snapCount: 40,
    })
    let inputs = 0
    for (let session = 0; session < SESSIONS; session++) {
      const stranger = await room.session()
      const sent: Sent[] = []
      for (let at = 0; at < REQUESTS; at++) {
        const request = one(random, at)
        sent.push(request)
        stranger.send(requestFrame(request.xid, request.type, request.body))
        inputs++
        if (random.below(5) === 0) await room.pass(random.below(20))
      }
      await room.until(
        () => stranger.isOver || answersOf(stranger).length === sent.length,
        5000,
        'answers to all requests',
      )
      checkAnswers(stranger, sent)
      await room.check()
      if (random.bool()) stranger.destroy()
    }
    await room.restart()
    return inputs
  },
}

function one(random: ReturnType<typeof randomOf>, at: number): Sent {
  // Xids are the client's business: they may repeat, go down, and be those that mean something.
  let xid = random.below(10) === 0 ? random.pick([0, -1, -2, -8, -3, 1, 0x7fffffff]) : at + 1
  let { type, body } = requestOf(random)
  if (random.below(15) === 0) type = Op.auth
  if (type === Op.auth) {
    const isRefused = random.below(15) === 0
    const credentials = isRefused
      ? hostileCredentials(random)
      : { scheme: 'digest', auth: random.bytes(9) }
    body = AuthPacket.encode({ type: random.int32(), ...credentials })
  }
  // Answered at once, ahead of what waits for the disk; so their xids must be told apart.
  if (IMMEDIATE.has(type)) xid = type === Op.auth && random.bool() ? Xid.auth : 1000 + at
  const isChanged = type !== Op.auth && random.below(5) === 0
  // A connection that ends at once tells little.
  const ends = !ANSWERED.has(type) && type !== Op.auth
  if (ends && random.below(15) !== 0) return { xid, type: Op.ping, body: Buffer.alloc(0) }
  return { xid, type, body: isChanged ? mutateBytes(random, body) : body }
}

/** Everything but events. An answer may have the xid of an event when the request had it. */
function answersOf(stranger: Stranger) {
  return stranger.replies.filter(({ xid, body, err }) => !isEvent(xid, body, err))
}

function isEvent(xid: number, body: Buffer, err: number): boolean {
  if (xid !== Xid.notification || err !== 0 || body.length < 12) return false
  const [type, state] = [body.readInt32BE(0), body.readInt32BE(4)]
  return type >= 1 && type <= 4 && state === 3 && body.readInt32BE(8) === body.length - 12
}

function checkAnswers(stranger: Stranger, sent: readonly Sent[]): void {
  const immediate = sent.filter(({ type }) => IMMEDIATE.has(type))
  const others = sent.filter(({ type }) => !IMMEDIATE.has(type))
  for (const { xid, err, body } of answersOf(stranger)) {
    const request = (xid === immediate[0]?.xid ? immediate : others).shift()
    const say = (what: string) => (): string =>
      `${what}: xid ${xid}, err ${err}, ${shown(body)} to ${
        request === undefined ? 'nothing' : `${request.type} ${shown(request.body)}`
      }`
    must(request !== undefined, say('an answer to no request'))
    const expected = request.type === Op.ping ? Xid.ping : request.xid
    must(xid === expected, say(`expected xid ${expected}`))
    must(CODES.has(err), say('a code that is none'))
    if (err !== 0) continue
    const reply = opEntry(request.type)?.reply ?? null
    if (reply === null) must(body.length === 0, say('a body where none belongs'))
    else {
      const reader = new Reader(body)
      reply.read(reader)
      must(reader.remaining === 0, say(`${reader.remaining} bytes too many`))
    }
  }
}
