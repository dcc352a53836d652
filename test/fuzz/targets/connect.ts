/** connect requests with fields of any value, and with bytes changed. */
import { ConnectRequest } from '../../../ensemble/protocol/connect.ts'
import { WireError } from '../../../ensemble/jute/wire-error.ts'
import { mutateBytes } from '../mutate.ts'
import { connectRequest, frame, Room, TIMEOUT_MS, type Stranger } from '../room.ts'
import { must, randomOf, shown, type Target } from '../target.ts'

const INPUTS = 30

export const connect: Target = {
  name: 'connect',
  about: 'connect requests: a session of its own within the limits, or none; nobody else is taken',
  seeds: 6,
  async run(seed) {
    const random = randomOf(seed)
    const room = await Room.open(seed)
    const known = new Map<bigint, Buffer>()
    const open: Stranger[] = []
    for (let at = 0; at < INPUTS; at++) {
      const sessionId = random.pick([0n, 0n, room.ownerSessionId, random.int64(), ...known.keys()])
      const passwd = random.pick([
        null,
        Buffer.alloc(0),
        Buffer.alloc(16),
        random.bytes(17),
        known.get(sessionId) ?? Buffer.alloc(15, 1),
      ])
      const lastZxidSeen = random.bool() ? 0n : random.int64()
      const fields = {
        sessionId,
        passwd,
        lastZxidSeen,
        timeOut: random.int32(),
        protocolVersion: 0,
      }
      const whole = connectRequest({ ...fields, readOnly: random.bool() })
      let bytes = random.bool() ? whole : mutateBytes(random, whole)
      if (random.below(6) === 0) bytes = whole.subarray(0, whole.length - 1) // without the flag
      const stranger = room.stranger()
      const lastZxid = room.peer.tree.lastZxid
      stranger.send(frame(bytes))
      await room.until(
        () => stranger.isOver || stranger.frames.length > 0,
        5000,
        `an answer to ${shown(bytes)}`,
      )
      check(room, stranger, bytes, lastZxid, known)
      open.push(stranger)
      if (random.below(3) === 0) open.splice(random.below(open.length), 1)[0]!.destroy()
      if (random.below(6) === 0) await room.check()
    }
    await room.check()
    await room.restart()
    return INPUTS
  },
}

/** Held to the rule as one reads it, not as the server does. */
function check(
  room: Room,
  stranger: Stranger,
  bytes: Buffer,
  lastZxid: bigint,
  known: Map<bigint, Buffer>,
): void {
  const request = decoded(bytes)
  const { welcome } = stranger
  const say = (what: string) => (): string => `${what}: ${shown(bytes)}`
  if (request === null) return must(welcome === null, say('a session for no request'))
  const { sessionId, passwd, lastZxidSeen, timeOut } = request
  if (lastZxidSeen > lastZxid) return must(welcome === null, say('a client from the future'))
  // Another version than 0 may be the first bytes of another protocol, whose name goes to the log.
  if (welcome === null && request.protocolVersion !== 0) return
  must(welcome !== null, say('no answer'))
  if (sessionId !== 0n) {
    const right = known.get(sessionId)
    const isOwner = right !== undefined && passwd !== null && right.equals(passwd)
    must((welcome.sessionId !== 0n) === isOwner, say(`owner: ${isOwner}`))
    must(isOwner ? welcome.sessionId === sessionId : welcome.timeOut === 0, say('another session'))
  } else {
    must(welcome.sessionId !== room.ownerSessionId, say("the bystander's session"))
    must(!known.has(welcome.sessionId) && welcome.sessionId !== 0n, say('an id given twice'))
    must(welcome.passwd?.length === 16, say('no password'))
    known.set(welcome.sessionId, Buffer.from(welcome.passwd))
  }
  if (welcome.sessionId === 0n) return
  const granted = Math.min(Math.max(timeOut, TIMEOUT_MS.min), TIMEOUT_MS.max)
  must(welcome.timeOut === granted, say(`granted ${welcome.timeOut}`))
}

function decoded(bytes: Buffer): ConnectRequest | null {
  try {
    return ConnectRequest.decode(bytes)
  } catch (error) {
    if (error instanceof WireError) return null
    throw error
  }
}
