/**
 * What a simulated process sees of its disk: `SimFileSystem`, with latencies from the world's clock,
 * and every answer an event of the process, so that a paused process gets none.
 *
 * A disk belongs to one program of a host (a server, a controller), and survives its processes.
 */
import type { Timer } from '../../ensemble/sys/clock.ts'
import type { File, FileSystem } from '../../ensemble/sys/file-system.ts'
import { SimFileSystem, type Operation } from './sim-file-system.ts'
import type { Proc, World } from './world.ts'

export interface DiskOptions {
  /** Mean of what a read or a write into the page cache takes. */
  latencyMeanMs: number
  /** Mean of what a sync takes. */
  syncMeanMs: number
  /** How likely an operation takes `slowMs`. */
  slowChance: number
  slowMs: number
  /** A planted bug: writes and syncs return at once, and reach the disk this much later; 0: honest. */
  syncsLateMs: number
}

export const calmDisk: DiskOptions = {
  latencyMeanMs: 0.05,
  syncMeanMs: 1,
  slowChance: 0,
  slowMs: 500,
  syncsLateMs: 0,
}

export class SimDisk {
  readonly files: SimFileSystem
  readonly #world: World
  readonly #options: DiskOptions
  readonly #users = new Set<Proc>()

  constructor(world: World, name: string, options: DiskOptions) {
    this.#world = world
    this.#options = options
    const random = world.stream(`disk ${name}`)
    const latencyMs = (operation: Operation) => {
      if (random.chance(options.slowChance)) return random.float() * options.slowMs
      const isSync = operation.kind === 'datasync' || operation.kind === 'sync-directory'
      return random.exponential(isSync ? options.syncMeanMs : options.latencyMeanMs)
    }
    this.files = new SimFileSystem({
      random,
      latencyMs,
      clock: {
        monotonicMs: () => world.nowMs,
        wallMs: () => world.nowMs,
        bootMs: () => world.nowMs,
        setTimer: (delayMs, fire): Timer => {
          const event = world.schedule(null, delayMs * 1000, 'disk', 0, fire)
          return {
            cancel() {
              event.cancelled = true
            },
          }
        },
        defer: (run) => void world.schedule(null, 0, 'disk', 0, run),
      },
    })
  }

  /** The disk as this process sees it; the death of its last user is the disk's `kill` or `crash`. */
  forProc(proc: Proc): FileSystem {
    this.#users.add(proc)
    proc.onEnd.push((how) => {
      this.#users.delete(proc)
      if (how === 'power-loss') this.files.crash()
      // What others of the same program have under way goes on.
      else if (this.#users.size === 0) this.files.kill()
    })
    const { files } = this
    const call = <T>(kind: string, start: () => Promise<T>): Promise<T> => {
      if (proc.diesBeforeEffect()) return new Promise(() => {})
      const pending = start()
      return new Promise((resolve, reject) => {
        const finish = (action: () => void) => {
          this.#world.schedule(proc, 0, kind, 0, action)
        }
        pending.then(
          (value) => finish(() => resolve(value)),
          (error: unknown) => finish(() => reject(error)),
        )
      })
    }
    const wrapFile = (file: File): File => ({
      read: (position, length) => call('file:read', () => file.read(position, length)),
      write: (bytes, position) => call('file:write', () => file.write(bytes, position)),
      datasync: () => call('file:datasync', () => file.datasync()),
      truncate: (length) => call('file:truncate', () => file.truncate(length)),
      size: () => call('file:size', () => file.size()),
      chmod: (mode) => call('file:chmod', () => file.chmod(mode)),
      close: () => call('file:close', () => file.close()),
    })
    return {
      open: (path, mode) =>
        call('file:open', async () => {
          const file = await files.open(path, mode)
          const { syncsLateMs } = this.#options
          const isLate = syncsLateMs > 0 && path.includes('/log.')
          return wrapFile(isLate ? this.#late(file, syncsLateMs) : file)
        }),
      readFile: (path) => call('file:read-all', () => files.readFile(path)),
      list: (path) => call('file:list', () => files.list(path)),
      stat: (path) => call('file:stat', () => files.stat(path)),
      rename: (source, target) => call('file:rename', () => files.rename(source, target)),
      unlink: (path) => call('file:unlink', () => files.unlink(path)),
      makeDirectory: (path) => call('file:mkdir', () => files.makeDirectory(path)),
      syncDirectory: (path) => call('file:sync-dir', () => files.syncDirectory(path)),
      freeBytes: (path) => call('file:free', () => files.freeBytes(path)),
    }
  }

  /** The planted bug: what is written waits its turn, in order, and its writer does not. */
  #late(file: File, lateMs: number): File {
    let last: Promise<unknown> = Promise.resolve()
    const behind = <T>(act: () => Promise<T>): Promise<T> => {
      const next = last.then(act)
      last = next.catch(() => {})
      return next
    }
    const pause = () =>
      new Promise<void>((resolve) => {
        this.#world.schedule(null, lateMs * 1000, 'disk:late', 0, resolve)
      })
    return {
      read: (position, length) => behind(() => file.read(position, length)),
      write(bytes, position) {
        const copy = Buffer.from(bytes)
        void behind(() => pause().then(() => file.write(copy, position)))
        return Promise.resolve()
      },
      datasync() {
        void behind(() => file.datasync())
        return Promise.resolve()
      },
      truncate: (length) => behind(() => file.truncate(length)),
      size: () => behind(() => file.size()),
      chmod: (mode) => behind(() => file.chmod(mode)),
      close: () => behind(() => file.close()),
    }
  }
}
