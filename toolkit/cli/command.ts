/** What a command of the shell is made of. Source: CliCommand, 3.9.5. */
import type { Client } from '../../ensemble/client/index.ts'
import type { Connection } from './connection.ts'
import { CliError } from './cli-error.ts'
import { optionsText, type CommandLine, type OptionTable } from './option-parser.ts'
import type { Output } from './output.ts'

export interface Context {
  readonly output: Output
  readonly connection: Connection
  /** Aborted by Ctrl-C while the command runs. */
  readonly signal: AbortSignal
  /** Asks the ensemble; see `Connection.ask`. */
  ask<T>(path: string | null, question: Question<T>): Promise<T>
}

export type Question<T> = (client: Client, options: { signal: AbortSignal }) => Promise<T>

export interface CliCommand {
  readonly name: string
  /** What follows the name in its usage line. */
  readonly usage: string
  readonly options: OptionTable
  /** One option of this group must be given. */
  readonly requiredGroup?: string
  /** Its usage lists the options too. */
  readonly explainsOptions?: boolean
  /** All words are arguments, whatever they look like. */
  readonly takesAnyWords?: boolean
  /** How many words there must be, its name included. */
  readonly words: { readonly least: number; readonly most?: number }
  /** An argument behind the path once meant a watch, and still does. */
  readonly oldWatchWord?: boolean
  /** Not one of zkCli's: not in its list of commands. */
  readonly isOurs?: boolean
  run(line: CommandLine, context: Context): Promise<void>
}

export function usageOf(command: CliCommand): string {
  const line = `${command.name} ${command.usage}`
  return command.explainsOptions === true ? `${line}\n${optionsText(command.options)}` : line
}

/** Where Java reads an int it ends with a stack: we say what is wrong. */
export function integerOf(line: CommandLine, option: string, fallback: number): number {
  const text = line.value(option)
  if (text === undefined) return fallback
  const value = Number(text)
  if (!/^[+-]?\d+$/.test(text) || value > 0x7fff_ffff || value < -0x8000_0000) {
    throw new CliError(`-${option} argument must be an int value`)
  }
  return value
}

/** A word that the command's `words.least` promises. */
export function wordOf(line: CommandLine, at: number): string {
  return line.words[at] ?? ''
}
