/**
 * Frames of one server as lines of text that every server must agree on: session ids become their
 * number, zxids count from the first one seen, times and passwords vanish, unordered lists are sorted.
 * What follows a record is shown byte by byte.
 */
import { Reader } from '../../../ensemble/jute/reader.ts'
import { ConnectResponse } from '../../../ensemble/protocol/connect.ts'
import { codeName } from '../../../ensemble/protocol/error-codes.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import { opEntry } from '../../../ensemble/protocol/op-table.ts'
import { WatcherEvent } from '../../../ensemble/protocol/watches.ts'

/** The requests of one connection that wait for an answer. */
export class Pending {
  readonly #types = new Map<number, number[]>()
  /** Events of setWatches come before its answer. */
  setWatches = 0

  sent(frame: Buffer): void {
    if (frame.length < 8) return
    const [xid, type] = [frame.readInt32BE(0), frame.readInt32BE(4)]
    const key = type === Op.ping ? -2 : xid
    this.#types.set(key, [...(this.#types.get(key) ?? []), type])
    if (type === Op.setWatches || type === Op.setWatches2) this.setWatches++
  }

  /** A client's createSession is answered by another welcome, as up to 3.8. */
  welcomed(): boolean {
    for (const [xid, types] of this.#types) {
      if (types[0] === Op.createSession) return this.answered(xid) === Op.createSession
    }
    return false
  }

  waits(xid: number): boolean {
    return (this.#types.get(xid) ?? []).length > 0
  }

  answered(xid: number): number {
    const type = this.#types.get(xid)?.shift() ?? 0
    if (type === Op.setWatches || type === Op.setWatches2) this.setWatches--
    return type
  }
}

/** Without and with the readOnly flag. */
const WELCOME_BYTES: ReadonlySet<number> = new Set([36, 37])

export class Transcript {
  /** The first zxid of an answer. */
  base: bigint | undefined
  /** Notifications had no zxid up to 3.8. */
  readonly #hasEventZxids: boolean
  readonly #extraZxids: readonly bigint[]
  readonly #sessions: bigint[] = []

  /** @param extraZxids transactions that were made here, and are not elsewhere */
  constructor(hasEventZxids: boolean, extraZxids: readonly bigint[] = []) {
    this.#hasEventZxids = hasEventZxids
    this.#extraZxids = extraZxids
  }

  greeting(frame: Buffer): string {
    const reader = new Reader(frame)
    const { timeOut, sessionId, passwd, readOnly } = ConnectResponse.read(reader)
    const secret = passwd?.every((byte) => byte === 0) === true ? 'zeroes' : 'bytes'
    return `welcome: session ${this.#session(sessionId)}, ${timeOut} ms, ${passwd?.length} ${secret}, readOnly ${readOnly}${restOf(reader)}`
  }

  frame(frame: Buffer, pending: Pending): string {
    const reader = new Reader(frame)
    const xid = reader.int()
    if (xid === 0 && WELCOME_BYTES.has(frame.length) && pending.welcomed()) {
      return this.greeting(frame)
    }
    const rawZxid = reader.long()
    const err = reader.int()
    if (xid === -1 && !pending.waits(-1)) return this.#event(reader, rawZxid, err, pending)
    const type = pending.answered(xid)
    const entry = opEntry(type)
    let text = `${xid} ${entry?.name ?? `op ${type}`}: zxid ${this.#zxid(rawZxid)} ${codeName(err)}`
    const record = entry?.reply
    if (record && reader.remaining > 0) {
      const start = reader.position
      try {
        text += ` ${JSON.stringify(this.#plain(record.read(reader)))}`
      } catch {
        reader.position = start
      }
    }
    return text + restOf(reader)
  }

  #event(reader: Reader, zxid: bigint, err: number, pending: Pending): string {
    const { type, state, path } = WatcherEvent.read(reader)
    let of = `zxid ${zxid}`
    if (!this.#hasEventZxids) {
      if (zxid === -1n) of = pending.setWatches > 0 ? 'by setWatches' : 'by its transaction'
    } else if (zxid === -1n) of = 'by setWatches'
    else if (zxid > 0n) of = 'by its transaction'
    return `event ${type} of ${JSON.stringify(path)}, state ${state}, ${codeName(err)}, ${of}${restOf(reader)}`
  }

  #session(id: bigint): string {
    if (id === 0n) return 'none'
    if (!this.#sessions.includes(id)) this.#sessions.push(id)
    return String(this.#sessions.indexOf(id) + 1)
  }

  #zxid(zxid: bigint): string {
    if (zxid <= 0n) return String(zxid)
    this.base ??= zxid
    if (zxid < this.base) return 'before'
    const extra = this.#extraZxids.filter((other) => other <= zxid).length
    return `+${zxid - this.base - BigInt(extra)}`
  }

  #plain(value: unknown, key = ''): unknown {
    if (key === 'ephemeralOwner') return this.#session(value as bigint)
    if (key === 'ctime' || key === 'mtime') return value === 0 ? 'never' : 'then'
    if (key === 'czxid' || key === 'mzxid' || key === 'pzxid') return this.#zxid(value as bigint)
    if (key === 'children' || key === 'ephemerals') return [...(value as string[])].sort()
    if (key === 'clientInfo') {
      return [...(value as object[])].map((info) => JSON.stringify(info)).sort()
    }
    if (typeof value === 'bigint') return String(value)
    if (key === 'token' && value !== null) return tokenText(value as Buffer)
    if (Buffer.isBuffer(value)) return bytesText(value)
    if (Array.isArray(value)) return value.map((item) => this.#plain(item))
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(
        Object.entries(value).map(([name, item]) => [name, this.#plain(item, name)]),
      )
    }
    return value
  }
}

const SHOWN_BYTES = 200

function bytesText(bytes: Buffer): string {
  const text = bytes.toString('latin1', 0, SHOWN_BYTES)
  return bytes.length > SHOWN_BYTES ? `${text}… ${bytes.length} bytes` : text
}

/** Of SASL, without what is random in it, or made from that. */
function tokenText(token: Buffer): string {
  return token
    .toString('latin1')
    .replace(/nonce="[^"]*"/, 'nonce')
    .replace(/rspauth=[0-9a-f]{32}/, 'rspauth')
}

function restOf(reader: Reader): string {
  if (reader.remaining === 0) return ''
  return ` + ${reader.bytes.toString('hex', reader.position, reader.end)}`
}
