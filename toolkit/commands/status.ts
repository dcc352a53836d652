/** `howdah status`: ensemble, groups, problems; 0 healthy, 1 not, 3 when nobody answers. */
import { setTimeout as delay } from 'node:timers/promises'
import { stringify } from 'yaml'
import { CommandError, Exit, UsageError, type Arguments, type Io } from '../command.ts'
import { openClient } from '../init-groups.ts'
import { painter, wantsColours } from '../log-lines.ts'
import { loadFile, setUpFileOf } from '../setup/find.ts'
import { connectStringOf } from '../setup/group-settings.ts'
import { printable } from '../setup/problem.ts'
import type { SetUp } from '../setup/schema.ts'
import {
  discoverGroups,
  ensembleState,
  groupState,
  problemsOf,
  serversOf,
  type GroupState,
  type StatusReport,
} from '../status-of.ts'

const CONNECT_TIMEOUT_MS = 5000
const WATCH_SECONDS = 2
const FORMATS = ['table', 'json', 'yaml', 'tsv'] as const

interface Subject {
  readonly setUp: SetUp | null
  readonly servers: string
}

export async function run(args: Arguments, io: Io): Promise<number> {
  const format = args.choice('output', FORMATS) ?? (io.isTerminal ? 'table' : 'tsv')
  const seconds = args.integer('watch', { least: 1, most: 86_400 }) ?? WATCH_SECONDS
  const subject = subjectOf(args, io)
  if (!args.has('watch')) return show(await report(subject), format, io)
  let status: number = Exit.unknown
  while (!io.signal.aborted) {
    try {
      const current = await report(subject)
      if (io.isTerminal && format === 'table') io.out('\u001b[2J\u001b[H')
      status = show(current, format, io)
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      io.err(`howdah status: ${error.message}\n`)
      status = error.status
    }
    await delay(seconds * 1000, undefined, { signal: io.signal }).catch(() => {})
  }
  return status
}

function subjectOf(args: Arguments, io: Io): Subject {
  const servers = args.text('server')
  if (servers === undefined) {
    const { setUp } = loadFile(setUpFileOf(args, io), io)
    return { setUp, servers: connectStringOf(setUp) }
  }
  if (args.has('file')) throw new UsageError('--server and -f exclude each other')
  return { setUp: null, servers }
}

async function report({ setUp, servers }: Subject): Promise<StatusReport> {
  const ensemble = await ensembleState(serversOf(setUp, servers))
  if (ensemble.every(({ mode }) => mode === null)) {
    throw new CommandError(`nobody answers at ${servers}`, Exit.unknown)
  }
  await using client = await openClient(servers, CONNECT_TIMEOUT_MS)
  const wanted =
    setUp === null
      ? await discoverGroups(client)
      : Object.keys(setUp.groups ?? {}).map((group) => ({ cluster: setUp.cluster, group }))
  const clusters = new Set(wanted.map(({ cluster }) => cluster))
  const groups: Record<string, GroupState> = {}
  for (const { cluster, group } of wanted) {
    const name = clusters.size > 1 ? `${cluster}/${group}` : group
    groups[name] = await groupState(client, { cluster, group, setUp })
  }
  return {
    apiVersion: 1,
    cluster: setUp?.cluster ?? (clusters.size === 1 ? ([...clusters][0] ?? null) : null),
    observedAt: new Date().toISOString(),
    ensemble,
    groups,
    registrations: {},
  }
}

function show(current: StatusReport, format: (typeof FORMATS)[number], io: Io): number {
  switch (format) {
    case 'json':
      io.out(`${JSON.stringify(current, null, 2)}\n`)
      break
    case 'yaml':
      io.out(stringify(current))
      break
    case 'tsv':
      io.out(tsv(current))
      break
    case 'table':
      io.out(table(current, io))
      break
  }
  return problemsOf(current).length === 0 ? Exit.done : Exit.failed
}

function tsv(current: StatusReport): string {
  const rows: (string | number | null)[][] = [
    ...current.ensemble.map(({ sid, address, mode, zxid, version }) => [
      'server',
      sid,
      address,
      mode,
      zxid,
      version,
    ]),
    ...Object.entries(current.groups).flatMap(([name, group]) => [
      [
        'group',
        name,
        group.active,
        group.lockHolder,
        group.token,
        group.paused ? 'paused' : 'running',
      ],
      ...Object.entries(group.members).map(([member, state]) => [
        'member',
        `${name}/${member}`,
        state.role,
        state.health,
        state.address,
        state.leaseMs,
        state.pid,
        state.controllerPid,
      ]),
    ]),
    ...problemsOf(current).map(({ code, message, since }) => ['problem', code, message, since]),
  ]
  return rows
    .map((row) => `${row.map((cell) => printable(String(cell ?? ''))).join('\t')}\n`)
    .join('')
}

function table(current: StatusReport, io: Io): string {
  const paint = painter(wantsColours(io))
  const lines = aligned([
    ['SERVER', 'ADDRESS', 'MODE', 'ZXID', 'VERSION'],
    ...current.ensemble.map(({ sid, address, mode, zxid, version }) => [
      sid === null ? '-' : String(sid),
      address,
      mode ?? 'no answer',
      zxid ?? '-',
      version ?? '-',
    ]),
  ])
  for (const [name, group] of Object.entries(current.groups)) {
    const token = group.token === null ? '' : `, token ${group.token} (${group.tokenHex})`
    const paused = group.paused ? ', paused' : ''
    lines.push(
      '',
      paint('bold', `group ${name}: active ${group.active ?? 'none'}${token}${paused}`),
    )
    if (group.fencing !== null) {
      const { target, method, result, attempts } = group.fencing
      lines.push(`fencing ${target} by ${method}: ${result} (attempt ${attempts})`)
    }
    lines.push(
      ...aligned([
        ['MEMBER', 'ROLE', 'HEALTH', 'LEASE', 'ADDRESS', 'PID', 'CONTROLLER'],
        ...Object.entries(group.members).map(([member, state]) => [
          member,
          state.role,
          state.health,
          state.leaseMs === null ? '-' : `${state.leaseMs}ms`,
          state.address,
          String(state.pid ?? '-'),
          String(state.controllerPid ?? '-'),
        ]),
      ]),
    )
  }
  const problems = problemsOf(current)
  if (problems.length > 0) lines.push('', paint('red', 'problems:'))
  for (const { code, message } of problems) lines.push(`  ${code}: ${message}`)
  return `${lines.map(printableLine).join('\n')}\n`
}

/** Values come from znodes that anybody may have written (S-21); colours are ours. */
function printableLine(line: string): string {
  return line.startsWith('\u001b') ? line : printable(line)
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  )
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
