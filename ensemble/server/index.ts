/**
 * Public entry `howdah/server`: one ZooKeeper server in this process.
 */
import type { Logger } from '../sys/logger.ts'
import { nodeHost } from '../sys/node-host.ts'
import { lockDirectory } from '../sys/node-directory-lock.ts'
import { nodeSchedules } from '../sys/node-schedules.ts'
import { nodeSys } from '../sys/node-sys.ts'
import { pinoLogger } from '../sys/pino-logger.ts'
import { StoreError } from '../store/store-error.ts'
import { startPeer, type Peer } from './peer.ts'
import { serverSettings, type GivenSettings } from './server-settings.ts'

export { Peer, startPeer, type PeerSys } from './peer.ts'
export type { RetentionSettings } from './retention.ts'
export { defaultLimits, type LimitSettings } from './limit-settings.ts'
export {
  serverSettings,
  defaultAuth,
  type AdminSettings,
  type AuthSettings,
  type ClientTls,
  type MetricsSettings,
  type GivenSettings,
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
  settings: GivenSettings,
  log: Logger = pinoLogger(),
): Promise<Peer> {
  const unlock = await lockDirectory(settings.dataDir)
  if (unlock === null) {
    const why = 'another server is running on this data directory: stop it, or use another dataDir'
    throw new StoreError(why, { file: settings.dataDir })
  }
  try {
    const peer = await startPeer(serverSettings(settings), {
      ...nodeSys(log),
      host: nodeHost,
      schedules: nodeSchedules,
    })
    peer.onClosed(unlock)
    return peer
  } catch (error) {
    await unlock()
    throw error
  }
}
