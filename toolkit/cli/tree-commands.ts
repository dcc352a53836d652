/**
 * Beyond zkCli: a subtree drawn, searched, measured, watched. None of them is a snapshot: they ask node
 * by node, and pass over what goes meanwhile.
 */
import { join, ZkError, type Stat, type Watcher } from '../../ensemble/client/index.ts'
import { CliError } from './cli-error.ts'
import { integerOf, wordOf, type CliCommand, type Context } from './command.ts'
import { compareText } from './option-parser.ts'
import { EVENT_TYPES } from './output.ts'
import { isMissing } from './walk.ts'

interface Visited {
  readonly stat: Stat
  readonly children: readonly string[]
}

/** Null when the node is gone. */
async function visit(context: Context, path: string): Promise<Visited | null> {
  try {
    const { children, stat } = await context.ask(path, (client, options) =>
      client.getChildren(path, options),
    )
    return { stat, children: children.toSorted(compareText) }
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

async function visitRoot(context: Context, path: string): Promise<Visited> {
  const root = await visit(context, path)
  if (root === null) throw new ZkError('noNode', { path })
  return root
}

const tree: CliCommand = {
  name: 'tree',
  usage: '[-s] [-d depth] path',
  options: {
    s: { help: 'sizes of data' },
    d: { takesValue: true, help: 'how many levels below the path' },
  },
  words: { least: 2, most: 2 },
  isOurs: true,
  async run(line, context) {
    const path = wordOf(line, 1)
    const depth = integerOf(line, 'd', Infinity)
    const size = ({ stat }: Visited) => (line.has('s') ? ` (${stat.dataLength} bytes)` : '')
    const root = await visitRoot(context, path)
    context.output.print(`${path}${size(root)}`)
    const draw = async (at: string, node: Visited, indent: string, level: number) => {
      if (level === depth) return
      for (const [i, name] of node.children.entries()) {
        const child = await visit(context, join(at, name))
        if (child === null) continue
        const isLast = i === node.children.length - 1
        const owner = child.stat.ephemeralOwner === 0n ? '' : ' [ephemeral]'
        context.output.print(`${indent}${isLast ? '└── ' : '├── '}${name}${owner}${size(child)}`)
        await draw(join(at, name), child, `${indent}${isLast ? '    ' : '│   '}`, level + 1)
      }
    }
    await draw(path, root, '', 0)
  },
}

const find: CliCommand = {
  name: 'find',
  usage: '[-name glob] [-data text] [-e] path',
  options: {
    name: { takesValue: true, help: 'names of nodes, with * and ?' },
    data: { takesValue: true, help: 'text that the data contains' },
    e: { help: 'ephemeral nodes only' },
  },
  words: { least: 2, most: 2 },
  isOurs: true,
  async run(line, context) {
    const root = wordOf(line, 1)
    const glob = line.value('name')
    const text = line.value('data')
    const pattern = glob === undefined ? null : patternOf(glob)
    const matches = async (path: string, { stat }: Visited): Promise<boolean> => {
      if (pattern !== null && !pattern.test(path.slice(path.lastIndexOf('/') + 1))) return false
      if (line.has('e') && stat.ephemeralOwner === 0n) return false
      if (text === undefined) return true
      const { data } = await context.ask(path, (client, options) => client.get(path, options))
      return data?.includes(text) === true
    }
    await visitRoot(context, root)
    const pending = [root]
    for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
      const node = await visit(context, path)
      if (node === null) continue
      if (await matches(path, node)) context.output.print(path)
      for (const name of node.children.toReversed()) pending.push(join(path, name))
    }
  },
}

function patternOf(glob: string): RegExp {
  const parts = Array.from(glob, (letter) => {
    if (letter === '*') return '.*'
    return letter === '?' ? '.' : letter.replace(/[.+^${}()|[\]\\]/, '\\$&')
  })
  return new RegExp(`^${parts.join('')}$`, 's')
}

const du: CliCommand = {
  name: 'du',
  usage: 'path',
  options: {},
  words: { least: 2, most: 2 },
  isOurs: true,
  async run(line, context) {
    const path = wordOf(line, 1)
    const root = await visitRoot(context, path)
    let bytes = root.stat.dataLength
    let nodes = 1
    for (const name of root.children) {
      const below = await sumOf(context, join(path, name))
      context.output.print(`${below.bytes}\t${below.nodes}\t${join(path, name)}`)
      bytes += below.bytes
      nodes += below.nodes
    }
    context.output.print(`${bytes}\t${nodes}\t${path}`)
  },
}

/** Bytes of data, and nodes, of a subtree. */
async function sumOf(context: Context, root: string): Promise<{ bytes: number; nodes: number }> {
  let bytes = 0
  let nodes = 0
  const pending = [root]
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const node = await visit(context, path)
    if (node === null) continue
    bytes += node.stat.dataLength
    nodes += 1
    for (const name of node.children) pending.push(join(path, name))
  }
  return { bytes, nodes }
}

const watch: CliCommand = {
  name: 'watch',
  usage: 'path',
  options: {},
  words: { least: 2, most: 2 },
  isOurs: true,
  async run(line, context) {
    const path = wordOf(line, 1)
    const { output, signal } = context
    const over = Promise.withResolvers<void>()
    const watcher: Watcher = (event) => {
      if (event.type === 'session') {
        if (!context.connection.isAlive) over.reject(new CliError('the session is over'))
        return
      }
      const zxid = event.zxid < 0n ? '-' : `0x${event.zxid.toString(16)}`
      output.print(`${new Date().toISOString()} ${zxid} ${EVENT_TYPES[event.type]} ${event.path}`)
    }
    await context.ask(path, (client, options) =>
      client.addWatch(path, { ...options, recursive: true }, watcher),
    )
    const onAbort = () => over.resolve()
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
    try {
      await over.promise
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
    // The signal that ended it must not end this too.
    const options = { signal: AbortSignal.timeout(REMOVAL_MS) }
    await context.connection
      .ask(path, (client) => client.removeWatches(path, { ...options, watcher }), options)
      .catch(() => {})
  },
}

const REMOVAL_MS = 2000

export const treeCommands = [tree, find, du, watch]
