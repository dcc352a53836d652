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
  /** The child gets a standard input that we write to; without it, none. */
  input?: boolean
  /** Output, as it comes; the default is to drop it. */
  onOutput?(chunk: Buffer, stream: 'stdout' | 'stderr'): void
}

export interface Child {
  readonly pid: number | undefined
  /** Resolves when the child is gone, also when it could not be started (`error`). */
  readonly exited: Promise<Exit>
  kill(signal: 'SIGTERM' | 'SIGKILL'): void
  /** Queues text for the standard input, where `input` was asked for; dropped when the child is gone. */
  write?(text: string): void
}

export interface Exit {
  readonly code: number | null
  readonly signal: string | null
  readonly error?: Error
}
