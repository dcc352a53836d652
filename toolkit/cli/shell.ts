/**
 * The shell: runs lines one after another on a connection, and remembers them.
 *
 * Invariants:
 * 1. A line is in the history under its number before it runs; empty lines are not counted.
 * 2. The exit code is that of the last command; an error never ends the shell. (Java ends with a
 *    stack at numbers that are none; here they are errors like others.)
 * 3. Commands of the shell itself run also without a connection, and say so afterwards.
 *
 * Source: ZooKeeperMain#processZKCmd, 3.9.5.
 */
import { ZkError } from '../../ensemble/client/index.ts'
import { CliError, COMMAND_NOT_FOUND, errorText } from './cli-error.ts'
import { usageOf, type CliCommand, type Context, type Question } from './command.ts'
import { allUsages, commands, isKnown, SHELL_COMMANDS } from './commands.ts'
import type { Network } from '../../ensemble/sys/network.ts'
import { Connection } from './connection.ts'
import { optionsText, parseOptions, type CommandLine } from './option-parser.ts'
import { eventText, type Happening, type Output } from './output.ts'
import { wordsOf } from './words.ts'

const HISTORY_SHOWN = 10

export interface ShellOptions {
  readonly servers: string
  readonly sessionTimeoutMs: number
  readonly readOnly: boolean
  readonly waitForConnection: boolean
  readonly frameBytesMax: number | null
  /** `user:password` to log in with; null goes without. */
  readonly sasl?: string | null
  /** Over TLS; plain without. */
  readonly network?: Network | null
}

export interface ShellOutput extends Output {
  /** An event of a watch or of the session, which may come at any time. */
  onEvent(text: string): void
}

export class Shell {
  readonly #options: ShellOptions
  readonly #output: ShellOutput
  readonly #signal: AbortSignal
  readonly #history: string[] = []
  readonly #told = new Set<string>()
  #connection: Connection
  #printsWatches = true
  #exitCode = 0
  #interrupt = new AbortController()

  /**
   * Starts to connect.
   *
   * @param signal ends whatever runs
   * @throws CliError when the servers are no connect string
   */
  constructor(options: ShellOptions, output: ShellOutput, signal: AbortSignal) {
    this.#options = options
    this.#output = output
    this.#signal = signal
    Connection.check(options.servers)
    this.#connection = this.#open(options.servers)
  }

  get exitCode(): number {
    return this.#exitCode
  }

  get prompt(): string {
    const { servers, state } = this.#connection
    return `[zk: ${servers}(${state}) ${this.#history.length}] `
  }

  get connection(): Connection {
    return this.#connection
  }

  /** Waits for the first connection if that was asked for. @throws CliError */
  async start(): Promise<void> {
    await this.#waitIfAsked()
  }

  /** Stops the command that runs. */
  interrupt(): void {
    this.#interrupt.abort()
  }

  /** Leaves without a word, as zkCli does: the session ends by its timeout. */
  leave(): void {
    this.#connection.abandon()
  }

  /** @returns whether the shell goes on */
  async runLine(line: string): Promise<boolean> {
    if (line === '') return true
    this.#history.push(line)
    return this.runWords(wordsOf(line))
  }

  /** @returns whether the shell goes on */
  async runWords(words: readonly string[]): Promise<boolean> {
    this.#interrupt = new AbortController()
    try {
      const goesOn = await this.#run(words)
      if (goesOn) this.#exitCode = 0
      return goesOn
    } catch (error) {
      this.#exitCode = this.#complain(error)
      return true
    }
  }

  #complain(error: unknown): number {
    if (error instanceof ZkError) {
      this.#output.complain(errorText(error))
      return 1
    }
    if (!(error instanceof CliError)) throw error
    this.#output.complain(error.message)
    return error.exitCode
  }

  async #run(words: readonly string[]): Promise<boolean> {
    const name = words[0]
    if (name === undefined) throw new CliError('No command entered')
    if (!isKnown(name)) {
      this.#output.complain(allUsages())
      throw new CliError(`Command not found: Command not found ${name}`, COMMAND_NOT_FOUND)
    }
    if (name === 'quit') {
      await this.#connection.close()
      return false
    }
    if (Object.hasOwn(SHELL_COMMANDS, name) && !(await this.#runOwn(name, words[1]))) return false
    if (!this.#connection.isAlive) this.#output.print('Not connected')
    else await this.#runCommand(commands.get(name), words)
    return true
  }

  async #runOwn(name: string, word: string | undefined): Promise<boolean> {
    if (name === 'history') this.#printHistory()
    else if (name === 'connect') await this.#connect(word ?? this.#connection.servers)
    else if (name === 'redo' && word !== undefined) return this.#redo(word)
    else if (name === 'printwatches') {
      if (word !== undefined) this.#printsWatches = word === 'on'
      else this.#output.print(`printwatches is ${this.#printsWatches ? 'on' : 'off'}`)
    }
    return true
  }

  #printHistory(): void {
    const first = Math.max(0, this.#history.length - 1 - HISTORY_SHOWN)
    for (const [at, line] of this.#history.slice(first).entries()) {
      this.#output.print(`${first + at} - ${line}`)
    }
  }

  /** Repeats a line, which takes the place of the `redo` in the history. */
  async #redo(word: string): Promise<boolean> {
    const at = /^[+-]?(\d+|0x[0-9a-f]+)$/i.test(word) ? Number(word) : NaN
    const line = this.#history[at]
    const own = this.#history.length - 1
    if (line === undefined || at >= own) throw new CliError('Command index out of range')
    const words = wordsOf(line)
    if (words[0] === 'redo') throw new CliError('No redoing redos')
    this.#history[own] = line
    return this.runWords(words)
  }

  async #connect(servers: string): Promise<void> {
    const { isAlive } = this.#connection
    const previous = this.#connection
    // Nonsense must not cost the connection that there is.
    Connection.check(servers)
    if (isAlive) await previous.close()
    this.#connection = this.#open(servers)
    await this.#waitIfAsked()
  }

  #open(servers: string): Connection {
    const { sessionTimeoutMs, readOnly, frameBytesMax, sasl = null, network = null } = this.#options
    const options = { servers, sessionTimeoutMs, readOnly, frameBytesMax, sasl, network }
    const connection = new Connection(options, (event) => this.#onEvent(event))
    if (network !== null) connection.onFailure((why) => this.#onTlsFailure(why))
    return connection
  }

  /** A wrong certificate stays wrong: said once, for people would wait for a server that is there. */
  #onTlsFailure(why: string): void {
    if (!/TLS: |^tls\.|^ssl\./m.test(why) || this.#told.has(why)) return
    this.#told.add(why)
    this.#output.complain(`Error: ${why}`)
  }

  async #waitIfAsked(): Promise<void> {
    const { waitForConnection, sessionTimeoutMs } = this.#options
    if (!waitForConnection) return
    try {
      await this.#connection.connected(sessionTimeoutMs, this.#stopSignal())
    } catch (error) {
      if (!(error instanceof ZkError)) throw error
      await this.#connection.close()
      throw new CliError(errorText(error), 1, { cause: error })
    }
  }

  async #runCommand(command: CliCommand | undefined, words: readonly string[]): Promise<void> {
    if (command === undefined) return
    const line = this.#lineOf(command, words)
    const { least, most = Infinity } = command.words
    if (line.words.length < least || line.words.length > most) {
      throw new CliError(usageOf(command))
    }
    const signal = this.#stopSignal()
    const connection = this.#connection
    const context: Context = {
      output: this.#output,
      connection,
      signal,
      ask: <T>(path: string | null, question: Question<T>) =>
        connection.ask(path, question, { signal }),
    }
    try {
      await command.run(line, context)
    } finally {
      await connection.settled()
    }
  }

  #lineOf(command: CliCommand, words: readonly string[]): CommandLine {
    const { options, takesAnyWords = false, oldWatchWord = false } = command
    if (takesAnyWords) return parseOptions(['--', ...words], options)
    const line = parseOptions(words, options, command.requiredGroup)
    if (line.has('?')) this.#printHelp(command)
    if (!oldWatchWord || line.words.length < 3) return line
    const { name } = command
    const usage = name === 'get' ? '[-s] [-w]' : '[-w]'
    this.#output.complain(
      `'${name} path [watch]' has been deprecated. Please use '${name} ${usage} path' instead.`,
    )
    // Whatever stands third, as zkCli has it.
    return parseOptions(words.with(2, '-w'), options)
  }

  #printHelp(command: CliCommand): void {
    this.#output.print(
      `usage: ${command.name} [options] path\n${optionsText(command.options).trimEnd()}`,
    )
  }

  #stopSignal(): AbortSignal {
    return AbortSignal.any([this.#signal, this.#interrupt.signal])
  }

  #onEvent(event: Happening): void {
    if (this.#printsWatches) this.#output.onEvent(eventText(event))
  }
}
