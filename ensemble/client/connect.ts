/** The client on the real clock, random generator and network: the one file here that needs Node. */
import { nodeClock } from '../sys/node-clock.ts'
import { nodeNetwork } from '../sys/node-network.ts'
import { nodeRandom } from '../sys/node-random.ts'
import { Client, type ClientOptions } from './client.ts'

const CONNECT_TIMEOUT_MS = 15_000

export interface ConnectOptions extends ClientOptions {
  /** How long to wait for the first connection; 15 s when absent, Infinity for no end. */
  connectTimeoutMs?: number
}

/**
 * Connects to an ensemble, and resolves when a session has been granted.
 *
 * @param servers `host:port,host:port/chroot`
 * @throws ZkError `operationTimeout` when no server could be reached in time: the message says what
 *   the last one answered; `authFailed`; `sessionExpired` for a session that cannot be resumed
 */
export async function connect(servers: string, options: ConnectOptions = {}): Promise<Client> {
  const { connectTimeoutMs = CONNECT_TIMEOUT_MS, ...rest } = options
  const client = new Client(servers, rest, {
    clock: nodeClock,
    random: nodeRandom,
    network: nodeNetwork,
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
