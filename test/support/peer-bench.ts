/**
 * A whole server in this process whose time and clients are the test's: connections are objects, time
 * moves when told to, files are real and in a folder that goes with it.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FrameCutter } from '../../ensemble/jute/frame-cutter.ts'
import { Writer } from '../../ensemble/jute/writer.ts'
import { Reader } from '../../ensemble/jute/reader.ts'
import { ConnectRequest, ConnectResponse } from '../../ensemble/protocol/connect.ts'
import {
  serverSettings,
  startPeer,
  type Peer,
  type ServerSettings,
} from '../../ensemble/server/index.ts'
import type { Clock, Timer } from '../../ensemble/sys/clock.ts'
import { silent, type Fields, type Logger } from '../../ensemble/sys/logger.ts'
import type { Connection, ConnectionHandlers, Network } from '../../ensemble/sys/network.ts'
import type { FileSystem } from '../../ensemble/sys/file-system.ts'
import { nodeFileSystem } from '../../ensemble/sys/node-file-system.ts'
import { nodeRandom } from '../../ensemble/sys/node-random.ts'

const UNTIL_MS = 10_000

export class PeerBench {
  readonly warnings: { fields: Fields; message: string }[] = []
  readonly #clock = new BenchClock()
  readonly #folder = mkdtempSync(join(tmpdir(), 'howdah-peer-'))
  #held: Promise<void> = Promise.resolve()
  peer!: Peer
  #accept: ((connection: Connection) => ConnectionHandlers) | null = null

  static async start(settings: Partial<ServerSettings> = {}): Promise<PeerBench> {
    const bench = new PeerBench()
    const log: Logger = {
      ...silent,
      warn: (fields, message) => void bench.warnings.push({ fields, message }),
      child: () => log,
    }
    const network: Network = {
      connect: () => {
        throw new Error('a server connects to nobody')
      },
      listen: async (_, onConnection) => {
        bench.#accept = onConnection
        return { port: 2181, close: async () => {} }
      },
    }
    bench.peer = await startPeer(
      serverSettings({
        dataDir: bench.#folder,
        clientPort: 2181,
        preallocBytes: 65_536,
        fourLetterWords: ['*'],
        ...settings,
      }),
      { clock: bench.#clock, random: nodeRandom, network, files: bench.#files(), log },
    )
    return bench
  }

  /** What is written from now on is not durable before `release`. */
  holdDisk(): { release(): void } {
    let release = (): void => {}
    this.#held = new Promise((resolve) => (release = resolve))
    return { release }
  }

  #files(): FileSystem {
    return {
      ...nodeFileSystem,
      open: async (path, mode) => {
        const file = await nodeFileSystem.open(path, mode)
        const held = async <T>(act: () => Promise<T>): Promise<T> => {
          await this.#held
          return act()
        }
        return {
          read: (position, length) => file.read(position, length),
          write: (bytes, position) => held(() => file.write(bytes, position)),
          datasync: () => held(() => file.datasync()),
          truncate: (size) => file.truncate(size),
          size: () => file.size(),
          chmod: (mode) => file.chmod(mode),
          close: () => file.close(),
        }
      },
    }
  }

  /** A new connection, which has said nothing yet. */
  dial(address = '10.0.0.1'): BenchSocket {
    const socket = new BenchSocket(address)
    socket.attach(this.#accept!(socket))
    return socket
  }

  /** A client with a session. */
  async client(address?: string): Promise<BenchSocket> {
    const socket = this.dial(address)
    socket.connect()
    await this.until(() => socket.welcome() !== null)
    return socket
  }

  /** Lets time pass in small steps, as it does for a server that runs. */
  async advance(ms: number, stepMs = 250): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.#clock.advance(Math.min(left, stepMs))
      await this.settle()
    }
  }

  /** The process stood still for so long. */
  async pause(ms: number): Promise<void> {
    this.#clock.advance(ms)
    await this.settle()
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  }

  async until(isDone: () => boolean): Promise<void> {
    const endMs = performance.now() + UNTIL_MS
    while (!isDone()) {
      if (performance.now() > endMs) throw new Error('waited in vain')
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** A value of `mntr`. */
  async metric(name: string): Promise<number> {
    const socket = this.dial('10.9.9.9')
    socket.send(Buffer.from('mntr'))
    await this.until(() => socket.hasEnded)
    const text = socket.received().toString()
    const match = new RegExp(`^zk_${name}\\t(.*)$`, 'm').exec(text)
    socket.close()
    return match === null ? Number.NaN : Number(match[1])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.peer.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

export interface BenchReply {
  readonly xid: number
  readonly zxid: bigint
  readonly err: number
  readonly body: Buffer
}

/** The client's and the system's side of one connection. */
export class BenchSocket implements Connection {
  readonly remoteAddress: string
  readonly remotePort = 40_000
  queuedBytes = 0
  isPaused = false
  /** The server has closed its side, or all. */
  hasEnded = false
  isDestroyed = false
  /** Whether the client takes what is sent. */
  reads = true
  #handlers!: ConnectionHandlers
  #sent: Buffer[] = []
  #waiting: Buffer[] = []
  #frames: Buffer[] = []
  readonly #cutter = new FrameCutter({ frameBytesMax: 0x7fffffff })
  #xid = 0

  constructor(address: string) {
    this.remoteAddress = address
  }

  attach(handlers: ConnectionHandlers): void {
    this.#handlers = handlers
  }

  // -- what the client does ------------------------------------------------------------------------

  send(bytes: Buffer): void {
    if (this.isDestroyed) return
    if (this.isPaused) this.#waiting.push(bytes)
    else this.#handlers.onData(bytes)
  }

  connect(request: Partial<ConnectRequest> = {}): void {
    const fields = { protocolVersion: 0, lastZxidSeen: 0n, timeOut: 10_000, sessionId: 0n }
    const bytes = ConnectRequest.encode({
      ...fields,
      passwd: Buffer.alloc(16),
      readOnly: false,
      ...request,
    })
    this.send(framed(bytes))
  }

  request(type: number, body: Buffer = Buffer.alloc(0), xid = ++this.#xid): number {
    this.send(requestFrame(xid, type, body))
    return xid
  }

  /** The connect response, once it is there. */
  welcome(): ConnectResponse | null {
    const [frame] = this.#allFrames()
    if (frame === undefined) return null
    this.#frames.shift()
    return ConnectResponse.decode(frame)
  }

  /** Takes the replies that have come. */
  replies(): BenchReply[] {
    return this.#allFrames()
      .splice(0)
      .map((frame) => {
        const reader = new Reader(frame)
        const [xid, zxid, err] = [reader.int(), reader.long(), reader.int()]
        return { xid, zxid, err, body: frame.subarray(reader.position) }
      })
  }

  /** Takes the bytes that have come. */
  received(): Buffer {
    return Buffer.concat(this.#sent.splice(0))
  }

  close(): void {
    if (this.isDestroyed) return
    this.isDestroyed = true
    this.#handlers.onClose()
  }

  #allFrames(): Buffer[] {
    this.#cutter.push(this.received(), (bytes, start, end) => {
      this.#frames.push(Buffer.from(bytes.subarray(start, end)))
    })
    return this.#frames
  }

  // -- what the server does ------------------------------------------------------------------------

  write(bytes: Buffer, onWritten?: () => void): void {
    this.#sent.push(Buffer.from(bytes))
    if (this.reads) onWritten?.()
    else this.queuedBytes += bytes.length
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
    while (!this.isPaused && this.#waiting.length > 0) this.send(this.#waiting.shift()!)
  }

  end(): void {
    this.hasEnded = true
  }

  destroy(): void {
    this.hasEnded = true
    if (this.isDestroyed) return
    this.isDestroyed = true
    setImmediate(() => this.#handlers.onClose())
  }
}

export function requestFrame(xid: number, type: number, body: Buffer = Buffer.alloc(0)): Buffer {
  const writer = new Writer()
  writer.int(xid)
  writer.int(type)
  writer.raw(body)
  return framed(writer.take())
}

function framed(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** Time by hand; turns of the event loop are real. */
class BenchClock implements Clock {
  #nowMs = 5000
  #timers: { atMs: number; fire: () => void }[] = []

  monotonicMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return 1_700_000_000_000 + Math.floor(this.#nowMs)
  }

  bootMs(): number {
    return this.#nowMs
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const timer = { atMs: this.#nowMs + delayMs, fire }
    this.#timers.push(timer)
    return { cancel: () => (this.#timers = this.#timers.filter((other) => other !== timer)) }
  }

  defer(run: () => void): void {
    setImmediate(run)
  }

  /** Timers that are due fire once, late, as after a pause. */
  advance(ms: number): void {
    this.#nowMs += ms
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#nowMs)
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.#nowMs)
    for (const { fire } of due.toSorted((left, right) => left.atMs - right.atMs)) fire()
  }
}
