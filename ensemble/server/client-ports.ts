/**
 * Where clients come in: the plain port, the one for TLS, or both kinds on one; and how many may.
 *
 * Invariants:
 *  1. A port for TLS carries no plain byte: `secureClientPort` and a plain port without
 *     `client.portUnification` each speak one language (S-4).
 *  2. Stores are read again when their files change: connections from then on meet the new ones.
 *     Files that cannot be used leave those in force that were, and are logged once.
 * Source: ServerCnxnFactory, NettyServerCnxnFactory, 3.9.5, which counts each port by itself, and reads
 * the key store for every connection (`client.certReload` or not).
 */
import type { ClientPort } from '../admin/server-view.ts'
import { idsOfCertificate, type AuthId } from '../auth/schemes.ts'
import type { Timer } from '../sys/clock.ts'
import type { ConnectionHandlers, Connection, Listener } from '../sys/network.ts'
import type { SecurePeer, TlsServer } from '../sys/tls.ts'
import type { Sys } from '../sys/sys.ts'
import { expired, serverMaterial, TlsError, tlsFiles, type Files } from '../tls/index.ts'
import { firstBytesOf } from './first-bytes.ts'
import type { ServerSettings } from './server-settings.ts'

export type PortsSys = Pick<Sys, 'clock' | 'files' | 'log' | 'network' | 'tls'>

/** Of one accepted connection. */
export interface Arrival {
  readonly port: ClientPort
  /** Whether it has yet to show what it speaks, and who it is. */
  isSecuring: boolean
}

/** How often the files of stores are looked at. */
const RELOAD_MS = 1000
const TLS_HANDSHAKE = 0x16

export class ClientPorts {
  /** Handshakes under way. */
  handshakes = 0
  readonly #settings: ServerSettings
  readonly #sys: PortsSys
  readonly #doors = { plain: new Door(), secure: new Door() }
  #tls: TlsServer | null = null
  #contents: ReadonlyMap<string, Buffer> = new Map()
  #plain: Listener | null = null
  #secure: Listener | null = null
  /** Those that were opened first: a free one that was found stays the one. */
  #plainPort = -1
  #securePort = -1
  #timer: Timer | null = null
  #isClosed = false

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
    this.#contents = await contentsOf(tlsFiles(tls), this.#sys.files)
    const material = await serverMaterial(tls, kept(this.#contents))
    try {
      this.#tls = await this.#sys.tls.server(material)
    } catch (error) {
      throw unusable(error)
    }
    this.#warnOfExpired(expired(material, this.#sys.clock.wallMs()))
    this.#reloadLater()
  }

  /** Takes connections from now on. */
  async open(accept: (socket: Connection, arrival: Arrival) => ConnectionHandlers): Promise<void> {
    const { clientPort, clientPortAddress, clientPortListenBacklog } = this.#settings
    const { secureClientPort, secureClientPortAddress, frameBytesMax, tls } = this.#settings
    const backlog = clientPortListenBacklog < 0 ? {} : { backlog: clientPortListenBacklog }
    if (clientPort !== null) {
      const isUnified = this.#tls !== null && tls?.portUnification === true
      const port = this.#plainPort < 0 ? clientPort : this.#plainPort
      const options = { host: clientPortAddress, port, ...backlog }
      const onSocket = (socket: Connection): ConnectionHandlers =>
        accept(socket, { port: 'plain', isSecuring: isUnified })
      this.#plain = isUnified
        ? await this.#tls!.listen(
            { ...options, isTls: (bytes) => isTls(bytes, frameBytesMax) },
            onSocket,
          )
        : await this.#sys.network.listen(options, onSocket)
      this.#plainPort = this.#plain.port
    }
    if (secureClientPort !== null && this.#tls !== null) {
      const port = this.#securePort < 0 ? secureClientPort : this.#securePort
      const options = { host: secureClientPortAddress, port, ...backlog }
      this.#secure = await this.#tls.listen(options, (socket) =>
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
    this.#isClosed = true
    this.#timer?.cancel()
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
    return maxCnxns > 0 && door.size > maxCnxns ? `maxCnxns=${maxCnxns} for all` : null
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

  // -- files that change ---------------------------------------------------------------------------

  #reloadLater(): void {
    if (this.#isClosed) return
    this.#timer = this.#sys.clock.setTimer(RELOAD_MS, () => {
      void this.#reload().finally(() => this.#reloadLater())
    })
  }

  async #reload(): Promise<void> {
    const { tls } = this.#settings
    if (tls === null || this.#tls === null) return
    const { files, log, clock } = this.#sys
    const contents = await contentsOf(tlsFiles(tls), files)
    if (this.#isClosed || isSame(contents, this.#contents)) return
    this.#contents = contents
    try {
      const material = await serverMaterial(tls, kept(contents))
      this.#tls.use(material)
      log.info({ files: [...contents.keys()] }, 'new certificates, for connections from now on')
      this.#warnOfExpired(expired(material, clock.wallMs()))
    } catch (error) {
      const { message } = unusable(error)
      log.error({ error: message }, 'changed key or trust store is not usable, the old one stays')
    }
  }

  #warnOfExpired(warnings: readonly string[]): void {
    for (const warning of warnings) this.#sys.log.warn({ warning }, 'a certificate has ended')
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

/** Files that cannot be read are left out: whoever needs them finds out. */
async function contentsOf(paths: readonly string[], files: Files): Promise<Map<string, Buffer>> {
  const contents = new Map<string, Buffer>()
  for (const path of paths) {
    const bytes = await files.readFile(path).catch(() => null)
    if (bytes !== null) contents.set(path, bytes)
  }
  return contents
}

function kept(contents: ReadonlyMap<string, Buffer>): Files {
  return {
    readFile(path) {
      const bytes = contents.get(path)
      if (bytes !== undefined) return Promise.resolve(bytes)
      return Promise.reject(
        Object.assign(new Error(path), { code: 'no such file, or not readable' }),
      )
    },
  }
}

function isSame(one: ReadonlyMap<string, Buffer>, other: ReadonlyMap<string, Buffer>): boolean {
  return (
    one.size === other.size &&
    [...one].every(([path, bytes]) => other.get(path)?.equals(bytes) === true)
  )
}

function unusable(error: unknown): Error {
  if (error instanceof TlsError) return error
  const what = error instanceof Error ? error.message : String(error)
  return new TlsError([{ key: 'ssl.keyStore.location', what }], { cause: error })
}
