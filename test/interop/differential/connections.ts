/**
 * Connections, good and bad: how a session is begun or resumed, and requests that end a connection.
 */
import { ConnectRequest } from '../../../ensemble/protocol/connect.ts'
import * as requests from '../../../ensemble/protocol/requests.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import type { RandomValues } from '../../support/random-values.ts'

export interface ConnectOptions {
  readonly takesOver: boolean
  readonly timeOut: number
  /** What the client says that it has seen; `last` is the newest of the run so far. */
  readonly lastZxidSeen: 'none' | 'last' | 'future' | 'negative'
  readonly protocolVersion: number
  readonly hasReadOnlyFlag: boolean
  readonly isReadOnly: boolean
  readonly password: 'right' | 'wrong' | 'short' | 'null' | 'long'
  /** Bytes behind the record. */
  readonly trailing: number
  readonly sessionId: 'own' | 'unknown' | 'new'
}

/** Bytes that cost a connection. */
export interface Throwaway {
  readonly kind: 'throwaway'
  readonly bytes: Buffer
  readonly what: string
}

/** The first bytes of a connection, which make no session. */
export interface FirstBytes {
  readonly kind: 'firstBytes'
  readonly bytes: Buffer
}

const UNKNOWN_OPS = [0, -1, 10, 13, 23, 42, 99, 108, 1000, -2, -100, 0x7fffffff, -0x80000000]

export function resumeOptions(random: RandomValues): ConnectOptions {
  return {
    ...connectOptions(random),
    sessionId: 'own',
    password: random.below(4) === 0 ? random.pick(['wrong', 'short', 'null', 'long']) : 'right',
  }
}

export function connectOptions(random: RandomValues): ConnectOptions {
  const hasReadOnlyFlag = random.below(4) !== 0
  return {
    takesOver: random.bool(),
    timeOut: random.pick([30_000, 30_000, 20_000, 60_000, 1_000_000, 0x7fffffff, 0, -1]),
    lastZxidSeen: random.pick(['none', 'last', 'last', 'last', 'negative', 'future']),
    protocolVersion: random.pick([0, 0, 0, 1, 99, -1]),
    hasReadOnlyFlag,
    // Behind a record without the flag the next byte would be the flag.
    trailing: hasReadOnlyFlag ? random.pick([0, 0, 0, 1, 20]) : 0,
    isReadOnly: random.below(3) === 0,
    password: random.pick(['right', 'null', 'short', 'long']),
    sessionId: random.pick(['new', 'unknown']),
  }
}

/** A connect request that cannot be read, or no frame at all. */
export function firstBytes(random: RandomValues): FirstBytes {
  const whole = ConnectRequest.encode({
    protocolVersion: random.int32(),
    lastZxidSeen: 0n,
    timeOut: 30_000,
    sessionId: 0n,
    passwd: Buffer.alloc(16),
    readOnly: false,
  })
  // Without its last byte, readOnly, it is a whole request of an old client.
  const body = Buffer.from(whole.subarray(0, random.below(whole.length - 1)))
  const head = Buffer.alloc(4)
  head.writeInt32BE(random.below(4) === 0 ? random.pick([-1, -100, 1_048_576]) : body.length)
  if (random.below(4) === 0 && body.length >= 28)
    body.writeInt32BE(random.pick([-2, 17, 1 << 30]), 24)
  return { kind: 'firstBytes', bytes: Buffer.concat([head, body]) }
}

export function throwaway(random: RandomValues): Throwaway {
  const bytes = (length: number, body: Buffer) => {
    const head = Buffer.alloc(4)
    head.writeInt32BE(length)
    return Buffer.concat([head, body])
  }
  const header = (type: number, body: Buffer) => {
    const frame = Buffer.alloc(8)
    frame.writeInt32BE(7, 0)
    frame.writeInt32BE(type, 4)
    return bytes(8 + body.length, Buffer.concat([frame, body]))
  }
  const unknown = () => {
    const type = random.pick(UNKNOWN_OPS)
    const body =
      type === Op.check
        ? requests.CheckVersionRequest.encode({ path: '/', version: -1 })
        : random.bytes(20)
    return { bytes: header(type, body), what: `unknown op ${type}` }
  }
  const odd = () => {
    const length = random.pick([0, 1, 4, 7, -1, -100, 1_048_576, 0x7fffffff])
    const body = Buffer.alloc(length >= 0 && length < 8 ? length : 0)
    return { bytes: bytes(length, body), what: `a frame of length ${length}` }
  }
  const shortAuth = () => {
    const body = requests.AuthPacket.encode({
      type: 0,
      scheme: 'digest',
      auth: Buffer.from('a:b'),
    })
    const cut = body.subarray(0, random.below(body.length))
    return { bytes: header(Op.auth, cut), what: 'an auth packet cut short' }
  }
  return { kind: 'throwaway', ...random.pick([unknown, unknown, unknown, odd, odd, shortAuth])() }
}
