/**
 * TLS as the rest of the code sees it: connections that carry bytes once both sides have shown what
 * they must. Nothing of it is loaded before it is asked for.
 */
import type { Connection, ConnectionHandlers, Listener, ListenOptions, Network } from './network.ts'

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3'

/** What one side brings to a handshake. */
export interface TlsMaterial {
  /** PEM: the private key, and the own certificate followed by those of its issuers. */
  readonly identity: { readonly key: string; readonly chain: string } | null
  /** PEM: whom to trust; null leaves it to the system's certificates. */
  readonly trusted: readonly string[] | null
  readonly minVersion: TlsVersion
  readonly maxVersion: TlsVersion
  /** OpenSSL's list; null for its own choice. */
  readonly ciphers: string | null
}

export interface TlsServerMaterial extends TlsMaterial {
  readonly clientAuth: 'none' | 'want' | 'need'
  /** Whether a client's certificate must name the address that it comes from. */
  readonly checksClientAddress: boolean
}

export interface TlsClientMaterial extends TlsMaterial {
  /** Whether the server's certificate must name the host that was asked for. */
  readonly checksHost: boolean
}

export interface Tls {
  /** @throws the system's error when key and certificate do not fit one another */
  server(material: TlsServerMaterial): Promise<TlsServer>
  /** A network whose outgoing connections are over TLS; `load` is asked before each of them. */
  client(load: () => Promise<TlsClientMaterial>, network: Network): Promise<Network>
}

export interface TlsServer {
  /** What connections from now on meet. @throws as `Tls.server` */
  use(material: TlsServerMaterial): void
  /**
   * As `Network.listen`. A connection carries bytes once `onSecure` has been called; before that
   * `write` is ignored.
   */
  listen(
    options: TlsListenOptions,
    onConnection: (connection: Connection) => ConnectionHandlers,
  ): Promise<Listener>
}

export interface TlsListenOptions extends ListenOptions {
  /** Whether these first bytes of a connection begin TLS; null: too few to say. Absent: always TLS. */
  readonly isTls?: (first: Buffer) => boolean | null
}

/** The other side after its handshake. */
export interface SecurePeer {
  /** In DER, and found to be good; null: it has shown none. */
  readonly certificate: Buffer | null
}
