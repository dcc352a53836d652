/** The shell of `howdah cli` inside of a test: what each line prints, and where. */
import { Shell, type ShellOptions } from '../../toolkit/cli/shell.ts'

export interface Printed {
  /** Lines on stdout, events too. */
  readonly out: readonly string[]
  readonly err: readonly string[]
  /** Both, in the order in which they were printed. */
  readonly all: readonly string[]
  readonly goesOn: boolean
}

export class CliSession {
  readonly shell: Shell
  #out: string[] = []
  #err: string[] = []
  #all: string[] = []

  constructor(servers: string, options: Partial<ShellOptions> = {}) {
    const defaults: ShellOptions = {
      servers,
      sessionTimeoutMs: 10_000,
      readOnly: false,
      waitForConnection: false,
      frameBytesMax: null,
    }
    const out = (text: string) => this.#take(text, this.#out)
    const output = {
      print: out,
      onEvent: out,
      complain: (text: string) => this.#take(text, this.#err),
    }
    const { signal } = new AbortController()
    this.shell = new Shell({ ...defaults, ...options }, output, signal)
  }

  #take(text: string, into: string[]): void {
    into.push(...text.split('\n'))
    this.#all.push(...text.split('\n'))
  }

  /** Connects; what that prints belongs to the next line. */
  async connected(): Promise<this> {
    await this.shell.connection.connected(10_000, new AbortController().signal)
    return this
  }

  async run(line: string): Promise<Printed> {
    const goesOn = await this.shell.runLine(line)
    const printed = { ...this.taken(), goesOn }
    return printed
  }

  /** What has been printed since the last time. */
  taken(): Omit<Printed, 'goesOn'> {
    const printed = { out: this.#out, err: this.#err, all: this.#all }
    this.#out = []
    this.#err = []
    this.#all = []
    return printed
  }

  [Symbol.dispose](): void {
    this.shell.leave()
  }
}

const EVENT = /^WatchedEvent .*$/

/** Events taken out of the lines, with the three lines before each of them. */
export function withoutEvents(lines: readonly string[]): { lines: string[]; events: string[] } {
  const rest: string[] = []
  const events: string[] = []
  for (const line of lines) {
    if (!EVENT.test(line)) {
      rest.push(line)
      continue
    }
    events.push(line)
    // An empty line, `WATCHER::`, an empty line.
    rest.splice(-3)
  }
  return { lines: rest, events }
}
