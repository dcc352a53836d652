/** Everything that comes from outside, in one value, given to constructors (D-2). */
import type { Clock } from './clock.ts'
import type { FileSystem } from './file-system.ts'
import type { Http } from './http.ts'
import type { Logger } from './logger.ts'
import type { Network } from './network.ts'
import type { Process } from './process.ts'
import type { Random } from './random.ts'
import type { Tls } from './tls.ts'

export interface Sys {
  readonly clock: Clock
  readonly random: Random
  readonly network: Network
  /** Absent in a simulated world. */
  readonly tls?: Tls
  readonly files: FileSystem
  readonly process: Process
  readonly http: Http
  readonly log: Logger
}
