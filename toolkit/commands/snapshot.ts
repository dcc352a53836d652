/**
 * `howdah snapshot`: what a snapshot file holds, and a new data directory made from one, of ours or Apache's.
 *
 * A restore is a new history (ensemble/store/restore.ts): it drops sessions and ephemeral nodes, and
 * goes on 65,536 epochs above the snapshot, so that no zxid is given twice (H-2).
 */
import { basename, dirname, resolve } from 'node:path'
import { stringify } from 'yaml'
import {
  loadSnapshot,
  refusalOf,
  restoreInto,
  type SnapshotContents,
} from '../../ensemble/store/index.ts'
import { nodeClock } from '../../ensemble/sys/node-clock.ts'
import { lockDirectory } from '../../ensemble/sys/node-directory-lock.ts'
import { nodeFileSystem } from '../../ensemble/sys/node-file-system.ts'
import { CommandError, Exit, UsageError, type Arguments, type Io } from '../command.ts'
import { didYouMean, printable } from '../setup/problem.ts'

const FORMATS = ['table', 'json', 'yaml', 'tsv'] as const
const VERBS = ['restore', 'show']

export async function run(args: Arguments, io: Io): Promise<number> {
  const [verb = '', file = ''] = args.positionals
  if (verb === 'show') {
    for (const option of ['into', 'above', 'accept-fuzzy']) {
      if (args.has(option)) throw new UsageError(`--${option} is for restore`)
    }
    return show(await load(file), args, io)
  }
  if (verb === 'restore') return restore(file, args, io)
  const meant = didYouMean(verb, VERBS)
  const hint = meant === undefined ? '' : `; did you mean "${meant}"?`
  throw new UsageError(`${printable(verb)}: expected restore or show${hint}`)
}

async function restore(file: string, args: Arguments, io: Io): Promise<number> {
  const into = args.text('into')
  if (into === undefined) throw new UsageError('restore needs --into DIR')
  const above = zxidOf(args.text('above'))
  const contents = await load(file)
  const isAccepted = args.has('accept-fuzzy') && contents.exactness === 'fuzzy'
  const refusal = refusalOf(contents)
  if (refusal !== null && !isAccepted) {
    const hint = contents.exactness === 'fuzzy' ? ', or --accept-fuzzy takes it as it is' : ''
    throw new CommandError(`${printable(file)}: ${refusal}${hint}`)
  }
  if (contents.zxid === null && above === null) {
    const what =
      'neither its name nor its contents tell a zxid: name it snapshot.ZXID, or give --above'
    throw new CommandError(`${printable(file)}: ${what}`)
  }
  const dataDir = resolve(into)
  const seen = above === null ? [] : [above]
  const { name, zxid, sessionsDropped, ephemeralsDropped } = await alone(dataDir, () =>
    restoreInto(contents, { dataDir, seen }, { files: nodeFileSystem, clock: nodeClock }),
  ).catch(failed)
  io.out(
    `restored ${contents.tree.nodeCount - 1} nodes into ${printable(dataDir)}/version-2/${name}\n` +
      `the new history begins at zxid 0x${zxid.toString(16)}; ` +
      `left out: ${counted(sessionsDropped, 'session')}, ${counted(ephemeralsDropped, 'ephemeral node')}\n`,
  )
  if (contents.exactness === 'unknown') {
    io.out('note: the snapshot carries no digest of its tree; only its checksums were compared\n')
  }
  return Exit.done
}

/** Neither a server nor another restore works on the directory meanwhile. */
async function alone<T>(directory: string, work: () => Promise<T>): Promise<T> {
  // Why it cannot be a directory, the restore says.
  const unlock = await lockDirectory(directory).catch(() => async () => {})
  if (unlock === null) {
    const what = 'a server or another restore is at work there: stop it, or use another directory'
    throw new CommandError(`${printable(directory)}: ${what}`)
  }
  try {
    return await work()
  } finally {
    await unlock()
  }
}

function show(contents: SnapshotContents, args: Arguments, io: Io): number {
  const { tree, sessions, stream, sizeBytes, zxid, exactness } = contents
  const record = {
    zxid: zxid === null ? null : `0x${zxid.toString(16)}`,
    format: stream,
    sizeBytes,
    nodes: tree.nodeCount - 1,
    ephemerals: tree.ephemeralCount,
    sessions: sessions.size,
    dataBytes: tree.approximateDataSize,
    digest: BigInt.asUintN(64, tree.treeDigest).toString(),
    exactness,
    problem: refusalOf(contents),
  }
  const format = args.choice('output', FORMATS) ?? (io.isTerminal ? 'table' : 'tsv')
  if (format === 'json') io.out(`${JSON.stringify(record, null, 2)}\n`)
  else if (format === 'yaml') io.out(stringify(record))
  else {
    const rows = Object.entries(record)
    const width = Math.max(...rows.map(([key]) => key.length)) + 2
    for (const [key, value] of rows) {
      const text = value === null ? '-' : String(value)
      io.out(format === 'tsv' ? `${key}\t${text}\n` : `${key.padEnd(width)}${text}\n`)
    }
  }
  return record.problem === null ? Exit.done : Exit.failed
}

async function load(file: string): Promise<SnapshotContents> {
  const path = resolve(file)
  return loadSnapshot(nodeFileSystem, dirname(path), basename(path)).catch((error: unknown) => {
    if (!(error instanceof Error) || error.name !== 'SnapshotError') return failed(error)
    throw new CommandError(
      `${printable(file)}: damaged, or no snapshot: ${error.message}`,
      Exit.failed,
      {
        cause: error,
      },
    )
  })
}

/** One line for a person; what is a bug passes as it is. */
function failed(error: unknown): never {
  if (error instanceof Error && error.name === 'StoreError') {
    throw new CommandError(printable(error.message), Exit.failed, { cause: error })
  }
  throw error
}

function zxidOf(text: string | undefined): bigint | null {
  if (text === undefined) return null
  const match = /^(?:0x)?([0-9a-f]{1,16})$/i.exec(text)
  if (match === null)
    throw new UsageError(`--above ${printable(text)}: expected a zxid such as 0x100000004`)
  return BigInt.asIntN(64, BigInt(`0x${match[1]}`))
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`
}
