/**
 * `howdah up`: a whole set-up on this machine, with one log that a person can follow.
 *
 * Order of start: servers, then the roots of new groups, then processes, then controllers. Order of
 * stop: controllers (each confirms that its service has stopped), processes, servers.
 */
import { CommandError, Exit, type Arguments, type Io } from '../command.ts'
import { initGroups } from '../init-groups.ts'
import { formatLogLine, painter, parseLogLine, wantsColours, type LogLine } from '../log-lines.ts'
import { isAllLoopback } from '../setup/check.ts'
import { fileOf, loadFile } from '../setup/find.ts'
import type { LoadedSetUp } from '../setup/load.ts'
import { planOf, type Part } from '../setup/plan.ts'
import { readYamlServer } from '../setup/server-yaml.ts'
import { portIsTaken, untilPortOpens } from '../setup/ports.ts'
import { Supervisor } from '../setup/supervisor.ts'

const SERVER_START_TIMEOUT_MS = 30_000
const PARENT_LOOK_EVERY_MS = 500
const STOP_ORDER = ['controller', 'process', 'server'] as const
const PREFIX_COLOURS = ['cyan', 'magenta', 'green', 'blue', 'yellow'] as const

export async function run(args: Arguments, io: Io): Promise<number> {
  const path = fileOf(args, io)
  const loaded = loadFile(path, io)
  if (!isAllLoopback(loaded.setUp)) {
    throw new CommandError(
      'up runs set-ups whose hosts are all loopback; elsewhere start `howdah server` and `howdah controller` on each host',
      Exit.usage,
    )
  }
  const parts = planOf(loaded, args.text('only'))
  for (const sid of Object.keys(loaded.setUp.ensemble.servers ?? {})) {
    readYamlServer(loaded, { file: path, sid: Number(sid), env: io.env, properties: new Map() })
  }
  await refuseTakenPorts(parts)

  const log = new MergedLog(parts, { io, raw: args.has('raw') })
  const starting = new AbortController()
  const supervisor = new Supervisor({
    directory: loaded.directory,
    events: {
      onLine: (part, line) => log.line(part, line),
      onStart: (part, pid) => log.say(part, `started, pid ${pid}`),
      onExit: (part, how, againInMs) => {
        const next = againInMs === null ? '' : `; starts again in ${againInMs / 1000} s`
        log.say(part, `${how}${next}`)
        // Nothing has begun yet: better an error than restarts that end the same way.
        if (part.kind === 'server') starting.abort(`${part.name} ${how}`)
      },
    },
  })
  const stopped = untilAsked(io)
  try {
    await Promise.race([startAll({ loaded, parts, supervisor, log, io, starting }), stopped])
    await stopped
    log.say(null, 'stopping: controllers first, so that each service stops in good order')
  } finally {
    await supervisor.stop(STOP_ORDER)
  }
  log.say(null, 'everything has stopped')
  return Exit.done
}

/**
 * Resolves when everything is to stop. `npm start` puts a shell between npm and us that does not pass
 * signals on: there the death of our parent is the signal.
 */
function untilAsked(io: Io): Promise<void> {
  return new Promise((resolve) => {
    if (io.signal.aborted) return resolve()
    io.signal.addEventListener('abort', () => resolve(), { once: true })
    if (io.env['npm_lifecycle_event'] === undefined) return
    const parent = process.ppid
    const timer = setInterval(() => {
      if (process.ppid === parent) return
      clearInterval(timer)
      resolve()
    }, PARENT_LOOK_EVERY_MS)
    timer.unref()
  })
}

async function startAll(given: {
  loaded: LoadedSetUp
  parts: readonly Part[]
  supervisor: Supervisor
  log: MergedLog
  io: Io
  starting: AbortController
}): Promise<void> {
  const { loaded, parts, supervisor, log, io, starting } = given
  log.say(null, `${loaded.file}: ${parts.map(({ name }) => name).join(', ')}`)
  const of = (kind: Part['kind']): Part[] => parts.filter((part) => part.kind === kind)
  for (const part of of('server')) {
    supervisor.start(part)
    const [address = ''] = part.addresses
    const signal = AbortSignal.any([io.signal, starting.signal])
    await untilPortOpens(address, { timeoutMs: SERVER_START_TIMEOUT_MS, signal })
    if (starting.signal.aborted)
      throw new CommandError(`${starting.signal.reason}: see the log above`)
  }
  const controllers = of('controller')
  if (controllers.length > 0) {
    const groups = new Set(controllers.map(({ name }) => name.slice(0, name.indexOf('/'))))
    for (const group of await initGroups(loaded, { groups: [...groups], force: false })) {
      log.say(null, `made the root of group ${group}`)
    }
  }
  if (io.signal.aborted) return
  for (const part of [...of('process'), ...controllers]) supervisor.start(part)
  log.say(null, 'to look at:')
  for (const part of parts) {
    if (part.addresses.length > 0)
      log.say(null, `  ${part.name.padEnd(12)}${part.addresses.join('  ')}`)
  }
  log.say(null, `  howdah status -f ${loaded.file}`)
  log.say(null, 'Ctrl-C stops everything')
}

/** A part that cannot listen would only restart for ever: say so before anything has started. */
async function refuseTakenPorts(parts: readonly Part[]): Promise<void> {
  for (const { name, addresses } of parts) {
    for (const address of addresses) {
      const at = address.replace(/^https?:\/\//, '').replace(/\/.*$/, '')
      if (await portIsTaken(at)) {
        throw new CommandError(
          `${at} is in use already, and ${name} needs it: is this set-up running?`,
        )
      }
    }
  }
}

/** What the parts say, a line each with its prefix; role changes stand out, with what to type next. */
class MergedLog {
  readonly #io: Io
  readonly #raw: boolean
  readonly #colours: boolean
  readonly #width: number
  readonly #order: ReadonlyMap<string, number>
  /** Process ids that a controller has told, by the name of its part. */
  readonly #processes = new Map<string, LogLine['fields']>()
  /** The last sentences of each controller. */
  readonly #sentences = new Map<string, string[]>()

  constructor(parts: readonly Part[], options: { io: Io; raw: boolean }) {
    this.#io = options.io
    this.#raw = options.raw
    this.#colours = wantsColours(options.io)
    this.#width = Math.max('howdah'.length, ...parts.map(({ name }) => name.length))
    this.#order = new Map(parts.map(({ name }, index) => [name, index]))
  }

  /** A line of our own. */
  say(part: Part | null, message: string): void {
    const time = new Date().toISOString()
    // For programs the part is a field of its own.
    const of = part !== null && this.#raw ? { of: part.name } : {}
    const msg = part === null || this.#raw ? message : `${part.name} ${message}`
    this.#print('howdah', JSON.stringify({ level: 'info', time, ...of, msg }))
  }

  line(part: Part, line: string): void {
    const parsed = parseLogLine(line)
    if (this.#raw || parsed === null || !this.#isRepeated(part, parsed))
      this.#print(part.name, line)
    if (parsed?.message === 'processes') this.#processes.set(part.name, parsed.fields)
    if (parsed?.message !== 'role' || parsed.fields['to'] !== 'active') return
    for (const hint of hintsOf(part, this.#processes.get(part.name) ?? {})) this.say(null, hint)
  }

  /** A controller that waits says the same few sentences in turn: each is shown once. */
  #isRepeated({ name }: Part, { message, fields }: LogLine): boolean {
    const { sentence } = fields
    if (message === 'role') this.#sentences.delete(name)
    if (message !== 'decision' || typeof sentence !== 'string') return false
    const last = this.#sentences.get(name) ?? []
    const isRepeated = last.includes(sentence)
    this.#sentences.set(name, [sentence, ...last.filter((one) => one !== sentence)].slice(0, 4))
    return isRepeated
  }

  #print(name: string, line: string): void {
    if (this.#raw) {
      const fields = parseLogLine(line)?.fields ?? { msg: line }
      this.#io.out(`${JSON.stringify({ part: name, ...fields })}\n`)
      return
    }
    const index = this.#order.get(name)
    const paint = painter(this.#colours)
    const colour = PREFIX_COLOURS[(index ?? 0) % PREFIX_COLOURS.length] ?? 'cyan'
    const prefix = name.padEnd(this.#width)
    const shown = index === undefined ? paint('bold', prefix) : paint(colour, prefix)
    const text = formatLogLine(line, { colours: this.#colours, nowMs: Date.now() })
    this.#io.out(`${shown} | ${text}\n`)
  }
}

/** How to see a failover, now that `part` is active. */
function hintsOf(part: Part, processes: LogLine['fields']): string[] {
  const { servicePid, controllerPid } = processes
  return [
    `${part.name} is active. To see a failover, type in another terminal:`,
    ...(typeof servicePid === 'number' ? [`  kill -9 ${servicePid}   (its service)`] : []),
    ...(typeof controllerPid === 'number' ? [`  kill -9 ${controllerPid}   (its controller)`] : []),
  ]
}
