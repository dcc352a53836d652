/** Stream connections (TCP) as the rest of the code sees them: ordered bytes, or a close. */
import type { SecurePeer } from './tls.ts'

export interface Network {
  /** Starts to connect; the outcome arrives as `onConnect` or `onClose`, never synchronously. */
  connect(target: { host: string; port: number }, handlers: ConnectionHandlers): Connection
  /** Resolves once connections are accepted; rejects with the system's error (EADDRINUSE …). */
  listen(
    options: ListenOptions,
    onConnection: (connection: Connection) => ConnectionHandlers,
  ): Promise<Listener>
}

export interface ListenOptions {
  host: string
  /** 0 picks a free port; see `Listener.port`. */
  port: number
  backlog?: number
  /** TCP keep-alive on what is accepted. */
  keepAlive?: boolean
}

export interface Listener {
  readonly port: number
  /** Stops to accept; connections that exist stay open. */
  close(): Promise<void>
}

export interface ConnectionHandlers {
  /** An outgoing connection is established. */
  onConnect?(): void
  /** The TLS handshake of a connection to our side is done; null: the other side speaks plain. */
  onSecure?(peer: SecurePeer | null): void
  /** Bytes arrived, in pieces of any size. The receiver owns `chunk`; a kept part pins all of it. */
  onData(chunk: Buffer): void
  /** Everything that `write` had queued has been handed to the system. */
  onDrain?(): void
  /** The other side will send no more (FIN); our side may still write. Default: `end()`. */
  onEnd?(): void
  /** The connection is gone, whoever closed it. Called exactly once, and last. */
  onClose(error?: Error): void
}

export interface Connection {
  readonly remoteAddress: string
  readonly remotePort: number
  /**
   * Queues `bytes`, which the caller must not touch again until `onWritten` is called (never called
   * when the connection closes first). Ignored on a closed connection.
   */
  write(bytes: Buffer, onWritten?: () => void): void
  /** Bytes queued and not yet taken by the system. */
  readonly queuedBytes: number
  /** Stops and restarts `onData`; what has been received already is delivered after `resume`. */
  pause(): void
  resume(): void
  /** Sends what is queued, then closes our side. */
  end(): void
  /** Closes now, and drops what is queued. */
  destroy(): void
}
