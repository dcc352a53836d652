/**
 * A server in a simulated world, a bystander who minds his own business, and strangers who send what
 * they like: the production code of server and client, its network cut into pieces by the seed.
 *
 * What a room holds of every run:
 * 1. Nothing escapes from the server (F-28), and it serves on.
 * 2. The bystander's session, watch, node and ephemeral stay, and each of his answers comes in time.
 *    His nodes are closed to strangers, so no request of theirs may touch them.
 * 3. What strangers changed is whole: the tree's digest is that of its nodes, and after a power
 *    failure the log makes the same tree.
 * 4. A connection to nowhere ends by its deadline.
 */
import { acl, Client, ZkError, type ClientState } from '../../ensemble/client/index.ts'
import { FrameCutter } from '../../ensemble/jute/frame-cutter.ts'
import { Reader } from '../../ensemble/jute/reader.ts'
import { Writer } from '../../ensemble/jute/writer.ts'
import { ConnectRequest, ConnectResponse } from '../../ensemble/protocol/connect.ts'
import { startPeer, type Peer } from '../../ensemble/server/peer.ts'
import { serverSettings, type ServerSettings } from '../../ensemble/server/server-settings.ts'
import type { Connection, ConnectionHandlers, Network } from '../../ensemble/sys/network.ts'
import { Simulation } from '../simulation/simulation.ts'
import type { Host, Proc } from '../simulation/world.ts'
import { FuzzError, must, randomOf } from './target.ts'

const SERVER = '10.0.0.1'
const PORT = 2181
const TICK_MS = 500
export const SILENCE_MS = 2000
export const TIMEOUT_MS = { min: 2 * TICK_MS, max: 20 * TICK_MS }
/** No answer to the bystander takes longer, of the world's time. */
const ANSWER_MS_MAX = 500
/** Bigger than any answer that a stranger can ask for here. */
const REPLY_BYTES_MAX = 64 * 1024 * 1024

export class Room {
  readonly simulation: Simulation
  readonly #settings: Partial<ServerSettings>
  readonly #serverHost: Host
  readonly #strangerNetwork: Network
  #serverProc: Proc | null = null
  #peer: Peer | null = null
  #bystander!: Bystander

  private constructor(seed: number, settings: Partial<ServerSettings>) {
    const random = randomOf(seed)
    this.simulation = new Simulation(seed, {
      network: { splitChance: random.pick([0, 0.05, 0.5]), delayMeanMs: random.pick([0.05, 1]) },
    })
    this.#settings = settings
    const { world } = this.simulation
    this.#serverHost = world.addHost(SERVER)
    const strangerHost = world.addHost('10.0.3.1')
    this.#strangerNetwork = this.simulation.start(strangerHost, 'stranger').sys.network
  }

  static async open(seed: number, settings: Partial<ServerSettings> = {}): Promise<Room> {
    const room = new Room(seed, settings)
    await room.#startServer()
    room.#bystander = new Bystander(room)
    await room.#bystander.settle()
    return room
  }

  get peer(): Peer {
    must(this.#peer !== null, 'the server is running')
    return this.#peer
  }

  /** The session that nobody may take. */
  get ownerSessionId(): bigint {
    return this.#bystander.sessionId
  }

  /** A new connection, not yet established; what is sent goes out once it is. */
  stranger(): Stranger {
    return new Stranger((handlers) =>
      this.#strangerNetwork.connect({ host: SERVER, port: PORT }, handlers),
    )
  }

  /** A stranger with a session. */
  async session(options: Partial<ConnectRequest> = {}): Promise<Stranger> {
    const stranger = this.stranger()
    stranger.send(connectFrame(options))
    await this.until(() => stranger.frames.length > 0 || stranger.isClosed, 5000, 'a session')
    must(!stranger.isClosed, 'a connect request without a fault gets a session')
    return stranger
  }

  /** Lets the world run until `done`. @throws FuzzError when it is not by then, or a rule is broken */
  async until(done: () => boolean, limitMs: number, what: string): Promise<void> {
    const { world } = this.simulation
    await world.run(limitMs, () => done() || world.violations.length > 0)
    this.#noViolation()
    must(done(), () => `not within ${limitMs} ms: ${what}`)
  }

  async pass(ms: number): Promise<void> {
    await this.simulation.world.run(ms, () => this.simulation.world.violations.length > 0)
    this.#noViolation()
  }

  /** Waits for a promise of the world's. */
  async settled<T>(promise: Promise<T>, limitMs: number, what: string): Promise<T> {
    let outcome: { value: T } | { error: unknown } | null = null
    promise.then(
      (value) => (outcome = { value }),
      (error: unknown) => (outcome = { error }),
    )
    await this.until(() => outcome !== null, limitMs, what)
    // The assignments above are out of the compiler's sight.
    const settled = outcome as unknown as { value: T } | { error: unknown }
    if ('error' in settled) throw new FuzzError(what, { cause: settled.error })
    return settled.value
  }

  /** The bystander goes on undisturbed, and the tree is in order. */
  async check(): Promise<void> {
    this.#noViolation()
    await this.#bystander.check()
    const { tree } = this.peer
    must(tree.treeDigest === tree.digestFromScratch(), 'the digest is that of the nodes (I-13)')
  }

  /** The power fails: what comes up again is what was there, bystander included. */
  async restart(): Promise<void> {
    const { tree } = this.peer
    const [digest, zxid, count] = [tree.treeDigest, tree.lastZxid, tree.nodeCount]
    this.simulation.world.kill(this.#serverProc!, 'power-loss')
    await this.#startServer()
    const after = this.peer.tree
    const isSame =
      after.treeDigest === digest && after.lastZxid === zxid && after.nodeCount === count
    // Sessions of strangers may have ended at once behind the start; a later zxid is fine then.
    must(isSame || after.lastZxid > zxid, 'the log makes the tree that was served (I-11)')
    must(after.treeDigest === after.digestFromScratch(), 'the digest is that of the nodes (I-13)')
    await this.#bystander.returned()
    await this.check()
  }

  #noViolation(): void {
    const [violation] = this.simulation.world.violations
    if (violation !== undefined) throw new FuzzError(`${violation.id}: ${violation.text}`)
  }

  async #startServer(): Promise<void> {
    const { world } = this.simulation
    const { proc, sys } = this.simulation.start(this.#serverHost, 'server')
    this.#serverProc = proc
    this.#peer = null
    const settings = serverSettings({
      dataDir: '/data',
      clientPort: PORT,
      tickTimeMs: TICK_MS,
      maxClientCnxns: 0,
      sessionlessCnxnTimeoutMs: SILENCE_MS,
      preallocBytes: 65_536,
      extendedTypesEnabled: true,
      fourLetterWords: ['*'],
      ...this.#settings,
    })
    world.schedule(proc, 0, 'main', 0, () => {
      startPeer(settings, sys).then(
        (peer) => {
          peer.failed.catch((error: unknown) => world.crashedByBug(proc, error))
          this.#peer = peer
        },
        (error: unknown) => world.crashedByBug(proc, error),
      )
    })
    await this.until(() => this.#peer !== null, 10_000, 'the server serves')
  }
}

/** Two clients: one writes, the other watches and reads. */
class Bystander {
  readonly #room: Room
  readonly #writer: Client
  readonly #watcher: Client
  readonly #states: ClientState[] = []
  #value = 0
  #read = -1
  #problem: unknown = null

  constructor(room: Room) {
    this.#room = room
    const { simulation } = room
    const [writer, watcher] = ['writer', 'watcher'].map((name, at) => {
      const host = simulation.world.addHost(`10.0.1.${at + 1}`)
      const { sys } = simulation.start(host, name)
      const auth = [{ scheme: 'digest', auth: 'bystander:secret' }]
      const client = new Client(
        `${SERVER}:${PORT}`,
        { sessionTimeoutMs: TIMEOUT_MS.max, auth },
        sys,
      )
      client.start()
      return client
    })
    this.#writer = writer!
    this.#watcher = watcher!
  }

  get sessionId(): bigint {
    return this.#writer.sessionId
  }

  async settle(): Promise<void> {
    const make = async (): Promise<void> => {
      await Promise.all([this.#writer.connected(), this.#watcher.connected()])
      const open = { acl: acl.creatorAll }
      await this.#writer.create('/own', 'mine', open)
      await this.#writer.create('/own/value', '0', open)
      await this.#writer.create('/own/here', null, { ...open, mode: 'ephemeral' })
      await this.#watch()
    }
    await this.#room.settled(make(), 10_000, 'the bystander has settled')
    for (const client of [this.#writer, this.#watcher]) {
      client.onState((state) => this.#states.push(state))
    }
  }

  /** Registers the next watch with the read that shows the last change. */
  async #watch(): Promise<void> {
    const { data } = await this.#watcher.get('/own/value', {
      watch: () => {
        this.#watch().catch((error: unknown) => (this.#problem ??= error))
      },
    })
    this.#read = Number(data)
  }

  async check(): Promise<void> {
    const room = this.#room
    for (let round = 0; round < 2; round++) {
      const written = this.#writer.set('/own/value', String(++this.#value))
      await room.settled(written, ANSWER_MS_MAX, 'the bystander writes')
      await room.until(
        () => this.#read === this.#value || this.#problem !== null,
        ANSWER_MS_MAX,
        "the bystander's watch fires",
      )
      must(this.#problem === null, () => `the bystander: ${String(this.#problem)}`)
    }
    const here = this.#writer.exists('/own/here')
    const stat = await room.settled(here, ANSWER_MS_MAX, 'the bystander reads')
    must(stat?.ephemeralOwner === this.sessionId, 'the ephemeral is there')
    must(this.#states.length === 0, () => `the bystander was ${this.#states.join(', ')}`)
  }

  /** After a restart of the server: back with the sessions they had. */
  async returned(): Promise<void> {
    // A client learns that a server is gone when it next has something to say.
    const answer = async (client: Client): Promise<void> => {
      for (;;) {
        try {
          await client.exists('/own')
          return
        } catch (error) {
          if (!(error instanceof ZkError && error.code === 'connectionLoss')) throw error
          await client.connected()
        }
      }
    }
    const both = Promise.all([answer(this.#writer), answer(this.#watcher)])
    await this.#room.settled(both, 15_000, 'the bystander is back')
    const isSame = this.#states.every((state) => state === 'connected' || state === 'disconnected')
    must(isSame, () => `the bystander was ${this.#states.join(', ')}`)
    this.#states.length = 0
  }
}

/** A connection without a client behind it. */
export class Stranger {
  readonly frames: Buffer[] = []
  /** All that came, in one. */
  readonly chunks: Buffer[] = []
  isClosed = false
  isEnded = false
  readonly #connection: Connection
  readonly #waiting: Buffer[] = []
  readonly #cutter = new FrameCutter({ frameBytesMax: REPLY_BYTES_MAX })
  #isConnected = false
  #endsAtOnce = false
  #readsFrames = true

  constructor(connect: (handlers: ConnectionHandlers) => Connection) {
    this.#connection = connect({
      onConnect: () => {
        this.#isConnected = true
        for (const bytes of this.#waiting.splice(0)) this.#connection.write(bytes)
        if (this.#endsAtOnce) this.#connection.end()
      },
      onData: (chunk) => {
        this.chunks.push(chunk)
        if (this.#readsFrames) this.#cut(chunk)
      },
      onEnd: () => {
        this.isEnded = true
        this.#connection.end()
      },
      onClose: () => {
        this.isClosed = true
      },
    })
  }

  #cut(chunk: Buffer): void {
    try {
      this.#cutter.push(chunk, (bytes, start, end) => {
        this.frames.push(bytes.subarray(start, end))
      })
    } catch {
      // The answer to a four-letter word is no frame.
      this.#readsFrames = false
    }
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString()
  }

  get isOver(): boolean {
    return this.isClosed || this.isEnded
  }

  send(bytes: Buffer): void {
    const copy = Buffer.from(bytes)
    if (this.#isConnected) this.#connection.write(copy)
    else this.#waiting.push(copy)
  }

  /** Sends no more than it has been given. */
  end(): void {
    if (this.#isConnected) this.#connection.end()
    else this.#endsAtOnce = true
  }

  destroy(): void {
    this.#connection.destroy()
  }

  /** The first frame. @throws WireError when it is no connect response */
  get welcome(): ConnectResponse | null {
    return this.frames.length === 0 ? null : ConnectResponse.decode(this.frames[0]!)
  }

  /** Every later one. */
  get replies(): { xid: number; zxid: bigint; err: number; body: Buffer }[] {
    return this.frames.slice(1).map((frame) => {
      const reader = new Reader(frame)
      const [xid, zxid, err] = [reader.int(), reader.long(), reader.int()]
      return { xid, zxid, err, body: frame.subarray(reader.position) }
    })
  }
}

export function frame(body: Buffer): Buffer {
  const bytes = Buffer.alloc(4 + body.length)
  bytes.writeInt32BE(body.length)
  body.copy(bytes, 4)
  return bytes
}

export function requestFrame(xid: number, type: number, body: Buffer): Buffer {
  const writer = new Writer(8)
  writer.int(xid)
  writer.int(type)
  return frame(Buffer.concat([writer.take(), body]))
}

export function connectRequest(fields: Partial<ConnectRequest> = {}): Buffer {
  return ConnectRequest.encode({
    protocolVersion: 0,
    lastZxidSeen: 0n,
    timeOut: TIMEOUT_MS.max,
    sessionId: 0n,
    passwd: Buffer.alloc(16),
    readOnly: false,
    ...fields,
  })
}

export function connectFrame(fields: Partial<ConnectRequest> = {}): Buffer {
  return frame(connectRequest(fields))
}
