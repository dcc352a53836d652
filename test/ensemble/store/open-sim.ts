/** Opens a store on a simulated disk, for the tests of this folder. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { openStore, type StoreOptions } from '../../../ensemble/store/store.ts'
import type { Clock } from '../../../ensemble/sys/clock.ts'
import { silent } from '../../../ensemble/sys/logger.ts'
import type { StoreError } from '../../../ensemble/store/store-error.ts'
import { seededRandom, SimFileSystem } from '../../simulation/sim-file-system.ts'

/** Time that stands still; what is deferred or delayed happens in the next turn of microtasks. */
export const stillClock: Clock = {
  monotonicMs: () => 0,
  wallMs: () => 0,
  bootMs: () => 0,
  setTimer(_delayMs, fire) {
    let isCancelled = false
    void Promise.resolve().then(() => !isCancelled && fire())
    return { cancel: () => (isCancelled = true) }
  },
  defer: (run) => void Promise.resolve().then(run),
}

export const PREALLOC_BYTES = 4096

export async function openSim(files: SimFileSystem, options: Partial<StoreOptions> = {}) {
  const durable: bigint[] = []
  const failures: StoreError[] = []
  const opened = await openStore(
    {
      dataDir: '/data',
      dataLogDir: '/data',
      preallocBytes: PREALLOC_BYTES,
      freeBytesMin: 0,
      onDurable: (zxid) => durable.push(zxid),
      onFailure: (error) => failures.push(error),
      ...options,
    },
    { files, clock: stillClock, random: seededRandom(1), log: silent },
  )
  return { ...opened, durable, failures }
}

export function newDisk(seed = 1): SimFileSystem {
  return new SimFileSystem({ random: seededRandom(seed) })
}

/** Copies a real directory onto the simulated disk, durably. */
export function seedFrom(files: SimFileSystem, source: string, target: string): void {
  files.seedDirectory(target)
  for (const name of readdirSync(source)) {
    if (name === '.gitkeep') continue
    const path = `${source}/${name}`
    if (statSync(path).isDirectory()) seedFrom(files, path, `${target}/${name}`)
    else files.seed(`${target}/${name}`, readFileSync(path))
  }
}
