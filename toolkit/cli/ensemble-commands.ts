/**
 * The commands about the ensemble and the session. Source: cli/{GetConfig,Reconfig,Version,Close}Command,
 * ConfigUtils#getClientConfigStr, 3.9.5.
 */
import { readFileSync } from 'node:fs'
import { ZkError } from '../../ensemble/client/index.ts'
import { CliError } from './cli-error.ts'
import { usageOf, type CliCommand } from './command.ts'
import type { CommandLine } from './option-parser.ts'
import { printStat } from './output.ts'

/** The release whose behaviour this is; the same text as the server's own. */
export const CLI_VERSION = '3.9.5-howdah, built on 2026-11-21 00:00 UTC'

const config: CliCommand = {
  name: 'config',
  usage: '[-c] [-w] [-s]',
  options: {
    s: { help: 'stats' },
    w: { help: 'watch' },
    c: { help: 'client connection string' },
  },
  words: { least: 1 },
  async run(line, { ask, connection, output }) {
    const watch = line.has('w') ? connection.watcher : undefined
    const { data, stat } = await ask(null, (client, options) =>
      client.getConfig({ ...options, watch }),
    )
    const text = data === null ? 'null' : data.toString()
    output.print(line.has('c') ? clientConfig(text) : text)
    if (line.has('s')) printStat(output, stat)
  },
}

/** `<version> host:port,…` of a dynamic configuration. */
function clientConfig(text: string): string {
  const entries = properties(text)
  const version = entries.find(([key]) => key === 'version')?.[1] ?? ''
  const addresses = entries
    .filter(([key]) => key.startsWith('server.'))
    .toSorted(([a], [b]) => Number(a.slice(7)) - Number(b.slice(7)))
    .map(([, value]) => {
      const client = /;(.*)$/.exec(value)?.[1] ?? ''
      return /^\d+$/.test(client) ? `0.0.0.0:${client}` : client.replace(/^\[(.*)\]/, '$1')
    })
  return `${version} ${addresses.join(',')}`
}

function properties(text: string): (readonly [string, string])[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*([^#!=:\s][^=:\s]*)\s*[=:\s]\s*(.*?)\s*$/.exec(line)
    return match === null ? [] : [[match[1] ?? '', match[2] ?? ''] as const]
  })
}

const reconfig: CliCommand = {
  name: 'reconfig',
  usage:
    '[-s] [-v version] [[-file path] | [-members serverID=host:port1:port2;port3[,...]*]] | ' +
    '[-add serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]',
  options: {
    s: { help: 'stats' },
    v: { takesValue: true, help: 'required current config version' },
    file: { takesValue: true, help: 'path of config file to parse for membership' },
    members: {
      takesValue: true,
      help: 'comma-separated list of config strings for non-incremental reconfig',
    },
    add: { takesValue: true, help: 'comma-separated list of config strings for new servers' },
    remove: { takesValue: true, help: 'comma-separated list of server IDs to remove' },
  },
  words: { least: 1 },
  async run(line, { ask, output }) {
    const change = changeOf(line)
    const { data, stat } = await ask(null, async (client, options) => {
      try {
        return await client.reconfig(change, options)
      } catch (error) {
        // Java names no path here.
        throw error instanceof ZkError ? new ZkError(error.code, { path: '', cause: error }) : error
      }
    })
    output.print(`Committed new configuration:\n${(data ?? '').toString()}`)
    if (line.has('s')) printStat(output, stat)
  },
}

function changeOf(line: CommandLine) {
  const isWhole = line.has('file') || line.has('members')
  const isStep = line.has('add') || line.has('remove')
  if (!isWhole && !isStep) throw new CliError(usageOf(reconfig))
  const version = versionOf(line.value('v'))
  if (isWhole && isStep) {
    throw new CliError(
      "Can't use -file or -members together with -add or -remove (mixing incremental" +
        ' and non-incremental modes is not allowed)',
    )
  }
  if (line.has('file') && line.has('members')) {
    throw new CliError("Can't use -file and -members together (conflicting non-incremental modes)")
  }
  const file = line.value('file')
  const joining = line.value('add')?.toLowerCase()
  const leaving = line.value('remove')?.toLowerCase()
  const members = file === undefined ? line.value('members')?.toLowerCase() : membersOf(file)
  return {
    version,
    ...(joining === undefined ? {} : { joining }),
    ...(leaving === undefined ? {} : { leaving }),
    ...(members === undefined ? {} : { members }),
  }
}

function versionOf(text: string | undefined): bigint {
  if (text === undefined) return -1n
  if (!/^[0-9a-f]{1,16}$/i.test(text)) {
    throw new CliError('-v must be followed by a long (configuration version)')
  }
  return BigInt(`0x${text}`)
}

function membersOf(file: string): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CliError(`Error processing ${file}: ${why}`, 1, { cause: error })
  }
  const lines = properties(text)
    .filter(([key]) => /^(server|group|weight)\./.test(key))
    .map(([key, value]) => `${key}=${value}`)
  if (lines.length === 0) throw new CliError(`Error processing ${file}: it names no servers`)
  return lines.join('\n')
}

const version: CliCommand = {
  name: 'version',
  usage: '',
  options: {},
  words: { least: 1, most: 1 },
  async run(_line, { output }) {
    output.print(`ZooKeeper CLI version: ${CLI_VERSION}`)
  },
}

const close: CliCommand = {
  name: 'close',
  usage: '',
  options: {},
  takesAnyWords: true,
  words: { least: 1 },
  run: (_line, { connection }) => connection.close(),
}

export const ensembleCommands = [config, reconfig, version, close]
