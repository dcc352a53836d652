/** Randomness of a simulated process: a stream of the seed, named for the process (D-4). */
import type { Random } from '../../ensemble/sys/random.ts'
import type { Proc } from './world.ts'

export function simRandom(proc: Proc): Random {
  return proc.world.stream(`process ${proc.host.address} ${proc.name} ${proc.pid}`)
}
