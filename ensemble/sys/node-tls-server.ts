/**
 * Connections to our side over TLS, or over either on one port.
 *
 *     accepted ──(first bytes: TLS)──▶ handshake ──▶ onSecure, bytes ──▶ closed
 *         └─────(first bytes: plain)──▶ onSecure(null), bytes ──▶ closed
 *
 * Invariants:
 *  1. No byte reaches the handlers before the handshake is done and the client's certificate, where
 *     one was asked for, has been found good: a certificate that was shown and is not good ends the
 *     connection even where none was needed.
 *  2. `onClose` is called once, whichever of the two sockets closes first.
 */
import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import {
  checkServerIdentity,
  createServer,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
} from 'node:tls'
import type { Connection, ConnectionHandlers, Listener } from './network.ts'
import { listenTcp, NodeConnection } from './node-network.ts'
import { contextOptions } from './node-tls-context.ts'
import type { SecurePeer, TlsListenOptions, TlsServer, TlsServerMaterial } from './tls.ts'

/** Longer than a server waits for a client that says nothing: that limit is the one which counts. */
const HANDSHAKE_MS_MAX = 120_000

export class NodeTlsServer implements TlsServer {
  readonly #server: Server
  readonly #handshakes = new Map<string, ServerSideConnection>()
  #material: TlsServerMaterial

  constructor(material: TlsServerMaterial) {
    this.#material = material
    this.#server = createServer({
      ...serverOptions(material),
      requestCert: material.clientAuth !== 'none',
      rejectUnauthorized: material.clientAuth === 'need',
      handshakeTimeout: HANDSHAKE_MS_MAX,
    })
    this.#server.on('secureConnection', (socket) => this.#onSecure(socket))
    this.#server.on('tlsClientError', (error, socket) => {
      this.#take(socket)?.fail(reasonOf(error, socket))
    })
  }

  use(material: TlsServerMaterial): void {
    this.#server.setSecureContext(serverOptions(material))
    this.#material = material
  }

  listen(
    options: TlsListenOptions,
    onConnection: (connection: Connection) => ConnectionHandlers,
  ): Promise<Listener> {
    return listenTcp(options, (raw) => {
      const connection = new ServerSideConnection(raw)
      connection.attach(onConnection(connection))
      if (options.isTls === undefined) this.#handshake(raw, connection)
      else this.#peek(raw, connection, options.isTls)
    })
  }

  /** Looks at the first bytes, which then begin what the chosen side reads. */
  #peek(
    raw: Socket,
    connection: ServerSideConnection,
    isTls: (first: Buffer) => boolean | null,
  ): void {
    let first: Buffer = Buffer.alloc(0)
    const onData = (chunk: Buffer): void => {
      first = first.length === 0 ? chunk : Buffer.concat([first, chunk])
      const answer = isTls(first)
      if (answer === null) return
      raw.off('data', onData)
      raw.off('end', onEnd)
      raw.pause()
      raw.unshift(first)
      if (answer) this.#handshake(raw, connection)
      else connection.carry(raw, null)
    }
    const onEnd = (): void => void raw.end()
    raw.on('data', onData)
    raw.on('end', onEnd)
  }

  #handshake(raw: Socket, connection: ServerSideConnection): void {
    if (raw.destroyed) return
    // The server says which of its sockets is ready; the raw one below is known by its ends.
    const name = nameOf(raw)
    this.#handshakes.set(name, connection)
    raw.once('close', () => {
      if (this.#handshakes.get(name) === connection) this.#handshakes.delete(name)
    })
    // A client that goes during the handshake is gone: nobody waits for an answer yet.
    raw.allowHalfOpen = false
    this.#server.emit('connection', raw)
  }

  #onSecure(socket: TLSSocket): void {
    const connection = this.#take(socket)
    if (connection === undefined) return void socket.destroy()
    const { raw: certificate } = socket.getPeerX509Certificate() ?? { raw: null }
    if (certificate !== null && !socket.authorized) {
      return connection.fail(reasonOf(socket.authorizationError, socket))
    }
    if (certificate !== null && this.#material.checksClientAddress) {
      const address = socket.remoteAddress?.replace(/^::ffff:(?=\d+\.)/i, '') ?? ''
      const problem = checkServerIdentity(address, socket.getPeerCertificate())
      if (problem !== undefined) return connection.fail(problem)
    }
    socket.allowHalfOpen = true
    connection.carry(socket, { certificate })
  }

  #take(socket: Socket): ServerSideConnection | undefined {
    const name = nameOf(socket)
    const connection = this.#handshakes.get(name)
    this.#handshakes.delete(name)
    return connection
  }
}

/** All four: a client may use one port of its own for two addresses of ours. */
function nameOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`
}

function serverOptions(material: TlsServerMaterial): SecureContextOptions {
  // Without a trust store nobody's certificate is good, not everybody's.
  const ca = [...(material.trusted ?? [])]
  // As Apache: a client gets one handshake of TLS 1.2, and cannot keep us busy with more of them.
  return { ...contextOptions(material), ca, secureOptions: constants.SSL_OP_NO_RENEGOTIATION }
}

function reasonOf(error: unknown, socket: TLSSocket): Error {
  // What is wrong with a certificate; the error says only that the connection went.
  const why: unknown = socket.authorizationError
  if (why instanceof Error) return why
  if (typeof why === 'string' && why !== '') return new Error(`client certificate: ${why}`)
  return error instanceof Error ? error : new Error(String(error))
}

/** Stands for the raw socket until it is known what it carries. */
class ServerSideConnection implements Connection {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly #raw: Socket
  #handlers!: ConnectionHandlers
  #carrier: NodeConnection | null = null
  #isPaused = false
  #isClosed = false
  #failure: Error | undefined

  constructor(raw: Socket) {
    this.#raw = raw
    this.remoteAddress = raw.remoteAddress ?? ''
    this.remotePort = raw.remotePort ?? 0
  }

  attach(handlers: ConnectionHandlers): void {
    this.#handlers = handlers
    this.#raw.on('error', (error) => (this.#failure ??= error))
    this.#raw.on('close', () => this.#onClose())
  }

  /** From now on bytes go through `socket`. */
  carry(socket: Socket, peer: SecurePeer | null): void {
    if (this.#isClosed) return void socket.destroy()
    const handlers = this.#handlers
    this.#carrier = new NodeConnection(socket)
    this.#carrier.attach({
      onData: (chunk) => handlers.onData(chunk),
      onDrain: () => handlers.onDrain?.(),
      onEnd: () => (handlers.onEnd === undefined ? this.end() : handlers.onEnd()),
      onClose: (error) => this.#onClose(error),
    })
    handlers.onSecure?.(peer)
    if (this.#isPaused) this.#carrier.pause()
    else this.#carrier.resume()
  }

  fail(error: Error): void {
    this.#failure ??= error
    this.#raw.destroy()
  }

  #onClose(error?: Error): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#handlers.onClose(error ?? this.#failure)
  }

  get queuedBytes(): number {
    return this.#carrier?.queuedBytes ?? 0
  }

  write(bytes: Buffer, onWritten?: () => void): void {
    this.#carrier?.write(bytes, onWritten)
  }

  pause(): void {
    this.#isPaused = true
    this.#carrier?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#carrier?.resume()
  }

  end(): void {
    if (this.#carrier === null) this.#raw.destroy()
    else this.#carrier.end()
  }

  destroy(): void {
    if (this.#carrier === null) this.#raw.destroy()
    else this.#carrier.destroy()
  }
}
