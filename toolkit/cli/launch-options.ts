/**
 * The words of `howdah cli` before the command. Source: ZooKeeperMain.MyCommandOptions#parseOptions,
 * 3.9.5; where Java passes over what it does not know (and takes its value for the command), or goes
 * on without a value, we refuse: exit code 2, an invalid invocation.
 */
import { readFileSync } from 'node:fs'
import { CliError } from './cli-error.ts'

export const INVALID_INVOCATION = 2

export interface LaunchOptions {
  /** Null when not given. */
  readonly servers: string | null
  readonly sessionTimeoutMs: number
  readonly readOnly: boolean
  readonly waitForConnection: boolean
  /** Java's client configuration: a file of properties; null when not given. */
  readonly configuration: string | null
  /** A command in place of the shell. */
  readonly command: readonly string[] | null
}

const DEFAULT_TIMEOUT_MS = 30_000

/** @throws CliError */
export function parseLaunchOptions(words: readonly string[]): LaunchOptions {
  let servers: string | null = null
  let sessionTimeoutMs = DEFAULT_TIMEOUT_MS
  let readOnly = false
  let waitForConnection = false
  let configuration: string | null = null
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? ''
    const value = (): string => {
      const next = words[++at]
      if (next === undefined) throw refusal(`Error: no argument found for option ${word}`)
      return next
    }
    if (word === '-server' || word === '--server') servers = value()
    else if (word === '-timeout') sessionTimeoutMs = timeoutOf(value())
    else if (word === '-r') readOnly = true
    else if (word === '-waitforconnection') waitForConnection = true
    else if (word === '-client-configuration') {
      configuration = value()
      checkConfiguration(configuration)
    } else if (word.startsWith('-'))
      throw refusal(`Error: unknown option ${word} (see: howdah cli --help)`)
    else {
      const command = words.slice(at)
      return { servers, sessionTimeoutMs, readOnly, waitForConnection, configuration, command }
    }
  }
  return { servers, sessionTimeoutMs, readOnly, waitForConnection, configuration, command: null }
}

function timeoutOf(text: string): number {
  const value = Number(text)
  if (!/^\d{1,10}$/.test(text) || value < 1 || value > 0x7fff_ffff) {
    throw refusal(`Error: -timeout ${text}: expected milliseconds`)
  }
  return value
}

/** Its settings of TLS and SASL are read where they count. */
function checkConfiguration(path: string): void {
  try {
    readFileSync(path, 'utf8')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw refusal(`Error: -client-configuration: ${why}`)
  }
}

/** jute.maxbuffer of CLIENT_JVMFLAGS, where users of zkCli.sh set it; null when absent. */
export function frameBytesMaxOf(flags: string | undefined): number | null {
  const text = /(?:^|\s)-Djute\.maxbuffer=(0x[0-9a-f]+|\d+)(?=\s|$)/i.exec(flags ?? '')?.[1]
  const value = Number(text)
  return value > 0 && value <= 0x7fff_ffff ? value : null
}

function refusal(message: string): CliError {
  return new CliError(message, INVALID_INVOCATION)
}
