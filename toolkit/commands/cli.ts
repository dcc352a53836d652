/**
 * `howdah cli`: zkCli. Ends with its exit codes (client-protocol 9.7): 0, 1 for an error, 127 for an
 * unknown command; 2 for wrong options of its own.
 */
import type { Readable, Writable } from 'node:stream'
import { tlsNetwork } from '../../ensemble/client/index.ts'
import type { Network } from '../../ensemble/sys/network.ts'
import { CliError } from '../cli/cli-error.ts'
import {
  frameBytesMaxOf,
  INVALID_INVOCATION,
  parseLaunchOptions,
  type LaunchOptions,
} from '../cli/launch-options.ts'
import { Prompt, runScript } from '../cli/session.ts'
import { Shell, type ShellOutput } from '../cli/shell.ts'
import type { Arguments, Io } from '../command.ts'
import { clientLogin } from '../setup/client-login.ts'
import { SetUpError } from '../setup/problem.ts'

const DEFAULT_SERVERS = 'localhost:2181'
/** As the JVM ends on a signal. */
const SIGNAL_STATUS: Readonly<Record<string, number>> = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }

export interface Streams {
  readonly input: Readable
  /** The terminal to write to; null when a person is not at both ends. */
  readonly terminal: Writable | null
}

export function run(args: Arguments, io: Io): Promise<number> {
  const isInteractive = process.stdin.isTTY && io.isTerminal
  return runCli(args.positionals, io, {
    input: process.stdin,
    terminal: isInteractive ? process.stdout : null,
  })
}

export async function runCli(words: readonly string[], io: Io, streams: Streams): Promise<number> {
  try {
    return await runWith(parseLaunchOptions(words), io, streams)
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    io.err(`${error.message}\n`)
    return error.exitCode
  }
}

async function runWith(launch: LaunchOptions, io: Io, streams: Streams): Promise<number> {
  const servers = launch.servers ?? (await serversOf(io))
  io.out(`Connecting to ${servers}\n`)
  let prompt: Prompt | null = null
  const safe = io.isTerminal ? harmless : (text: string) => text
  const output: ShellOutput = {
    print: (line) => io.out(`${safe(line)}\n`),
    complain: (line) => io.err(`${safe(line)}\n`),
    onEvent: (text) => {
      if (prompt === null) io.out(`${safe(text)}\n`)
      else prompt.show(`${safe(text)}\n`)
    },
  }
  const frameBytesMax = frameBytesMaxOf(io.env['CLIENT_JVMFLAGS'])
  const sasl = loginOf(io, launch.configuration)
  const network = await networkOf(io, launch.configuration)
  const shell = new Shell({ ...launch, servers, frameBytesMax, sasl, network }, output, io.signal)
  try {
    await shell.start()
    if (launch.command !== null) {
      await shell.runWords(launch.command)
      return statusOf(shell.exitCode, io)
    }
    io.out('Welcome to ZooKeeper!\n')
    if (streams.terminal === null) {
      io.out('JLine support is disabled\n')
      return statusOf(await runScript(shell, streams.input, io.signal), io)
    }
    io.out('JLine support is enabled\n')
    prompt = new Prompt(shell, { input: streams.input, output: streams.terminal })
    return statusOf(await prompt.run(io.signal), io)
  } finally {
    shell.leave()
  }
}

/** @throws CliError for a JAAS file that cannot be used */
function loginOf({ env }: Io, configuration: string | null): string | null {
  try {
    const flags = `${env['CLIENT_JVMFLAGS'] ?? ''} ${env['JVMFLAGS'] ?? ''}`
    return clientLogin(flags, configuration)
  } catch (error) {
    if (!(error instanceof SetUpError)) throw error
    throw new CliError(`Error: ${error.message}`, INVALID_INVOCATION, { cause: error })
  }
}

/** What carries TLS; null where it is not asked for. @throws CliError for settings and files in the way */
async function networkOf({ env }: Io, configuration: string | null): Promise<Network | null> {
  const flags = `${env['CLIENT_JVMFLAGS'] ?? ''} ${env['JVMFLAGS'] ?? ''}`
  if (configuration === null && !flags.includes('zookeeper.client.secure')) return null
  // Loaded where somebody may want TLS.
  const { clientTls } = await import('../setup/client-tls.ts')
  try {
    const tls = clientTls(flags, configuration)
    return tls === null ? null : await tlsNetwork(tls)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const option = 'code' in error ? '-client-configuration: ' : ''
    throw new CliError(`Error: ${option}${error.message}`, INVALID_INVOCATION, { cause: error })
  }
}

/** The set-up's ensemble where HOWDAH_FILE names one, else zkCli's own default. */
async function serversOf(io: Io): Promise<string> {
  const file = io.env['HOWDAH_FILE']
  if (file === undefined || file === '') return DEFAULT_SERVERS
  const { loadFile } = await import('../setup/find.ts')
  const { connectStringOf } = await import('../setup/group-settings.ts')
  return connectStringOf(loadFile(file, io).setUp)
}

function statusOf(exitCode: number, { signal }: Io): number {
  return signal.aborted ? (SIGNAL_STATUS[String(signal.reason)] ?? 1) : exitCode
}

/** Names and data come from anybody: on a terminal they must not steer it (S-21). */
function harmless(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
