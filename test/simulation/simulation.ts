/** One simulated world with all of its parts: what a scenario builds upon. */
import type { Sys } from '../../ensemble/sys/sys.ts'
import { simClock } from './sim-clock.ts'
import { calmDisk, SimDisk, type DiskOptions } from './sim-disk.ts'
import { calmHttp, SimHttp, type HttpOptions } from './sim-http.ts'
import { simLogger } from './sim-logger.ts'
import { calmNetwork, SimNetwork, type NetworkOptions } from './sim-network.ts'
import { SimPrograms } from './sim-process.ts'
import { simRandom } from './sim-random.ts'
import { World, type Host, type Proc } from './world.ts'

export interface SimulationOptions {
  network?: Partial<NetworkOptions>
  http?: Partial<HttpOptions>
  disk?: Partial<DiskOptions>
}

export class Simulation {
  readonly world: World
  readonly network: SimNetwork
  readonly http: SimHttp
  readonly programs: SimPrograms
  readonly diskOptions: DiskOptions
  readonly #disks = new Map<string, SimDisk>()

  constructor(seed: number, options: SimulationOptions = {}) {
    this.world = new World(seed)
    this.network = new SimNetwork(this.world, { ...calmNetwork, ...options.network })
    this.http = new SimHttp(this.network, { ...calmHttp, ...options.http })
    this.diskOptions = { ...calmDisk, ...options.disk }
    this.programs = new SimPrograms(this.world, (proc) => this.sysFor(proc))
  }

  /** The disk of the programs of this name on a host. */
  disk(host: Host, name: string): SimDisk {
    const key = `${host.address} ${name}`
    let disk = this.#disks.get(key)
    if (disk === undefined) {
      disk = new SimDisk(this.world, key, this.diskOptions)
      this.#disks.set(key, disk)
    }
    return disk
  }

  /** Starts a process on a host; its disk is that of its name. */
  start(host: Host, name: string): { proc: Proc; sys: Sys } {
    const proc = this.world.startProc(host, name)
    return { proc, sys: this.sysFor(proc) }
  }

  sysFor(proc: Proc): Sys {
    return {
      clock: simClock(proc),
      random: simRandom(proc),
      network: this.network.forProc(proc),
      files: this.disk(proc.host, proc.name).forProc(proc),
      process: this.programs.forProc(proc),
      http: this.http.forProc(proc),
      log: simLogger(proc),
    }
  }

  /** The power of a host fails: all of its processes end, and its disks lose what was not synced. */
  losePower(host: Host): void {
    this.world.mark('power-loss')
    host.isUp = false
    for (const proc of host.procs) this.world.kill(proc, 'power-loss')
  }
}
