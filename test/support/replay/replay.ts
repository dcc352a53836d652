/**
 * Plays the clients of a recording to a live server and says where it answers otherwise.
 *
 * A line of a client is sent; a line of the server is waited for. So what the recording shows in order
 * happens in order, and each connection's answers can be compared one by one. What the recorded clients
 * knew from their server (session ids, passwords, zxids, challenges of SASL) is replaced by what this
 * server gave in its place.
 */
import { WireError } from '../../../ensemble/jute/wire-error.ts'
import { ConnectRequest, ConnectResponse } from '../../../ensemble/protocol/connect.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import { clientFrames, type ClientFrame } from '../golden.ts'
import { HiddenClient } from './hidden-client.ts'
import { Link } from './link.ts'
import { connectFrame, pingFrame, whole } from './frames.ts'
import type { Recording } from './recordings.ts'
import { answeredChallenge } from './sasl.ts'
import { Pending, Transcript } from './transcript.ts'

export interface ReplayServer {
  readonly port: number
  /** Lets so much time pass for the server, or does not hinder it. */
  advance(ms: number): Promise<void>
}

/** What a server answers otherwise than recorded. */
export interface Expectations {
  /** By line of the recording: the answers in its place. */
  readonly lines: ReadonlyMap<number, readonly string[]>
  /** Transactions of the recording that this server does not make. */
  readonly onlyRecordedZxids: readonly bigint[]
}

export interface Difference {
  readonly line: number
  readonly conn: number
  readonly recorded: string
  readonly expected: readonly string[]
  readonly answered: readonly string[]
}

const ANSWER_MS = 20_000
/** zxids of a recording are small; a larger one is far ahead on purpose. */
const ZXID_MAX = 0xffff_ffffn
const CLOSED = 'closed'
const NOTHING = '(no answer)'

/** One connection of the recording: its lines by the server as text, and the live one. */
interface Talk {
  readonly number: number
  readonly lines: { line: number; recorded: string; expected: readonly string[] }[]
  /** A word of four letters: the answer is text. */
  readonly isText: boolean
  readonly hasClientEnd: boolean
  readonly recordedPending: Pending
  readonly livePending: Pending
  readonly answers: string[]
  link: Link | null
  isRecordedGreeted: boolean
  isGreeted: boolean
  awaited: number
  /** The newest challenge of SASL. */
  lastReply: Buffer | null
}

interface Session {
  readonly id: bigint
  readonly passwd: Buffer
}

export async function replay(
  recording: Recording,
  server: ReplayServer,
  expectations: Expectations,
): Promise<Difference[]> {
  return new Replay(recording, server, expectations).run()
}

class Replay {
  readonly #recording: Recording
  readonly #server: ReplayServer
  readonly #expectations: Expectations
  readonly #frames: readonly ClientFrame[]
  readonly #talks = new Map<number, Talk>()
  readonly #theirs: Transcript
  readonly #live = new Transcript(true)
  /** What was given for the recorded sessions, and their recorded passwords. */
  readonly #sessions = new Map<bigint, Session>()
  readonly #recordedPasswords = new Map<bigint, Buffer>()
  #hidden: HiddenClient | null = null

  constructor(recording: Recording, server: ReplayServer, expectations: Expectations) {
    this.#recording = recording
    this.#server = server
    this.#expectations = expectations
    this.#theirs = new Transcript(false, expectations.onlyRecordedZxids)
    this.#theirs.base = recording.base
    this.#frames = clientFrames(`${recording.file}.jsonl`)
    for (const frame of this.#frames) this.#read(frame)
  }

  async run(): Promise<Difference[]> {
    const { hidden, passesMs, anyOrder } = this.#recording
    try {
      for (const frame of this.#frames) {
        for (const step of hidden?.[frame.line] ?? []) {
          this.#hidden ??= new HiddenClient(this.#server.port)
          await this.#hidden.do(step)
        }
        if (this.#recording.base !== undefined) this.#live.base ??= this.#hidden?.lastZxid
        const ms = passesMs?.[frame.line]
        if (ms !== undefined) await this.#server.advance(ms)
        if (frame.dir === 'c2s') await this.#send(frame)
        await this.#await(frame)
      }
      for (const talk of this.#talks.values()) await this.#settle(talk)
    } finally {
      for (const { link } of this.#talks.values()) link?.destroy()
      this.#hidden?.destroy()
    }
    return [...this.#talks.values()].flatMap((talk) => differences(talk, anyOrder ?? []))
  }

  // -- the recording as text ---------------------------------------------------------------------------

  #read(frame: ClientFrame): void {
    const { conn, dir, bytes, line, note } = frame
    let talk = this.#talks.get(conn)
    if (talk === undefined) {
      const own = this.#frames.filter((other) => other.conn === conn)
      talk = {
        number: conn,
        lines: [],
        isText: note.startsWith('four-letter word') || note.startsWith('text answer'),
        hasClientEnd: own.some((other) => other.dir === 'c2s' && other.bytes.length === 0),
        recordedPending: new Pending(),
        livePending: new Pending(),
        answers: [],
        link: null,
        isRecordedGreeted: false,
        isGreeted: false,
        awaited: 0,
        lastReply: null,
      }
      this.#talks.set(conn, talk)
    }
    if (dir === 'c2s') {
      if (talk.isRecordedGreeted || this.#isBehindConnect(frame)) {
        talk.recordedPending.sent(whole(bytes).subarray(4))
      }
      const expected = this.#expectations.lines.get(line)
      if (expected !== undefined) talk.lines.push({ line, recorded: NOTHING, expected })
      return
    }
    const recorded = this.#recordedText(talk, frame)
    if (recorded === null) return
    const expected = this.#expectations.lines.get(line) ?? [recorded]
    talk.lines.push({ line, recorded, expected })
  }

  /** A request that did not wait for the welcome. */
  #isBehindConnect(frame: ClientFrame): boolean {
    const first = this.#frames.find(({ conn, dir }) => conn === frame.conn && dir === 'c2s')
    return first !== frame
  }

  #recordedText(talk: Talk, { bytes, conn, line, note }: ClientFrame): string | null {
    if (bytes.length === 0) {
      const wasEnded = this.#frames.some(
        (other) =>
          other.conn === conn &&
          other.dir === 'c2s' &&
          other.line < line &&
          other.bytes.length === 0,
      )
      return wasEnded || talk.lines.at(-1)?.recorded === CLOSED ? null : CLOSED
    }
    if (talk.isText) return textAnswer(bytes.toString('latin1'), note)
    const body = bytes.subarray(4)
    if (talk.isRecordedGreeted) return this.#theirs.frame(body, talk.recordedPending)
    talk.isRecordedGreeted = true
    const { sessionId, passwd } = ConnectResponse.decode(body)
    if (passwd !== null) this.#recordedPasswords.set(sessionId, passwd)
    return this.#theirs.greeting(body)
  }

  // -- the live server ---------------------------------------------------------------------------------

  async #send({ conn, bytes, isTruncated, line }: ClientFrame): Promise<void> {
    const talk = this.#talks.get(conn)!
    if (bytes.length === 0) {
      talk.link?.end()
      await talk.link?.until(() => talk.link!.isClosed, ANSWER_MS)
      return
    }
    const isFirst = talk.link === null
    talk.link ??= new Link(this.#server.port, talk.isText)
    if (isFirst) return talk.link.write(talk.isText ? bytes : this.#connect(bytes))
    const frame = isTruncated ? whole(bytes) : bytes
    const isFrame = frame.length >= 12 && frame.readInt32BE(0) === frame.length - 4
    if (!isFrame) return talk.link.write(frame)
    talk.livePending.sent(frame.subarray(4))
    talk.link.write(this.#translated(talk, frame, line))
  }

  /** In this server's terms: a zxid that was seen, or the answer to its challenge. */
  #translated(talk: Talk, frame: Buffer, line: number): Buffer {
    const type = frame.readInt32BE(8)
    if (type === Op.setWatches || type === Op.setWatches2) {
      const copy = Buffer.from(frame)
      copy.writeBigInt64BE(this.#zxid(frame.readBigInt64BE(12)), 12)
      return copy
    }
    if (type !== Op.sasl || talk.lastReply === null) return frame
    const challenge = this.#frames.findLast(
      (other) =>
        other.conn === talk.number &&
        other.dir === 's2c' &&
        other.line < line &&
        other.bytes.length > 20,
    )
    return answeredChallenge(frame, challenge!.bytes.subarray(4), talk.lastReply)
  }

  #connect(bytes: Buffer): Buffer {
    let request: ConnectRequest
    try {
      request = ConnectRequest.decode(bytes.subarray(4))
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      return bytes
    }
    const known = this.#sessions.get(request.sessionId)
    const recorded = this.#recordedPasswords.get(request.sessionId)
    const isOwn = recorded !== undefined && request.passwd?.equals(recorded) === true
    return connectFrame({
      ...request,
      lastZxidSeen: this.#zxid(request.lastZxidSeen),
      sessionId: known?.id ?? request.sessionId,
      passwd: known !== undefined && isOwn ? known.passwd : request.passwd,
    })
  }

  #zxid(recorded: bigint): bigint {
    const [theirs, live] = [this.#theirs.base, this.#live.base]
    if (recorded <= 0n || recorded > ZXID_MAX || theirs === undefined) return recorded
    // Seen before anything that is compared: nothing to be ahead of.
    return live === undefined ? 0n : recorded - theirs + live
  }

  async #await({ conn, line }: ClientFrame): Promise<void> {
    const talk = this.#talks.get(conn)!
    const own = talk.lines.find((other) => other.line === line)
    if (own === undefined) return
    // A connection that was only opened: too many from one address.
    talk.link ??= new Link(this.#server.port, talk.isText)
    talk.awaited += own.expected.length
    const link = talk.link
    await link.until(() => {
      this.#take(talk)
      return talk.answers.length >= talk.awaited || link.isClosed
    }, ANSWER_MS)
    this.#take(talk)
  }

  #take(talk: Talk): void {
    const link = talk.link!
    for (const frame of link.take()) {
      if (talk.isText) talk.answers.push(textAnswer(frame.toString('latin1'), noteOf(talk)))
      else if (talk.isGreeted) {
        talk.lastReply = frame
        talk.answers.push(this.#live.frame(frame, talk.livePending))
      } else {
        talk.isGreeted = true
        talk.answers.push(this.#live.greeting(frame))
        this.#remember(talk, frame)
      }
    }
    if (link.isClosed && !link.isEnded && talk.answers.at(-1) !== CLOSED) talk.answers.push(CLOSED)
  }

  #remember(talk: Talk, frame: Buffer): void {
    const { sessionId, passwd } = ConnectResponse.decode(frame)
    const recorded = this.#frames.find(
      ({ conn, dir, bytes }) => conn === talk.number && dir === 's2c' && bytes.length > 8,
    )
    if (recorded === undefined || passwd === null) return
    const theirs = ConnectResponse.decode(recorded.bytes.subarray(4))
    if (theirs.sessionId === 0n || this.#sessions.has(theirs.sessionId)) return
    this.#sessions.set(theirs.sessionId, { id: sessionId, passwd })
  }

  /** Nothing more comes: the answer to a ping would be behind it. */
  async #settle(talk: Talk): Promise<void> {
    const { link } = talk
    if (link === null || talk.isText) return
    if (talk.lines.at(-1)?.expected.at(-1) === CLOSED) {
      await link.until(() => link.isClosed, ANSWER_MS)
    } else if (!link.isClosed && !talk.hasClientEnd) {
      const count = talk.answers.length
      talk.livePending.sent(pingFrame.subarray(4))
      link.write(pingFrame)
      await link.until(() => {
        this.#take(talk)
        return link.isClosed || talk.answers.length > count
      }, ANSWER_MS)
      if (talk.answers.at(-1)?.startsWith('-2 ping')) talk.answers.pop()
      return
    }
    this.#take(talk)
  }
}

/** The bytes that a line holds of a text may end anywhere, and hold what depends on the machine. */
function textAnswer(text: string, note: string): string {
  if (!note.includes('envi')) return text
  return text.split('\n')[0]!
}

function noteOf(talk: Talk): string {
  return talk.lines.some(({ recorded }) => recorded.startsWith('Environment')) ? 'envi' : ''
}

function differences(
  { number, lines, answers, hasClientEnd }: Talk,
  anyOrder: readonly number[],
): Difference[] {
  const result: Difference[] = []
  const rest = [...answers]
  // The server may be first to close after the last answer, though in the recording it was not.
  if (hasClientEnd && rest.at(-1) === CLOSED && lines.at(-1)?.recorded !== CLOSED) rest.pop()
  const unordered = lines.filter(({ line }) => anyOrder.includes(line))
  const sorted = unordered.flatMap(({ expected }) => expected).toSorted()
  for (const [index, { line, recorded, expected: own }] of lines.entries()) {
    const isUnordered = unordered.length > 0 && line === unordered[0]!.line
    if (!isUnordered && anyOrder.includes(line)) continue
    const expected = isUnordered ? sorted : own
    const isLast = index === lines.length - 1
    let answered = rest.splice(0, isLast ? rest.length : expected.length)
    if (isUnordered) answered = answered.toSorted()
    if (JSON.stringify(answered) === JSON.stringify(expected)) continue
    result.push({ line, conn: number, recorded, expected, answered })
  }
  return result
}
