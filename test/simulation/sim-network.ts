/**
 * TCP between simulated hosts (D-7). Streams keep their order and lose no byte while they live; what
 * is lost is a connection.
 *
 * - A link is one direction between two hosts. On a cut link bytes stall; after `stallResetMs` the
 *   sender's connection times out, and on healing a stalled connection may be reset. Cutting one
 *   direction only gives one-way loss.
 * - A connection whose other end vanished without a word (power loss, a FIN on a cut link) is half
 *   open: reads wait for ever, a write is answered by a reset once the other host is reachable.
 * - Bytes arrive in pieces of any size, down to one byte; several writes may arrive as one piece.
 * - `write` takes its bytes only a moment later, and checks that nobody changed them meanwhile: the
 *   contract of `onWritten`.
 */
import type {
  Connection,
  ConnectionHandlers,
  Listener,
  ListenOptions,
  Network,
} from '../../ensemble/sys/network.ts'
import { crc32 } from '../../ensemble/sys/hash.ts'
import type { Prng } from './prng.ts'
import type { Host, Proc, World, WorldEvent } from './world.ts'

export interface NetworkOptions {
  delayMinMs: number
  delayMeanMs: number
  /** How likely an arrival is cut into small pieces. */
  splitChance: number
  /** How likely a killed process leaves resets instead of ends of streams. */
  resetOnKillChance: number
  /** Unacknowledged bytes time out after this. */
  stallResetMs: number
  /** Bytes that the systems on the way hold; the rest waits in the sender's queue. */
  windowBytes: number
}

export const calmNetwork: NetworkOptions = {
  delayMinMs: 0.1,
  delayMeanMs: 0.3,
  splitChance: 0.05,
  resetOnKillChance: 0.3,
  stallResetMs: 8000,
  windowBytes: 65_536,
}

/** Sees the bytes of outgoing connections as their process does: when written, when received. */
export interface WireTap {
  onOpen(connection: Connection, proc: Proc, target: { host: string; port: number }): void
  onSent(connection: Connection, bytes: Buffer): void
  onReceived(connection: Connection, bytes: Buffer): void
  onClosed(connection: Connection): void
}

interface Link {
  isCut: boolean
  readonly from: Host
  readonly to: Host
}

interface Listening {
  readonly proc: Proc
  readonly onConnection: (connection: Connection) => ConnectionHandlers
}

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '::1'])
const HIGH_WATER_BYTES = 65_536
const SYN_RETRY_MS = 1000
const CONNECT_TIMEOUT_MS = 30_000

export class SimNetwork {
  readonly world: World
  readonly options: NetworkOptions
  readonly random: Prng
  tap: WireTap | null = null
  readonly #links = new Map<string, Link>()
  readonly #listening = new Map<string, Listening>()
  readonly sockets = new Set<SimSocket>()
  #nextPort = 40_000
  socketsMade = 0

  constructor(world: World, options: NetworkOptions = calmNetwork) {
    this.world = world
    this.options = options
    this.random = world.stream('net')
  }

  // -- faults

  link(from: Host, to: Host): Link {
    const key = `${from.address}>${to.address}`
    let link = this.#links.get(key)
    if (link === undefined) {
      link = { isCut: false, from, to }
      this.#links.set(key, link)
    }
    return link
  }

  isCut(from: Host, to: Host): boolean {
    return from !== to && this.link(from, to).isCut
  }

  /** Cuts one direction. */
  cut(from: Host, to: Host): void {
    if (from === to || this.isCut(from, to)) return
    this.link(from, to).isCut = true
    this.world.mark('link-cut')
    this.world.note('world', 'cut', `${from.address}>${to.address}`)
    for (const socket of this.sockets) {
      if (socket.host === from && socket.remoteHost === to) socket.onLinkCut()
    }
  }

  heal(from: Host, to: Host): void {
    if (!this.isCut(from, to)) return
    this.link(from, to).isCut = false
    this.world.note('world', 'heal', `${from.address}>${to.address}`)
    for (const socket of this.sockets) {
      if (socket.host === from && socket.remoteHost === to) socket.onLinkHealed()
    }
  }

  healAll(): void {
    for (const link of this.#links.values()) this.heal(link.from, link.to)
  }

  /** Resets every connection between two hosts. */
  resetBetween(one: Host, other: Host): void {
    for (const socket of this.sockets) {
      const { host, remoteHost } = socket
      if ((host === one && remoteHost === other) || (host === other && remoteHost === one)) {
        socket.fail('ECONNRESET')
      }
    }
  }

  // -- what a process is given

  forProc(proc: Proc): Network {
    return {
      connect: (target, handlers) => this.#connect(proc, target, handlers),
      listen: (options, onConnection) => this.#listen(proc, options, onConnection),
    }
  }

  #connect(
    proc: Proc,
    target: { host: string; port: number },
    handlers: ConnectionHandlers,
  ): Connection {
    const address = LOOPBACK.has(target.host) ? proc.host.address : target.host
    const remote = this.world.hosts.get(address) ?? null
    const socket = new SimSocket(this, proc, remote, target.port, this.#nextPort++)
    socket.remoteAddress = address
    socket.handlers = handlers
    if (proc.diesBeforeEffect()) return socket
    this.tap?.onOpen(socket, proc, target)
    socket.isTapped = this.tap !== null
    this.#adopt(socket)
    if (remote === null) {
      this.world.schedule(proc, 500, 'net:unknown-host', 0, () => socket.fail('ENOTFOUND'))
      return socket
    }
    const syn = (attemptMs: number) => {
      this.world.schedule(null, this.delayUs(proc.host, remote), 'net:syn', target.port, () => {
        if (socket.isGone) return
        if (!remote.isUp || this.isCut(proc.host, remote) || this.isCut(remote, proc.host)) {
          if (attemptMs >= CONNECT_TIMEOUT_MS) socket.fail('ETIMEDOUT')
          else {
            this.world.schedule(null, SYN_RETRY_MS * 1000, 'net:syn-retry', 0, () =>
              syn(attemptMs + SYN_RETRY_MS),
            )
          }
          return
        }
        const listening = this.#listening.get(`${address}:${target.port}`)
        const backUs = this.delayUs(remote, proc.host)
        if (listening === undefined) {
          this.world.schedule(proc, backUs, 'net:refused', 0, () => socket.fail('ECONNREFUSED'))
          return
        }
        this.#accept(listening, socket, target.port)
        this.world.schedule(proc, backUs, 'net:connect', socket.localPort, () => {
          if (socket.isGone) return
          socket.isConnected = true
          handlers.onConnect?.()
          socket.send()
        })
      })
    }
    syn(0)
    return socket
  }

  #accept(listening: Listening, client: SimSocket, port: number): void {
    const { proc } = listening
    const server = new SimSocket(this, proc, client.host, client.localPort, port)
    server.remoteAddress = client.host.address
    server.isConnected = true
    server.peer = client
    client.peer = server
    this.#adopt(server)
    this.world.schedule(proc, 0, 'net:accept', client.localPort, () => {
      if (server.isGone) return
      server.handlers = listening.onConnection(server)
      server.pump()
    })
  }

  #adopt(socket: SimSocket): void {
    this.sockets.add(socket)
    this.socketsMade++
    socket.proc.onEnd.push((how) => socket.onProcessEnd(how))
  }

  async #listen(
    proc: Proc,
    options: ListenOptions,
    onConnection: (connection: Connection) => ConnectionHandlers,
  ): Promise<Listener> {
    await new Promise<void>((resolve) => {
      this.world.schedule(proc, 20, 'net:listen', options.port, resolve)
    })
    const port = options.port === 0 ? this.#nextPort++ : options.port
    const key = `${proc.host.address}:${port}`
    if (this.#listening.has(key)) throw systemError('EADDRINUSE', `listen ${key}`)
    const listening: Listening = { proc, onConnection }
    this.#listening.set(key, listening)
    const stop = () => {
      if (this.#listening.get(key) === listening) this.#listening.delete(key)
    }
    proc.onEnd.push(stop)
    return {
      port,
      close: () =>
        new Promise((resolve) => {
          if (proc.diesBeforeEffect()) return
          stop()
          this.world.schedule(proc, 10, 'net:unlisten', port, resolve)
        }),
    }
  }

  delayUs(from: Host, to: Host): number {
    if (from === to) return 10 + this.random.exponential(20)
    return (this.options.delayMinMs + this.random.exponential(this.options.delayMeanMs)) * 1000
  }
}

interface Segment {
  arriveUs: number
  bytes: Buffer
}

interface Queued {
  bytes: Buffer
  sum: number
  onWritten: (() => void) | undefined
}

export class SimSocket implements Connection {
  readonly network: SimNetwork
  readonly proc: Proc
  readonly host: Host
  readonly remoteHost: Host | null
  readonly localPort: number
  remoteAddress = ''
  readonly remotePort: number
  handlers: ConnectionHandlers | null = null
  peer: SimSocket | null = null
  isTapped = false
  isConnected = false
  /** The system knows this end no more: what arrives is answered by a reset. */
  isGone = false
  queuedBytes = 0

  #queue: Queued[] = []
  #sendEvent: WorldEvent | null = null
  #needsDrain = false
  #endRequested = false
  #endSent = false
  #endReceived = false
  #isPaused = false
  #stalls = 0

  // The stream towards us.
  readonly #incoming: Segment[] = []
  #incomingBytes = 0
  #endArrivesUs = -1
  #lastArriveUs = 0
  #pumpEvent: WorldEvent | null = null

  constructor(
    network: SimNetwork,
    proc: Proc,
    remoteHost: Host | null,
    remotePort: number,
    localPort: number,
  ) {
    this.network = network
    this.proc = proc
    this.host = proc.host
    this.remoteHost = remoteHost
    this.remotePort = remotePort
    this.localPort = localPort
  }

  // -- Connection

  write(bytes: Buffer, onWritten?: () => void): void {
    if (this.isGone || this.#endRequested || this.proc.diesBeforeEffect()) return
    if (this.isTapped) this.network.tap?.onSent(this, bytes)
    this.#queue.push({ bytes, sum: crc32(bytes), onWritten })
    this.queuedBytes += bytes.length
    if (this.queuedBytes >= HIGH_WATER_BYTES) this.#needsDrain = true
    this.send()
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.pump()
  }

  end(): void {
    if (this.isGone || this.#endRequested || this.proc.diesBeforeEffect()) return
    this.#endRequested = true
    this.send()
  }

  destroy(): void {
    if (this.isGone || this.proc.diesBeforeEffect()) return
    this.#disappear(this.#incomingBytes > 0 ? 'reset' : 'end')
    this.#closed(undefined)
  }

  // -- sending

  /** Hands queued bytes to the system, a moment from now, as far as the window has room. */
  send(): void {
    if (!this.isConnected || this.isGone || this.#sendEvent !== null) return
    if (this.#queue.length === 0 && (!this.#endRequested || this.#endSent)) return
    const { world, random } = this.network
    this.#sendEvent = world.schedule(
      this.proc,
      random.below(30),
      'net:send',
      this.localPort,
      () => {
        this.#sendEvent = null
        if (!this.isGone) this.#sendNow()
      },
    )
  }

  #sendNow(): void {
    const peer = this.peer
    if (peer === null) return
    const written: (() => void)[] = []
    while (this.#queue.length > 0) {
      const room = this.network.options.windowBytes - peer.#incomingBytes
      if (room <= 0) break
      const head = this.#queue[0]!
      if (head.sum !== crc32(head.bytes)) {
        this.network.world.violate('write', `${this.proc.name} changed bytes before onWritten`)
      }
      const taken = head.bytes.subarray(0, room)
      this.#transmit(peer, Buffer.from(taken))
      this.queuedBytes -= taken.length
      if (taken.length === head.bytes.length) {
        this.#queue.shift()
        if (head.onWritten !== undefined) written.push(head.onWritten)
      } else {
        head.bytes = head.bytes.subarray(taken.length)
        head.sum = crc32(head.bytes)
      }
    }
    if (this.#queue.length === 0 && this.#endRequested && !this.#endSent) {
      this.#endSent = true
      peer.#endArrivesUs = this.#arrival(peer)
      peer.pump()
      this.#closeIfBothEnded()
    }
    for (const callback of written) callback()
    if (this.#needsDrain && this.#queue.length === 0) {
      this.#needsDrain = false
      this.handlers?.onDrain?.()
    }
  }

  #arrival(peer: SimSocket): number {
    const { network } = this
    const at = network.world.nowUs + Math.round(network.delayUs(this.host, peer.host))
    peer.#lastArriveUs = Math.max(peer.#lastArriveUs, at)
    return peer.#lastArriveUs
  }

  #transmit(peer: SimSocket, bytes: Buffer): void {
    if (peer.isGone) {
      this.#answeredByReset(peer)
      return
    }
    peer.#incoming.push({ arriveUs: this.#arrival(peer), bytes })
    peer.#incomingBytes += bytes.length
    if (this.network.isCut(this.host, peer.host)) this.onLinkCut()
    else peer.pump()
  }

  /** We wrote to an end that is gone: a reset comes back, when the other host can send it. */
  #answeredByReset(peer: SimSocket): void {
    const { network } = this
    const { world } = network
    const delayUs = network.delayUs(this.host, peer.host) * 2
    world.schedule(null, delayUs, 'net:write-to-gone', this.localPort, () => {
      if (this.isGone) return
      const reachable = !network.isCut(this.host, peer.host) && !network.isCut(peer.host, this.host)
      if (peer.host.isUp && reachable) this.fail('ECONNRESET')
      else {
        world.schedule(null, network.options.stallResetMs * 1000, 'net:rto', this.localPort, () =>
          this.fail(peer.host.isUp && reachable ? 'ECONNRESET' : 'ETIMEDOUT'),
        )
      }
    })
  }

  // -- receiving

  /** Sees to it that what has arrived is handed over. */
  pump(): void {
    if (this.isGone || this.handlers === null || this.#isPaused || this.#pumpEvent !== null) return
    const next = this.#incoming[0]
    const atUs = next?.arriveUs ?? this.#endArrivesUs
    if (atUs < 0 || (next === undefined && this.#endReceived)) return
    const { world } = this.network
    const delayUs = atUs - world.nowUs
    const detail = next === undefined ? 0 : crc32(next.bytes) | 0
    this.#pumpEvent = world.schedule(this.proc, delayUs, 'net:data', detail, () => {
      this.#pumpEvent = null
      this.#deliver()
    })
  }

  #deliver(): void {
    if (this.isGone || this.handlers === null || this.#isPaused) return
    const { random, options } = this.network
    // On a cut link nothing arrives; healing pumps again.
    if (this.remoteHost !== null && this.network.isCut(this.remoteHost, this.host)) return
    if (this.#incoming.length === 0) {
      if (this.#endArrivesUs >= 0 && !this.#endReceived) {
        this.#endReceived = true
        if (this.handlers.onEnd === undefined) this.end()
        else this.handlers.onEnd()
        this.#closeIfBothEnded()
      }
      return
    }
    const chunk = this.#take(random.chance(options.splitChance) ? random.between(1, 24) : 65_536)
    if (this.isTapped) this.network.tap?.onReceived(this, chunk)
    this.handlers.onData(chunk)
    this.peer?.send()
    this.pump()
  }

  /** Removes up to `max` bytes that have arrived, as one chunk. */
  #take(max: number): Buffer {
    const nowUs = this.network.world.nowUs
    const parts: Buffer[] = []
    let taken = 0
    while (taken < max) {
      const head = this.#incoming[0]
      if (head === undefined || head.arriveUs > nowUs) break
      if (head.bytes.length <= max - taken) {
        parts.push(head.bytes)
        taken += head.bytes.length
        this.#incoming.shift()
      } else {
        parts.push(Buffer.from(head.bytes.subarray(0, max - taken)))
        head.bytes = head.bytes.subarray(max - taken)
        taken = max
      }
    }
    this.#incomingBytes -= taken
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }

  // -- ends

  #closeIfBothEnded(): void {
    if (this.isGone || !this.#endSent || !this.#endReceived) return
    this.isGone = true
    this.network.sockets.delete(this)
    this.#closed(undefined)
  }

  /** The connection fails at this end, as the system reports it. */
  fail(code: string): void {
    if (this.isGone) return
    this.#disappear('reset')
    this.#closed(systemError(code, `${this.remoteAddress}:${this.remotePort}`))
  }

  #closed(error: Error | undefined): void {
    const { world } = this.network
    world.schedule(this.proc, 0, 'net:close', this.localPort, () => {
      if (this.isTapped) this.network.tap?.onClosed(this)
      this.handlers?.onClose(error)
    })
  }

  /** Takes our end out of the system, and lets the other end know as the network allows. */
  #disappear(how: 'end' | 'reset' | 'silent'): void {
    if (this.isGone) return
    this.isGone = true
    const { network, peer } = this
    network.sockets.delete(this)
    if (peer === null || peer.isGone || how === 'silent') return
    const isLost = network.isCut(this.host, peer.host) && network.random.chance(0.5)
    if (isLost) {
      network.world.mark('half-open')
      return
    }
    if (how === 'end') {
      if (peer.#endArrivesUs < 0) peer.#endArrivesUs = this.#arrival(peer)
      peer.pump()
      return
    }
    const reset = (delayUs: number) => {
      network.world.schedule(null, delayUs, 'net:reset', peer.localPort, () => {
        if (network.isCut(this.host, peer.host)) reset(SYN_RETRY_MS * 1000)
        else peer.fail('ECONNRESET')
      })
    }
    reset(network.delayUs(this.host, peer.host))
  }

  onProcessEnd(how: 'exit' | 'kill' | 'power-loss'): void {
    if (this.isGone) return
    if (this.isTapped) this.network.tap?.onClosed(this)
    if (how === 'power-loss') this.#disappear('silent')
    else {
      const { random, options } = this.network
      this.#disappear(random.chance(options.resetOnKillChance) ? 'reset' : 'end')
    }
  }

  // -- cut links

  onLinkCut(): void {
    const peer = this.peer
    if (peer === null || peer.#incoming.length === 0) return
    const stall = ++this.#stalls
    const { world, options } = this.network
    world.schedule(null, options.stallResetMs * 1000, 'net:rto', this.localPort, () => {
      if (stall === this.#stalls && this.network.isCut(this.host, peer.host)) this.fail('ETIMEDOUT')
    })
  }

  onLinkHealed(): void {
    this.#stalls++
    const peer = this.peer
    if (peer === null || peer.isGone) return
    const stalled = peer.#incoming.length > 0
    if (stalled && this.network.random.chance(0.2)) this.fail('ECONNRESET')
    else peer.pump()
  }
}

export function systemError(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code })
}
