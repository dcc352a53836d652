/**
 * Recorded conversations of real clients with Apache's server, sent to our pipeline: the same answers,
 * frame by frame, once session ids, passwords, zxids and times are those of this run.
 *
 * The recordings are of 3.8.0; what 3.9.5, or we, answer otherwise is in `accepted`, with the reason.
 */
import { expect, test } from 'vitest'
import { WireError } from '../../../ensemble/jute/wire-error.ts'
import { ConnectRequest, ConnectResponse } from '../../../ensemble/protocol/connect.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import { opEntry } from '../../../ensemble/protocol/op-table.ts'
import { WatcherEvent } from '../../../ensemble/protocol/watches.ts'
import { clientFrames } from '../../support/golden.ts'
import { PipelineBench, type BenchClient } from '../../support/pipeline-bench.ts'

/**
 * Recordings in which every connection is there and no clock decides. In the others a client that was
 * not recorded makes changes (java-watch, *-reconnect-*), or time passes.
 */
const files = [
  'java-crud',
  'java-acl-auth',
  'java-authfail',
  'java-multi',
  'kazoo-basic',
  'kazoo-auth',
  'c-cli',
  'c-multi',
  'node-zookeeper-client',
  'raw-connect',
  'raw-create',
  'raw-multi',
]

/** Answers left out of the comparison, by connection and xid. */
const accepted: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'java-acl-auth': { '1/9': 'exists needs READ since 3.8.4' },
  'raw-connect': {
    '9/1': 'a wrong password does not cut the owner (S-20)',
    '12/1': 'the root had other children',
    '17/1': 'the root had other children',
  },
  'raw-create': { '1/63': 'IPv6 in ip ACLs since 3.9.4' },
  'raw-multi': {
    '1/13': 'a bad flag refuses the whole multi since 3.8.2',
    '1/31': 'create2 inside a multi answers with a stat since 3.8.2',
  },
}

test.each(files)('%s is answered as recorded', (file) => {
  const [recorded, ours] = replay(`${file}.jsonl`)
  expect(recorded.size).toBeGreaterThan(0)
  const compared = (conn: number, answers: readonly Answer[] | undefined) =>
    answers?.filter(({ xid }) => accepted[file]?.[`${conn}/${String(xid)}`] === undefined)
  for (const [conn, answers] of recorded) {
    expect(compared(conn, ours.get(conn)), `connection ${conn}`).toEqual(compared(conn, answers))
  }
})

type Answer = Readonly<Record<string, unknown>>
type Answers = Map<number, Answer[]>

/** One connection, its requests by xid, and what each side answered. */
interface Talk {
  readonly client: BenchClient
  readonly ops: Map<number, number[]>
  isGreeted: boolean
  requests: number
}

function replay(file: string): [Answers, Answers] {
  const bench = new PipelineBench()
  const talks = new Map<number, Talk>()
  const [recorded, ours]: [Answers, Answers] = [new Map(), new Map()]
  const [theirWorld, ourWorld] = [new World(), new World()]
  /** Sessions as recorded, with ours for each. */
  const sessions = new Map<bigint, ConnectResponse>()
  const note = (answers: Answers, conn: number, answer: Answer) => {
    answers.set(conn, [...(answers.get(conn) ?? []), answer])
  }
  const frames = clientFrames(file)
  for (const { conn, dir, bytes, isTruncated } of frames) {
    if (bytes.length < 8 || isTruncated) continue
    const body = bytes.subarray(4)
    if (body.length !== bytes.readInt32BE(0)) continue
    let talk = talks.get(conn)
    if (talk === undefined) {
      talk = { client: bench.connection(), ops: new Map(), isGreeted: false, requests: 0 }
      talks.set(conn, talk)
    }
    if (dir === 's2c') {
      const opsOf = (xid: number) => talk.ops.get(xid)?.shift() ?? 0
      note(
        recorded,
        conn,
        talk.isGreeted ? theirWorld.reply(body, opsOf) : theirWorld.greeting(body),
      )
      talk.isGreeted = true
      continue
    }
    bench.advance(1)
    if (talk.requests++ === 0) greet(talk.client, body)
    else send(talk, body)
    bench.durable()
    for (const [number, { client }] of talks) {
      for (const frame of client.frames()) {
        const isGreeting = !ours.has(number)
        note(
          ours,
          number,
          isGreeting ? ourWorld.greeting(frame) : ourWorld.reply(frame, opOf(number)),
        )
        if (isGreeting) remember(number, frame)
      }
    }
  }
  return [recorded, ours]

  function greet(client: BenchClient, body: Buffer): void {
    let request: ConnectRequest
    try {
      request = ConnectRequest.decode(body)
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      return // closed without an answer
    }
    const known = sessions.get(request.sessionId)
    const isOwnPassword = request.passwd?.equals(passwordOf(request.sessionId)) ?? false
    client.connect({
      ...request,
      // Zxids of the recording mean nothing here, but for one that is far ahead on purpose.
      lastZxidSeen: request.lastZxidSeen > 0xffff_ffffn ? request.lastZxidSeen : 0n,
      sessionId: known?.sessionId ?? request.sessionId,
      passwd: known !== undefined && isOwnPassword ? known.passwd : request.passwd,
    })
  }

  function send(talk: Talk, body: Buffer): void {
    if (body.length >= 8) {
      const [xid, type] = [body.readInt32BE(0), body.readInt32BE(4)]
      const key = type === Op.ping ? -2 : xid
      const ops = [...(talk.ops.get(key) ?? []), type]
      talk.ops.set(key, ops)
      ourOps.set(talk.client, new Map([...(ourOps.get(talk.client) ?? []), [key, [...ops]]]))
    }
    talk.client.sendFrame(shifted(body))
  }

  function opOf(conn: number): (xid: number) => number {
    return (xid) => ourOps.get(talks.get(conn)!.client)?.get(xid)?.shift() ?? 0
  }

  function passwordOf(recordedId: bigint): Buffer {
    return recordedPasswords.get(recordedId) ?? Buffer.alloc(0)
  }

  /** setWatches names a zxid: the same distance from the start in this run. */
  function shifted(body: Buffer): Buffer {
    const type = body.length >= 16 ? body.readInt32BE(4) : 0
    if (type !== Op.setWatches && type !== Op.setWatches2) return body
    const copy = Buffer.from(body)
    const zxid = body.readBigInt64BE(8)
    copy.writeBigInt64BE(zxid - (theirWorld.base ?? 0n) + (ourWorld.base ?? 0n), 8)
    return copy
  }

  function remember(conn: number, frame: Buffer): void {
    const theirs = frames.find(
      (line) => line.conn === conn && line.dir === 's2c' && line.bytes.length > 8,
    )
    if (theirs === undefined) return
    const greeting = ConnectResponse.decode(theirs.bytes.subarray(4))
    if (sessions.has(greeting.sessionId) || greeting.sessionId === 0n) return
    sessions.set(greeting.sessionId, ConnectResponse.decode(frame))
    recordedPasswords.set(greeting.sessionId, greeting.passwd!)
  }
}

const recordedPasswords = new Map<bigint, Buffer>()
const ourOps = new Map<BenchClient, Map<number, number[]>>()

/** One server's numbers, made comparable: zxids count from the first one seen, times vanish. */
class World {
  base: bigint | undefined
  readonly #sessions: bigint[] = []

  greeting(body: Buffer): Answer {
    const { timeOut, sessionId, passwd, readOnly } = ConnectResponse.decode(body)
    return { timeOut, session: this.#session(sessionId), passwordBytes: passwd?.length, readOnly }
  }

  reply(body: Buffer, opsOf: (xid: number) => number): Answer {
    const xid = body.readInt32BE(0)
    const rawZxid = body.readBigInt64BE(4)
    const err = body.readInt32BE(12)
    const rest = body.subarray(16)
    const zxid = this.#zxid(rawZxid)
    if (xid === -1 && err === 0 && rest.length > 0) {
      return { event: WatcherEvent.decode(rest) } // 3.8 leaves the zxid out
    }
    const op = opsOf(xid)
    if (err !== 0 || rest.length === 0) return { xid, op, zxid, err, bodyBytes: rest.length }
    const reply = opEntry(op)?.reply?.decode(rest) as unknown
    return { xid, op, zxid, err, reply: this.#plain(reply) }
  }

  #session(id: bigint): number {
    if (id === 0n) return 0
    if (!this.#sessions.includes(id)) this.#sessions.push(id)
    return this.#sessions.indexOf(id) + 1
  }

  #zxid(zxid: bigint): bigint | string {
    if (zxid <= 0n) return zxid
    this.base ??= zxid
    return zxid < this.base ? 'before' : zxid - this.base
  }

  #plain(value: unknown, key = ''): unknown {
    if (key === 'ephemeralOwner') return this.#session(value as bigint)
    if (key === 'ctime' || key === 'mtime') return typeof value
    if (key === 'czxid' || key === 'mzxid' || key === 'pzxid') return this.#zxid(value as bigint)
    if (key === 'children' || key === 'ephemerals') return [...(value as string[])].sort()
    if (key === 'clientInfo')
      return [...(value as object[])].map((info) => JSON.stringify(info)).sort()
    if (Buffer.isBuffer(value)) return value.toString('latin1')
    if (Array.isArray(value)) return value.map((item) => this.#plain(item))
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(
        Object.entries(value).map(([name, item]) => [name, this.#plain(item, name)]),
      )
    }
    return value
  }
}
