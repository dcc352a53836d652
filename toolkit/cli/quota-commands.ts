/**
 * The commands of quotas, which are but nodes below /zookeeper/quota: the server counts into
 * `zookeeper_stats` beside the `zookeeper_limits` of a path.
 *
 * Invariant: no quota below or above another one.
 * Source: cli/{SetQuota,ListQuota,DelQuota}Command, Quotas, StatsTrack, 3.9.5.
 */
import { join, parentOf, type Client } from '../../ensemble/client/index.ts'
import { CliError } from './cli-error.ts'
import { wordOf, type CliCommand, type Context } from './command.ts'
import { longOf } from './node-commands.ts'
import type { CommandLine, OptionTable } from './option-parser.ts'
import { Limits, type LimitName } from './quota-limits.ts'
import { childrenOf, depthFirst, isMissing } from './walk.ts'

const QUOTAS = '/zookeeper/quota'
const LIMITS = 'zookeeper_limits'
const STATS = 'zookeeper_stats'

/** Which limit an option is about, in the order in which zkCli looks at them. */
const LIMIT_OPTIONS: readonly (readonly [string, LimitName])[] = [
  ['n', 'count'],
  ['b', 'bytes'],
  ['N', 'countHardLimit'],
  ['B', 'byteHardLimit'],
]

const HELP = {
  n: 'num soft quota',
  b: 'bytes soft quota',
  N: 'num hard quota',
  B: 'bytes hard quota',
}

function optionTable(takesValue: boolean): OptionTable {
  return Object.fromEntries(
    Object.entries(HELP).map(([name, help]) => [name, { takesValue, help, group: 'limit' }]),
  )
}

const setQuota: CliCommand = {
  name: 'setquota',
  usage: '-n|-b|-N|-B val path',
  options: optionTable(true),
  requiredGroup: 'limit',
  words: { least: 2 },
  async run(line, context) {
    const path = wordOf(line, 1)
    if (path.startsWith(QUOTAS)) {
      return context.output.complain(`cannot set a quota under the path: ${QUOTAS}`)
    }
    const wanted = new Limits()
    const problem = readLimits(line, wanted)
    if (problem !== null) return context.output.complain(problem)
    await createQuota(context, path, wanted)
  },
}

/** @returns what is wrong, which is not an error to zkCli; null if nothing is */
function readLimits(line: CommandLine, wanted: Limits): string | null {
  for (const [option, name] of LIMIT_OPTIONS) {
    const text = line.value(option)
    if (text === undefined) continue
    const value = longOf(text)
    const isCount = name.startsWith('count')
    if (value === null || (isCount && value !== BigInt.asIntN(32, value))) {
      return 'NumberFormatException happens when parsing the option value'
    }
    if (isCount && value <= 0n) return 'the num quota must be greater than zero'
    if (value < 0n) return 'the bytes quota must be greater than or equal to zero'
    wanted.set(name, value)
  }
  return null
}

async function createQuota(context: Context, path: string, wanted: Limits): Promise<void> {
  if (!(await exists(context, path))) throw new CliError(`${path} does not exist.`)
  await refuseQuotaBelow(context, path)
  await refuseQuotaAbove(context, path)
  await createMissing(context, path)
  const limitsPath = `${QUOTAS}${path}/${LIMITS}`
  const statsPath = `${QUOTAS}${path}/${STATS}`
  if (await exists(context, limitsPath)) {
    const limits = await readNode(context, limitsPath)
    for (const [, name] of LIMIT_OPTIONS) {
      if (wanted.get(name) > -1n) limits.set(name, wanted.get(name))
    }
    warn(context, limits, await readNode(context, statsPath))
    return write(context, limitsPath, limits)
  }
  for (const [, name] of LIMIT_OPTIONS) wanted.set(name, wanted.get(name))
  const nothing = new Limits().set('count', 0n).set('bytes', 0n)
  await createNode(context, limitsPath, wanted.text())
  await createNode(context, statsPath, nothing.text())
  // Read back: the server has counted by now.
  warn(context, await readNode(context, limitsPath), await readNode(context, statsPath))
}

function warn({ output }: Context, limits: Limits, used: Limits): void {
  const isOver = (limit: LimitName, now: LimitName) =>
    limits.get(limit) > -1n && limits.get(limit) < used.get(now)
  const text = '[Warning]: the count quota you create is less than the existing count:'
  if (isOver('count', 'count') || isOver('countHardLimit', 'count')) {
    output.print(`${text}${used.get('count')}`)
  }
  if (isOver('bytes', 'bytes') || isOver('byteHardLimit', 'bytes')) {
    output.print(`${text.replaceAll('count', 'bytes')}${used.get('bytes')}`)
  }
}

async function refuseQuotaBelow(context: Context, path: string): Promise<void> {
  const own = quotaPath(path)
  const visit = async (at: string) => {
    if (at === own || !(await childrenOf(context, at)).includes(LIMITS)) return
    throw new CliError(`${path} has a child ${at.slice(QUOTAS.length)} which has a quota`)
  }
  try {
    await depthFirst(context, own, { visit })
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

async function refuseQuotaAbove(context: Context, path: string): Promise<void> {
  for (let at = parentOf(path); at !== '' && at !== '/'; at = parentOf(at)) {
    if (!(await childrenOf(context, quotaPath(at))).includes(LIMITS)) continue
    throw new CliError(`${path} has a parent ${at} which has a quota`)
  }
}

async function createMissing(context: Context, path: string): Promise<void> {
  let at = ''
  for (const name of quotaPath(path).slice(1).split('/')) {
    at = join(at, name)
    if (await exists(context, at)) continue
    try {
      await createNode(context, at, null)
    } catch (error) {
      // Somebody else sets a quota nearby.
      if (!(await exists(context, at))) throw error
    }
  }
}

const listQuota: CliCommand = {
  name: 'listquota',
  usage: 'path',
  options: {},
  words: { least: 2 },
  async run(line, context) {
    const path = wordOf(line, 1)
    const { output } = context
    const limitsPath = `${QUOTAS}${path}/${LIMITS}`
    output.complain(`absolute path is ${limitsPath}`)
    try {
      const limits = await readNode(context, limitsPath)
      const used = await readNode(context, `${QUOTAS}${path}/${STATS}`)
      output.print(`Output quota for ${path} ${limits.text()}`)
      output.print(`Output stat for ${path} ${used.text()}`)
    } catch (error) {
      if (!isMissing(error)) throw error
      output.complain(`quota for ${path} does not exist.`)
    }
  },
}

const delQuota: CliCommand = {
  name: 'delquota',
  usage: '[-n|-b|-N|-B] path',
  options: optionTable(false),
  words: { least: 2 },
  async run(line, context) {
    const path = wordOf(line, 1)
    const limitsPath = `${QUOTAS}${path}/${LIMITS}`
    if (!(await exists(context, limitsPath))) {
      return context.output.print(`Quota does not exist for ${path}`)
    }
    try {
      const limits = await readNode(context, limitsPath)
      const chosen = LIMIT_OPTIONS.filter(([option]) => line.has(option))
      if (chosen.length === 0) return await deleteQuota(context, path)
      for (const [, name] of chosen) limits.set(name, -1n)
      await write(context, limitsPath, limits)
    } catch (error) {
      if (!isMissing(error)) throw error
      context.output.complain(`quota for ${path} does not exist.`)
    }
  },
}

/** The two nodes, then upwards what has no other child. */
async function deleteQuota(context: Context, path: string): Promise<void> {
  const own = quotaPath(path)
  for (const name of await childrenOf(context, own)) await deleteNode(context, join(own, name))
  for (let at = own; at !== QUOTAS; at = parentOf(at)) {
    if ((await childrenOf(context, at)).length > 0) return
    await deleteNode(context, at)
  }
}

function quotaPath(path: string): string {
  return QUOTAS + path
}

async function exists(context: Context, path: string): Promise<boolean> {
  return (await context.ask(path, (client, options) => client.exists(path, options))) !== null
}

async function readNode(context: Context, path: string): Promise<Limits> {
  const { data } = await context.ask(path, (client, options) => client.get(path, options))
  return Limits.parse((data ?? '').toString(), path)
}

async function write(context: Context, path: string, limits: Limits): Promise<void> {
  await context.ask(path, (client, options) => client.set(path, limits.text(), -1, options))
}

async function createNode(context: Context, path: string, data: string | null): Promise<void> {
  await context.ask(path, (client: Client, options) => client.create(path, data, options))
}

async function deleteNode(context: Context, path: string): Promise<void> {
  await context.ask(path, (client, options) => client.delete(path, -1, options))
}

export const quotaCommands = [setQuota, listQuota, delQuota]
