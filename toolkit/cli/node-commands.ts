/**
 * The commands that read and change nodes.
 *
 * Source: cli/{Ls,Create,Get,Set,Stat,Delete,DeleteAll,Sync,GetEphemerals,GetAllChildrenNumber}Command,
 * ZKUtil, 3.9.5; where Java ends with a stack (a version that is no number, bad base64), one line.
 */
import { acl as wellKnown, Code, ZkError } from '../../ensemble/client/index.ts'
import { parseAcl } from './acl-commands.ts'
import { CliError, keeperMessage } from './cli-error.ts'
import { integerOf, wordOf, type CliCommand, type Context } from './command.ts'
import { compareText, type CommandLine } from './option-parser.ts'
import { hexDump, printStat } from './output.ts'
import { breadthFirst, depthFirst } from './walk.ts'

const TTL_MS_MAX = 1_099_511_627_775n
const LONG_MAX = 2n ** 63n - 1n
const DELETES_AT_ONCE = 1000

const ls: CliCommand = {
  name: 'ls',
  usage: '[-s] [-w] [-R] path',
  options: {
    '?': { help: 'help' },
    s: { help: 'stat' },
    w: { help: 'watch' },
    R: { help: 'recurse' },
  },
  words: { least: 2 },
  oldWatchWord: true,
  async run(line, context) {
    const path = wordOf(line, 1)
    const { output, connection } = context
    const watch = line.has('w') ? connection.watcher : undefined
    if (line.has('R')) {
      return depthFirst(context, path, { watch, visit: (found) => output.print(found) })
    }
    const { children, stat } = await context.ask(path, (client, options) =>
      client.getChildren(path, { ...options, watch }),
    )
    output.print(`[${children.toSorted(compareText).join(', ')}]`)
    if (line.has('s')) printStat(output, stat)
  },
}

const create: CliCommand = {
  name: 'create',
  usage: '[-s] [-e] [-c] [-t ttl] path [data] [acl]',
  options: {
    e: { help: 'ephemeral' },
    s: { help: 'sequential' },
    c: { help: 'container' },
    t: { takesValue: true, help: 'ttl' },
  },
  words: { least: 2 },
  async run(line, context) {
    const mode = modeOf(line)
    const ttlMs = ttlOf(line)
    const [, path = '', data = null, aclWord] = line.words
    const acl = aclWord === undefined ? wellKnown.openUnsafe : parseAcl(aclWord, context.output)
    const isSequential = mode.endsWith('sequential')
    const { output } = context
    try {
      const created = await context.connection.ask(
        path,
        (client, options) => {
          // Java's client looks at the list before it sends it, and has no path to name.
          if (acl.length === 0) throw new ZkError('invalidAcl')
          return client.create(path, data, { ...options, mode, ttlMs, acl })
        },
        { signal: context.signal, isSequential },
      )
      output.complain(`Created ${created.path}`)
    } catch (error) {
      const code = error instanceof ZkError ? error.code : null
      if (code === 'ephemeralOnLocalSession') {
        output.complain('Unable to create ephemeral node on a local session')
      }
      if (error instanceof ZkError && code === 'invalidAcl') output.complain(keeperMessage(error))
      throw error
    }
  },
}

function modeOf(line: CommandLine) {
  if (line.has('c') && (line.has('e') || line.has('s'))) {
    throw new CliError(
      '-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.',
    )
  }
  if (line.has('c')) return 'container'
  if (line.has('e')) return line.has('s') ? 'ephemeral-sequential' : 'ephemeral'
  return line.has('s') ? 'persistent-sequential' : 'persistent'
}

function ttlOf(line: CommandLine): number | undefined {
  const text = line.value('t')
  if (text === undefined) return undefined
  const ttl = longOf(text)
  if (ttl === null) throw new CliError('-t argument must be a long value')
  if (line.has('e')) throw new CliError('TTLs cannot be used with Ephemeral znodes')
  if (line.has('c')) throw new CliError('TTLs cannot be used with Container znodes')
  if (ttl <= 0n || ttl > TTL_MS_MAX) {
    throw new CliError(`ttl must be positive and cannot be larger than: ${TTL_MS_MAX}`)
  }
  return Number(ttl)
}

/** Java's Long.parseLong; null for what it refuses. */
export function longOf(text: string): bigint | null {
  if (!/^[+-]?\d+$/.test(text)) return null
  const value = BigInt(text.replace('+', ''))
  return value > LONG_MAX || value < -LONG_MAX - 1n ? null : value
}

const get: CliCommand = {
  name: 'get',
  usage: '[-s] [-w] [-b] [-x] path',
  options: {
    s: { help: 'Print znode stats additionally' },
    w: { help: 'Watch for changes on the znode' },
    b: { help: 'Output data in base64 format' },
    x: { help: 'Output data in hexdump format' },
  },
  explainsOptions: true,
  words: { least: 2 },
  oldWatchWord: true,
  async run(line, context) {
    const path = wordOf(line, 1)
    const watch = line.has('w') ? context.connection.watcher : undefined
    const { data, stat } = await context.ask(path, (client, options) =>
      client.get(path, { ...options, watch }),
    )
    context.output.print(formatted(data ?? Buffer.from('null'), line))
    if (line.has('s')) printStat(context.output, stat)
  },
}

function formatted(data: Buffer, line: CommandLine): string {
  if (line.has('x')) return hexDump(data)
  return data.toString(line.has('b') ? 'base64' : 'utf8')
}

const set: CliCommand = {
  name: 'set',
  usage: 'path data [-s] [-v version] [-b]',
  options: {
    s: { help: 'Print znode stats additionally' },
    v: { takesValue: true, help: 'Set with an expected version' },
    b: { help: 'Supply data in base64 format' },
  },
  explainsOptions: true,
  words: { least: 3 },
  async run(line, context) {
    const path = wordOf(line, 1)
    const text = wordOf(line, 2)
    const data = line.has('b') ? decodeBase64(text) : Buffer.from(text)
    const version = integerOf(line, 'v', -1)
    const stat = await context.ask(path, (client, options) =>
      client.set(path, data, version, options),
    )
    if (line.has('s')) printStat(context.output, stat)
  },
}

function decodeBase64(text: string): Buffer {
  const data = Buffer.from(text, 'base64')
  // Node skips what is no base64; Java refuses it, but can do without the padding.
  const isWhole = data.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '')
  if (!isWhole) throw new CliError('data is not valid base64')
  return data
}

const stat: CliCommand = {
  name: 'stat',
  usage: '[-w] path',
  options: { w: { help: 'watch' } },
  words: { least: 2 },
  oldWatchWord: true,
  async run(line, context) {
    const path = wordOf(line, 1)
    const watch = line.has('w') ? context.connection.watcher : undefined
    const found = await context.ask(path, (client, options) =>
      client.exists(path, { ...options, watch }),
    )
    if (found === null) throw new ZkError('noNode', { path })
    printStat(context.output, found)
  },
}

const deleteNode: CliCommand = {
  name: 'delete',
  usage: '[-v version] path',
  options: { v: { takesValue: true, help: 'version' } },
  words: { least: 2 },
  async run(line, context) {
    const path = wordOf(line, 1)
    if (line.words.length > 2) {
      context.output.complain(
        "'delete path [version]' has been deprecated. Please use 'delete [-v version] path' instead.",
      )
    }
    const version = integerOf(line, 'v', -1)
    await context.ask(path, (client, options) => client.delete(path, version, options))
  },
}

const deleteAll: CliCommand = {
  name: 'deleteall',
  usage: 'path [-b batch size]',
  options: { b: { takesValue: true, help: 'batch size' } },
  words: { least: 2 },
  async run(line, context) {
    const path = wordOf(line, 1)
    const batchSize = integerOf(line, 'b', DELETES_AT_ONCE)
    const paths = (await breadthFirst(context, path)).toReversed()
    if (batchSize > 0) return deleteInBatches(paths, batchSize, context)
    for (const each of paths) {
      await context.ask(each, (client, options) => client.delete(each, -1, options))
    }
  },
}

/** Leaves first, each batch all or not at all; the first that fails is the last one tried. */
async function deleteInBatches(
  paths: readonly string[],
  batchSize: number,
  context: Context,
): Promise<void> {
  for (let at = 0; at < paths.length; at += batchSize) {
    try {
      await context.ask(null, (client, options) => {
        const transaction = client.transaction()
        for (const path of paths.slice(at, at + batchSize)) transaction.delete(path)
        return transaction.commit(options)
      })
    } catch (error) {
      if (!(error instanceof ZkError)) throw error
      return context.output.complain('Failed to delete some node(s) in the subtree!')
    }
  }
}

const sync: CliCommand = {
  name: 'sync',
  usage: 'path',
  options: {},
  words: { least: 2 },
  async run(line, context) {
    const path = wordOf(line, 1)
    try {
      await context.ask(path, (client, options) => client.sync(path, options))
    } catch (error) {
      if (!(error instanceof ZkError)) throw error
      return context.output.print(`Sync has failed. rc=${Code[error.code]}`)
    }
    context.output.print('Sync is OK')
  },
}

const getEphemerals: CliCommand = {
  name: 'getEphemerals',
  usage: 'path',
  options: {},
  words: { least: 1 },
  async run(line, context) {
    const prefix = line.words[1] ?? '/'
    const paths = await context.ask(prefix, async (client, options) => {
      try {
        return await client.getEphemerals(prefix, options)
      } catch (error) {
        // Java names no path here.
        throw error instanceof ZkError ? new ZkError(error.code, { cause: error }) : error
      }
    })
    context.output.print(`[${paths.join(', ')}]`)
  },
}

const getAllChildrenNumber: CliCommand = {
  name: 'getAllChildrenNumber',
  usage: 'path',
  options: {},
  words: { least: 2 },
  async run(line, context) {
    const path = wordOf(line, 1)
    const count = await context.ask(path, (client, options) =>
      client.getAllChildrenNumber(path, options),
    )
    context.output.print(String(count))
  },
}

export const nodeCommands = [
  ls,
  create,
  get,
  set,
  stat,
  deleteNode,
  deleteAll,
  sync,
  getEphemerals,
  getAllChildrenNumber,
]
