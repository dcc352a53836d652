/** `howdah server`: one server in the foreground; ends with Apache's codes (client-protocol 9.1). */
import { CommandError, type Arguments, type Io } from '../command.ts'
import { foregroundLog, untilStopped } from '../foreground.ts'
import { formatProblem, printable } from '../setup/problem.ts'
import { isYaml, readServerFile, type ServerFile } from '../setup/server-file.ts'
import { storeProblems } from '../setup/server-tls.ts'

/** Source: ExitCode, 3.9.5. */
const ServerExit = { done: 0, unexpected: 1, configuration: 2, dataDirectory: 3 } as const

const LISTEN_ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is a server running there already?',
  EADDRNOTAVAIL: 'this machine does not have that address',
  EACCES: 'this user may not listen there: take a port from 1024 on',
}

export async function run(args: Arguments, io: Io): Promise<number> {
  const file = await read(args, io)
  const { settings, notes } = file
  const log = foregroundLog(io)
  for (const note of notes) {
    const text = formatProblem(note)
    if (note.isDanger === true) log.warn({ danger: text }, 'WARNING: a dangerous setting')
    else log.warn({ note: text }, 'note on the configuration')
  }
  // Loaded only now: a file with problems is refused before that.
  const { startServer } = await import('../../ensemble/server/index.ts')
  const stopped = untilStopped(io)
  const starting = startServer(settings, log).catch((error: unknown) => startError(error, file))
  const server = await Promise.race([starting, stopped])
  // Asked to stop before it serves: recovery leaves the disk as a crash would, which is sound.
  if (typeof server === 'string') return ServerExit.done
  if (server instanceof Error) throw server
  const failed = server.failed.catch((error: Error) => error)
  const outcome = await Promise.race([failed, stopped])
  if (outcome instanceof Error) {
    log.flush()
    // What was acknowledged is on disk; whatever runs us should start us again.
    throw new CommandError(outcome.message, ServerExit.unexpected, { cause: outcome })
  }
  log.info({ signal: outcome }, 'stopping')
  await server.close()
  log.flush()
  return ServerExit.done
}

async function read(args: Arguments, io: Io): Promise<ServerFile> {
  const { positionals: words, properties } = args
  const [file = ''] = words
  try {
    const sid = args.integer('sid', { least: 1, most: 255 }) ?? null
    const options = { sid, env: io.env, properties }
    if (words.length > 1 || !isYaml(file)) {
      if (sid === null) return readServerFile(words, options)
      throw new CommandError('--sid needs a YAML', ServerExit.configuration)
    }
    const { readYamlServerFile } = await import('../setup/server-yaml.ts')
    return readYamlServerFile(file, options)
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    const what = `cannot read ${printable(path ?? args.positionals[0] ?? '')} (${code})`
    throw new CommandError(what, ServerExit.configuration, { cause: error })
  }
}

function startError(thrown: unknown, { settings, placeOf }: ServerFile): Error {
  const error = storeProblems(thrown, placeOf)
  if (!(error instanceof Error)) return new Error(String(error))
  const { code, syscall, hostname } = error as NodeJS.ErrnoException & { hostname?: string }
  if (error.name === 'StoreError') {
    return new CommandError(error.message, ServerExit.dataDirectory, { cause: error })
  }
  if (syscall === 'listen') {
    const { address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number }
    const where = `${address ?? settings.clientPortAddress}:${port ?? settings.clientPort}`
    const advice = code === undefined ? undefined : LISTEN_ADVICE[code]
    const what = `cannot listen at ${where} (${code})${advice === undefined ? '' : `: ${advice}`}`
    return new CommandError(what, ServerExit.unexpected, { cause: error })
  }
  if (syscall === 'getaddrinfo') {
    const name = printable(hostname ?? settings.clientPortAddress ?? '')
    const what = `cannot listen at ${name} (${code}): no address is known for that name`
    return new CommandError(what, ServerExit.unexpected, { cause: error })
  }
  if (code !== undefined) {
    const what = `cannot use the data directory ${settings.dataDir}: ${error.message}`
    return new CommandError(what, ServerExit.dataDirectory, { cause: error })
  }
  return error
}
