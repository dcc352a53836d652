/**
 * Where clients come in: the plain port, the one for TLS, or both kinds on one; and how many may.
 *
 * Invariant: a port for TLS carries no plain byte: `secureClientPort`, and a plain port without
 * `client.portUnification`, speak one language each (S-4).
 * A connection that would take the last descriptors of the process is refused: the log needs some, and a
 * server that cannot start a new one ends (F-27).
 * Source: ServerCnxnFactory, NettyServerCnxnFactory, 3.9.5, which counts each port by itself.
 */
import type { ClientPort } from '../admin/server-view.ts'
import { idsOfCertificate, type AuthId } from '../auth/schemes.ts'
import type { Host } from '../sys/host.ts'
import type { ConnectionHandlers, Connection, Listener } from '../sys/network.ts'
import type { SecurePeer } from '../sys/tls.ts'
import type { Sys } from '../sys/sys.ts'
import { firstBytesOf } from './first-bytes.ts'
import type { ServerSettings } from './server-settings.ts'
import type { TlsStores } from './tls-stores.ts'

export type PortsSys = Pick<Sys, 'clock' | 'files' | 'log' | 'network' | 'tls'> & {
  readonly host?: Host
}

/** Of one accepted connection. */
export interface Arrival {
  readonly port: ClientPort
  /** Whether it has yet to show what it speaks, and who it is. */
  isSecuring: boolean
}

const TLS_HANDSHAKE = 0x16
/** Descriptors for logs, snapshots, stores, and connections of administration. */
const DESCRIPTORS_KEPT = 32

export class ClientPorts {
  /** Handshakes under way. */
  handshakes = 0
  readonly #settings: ServerSettings
  readonly #sys: PortsSys
  readonly #doors = { plain: new Door(), secure: new Door() }
  #stores: TlsStores | null = null
  /** As many as the limit of open files leaves. */
  #connectionsMax = Number.POSITIVE_INFINITY
  #plain: Listener | null = null
  #secure: Listener | null = null
  /** Those that were opened first: a free one that was found stays the one. */
  #plainPort = -1
  #securePort = -1

  constructor(settings: ServerSettings, sys: PortsSys) {
    this.#settings = settings
    this.#sys = sys
  }

  get plainPort(): number {
    return this.#plainPort
  }

  get securePort(): number {
    return this.#securePort
  }

  /** Reads the stores, where there are some. @throws TlsError */
  async prepare(): Promise<void> {
    const { tls } = this.#settings
    if (tls === null) return
    if (this.#sys.tls === undefined) throw new Error('there is no TLS in this world')
    // Nothing of TLS is loaded for servers without.
    const { TlsStores } = await import('./tls-stores.ts')
    this.#stores = await TlsStores.open(tls, this.#sys, this.#sys.tls)
  }

  /** Takes connections from now on. */
  async open(accept: (socket: Connection, arrival: Arrival) => ConnectionHandlers): Promise<void> {
    const { clientPort, clientPortAddress, clientPortListenBacklog } = this.#settings
    const { clientKeepAlive: keepAlive } = this.#settings
    const { secureClientPort, secureClientPortAddress, frameBytesMax, tls } = this.#settings
    const secure = this.#stores?.server ?? null
    const { open, max } = this.#sys.host?.descriptors() ?? { open: -1, max: -1 }
    const inUse = this.#doors.plain.size + this.#doors.secure.size
    if (max > 0) this.#connectionsMax = Math.max(1, max - (open - inUse) - DESCRIPTORS_KEPT)
    const backlog = clientPortListenBacklog < 0 ? {} : { backlog: clientPortListenBacklog }
    if (clientPort !== null) {
      const isUnified = secure !== null && tls?.portUnification === true
      const port = this.#plainPort < 0 ? clientPort : this.#plainPort
      const options = { host: clientPortAddress, port, keepAlive, ...backlog }
      const onSocket = (socket: Connection): ConnectionHandlers =>
        accept(socket, { port: 'plain', isSecuring: isUnified })
      this.#plain = isUnified
        ? await secure!.listen(
            { ...options, isTls: (bytes) => isTls(bytes, frameBytesMax) },
            onSocket,
          )
        : await this.#sys.network.listen(options, onSocket)
      this.#plainPort = this.#plain.port
    }
    if (secureClientPort !== null && secure !== null) {
      const port = this.#securePort < 0 ? secureClientPort : this.#securePort
      const options = { host: secureClientPortAddress, port, keepAlive, ...backlog }
      this.#secure = await secure.listen(options, (socket) =>
        accept(socket, { port: 'secure', isSecuring: true }),
      )
      this.#securePort = this.#secure.port
    }
  }

  /** Takes no more connections until `open` is called again, which takes the same ports. */
  async shut(): Promise<void> {
    await this.#plain?.close()
    await this.#secure?.close()
  }

  /** Ends what `prepare` began. */
  close(): void {
    this.#stores?.close()
  }

  /** Counts a connection in. @returns the limit that does not let it stay, or null */
  enter({ port, isSecuring }: Arrival, address: string): string | null {
    const { maxClientCnxns, maxCnxns } = this.#settings
    const door = this.#doors[port]
    const ofAddress = door.enter(address)
    if (isSecuring) this.handshakes++
    if (maxClientCnxns > 0 && ofAddress > maxClientCnxns) {
      return `maxClientCnxns=${maxClientCnxns} for one address`
    }
    if (maxCnxns > 0 && door.size > maxCnxns) return `maxCnxns=${maxCnxns} for all`
    const isFull = this.#doors.plain.size + this.#doors.secure.size > this.#connectionsMax
    return isFull ? `${this.#connectionsMax} for all, by the open files allowed (ulimit -n)` : null
  }

  get hasTooManyHandshakes(): boolean {
    const most = this.#settings.tls?.handshakesMax ?? 0
    return most > 0 && this.handshakes > most
  }

  /** A connection has shown what it speaks. @returns the ids it has proven; null: it must go */
  secured(arrival: Arrival, peer: SecurePeer | null): AuthId[] | null {
    if (arrival.isSecuring) this.handshakes--
    arrival.isSecuring = false
    const certificate = peer?.certificate ?? null
    if (certificate === null) return []
    const ids = idsOfCertificate(certificate, this.#settings.auth.x509SuperUser)
    return ids.length === 0 ? null : ids
  }

  leave({ port, isSecuring }: Arrival, address: string): void {
    this.#doors[port].leave(address)
    if (isSecuring) this.handshakes--
  }
}

/** Connections through one port. */
class Door {
  size = 0
  readonly #perAddress = new Map<string, number>()

  enter(address: string): number {
    const ofAddress = (this.#perAddress.get(address) ?? 0) + 1
    this.#perAddress.set(address, ofAddress)
    this.size++
    return ofAddress
  }

  leave(address: string): void {
    const left = (this.#perAddress.get(address) ?? 1) - 1
    if (left === 0) this.#perAddress.delete(address)
    else this.#perAddress.set(address, left)
    this.size--
  }
}

/** A length that starts like a TLS handshake is beyond every limit, so one byte tells them apart. */
function isTls(bytes: Buffer, frameBytesMax: number): boolean | null {
  if (bytes[0] !== TLS_HANDSHAKE) return false
  return bytes.length < 4 ? null : firstBytesOf(bytes, frameBytesMax) === 'tls'
}
