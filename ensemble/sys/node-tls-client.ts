/**
 * Outgoing connections over TLS. What to show and whom to trust is asked for before each of them, so
 * that files that were replaced count from the next connection on.
 *
 * Invariants:
 *  1. `onConnect` is called when the handshake is done and the server's certificate has been found
 *     good, not before; no byte is sent before that.
 *  2. A failure says what was wrong in words that a person can act on.
 */
import { connect as tlsConnect, type TLSSocket } from 'node:tls'
import type { Connection, ConnectionHandlers, Network } from './network.ts'
import { NodeConnection } from './node-network.ts'
import { contextOptions } from './node-tls-context.ts'
import type { TlsClientMaterial } from './tls.ts'

/** @param network for what comes to our side */
export function tlsClientNetwork(
  load: () => Promise<TlsClientMaterial>,
  network: Network,
): Network {
  return {
    connect: (target, handlers) => new ClientSideConnection(target, handlers, load),
    listen: (options, onConnection) => network.listen(options, onConnection),
  }
}

type Target = Parameters<Network['connect']>[0]

class ClientSideConnection implements Connection {
  remoteAddress = ''
  remotePort = 0
  readonly #target: Target
  readonly #handlers: ConnectionHandlers
  #carrier: NodeConnection | null = null
  #isOver = false

  constructor(
    target: Target,
    handlers: ConnectionHandlers,
    load: () => Promise<TlsClientMaterial>,
  ) {
    this.#target = target
    this.#handlers = handlers
    load().then(
      (material) => this.#connect(material),
      (error: unknown) => this.#close(error instanceof Error ? error : new Error(String(error))),
    )
  }

  #connect(material: TlsClientMaterial): void {
    if (this.#isOver) return
    const { host, port } = this.#target
    let socket: TLSSocket
    try {
      socket = tlsConnect({
        ...contextOptions(material),
        host,
        port,
        ...(material.checksHost ? {} : { checkServerIdentity: () => undefined }),
      })
    } catch (error) {
      return this.#close(error instanceof Error ? error : new Error(String(error)))
    }
    socket.setNoDelay(true)
    const carrier = new NodeConnection(socket)
    this.#carrier = carrier
    const handlers = this.#handlers
    let isSecure = false
    carrier.attach({
      onData: (chunk) => handlers.onData(chunk),
      onDrain: () => handlers.onDrain?.(),
      onEnd: () => (handlers.onEnd === undefined ? carrier.end() : handlers.onEnd()),
      onClose: (error) => this.#close(error && explained(error, this.#target, isSecure)),
    })
    socket.once('secureConnect', () => {
      isSecure = true
      this.remoteAddress = socket.remoteAddress ?? ''
      this.remotePort = socket.remotePort ?? 0
      handlers.onConnect?.()
    })
  }

  #close(error?: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#handlers.onClose(error)
  }

  get queuedBytes(): number {
    return this.#carrier?.queuedBytes ?? 0
  }

  write(bytes: Buffer, onWritten?: () => void): void {
    this.#carrier?.write(bytes, onWritten)
  }

  pause(): void {
    this.#carrier?.pause()
  }

  resume(): void {
    this.#carrier?.resume()
  }

  end(): void {
    if (this.#carrier === null) this.destroy()
    else this.#carrier.end()
  }

  destroy(): void {
    if (this.#carrier !== null) return this.#carrier.destroy()
    // Nothing has been opened yet; the outcome is told in a later turn, as of any connection.
    queueMicrotask(() => this.#close())
  }
}

const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

function explained(cause: Error, { host }: Target, isSecure: boolean): Error {
  const { code = '' } = cause as NodeJS.ErrnoException
  const say = (what: string): Error =>
    Object.assign(new Error(`TLS: ${what} (${code})`, { cause }), { code })
  if (UNTRUSTED.has(code))
    return say('the certificate of the server is not from an issuer we trust')
  if (code === 'CERT_HAS_EXPIRED') return say('the certificate of the server has expired')
  if (code === 'CERT_NOT_YET_VALID') return say('the certificate of the server is not valid yet')
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return say(`the certificate of the server is not for ${host}: ${cause.message}`)
  }
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER') return say('the server does not speak it there')
  if (code === 'ECONNRESET' && !isSecure) {
    return say('the server closed the connection during the handshake: is it its TLS port?')
  }
  // With TLS 1.3 the server judges our certificate after our side of the handshake is done.
  if (/ALERT_(CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE)$/.test(code)) {
    return say('the server refused the handshake: it may want a certificate of ours')
  }
  if (/ALERT_((BAD_|UNSUPPORTED_)?CERTIFICATE|UNKNOWN_CA)/.test(code)) {
    return say('the server does not accept our certificate')
  }
  return cause
}
