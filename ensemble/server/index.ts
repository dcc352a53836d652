/**
 * Public entry `howdah/server`: one ZooKeeper server in this process.
 */
import { pinoLogger } from '../sys/pino-logger.ts'
import type { Logger } from '../sys/logger.ts'
import { nodeSys } from '../sys/node-sys.ts'
import { startPeer, type Peer } from './peer.ts'
import { serverSettings, type ServerSettings } from './server-settings.ts'

export { Peer, startPeer, type PeerSys } from './peer.ts'
export { serverSettings, type ServerSettings } from './server-settings.ts'

/**
 * Starts a server on the real network and disk; resolves once it serves.
 *
 * @param settings `dataDir` at least; the rest are Apache's defaults, `clientPort: 0` any free port
 * @throws StoreError when the data directory cannot be used, and the system's error when the port
 *   cannot be opened
 */
export function startServer(
  settings: Partial<ServerSettings> & Pick<ServerSettings, 'dataDir'>,
  log: Logger = pinoLogger(),
): Promise<Peer> {
  return startPeer(serverSettings(settings), nodeSys(log))
}
