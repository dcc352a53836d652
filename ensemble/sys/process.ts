/** Child processes: services under a controller, fencing commands, probes. Never a shell. */
export interface Process {
  readonly pid: number
  /** Starts `argv[0]`; the child leads a process group of its own. */
  spawn(options: SpawnOptions): Child
  /** Signals a process group; false when there is none. */
  killGroup(pid: number, signal: 'SIGTERM' | 'SIGKILL'): boolean
  isAlive(pid: number): boolean
}

export interface SpawnOptions {
  argv: readonly string[]
  cwd?: string
  /** Added to our own environment. */
  env?: Readonly<Record<string, string>>
  /** Output, as it comes; the default is to drop it. */
  onOutput?(chunk: Buffer, stream: 'stdout' | 'stderr'): void
}

export interface Child {
  readonly pid: number | undefined
  /** Resolves when the child is gone, also when it could not be started (`error`). */
  readonly exited: Promise<Exit>
  kill(signal: 'SIGTERM' | 'SIGKILL'): void
}

export interface Exit {
  readonly code: number | null
  readonly signal: string | null
  readonly error?: Error
}
