/**
 * Child processes in the simulated world: `argv[0]` names a program of the registry, which runs as a
 * process of its own on the same host, outlives the one that started it, and has its own `sys`.
 */
import type { Child, Exit, Process, SpawnOptions } from '../../ensemble/sys/process.ts'
import type { Sys } from '../../ensemble/sys/sys.ts'
import type { Host, Proc, World } from './world.ts'

export interface ProgramContext {
  readonly proc: Proc
  readonly sys: Sys
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Ends the process with this status. */
  exit(code: number): void
  /** What SIGTERM does; without it the process ends at once. */
  onTerminate: (() => void) | null
  print(text: string): void
}

/** Starts the program; what it goes on to do hangs on its `sys`. */
export type Program = (context: ProgramContext) => void

const START_MS = 5
const SIGNAL_US = 200

export class SimPrograms {
  readonly world: World
  readonly #sysFor: (proc: Proc) => Sys
  readonly #programs = new Map<string, Program>()
  readonly #contexts = new Map<Proc, ProgramContext>()
  readonly #exits = new Map<Proc, Exit>()

  constructor(world: World, sysFor: (proc: Proc) => Sys) {
    this.world = world
    this.#sysFor = sysFor
  }

  register(name: string, program: Program): void {
    this.#programs.set(name, program)
  }

  /** The process group of this pid on the host of `proc`. */
  find(proc: Proc, pid: number): Proc | undefined {
    for (const other of proc.host.procs) if (other.pid === pid) return other
    return undefined
  }

  forProc(proc: Proc): Process {
    return {
      pid: proc.pid,
      spawn: (options) => this.#spawn(proc, options),
      killGroup: (pid, signal) => {
        if (proc.diesBeforeEffect()) return false
        const target = this.find(proc, pid)
        if (target === undefined) return false
        this.signal(target, signal)
        return true
      },
      isAlive: (pid) => this.find(proc, pid) !== undefined,
    }
  }

  signal(target: Proc, signal: 'SIGTERM' | 'SIGKILL'): void {
    const { world } = this
    if (signal === 'SIGKILL') {
      // Reaches a paused process too.
      world.schedule(null, SIGNAL_US, 'process:kill', target.pid, () => {
        if (!target.isAlive) return
        this.#exits.set(target, { code: null, signal })
        world.kill(target, 'kill')
      })
      return
    }
    world.schedule(target, SIGNAL_US, 'process:terminate', target.pid, () => {
      const context = this.#contexts.get(target)
      if (context?.onTerminate) return context.onTerminate()
      this.#exits.set(target, { code: null, signal })
      world.kill(target, 'exit')
    })
  }

  /** Starts a program that no process is the parent of. */
  start(host: Host, argv: readonly string[], env: Readonly<Record<string, string>> = {}): Proc {
    const program = this.#programs.get(argv[0] ?? '')
    if (program === undefined) throw new Error(`unknown program ${argv[0]}`)
    return this.#start(program, host, argv, env, () => {}).proc
  }

  #start(
    program: Program,
    host: Host,
    argv: readonly string[],
    env: Readonly<Record<string, string>>,
    print: (text: string) => void,
  ): ProgramContext {
    const { world } = this
    const proc = world.startProc(host, argv[0]!)
    const context: ProgramContext = {
      proc,
      sys: this.#sysFor(proc),
      argv,
      env,
      exit: (code) => {
        if (!proc.isAlive) return
        this.#exits.set(proc, { code, signal: null })
        world.kill(proc, 'exit')
      },
      onTerminate: null,
      print,
    }
    this.#contexts.set(proc, context)
    world.schedule(proc, START_MS * 1000, 'process:start', proc.pid, () => program(context))
    return context
  }

  #spawn(parent: Proc, options: SpawnOptions): Child {
    const { world } = this
    const name = options.argv[0] ?? ''
    const program = this.#programs.get(name)
    if (program === undefined || parent.diesBeforeEffect()) {
      const error = Object.assign(new Error(`ENOENT: ${name}`), { code: 'ENOENT' })
      return {
        pid: undefined,
        exited: new Promise((resolve) => {
          world.schedule(parent, 100, 'process:unknown', 0, () =>
            resolve({ code: null, signal: null, error }),
          )
        }),
        kill() {},
      }
    }
    const print = (text: string) => {
      world.schedule(parent, 50, 'process:output', text.length, () =>
        options.onOutput?.(Buffer.from(text), 'stdout'),
      )
    }
    const { proc: child } = this.#start(
      program,
      parent.host,
      options.argv,
      options.env ?? {},
      print,
    )
    const exited = new Promise<Exit>((resolve) => {
      child.onEnd.push(() => {
        const exit = this.#exits.get(child) ?? { code: null, signal: 'SIGKILL' }
        world.schedule(parent, SIGNAL_US, 'process:exit', child.pid, () => resolve(exit))
      })
    })
    return { pid: child.pid, exited, kill: (signal) => this.signal(child, signal) }
  }
}
