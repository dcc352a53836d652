/** What `howdah up` starts for a set-up: one process per part, in the order of their start. */
import { fileURLToPath } from 'node:url'
import { CommandError, Exit } from '../command.ts'
import { didYouMean } from './problem.ts'
import type { LoadedSetUp } from './load.ts'

export interface Part {
  /** `server/1`, `orders/a`, `ledger`: what `--only` takes, and the prefix in the log. */
  readonly name: string
  readonly kind: 'server' | 'controller' | 'process'
  readonly argv: readonly string[]
  /** Where to look at it, for people. */
  readonly addresses: readonly string[]
  /** Wait before the first restart after an exit that nobody asked for. */
  readonly restartAfterMs: number
}

/** Long enough for another part to let go of a port. */
const RESTART_AFTER_MS = 500

/** Stops run the other way round: controllers hand over while there is still an ensemble. */
export function planOf({ setUp, file }: LoadedSetUp, only?: string): Part[] {
  const parts: Part[] = []
  for (const [sid, { host, ports }] of Object.entries(setUp.ensemble.servers ?? {})) {
    parts.push({
      name: `server/${sid}`,
      kind: 'server',
      argv: howdahArgv(['server', file, '--sid', sid]),
      addresses: [`${host}:${ports.client}`],
      restartAfterMs: RESTART_AFTER_MS,
    })
  }
  for (const [name, { start }] of Object.entries(setUp.processes ?? {})) {
    parts.push({
      name,
      kind: 'process',
      argv: withNode(start),
      addresses: [],
      restartAfterMs: RESTART_AFTER_MS,
    })
  }
  for (const [group, { members, http, sessionTimeout }] of Object.entries(setUp.groups ?? {})) {
    for (const [member, settings] of Object.entries(members)) {
      const listen = settings.http?.listen ?? http?.listen
      parts.push({
        name: `${group}/${member}`,
        kind: 'controller',
        argv: howdahArgv(['controller', `${group}/${member}`, '-f', file]),
        addresses: [
          `http://${settings.host}:${settings.port}`,
          ...(listen === undefined ? [] : [`http://${listen}/status`]),
        ],
        // Its watchdog has stopped the service: another member takes over meanwhile.
        restartAfterMs: sessionTimeout + RESTART_AFTER_MS,
      })
    }
  }
  return only === undefined ? parts : selected(parts, only.split(','))
}

function selected(parts: readonly Part[], names: readonly string[]): Part[] {
  const known = parts.map(({ name }) => name)
  for (const name of names) {
    if (known.includes(name)) continue
    const meant = didYouMean(name, known)
    const hint = meant === undefined ? `; known: ${known.join(', ')}` : `; did you mean "${meant}"?`
    throw new CommandError(`there is no part "${name}"${hint}`, Exit.usage)
  }
  return parts.filter(({ name }) => names.includes(name))
}

/** The same `howdah`, on the same Node: `toolkit/main.ts` in a checkout, `main.js` once built. */
export function howdahArgv(words: readonly string[]): string[] {
  const main = import.meta.url.endsWith('.ts') ? '../main.ts' : '../main.js'
  return [process.execPath, fileURLToPath(new URL(main, import.meta.url)), ...words]
}

/** `node` as a program is the Node that runs Howdah. */
export function withNode(argv: readonly string[]): string[] {
  const [program = '', ...rest] = argv
  return [program === 'node' ? process.execPath : program, ...rest]
}
