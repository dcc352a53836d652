/** The real world: what production code is given where the simulator gives its own. */
import type { Logger } from './logger.ts'
import { nodeClock } from './node-clock.ts'
import { nodeFileSystem } from './node-file-system.ts'
import { nodeHttp } from './node-http.ts'
import { nodeNetwork } from './node-network.ts'
import { nodeProcess } from './node-process.ts'
import { nodeRandom } from './node-random.ts'
import { nodeTls } from './node-tls.ts'
import type { Sys } from './sys.ts'

export function nodeSys(log: Logger): Sys {
  return {
    clock: nodeClock,
    random: nodeRandom,
    network: nodeNetwork,
    tls: nodeTls,
    files: nodeFileSystem,
    process: nodeProcess,
    http: nodeHttp,
    log,
  }
}
