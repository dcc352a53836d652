/**
 * Beyond zkCli: a subtree into a file, and back.
 *
 * The file has one line of JSON for each node, parents first: `path` below the exported one ('' is that
 * itself), `data` as text where it is UTF-8, else `base64`, neither for null; `acl` unless everybody may
 * do everything. Ephemeral nodes stay out: they belong to a session. Neither is a snapshot, and an
 * import that fails half way has done the first half: it can be repeated.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { acl as wellKnown, join, type Acl } from '../../ensemble/client/index.ts'
import { parseAcl } from './acl-commands.ts'
import { CliError } from './cli-error.ts'
import { wordOf, type CliCommand, type Context } from './command.ts'
import { permsText } from './output.ts'
import { depthFirst, isMissing } from './walk.ts'

interface NodeRecord {
  readonly path: string
  readonly data?: string
  readonly base64?: string
  readonly acl?: string
}

const exportCommand: CliCommand = {
  name: 'export',
  usage: 'path file',
  options: {},
  words: { least: 3, most: 3 },
  isOurs: true,
  async run(line, context) {
    const [, root = '', file = ''] = line.words
    const nodes = { written: 0, ephemeral: 0 }
    // Before a file is made: is there such a node?
    await context.ask(root, (client, options) => client.get(root, options))
    const fd = openNew(file)
    try {
      const visit = async (path: string) => {
        const record = await recordOf(context, root, path)
        if (record === 'ephemeral') nodes.ephemeral++
        else if (record !== null) {
          writeSync(fd, `${JSON.stringify(record)}\n`)
          nodes.written++
        }
      }
      await depthFirst(context, root, { visit })
    } finally {
      closeSync(fd)
    }
    const left = nodes.ephemeral === 0 ? '' : `; left out ${nodes.ephemeral} ephemeral`
    context.output.complain(`Exported ${nodes.written} nodes to ${file}${left}`)
  },
}

function openNew(file: string): number {
  try {
    return openSync(file, 'wx')
  } catch (error) {
    throw cannot('write', file, error)
  }
}

function cannot(what: string, file: string, error: unknown): CliError {
  const code = (error as NodeJS.ErrnoException).code ?? String(error)
  return new CliError(`cannot ${what} ${file} (${code})`, 1, { cause: error })
}

async function recordOf(
  context: Context,
  root: string,
  path: string,
): Promise<NodeRecord | 'ephemeral' | null> {
  try {
    const { data, stat } = await context.ask(path, (client, options) => client.get(path, options))
    if (stat.ephemeralOwner !== 0n) return 'ephemeral'
    const { acl } = await context.ask(path, (client, options) => client.getAcl(path, options))
    const text = aclText(acl)
    const below = root === '/' ? path : path.slice(root.length)
    return {
      path: below === '/' ? '' : below,
      ...dataFields(data),
      ...(text === aclText(wellKnown.openUnsafe) ? {} : { acl: text }),
    }
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

function dataFields(data: Buffer | null): Pick<NodeRecord, 'data' | 'base64'> {
  if (data === null) return {}
  const text = data.toString()
  return Buffer.from(text).equals(data) ? { data: text } : { base64: data.toString('base64') }
}

function aclText(acl: readonly Acl[]): string {
  return acl.map(({ perms, id }) => `${id.scheme}:${id.id}:${permsText(perms)}`).join(',')
}

const importCommand: CliCommand = {
  name: 'import',
  usage: '[--dry-run] [-f] file path',
  options: {
    '-dry-run': { help: 'say what would be done, and do nothing' },
    f: { help: 'replace data that differs' },
  },
  words: { least: 3, most: 3 },
  isOurs: true,
  async run(line, context) {
    const file = wordOf(line, 1)
    const root = wordOf(line, 2)
    const counts = { create: 0, set: 0, same: 0, differs: 0 }
    const isDry = line.has('-dry-run')
    for (const record of recordsIn(file)) {
      const path = record.path === '' ? root : join(root, record.path.slice(1))
      const step = await stepFor(context, path, record, line.has('f'))
      counts[step]++
      if (isDry || step === 'differs') context.output.print(`${step} ${path}`)
      if (!isDry) await take(step, context, path, record)
    }
    const would = isDry ? 'Would create' : 'Created'
    context.output.complain(
      `${would} ${counts.create} nodes, set ${counts.set}; ${counts.same} are the same`,
    )
    if (counts.differs > 0) {
      throw new CliError(
        `${counts.differs} nodes differ and were left alone (-f replaces their data)`,
      )
    }
  },
}

function recordsIn(file: string): NodeRecord[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw cannot('read', file, error)
  }
  return text
    .split('\n')
    .flatMap((line, i) => (line.trim() === '' ? [] : [readRecord(line, `${file}:${i + 1}`)]))
}

function readRecord(line: string, place: string): NodeRecord {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw new CliError(`${place}: not a line of JSON`)
  }
  const fields = new Map(typeof value === 'object' && value !== null ? Object.entries(value) : [])
  const text = (name: string): string | undefined => {
    const field: unknown = fields.get(name)
    if (field !== undefined && typeof field !== 'string') {
      throw new CliError(`${place}: ${name}: expected text`)
    }
    return field
  }
  const path = text('path')
  const [data, base64, acl] = [text('data'), text('base64'), text('acl')]
  if (path === undefined || (path !== '' && !path.startsWith('/'))) {
    throw new CliError(`${place}: path: expected '' or a path that starts with /`)
  }
  return {
    path,
    ...(data === undefined ? {} : { data }),
    ...(base64 === undefined ? {} : { base64 }),
    ...(acl === undefined ? {} : { acl }),
  }
}

type Step = 'create' | 'set' | 'same' | 'differs'

async function stepFor(
  context: Context,
  path: string,
  record: NodeRecord,
  replaces: boolean,
): Promise<Step> {
  try {
    const { data } = await context.ask(path, (client, options) => client.get(path, options))
    const wanted = dataOf(record)
    const isSame = data === null || wanted === null ? data === wanted : wanted.equals(data)
    if (isSame) return 'same'
    return replaces ? 'set' : 'differs'
  } catch (error) {
    if (isMissing(error)) return 'create'
    throw error
  }
}

async function take(step: Step, context: Context, path: string, record: NodeRecord): Promise<void> {
  const data = dataOf(record)
  if (step === 'set') {
    await context.ask(path, (client, options) => client.set(path, data, -1, options))
  } else if (step === 'create') {
    const acl =
      record.acl === undefined ? wellKnown.openUnsafe : parseAcl(record.acl, context.output)
    await context.ask(path, (client, options) => client.create(path, data, { ...options, acl }))
  }
}

function dataOf({ data, base64 }: NodeRecord): Buffer | null {
  if (data !== undefined) return Buffer.from(data)
  return base64 === undefined ? null : Buffer.from(base64, 'base64')
}

export const transferCommands = [exportCommand, importCommand]
