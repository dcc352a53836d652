/** the stream of a client with lengths, frames and pieces of it changed, sent in pieces. */
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import { mutateBytes } from '../mutate.ts'
import { connectFrame, frame, requestFrame, Room, SILENCE_MS, type Stranger } from '../room.ts'
import { must, randomOf, shown, type Target } from '../target.ts'
import { requestOf } from '../values.ts'

const INPUTS = 24
/** A reply header. */
const HEADER_BYTES = 16

export const frames: Target = {
  name: 'frames',
  about: 'streams of frames: answered frame by frame, or the connection ends by its deadline',
  seeds: 5,
  async run(seed) {
    const random = randomOf(seed)
    const room = await Room.open(seed)
    const sent: { stranger: Stranger; bytes: Buffer }[] = []
    for (let at = 0; at < INPUTS; at++) {
      const stranger = room.stranger()
      const requests = Array.from({ length: random.below(6) }, (_, xid) => {
        const { type, body } = requestOf(random)
        return requestFrame(xid + 1, type, body)
      })
      const close =
        random.below(4) === 0 ? [requestFrame(99, Op.closeSession, Buffer.alloc(0))] : []
      const whole = Buffer.concat([connectFrame(), ...close, ...requests])
      const kind = random.below(8)
      let bytes = mutateBytes(random, whole, frame(random.bytes(20)), 4)
      if (kind === 0) bytes = random.bytes(400)
      else if (kind === 1) bytes = Buffer.concat([connectFrame(), mutateBytes(random, whole)])
      else if (kind === 2) bytes = Buffer.concat(Array.from({ length: 400 }, () => frame(whole)))
      sendInPieces(
        room,
        stranger,
        bytes,
        random.below(4) === 0 ? 1 + random.below(5) : bytes.length,
      )
      if (random.below(4) === 0) stranger.end()
      sent.push({ stranger, bytes })
      if (random.below(4) === 0) await room.pass(random.below(300))
      if (random.below(8) === 0) await room.check()
    }
    // Ticks at both ends of the deadline.
    await room.pass(SILENCE_MS + 2000)
    for (const { stranger, bytes } of sent) {
      const isWelcome = stranger.frames.length > 0 && (stranger.welcome?.sessionId ?? 0n) !== 0n
      const isWord = stranger.frames.length === 0 && stranger.chunks.length > 0
      must(
        stranger.isOver || isWelcome || isWord,
        () => `neither welcome nor over: ${shown(bytes)}`,
      )
      for (const reply of isWelcome ? stranger.frames.slice(1) : []) {
        must(
          reply.length >= HEADER_BYTES,
          () => `a reply of ${reply.length} bytes: ${shown(bytes)}`,
        )
      }
    }
    await room.check()
    await room.restart()
    return INPUTS
  },
}

/** Pieces of `length` bytes, half of them with time between. */
function sendInPieces(room: Room, stranger: Stranger, bytes: Buffer, length: number): void {
  const { world } = room.simulation
  const piecesMax = 200
  const piece = Math.max(length, Math.ceil(bytes.length / piecesMax), 1)
  for (let at = 0, count = 0; at < bytes.length; at += piece, count++) {
    const part = bytes.subarray(at, at + piece)
    if (piece >= bytes.length) stranger.send(part)
    else world.schedule(null, count * 700, 'stranger', count, () => stranger.send(part))
  }
}
