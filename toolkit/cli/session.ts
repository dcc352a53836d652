/**
 * The ways to use the shell: one command, a script from a pipe, or a person at a terminal.
 *
 * Source: ZooKeeperMain#run, JLineZNodeCompleter, 3.9.5. Other than Java at a terminal: an event does
 * not tear the line that is being typed, and Ctrl-C stops a command, or clears the line, before it
 * ends the shell.
 */
import { clearLine, createInterface, cursorTo, type Interface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { INTERRUPTED } from './cli-error.ts'
import { complete } from './completion.ts'
import type { Shell } from './shell.ts'

/** @returns the exit code */
export async function runScript(
  shell: Shell,
  input: Readable,
  signal: AbortSignal,
): Promise<number> {
  const lines = createInterface({ input, crlfDelay: Infinity, terminal: false })
  const onAbort = () => lines.close()
  signal.addEventListener('abort', onAbort)
  try {
    for await (const line of lines) {
      if (signal.aborted || !(await shell.runLine(line))) break
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    lines.close()
  }
  return shell.exitCode
}

export interface Terminal {
  readonly input: Readable
  readonly output: Writable
}

export class Prompt {
  readonly #shell: Shell
  readonly #output: Writable
  readonly #lines: Interface
  #isBusy = false
  #isInterrupted = false

  constructor(shell: Shell, { input, output }: Terminal) {
    this.#shell = shell
    this.#output = output
    this.#lines = createInterface({
      input,
      output,
      terminal: true,
      removeHistoryDuplicates: true,
      completer: (
        line: string,
        done: (error: Error | null, result: [string[], string]) => void,
      ) => {
        void complete(line, shell).then((result) => done(null, result))
      },
    })
    this.#lines.on('SIGINT', () => this.#onInterrupt())
  }

  /** @returns the exit code */
  async run(signal: AbortSignal): Promise<number> {
    const onAbort = () => this.#lines.close()
    signal.addEventListener('abort', onAbort)
    try {
      this.#ask()
      for await (const line of this.#lines) {
        this.#isBusy = true
        const goesOn = await this.#shell.runLine(line)
        this.#isBusy = false
        if (!goesOn || signal.aborted) break
        this.#ask()
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.#lines.close()
    }
    return this.#isInterrupted ? INTERRUPTED : this.#shell.exitCode
  }

  /** Prints what nobody asked for, above the line that is being typed. */
  show(text: string): void {
    if (this.#isBusy) {
      this.#output.write(text)
      return
    }
    cursorTo(this.#output, 0)
    clearLine(this.#output, 0)
    this.#output.write(text)
    this.#ask(true)
  }

  #ask(keepsCursor = false): void {
    this.#lines.setPrompt(this.#shell.prompt)
    this.#lines.prompt(keepsCursor)
  }

  #onInterrupt(): void {
    if (this.#isBusy) return this.#shell.interrupt()
    this.#output.write('^C\n')
    if (this.#lines.line === '') {
      this.#isInterrupted = true
      return this.#lines.close()
    }
    // To the end of the line, then all before the cursor goes.
    this.#lines.write(null, { ctrl: true, name: 'e' })
    this.#lines.write(null, { ctrl: true, name: 'u' })
    this.#ask()
  }
}
