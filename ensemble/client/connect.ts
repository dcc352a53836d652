/** The client on the real clock, random generator and network: the one file here that needs Node. */
import { nodeClock } from '../sys/node-clock.ts'
import type { Network } from '../sys/network.ts'
import { nodeNetwork } from '../sys/node-network.ts'
import { nodeRandom } from '../sys/node-random.ts'
import type { TlsOptions, TlsSettings } from '../tls/index.ts'
import { Client, type ClientOptions } from './client.ts'

const CONNECT_TIMEOUT_MS = 15_000

export interface ConnectOptions extends ClientOptions {
  /** How long to wait for the first connection; 15 s when absent, Infinity for no end. */
  connectTimeoutMs?: number
  /**
   * Speak TLS: what to trust and what to show. The files are read again for each connection, so that
   * renewed certificates count from the next one on.
   */
  tls?: TlsOptions
}

/**
 * A network whose connections are over TLS, for a `Client` of one's own.
 *
 * @throws TlsError with every file or setting that cannot be used
 */
export async function tlsNetwork(tls: TlsOptions | TlsSettings): Promise<Network> {
  // Nothing of TLS is loaded for those who do without.
  const { clientMaterial, tlsSettingsFor } = await import('../tls/index.ts')
  const { nodeTls } = await import('../sys/node-tls.ts')
  const { nodeFileSystem } = await import('../sys/node-file-system.ts')
  const settings = 'keyStore' in tls ? tls : tlsSettingsFor(tls)
  await clientMaterial(settings, nodeFileSystem)
  return nodeTls.client(() => clientMaterial(settings, nodeFileSystem), nodeNetwork)
}

/**
 * Connects to an ensemble, and resolves when a session has been granted.
 *
 * @param servers `host:port,host:port/chroot`
 * @throws ZkError `operationTimeout` when no server could be reached in time: the message says what
 *   the last one answered; TlsError for files of `tls` that cannot be used; `authFailed`; `sessionExpired` for a session that cannot be resumed
 */
export async function connect(servers: string, options: ConnectOptions = {}): Promise<Client> {
  const { connectTimeoutMs = CONNECT_TIMEOUT_MS, tls, ...rest } = options
  const client = new Client(servers, rest, {
    clock: nodeClock,
    random: nodeRandom,
    network: tls === undefined ? nodeNetwork : await tlsNetwork(tls),
  })
  const limit = new AbortController()
  const timer =
    connectTimeoutMs === Infinity
      ? null
      : nodeClock.setTimer(connectTimeoutMs, () => {
          limit.abort(new Error(`no connection within ${connectTimeoutMs} ms`))
        })
  try {
    client.start()
    await client.connected({ signal: limit.signal })
    return client
  } catch (error) {
    await client.close()
    throw error
  } finally {
    timer?.cancel()
  }
}
