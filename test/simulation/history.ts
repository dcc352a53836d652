/**
 * What happened at the client boundary (D-22): every connection as the stream of what its process
 * wrote and received, decoded, in one global order.
 *
 * Taken at the wire, below the client, so that the client's own mistakes show as differences between
 * this history and what its callers were told (`workload.ts`).
 */
import { FrameCutter } from '../../ensemble/jute/frame-cutter.ts'
import { Reader } from '../../ensemble/jute/reader.ts'
import { ConnectRequest, ConnectResponse } from '../../ensemble/protocol/connect.ts'
import { Op } from '../../ensemble/protocol/op-codes.ts'
import { opEntry } from '../../ensemble/protocol/op-table.ts'
import { ReplyHeader } from '../../ensemble/protocol/replies.ts'
import { RequestHeader, Xid } from '../../ensemble/protocol/requests.ts'
import { WatcherEvent } from '../../ensemble/protocol/watches.ts'
import type { Connection } from '../../ensemble/sys/network.ts'
import type { WireTap } from './sim-network.ts'
import type { Proc, World } from './world.ts'

export interface WireRequest {
  readonly kind: 'request'
  readonly order: number
  readonly timeUs: number
  readonly xid: number
  readonly type: number
  /** The decoded record; its type follows from `type`. */
  // eslint-disable-next-line typescript/no-explicit-any -- one of thirty records, told by `type`
  readonly body: any
  reply: WireReply | null
}

export interface WireReply {
  readonly kind: 'reply'
  readonly order: number
  readonly timeUs: number
  readonly zxid: bigint
  readonly err: number
  // eslint-disable-next-line typescript/no-explicit-any -- see WireRequest
  readonly body: any
  readonly request: WireRequest
}

export interface WireWatch {
  readonly kind: 'event'
  readonly order: number
  readonly zxid: bigint
  readonly type: number
  readonly path: string
}

export interface WireConnection {
  readonly number: number
  readonly who: string
  readonly openedUs: number
  lastSeenZxid: bigint
  askedSessionId: bigint
  /** 0 until, and unless, the server granted it. */
  sessionId: bigint
  timeoutMs: number
  isRefused: boolean
  /** Requests, replies and events in the order of the process. */
  readonly entries: (WireRequest | WireReply | WireWatch)[]
  readonly outstanding: WireRequest[]
  /** Requests and pings that were answered: when sent, and when answered. */
  readonly heard: { readonly sentUs: number; readonly answeredUs: number }[]
}

const FRAME_BYTES_MAX = 16 * 1024 * 1024

export class History implements WireTap {
  readonly connections: WireConnection[] = []
  readonly #world: World
  readonly #ports: ReadonlySet<number>
  readonly #live = new Map<Connection, Tapped>()
  #order = 0

  /** Records connections to these ports only. */
  constructor(world: World, ports: readonly number[]) {
    this.#world = world
    this.#ports = new Set(ports)
  }

  /** The next position in the global order. */
  nextOrder(): number {
    return this.#order++
  }

  onOpen(connection: Connection, proc: Proc, target: { host: string; port: number }): void {
    if (!this.#ports.has(target.port)) return
    const wire: WireConnection = {
      number: this.connections.length,
      who: proc.name,
      openedUs: this.#world.nowUs,
      lastSeenZxid: 0n,
      askedSessionId: 0n,
      sessionId: 0n,
      timeoutMs: 0,
      isRefused: false,
      entries: [],
      outstanding: [],
      heard: [],
    }
    this.connections.push(wire)
    this.#live.set(connection, {
      wire,
      sent: new FrameCutter({ frameBytesMax: FRAME_BYTES_MAX }),
      received: new FrameCutter({ frameBytesMax: FRAME_BYTES_MAX }),
      hasAsked: false,
      hasAnswer: false,
      pings: [],
    })
  }

  onSent(connection: Connection, bytes: Buffer): void {
    const tapped = this.#live.get(connection)
    // The writer may reuse its bytes later.
    tapped?.sent.push(Buffer.from(bytes), (frame, start, end) =>
      this.#request(tapped, frame, start, end),
    )
  }

  onReceived(connection: Connection, bytes: Buffer): void {
    const tapped = this.#live.get(connection)
    tapped?.received.push(bytes, (frame, start, end) => this.#answer(tapped, frame, start, end))
  }

  onClosed(connection: Connection): void {
    this.#live.delete(connection)
  }

  #request(tapped: Tapped, frame: Buffer, start: number, end: number): void {
    const { wire } = tapped
    const reader = new Reader(frame, start, end)
    if (!tapped.hasAsked) {
      tapped.hasAsked = true
      const asked = ConnectRequest.read(reader)
      wire.askedSessionId = asked.sessionId
      wire.lastSeenZxid = asked.lastZxidSeen
      return
    }
    const { xid, type } = RequestHeader.read(reader)
    if (type === Op.ping) {
      tapped.pings.push(this.#world.nowUs)
      return
    }
    const body = opEntry(type)?.request?.read(reader) ?? null
    const request: WireRequest = {
      kind: 'request',
      order: this.nextOrder(),
      timeUs: this.#world.nowUs,
      xid,
      type,
      body,
      reply: null,
    }
    wire.entries.push(request)
    wire.outstanding.push(request)
  }

  #answer(tapped: Tapped, frame: Buffer, start: number, end: number): void {
    const { wire } = tapped
    const reader = new Reader(frame, start, end)
    if (!tapped.hasAnswer) {
      tapped.hasAnswer = true
      const answer = ConnectResponse.read(reader)
      wire.sessionId = answer.sessionId
      wire.timeoutMs = answer.timeOut
      wire.isRefused = answer.sessionId === 0n
      if (
        wire.askedSessionId !== 0n &&
        !wire.isRefused &&
        answer.sessionId !== wire.askedSessionId
      ) {
        this.#world.violate('I-56', `${wire.who} asked for one session and was given another`)
      }
      return
    }
    const { xid, zxid, err } = ReplyHeader.read(reader)
    const answeredUs = this.#world.nowUs
    if (xid === Xid.ping) {
      wire.heard.push({ sentUs: tapped.pings.shift() ?? 0, answeredUs })
      return
    }
    if (xid === Xid.notification) {
      const { type, path } = WatcherEvent.read(reader)
      wire.entries.push({ kind: 'event', order: this.nextOrder(), zxid, type, path: path ?? '' })
      return
    }
    const at = xid === Xid.auth ? wire.outstanding.findIndex((request) => request.xid === xid) : 0
    const [request] = wire.outstanding.splice(at, 1)
    if (request === undefined || request.xid !== xid) {
      this.#world.violate('I-22', `${wire.who} got a reply to ${xid}, expected ${request?.xid}`)
      return
    }
    const hasBody = err === 0 && reader.remaining > 0
    const reply: WireReply = {
      kind: 'reply',
      order: this.nextOrder(),
      timeUs: this.#world.nowUs,
      zxid,
      err,
      body: hasBody ? (opEntry(request.type)?.reply?.read(reader) ?? null) : null,
      request,
    }
    request.reply = reply
    if (request.type !== Op.auth) wire.heard.push({ sentUs: request.timeUs, answeredUs })
    wire.entries.push(reply)
  }
}

interface Tapped {
  readonly wire: WireConnection
  readonly sent: FrameCutter
  readonly received: FrameCutter
  hasAsked: boolean
  hasAnswer: boolean
  /** When each unanswered ping was sent. */
  readonly pings: number[]
}
