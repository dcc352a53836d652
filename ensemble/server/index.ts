/**
 * Public entry `howdah/server`: one ZooKeeper server in this process.
 */
import { mkdir } from 'node:fs/promises'
import type { Logger } from '../sys/logger.ts'
import { nodeHost } from '../sys/node-host.ts'
import { nodeSys } from '../sys/node-sys.ts'
import { pinoLogger } from '../sys/pino-logger.ts'
import { lockDataDirectory } from './data-directory-lock.ts'
import { startPeer, type Peer } from './peer.ts'
import { serverSettings, type ServerSettings } from './server-settings.ts'

export { Peer, startPeer, type PeerSys } from './peer.ts'
export {
  serverSettings,
  type AdminSettings,
  type MetricsSettings,
  type ServerSettings,
} from './server-settings.ts'

/**
 * Starts a server on the real network and disk; resolves once it serves.
 *
 * @param settings `dataDir` at least; the rest are Apache's defaults, `clientPort: 0` any free port
 * @throws StoreError when the data directory cannot be used, and the system's error when the port
 *   cannot be opened
 */
export async function startServer(
  settings: Partial<ServerSettings> & Pick<ServerSettings, 'dataDir'>,
  log: Logger = pinoLogger(),
): Promise<Peer> {
  await mkdir(settings.dataDir, { recursive: true })
  const unlock = await lockDataDirectory(settings.dataDir)
  try {
    const peer = await startPeer(serverSettings(settings), { ...nodeSys(log), host: nodeHost })
    peer.onClosed(unlock)
    return peer
  } catch (error) {
    await unlock()
    throw error
  }
}
