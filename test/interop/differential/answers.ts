/**
 * Frames of one server as text that both servers must agree on: session ids become their number in
 * the run, times the transaction that they belong to, unordered lists are sorted; the rest is shown
 * byte for byte, what follows a record too.
 */
import { Reader } from '../../../ensemble/jute/reader.ts'
import type { AnyRecord } from '../../../ensemble/jute/record.ts'
import { ConnectResponse } from '../../../ensemble/protocol/connect.ts'
import { codeName } from '../../../ensemble/protocol/error-codes.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import { opEntry } from '../../../ensemble/protocol/op-table.ts'
import { WatcherEvent } from '../../../ensemble/protocol/watches.ts'

export interface Answer {
  /** As the server sent it. */
  readonly rawZxid: bigint
  readonly zxid: bigint
  readonly err: number
  /** null when there is none, or it cannot be read. */
  readonly body: Readonly<Record<string, unknown>> | null
  readonly text: string
}

const ZXIDS: ReadonlySet<string> = new Set(['czxid', 'mzxid', 'pzxid'])
const UNORDERED: ReadonlySet<string> = new Set(['children', 'ephemerals'])
/** The transaction whose time a field shows. */
const TIMES: Readonly<Record<string, string>> = { ctime: 'czxid', mtime: 'mzxid' }

/** One server's answers, put into the terms of the run. */
export class View {
  /** Zxids that this server gave and the other did not, ascending. */
  readonly #extra: bigint[] = []
  readonly #sessions = new Map<bigint, number>()
  readonly #times = new Map<bigint, number>()

  addExtraZxid(raw: bigint): void {
    this.#extra.push(raw)
  }

  addSession(id: bigint, number: number): void {
    this.#sessions.set(id, number)
  }

  canonical(raw: bigint): bigint {
    let [low, high] = [0, this.#extra.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#extra[middle]! > raw) high = middle
      else low = middle + 1
    }
    return raw - BigInt(low)
  }

  raw(canonical: bigint): bigint {
    let raw = canonical
    for (const extra of this.#extra) if (extra <= raw) raw++
    return raw
  }

  event(frame: Buffer): { zxid: bigint; text: string } {
    const reader = new Reader(frame)
    reader.int()
    const zxid = this.canonical(reader.long())
    const err = reader.int()
    const { type, state, path } = WatcherEvent.read(reader)
    const rest = restOf(reader)
    return {
      zxid,
      text: `event ${type} ${state} ${JSON.stringify(path)} zxid ${zxid} ${err}${rest}`,
    }
  }

  answer(type: number, frame: Buffer): Answer {
    const reader = new Reader(frame)
    const xid = reader.int()
    const rawZxid = reader.long()
    const zxid = this.canonical(rawZxid)
    const err = reader.int()
    let body: Record<string, unknown> | null = null
    let text = `xid ${xid} zxid ${zxid} ${codeName(err)}`
    const record: AnyRecord | null | undefined = opEntry(type)?.reply
    if (record && reader.remaining > 0 && (err === 0 || type === Op.multiRead)) {
      const start = reader.position
      try {
        body = record.read(reader)
        text += ` ${JSON.stringify(this.#plain(body))}`
      } catch {
        text += ' (cannot be read)'
        reader.position = start
      }
    }
    return { rawZxid, zxid, err, body, text: text + restOf(reader) }
  }

  greeting(frame: Buffer): { sessionId: bigint; passwd: Buffer; text: string } {
    const reader = new Reader(frame)
    const { sessionId, timeOut, passwd, protocolVersion, readOnly } = ConnectResponse.read(reader)
    const session = this.#sessionText(sessionId)
    const secret =
      passwd === null ? 'null' : `${passwd.length} ${passwd.every((byte) => byte === 0)}`
    return {
      sessionId,
      passwd: Buffer.from(passwd ?? []),
      text: `connected ${protocolVersion} ${session} ${timeOut} ms, password ${secret}, ${readOnly}${restOf(reader)}`,
    }
  }

  #sessionText(id: bigint): string {
    if (id === 0n) return 'none'
    const number = this.#sessions.get(id)
    return number === undefined ? 'new' : `session ${number}`
  }

  #plain(value: unknown, key = '', parent: Record<string, unknown> = {}): unknown {
    if (typeof value === 'bigint') {
      if (ZXIDS.has(key)) return String(this.canonical(value))
      if (key === 'ephemeralOwner') return this.#sessionText(value)
      return String(value)
    }
    const zxidField = TIMES[key]
    if (zxidField !== undefined) return this.#timeText(value as number, parent[zxidField] as bigint)
    if (Buffer.isBuffer(value)) return `x${value.toString('hex')}`
    if (Array.isArray(value)) {
      const items = value.map((item) => this.#plain(item))
      return UNORDERED.has(key) ? (items as string[]).toSorted() : items
    }
    if (typeof value !== 'object' || value === null) return value
    const plain: Record<string, unknown> = {}
    for (const [name, field] of Object.entries(value)) {
      plain[name] = this.#plain(field, name, value as Record<string, unknown>)
    }
    return plain
  }

  /** All that one transaction did happened at one time, close to now. */
  #timeText(time: number, zxid: bigint): string {
    const known = this.#times.get(zxid)
    if (known === undefined) this.#times.set(zxid, time)
    else if (known !== time) return `${time}, though zxid ${this.canonical(zxid)} was at ${known}`
    if (zxid === 0n) return time === 0 ? 'never' : String(time)
    const ageMs = Date.now() - time
    return ageMs > -1000 && ageMs < 3_600_000 ? 'then' : `${ageMs} ms ago`
  }
}

function restOf(reader: Reader): string {
  if (reader.remaining === 0) return ''
  return ` + ${reader.bytes.toString('hex', reader.position, reader.end)}`
}
