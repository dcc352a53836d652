/**
 * The commands of watches. Source: cli/{AddWatch,RemoveWatches}Command, WatchDeregistration, 3.9.5:
 * the event that a watch was removed is made by the client.
 */
import { ZkError, type WatcherType } from '../../ensemble/client/index.ts'
import { CliError } from './cli-error.ts'
import { usageOf, wordOf, type CliCommand } from './command.ts'
import type { CommandLine } from './option-parser.ts'
import type { EventType } from './output.ts'

const MODES = ['PERSISTENT', 'PERSISTENT_RECURSIVE'] as const

const addWatch: CliCommand = {
  name: 'addWatch',
  usage: `[-m mode] path # optional mode is one of [${MODES.join(', ')}] - default is PERSISTENT_RECURSIVE`,
  options: { m: { takesValue: true, help: '' } },
  words: { least: 2, most: 2 },
  async run(line, context) {
    const given = line.value('m')?.toUpperCase() ?? 'PERSISTENT_RECURSIVE'
    const mode = MODES.find((known) => known === given)
    if (mode === undefined) throw new CliError(usageOf(addWatch))
    const path = wordOf(line, 1)
    const recursive = mode === 'PERSISTENT_RECURSIVE'
    await context.ask(path, (client, options) =>
      client.addWatch(path, { ...options, recursive }, context.connection.watcher),
    )
  },
}

/** In the order in which zkCli looks for them. */
const TYPES = {
  c: 'children',
  d: 'data',
  p: 'persistent',
  r: 'persistentRecursive',
  a: 'any',
} as const satisfies Record<string, WatcherType>

const removeWatches: CliCommand = {
  name: 'removewatches',
  usage: 'path [-c|-d|-a] [-l]',
  options: {
    c: { help: 'child watcher type' },
    d: { help: 'data watcher type' },
    p: { help: 'persistent watcher type' },
    r: { help: 'persistent recursive watcher type' },
    a: { help: 'any watcher type' },
    l: { help: 'remove locally when there is no server connection' },
  },
  words: { least: 2 },
  async run(line, context) {
    const path = wordOf(line, 1)
    const type = typeOf(line)
    const local = line.has('l')
    let had: readonly WatcherType[] = []
    try {
      await context.ask(path, (client, options) => {
        had = client.watchTypesOf(path).filter((each) => type === 'any' || type === each)
        return client.removeWatches(path, { ...options, type, local })
      })
    } catch (error) {
      const isAway = error instanceof ZkError && error.code === 'connectionLoss'
      if (!(isAway && local && had.length > 0)) throw error
    }
    for (const event of new Set(had.map(removalOf))) context.connection.report(event, path)
  },
}

function typeOf(line: CommandLine): WatcherType {
  for (const [option, type] of Object.entries(TYPES)) if (line.has(option)) return type
  return 'any'
}

function removalOf(type: WatcherType): EventType {
  if (type === 'children') return 'ChildWatchRemoved'
  return type === 'data' ? 'DataWatchRemoved' : 'PersistentWatchRemoved'
}

export const watchCommands = [addWatch, removeWatches]
