/**
 * `npm run bench -- --against apache`: our server and Apache's, one after the other in the same run,
 * under the same load, as a table of ratios.
 *
 * A figure by itself says little on a shared machine: only the ratio of two runs side by side counts.
 */
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { apache, howdah, residentBytes, start, stop, type Contestant } from './contestants.ts'
import { goalOf, goalText, isMet } from './goals.ts'
import { measureSessions, tooFewFiles } from './sessions.ts'

const HELP = `npm run bench -- [--against apache] [--seconds N] [--nodes N] [--no-sessions] [--only NAME,…] [--json FILE]

Measures the built package (npm run build), and with --against apache a server of Apache ZooKeeper 3.9.5
in the same run, and says which goals are met (bench/goals.ts; x: times Apache's figure). --nodes 0 leaves
out what needs a million nodes, --no-sessions what needs ten thousand sessions.

  npm run bench -- --against apache
  npm run bench -- --seconds 2 --nodes 0 --only 'get 20x50,set 20x50'`

/** One row: what is loaded, and which way is better. */
interface Load {
  readonly name: string
  readonly args: readonly string[]
  readonly figure: (result: LoadResult) => number
  readonly unit: string
  readonly isBetter: 'higher' | 'lower'
}

interface LoadResult {
  readonly ops_s: number
  readonly errs: number
  readonly write_us?: { p50: number; p99: number; p999: number; max: number }
}

type Figures = Map<string, { value: number; unit: string; isBetter: 'higher' | 'lower' }>

const perSecond = ({ ops_s }: LoadResult) => ops_s
const LOADS: readonly Load[] = [
  load('get 20x50', ['-c', '20', '-d', '50', '-o', 'get']),
  load('set 20x50', ['-c', '20', '-d', '50', '-o', 'set']),
  load('mix 90/10 20x50', ['-c', '20', '-d', '50', '-o', 'mix90']),
  load('create 20x50', ['-c', '20', '-d', '50', '-o', 'create']),
  load('get 200x1', ['-c', '200', '-d', '1', '-o', 'get']),
  load('set 200x1', ['-c', '200', '-d', '1', '-o', 'set']),
  {
    name: 'set 1x1 p50',
    args: ['-c', '1', '-d', '1', '-o', 'set'],
    figure: (result) => result.write_us?.p50 ?? NaN,
    unit: 'us',
    isBetter: 'lower',
  },
]

const PORTS = { howdah: 22_181, apache: 22_182 }
const run = promisify(execFile)

const { values: options } = parseArgs({
  options: {
    against: { type: 'string' },
    seconds: { type: 'string', default: '4' },
    nodes: { type: 'string', default: '1000000' },
    'no-sessions': { type: 'boolean', default: false },
    only: { type: 'string' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

if (options.help) console.log(HELP)
else await main()

async function main(): Promise<void> {
  if (options.against !== undefined && options.against !== 'apache') {
    console.error(`--against knows only apache, not ${options.against}`)
    process.exit(2)
  }
  const zkload = buildLoadGenerator()
  const contestants = options.against === 'apache' ? [howdah, apache] : [howdah]
  const results = new Map<string, Figures>()
  for (const contestant of contestants)
    results.set(contestant.name, await measure(contestant, zkload))
  print(results)
  if (options.json !== undefined) {
    const plain = [...results].map(([name, figures]) => [name, Object.fromEntries(figures)])
    writeFileSync(options.json, `${JSON.stringify(Object.fromEntries(plain), null, 2)}\n`)
  }
}

async function measure(contestant: Contestant, zkload: string): Promise<Figures> {
  const figures: Figures = new Map()
  const port = contestant === apache ? PORTS.apache : PORTS.howdah
  const note = (name: string, value: number, unit: string, isBetter: 'higher' | 'lower') => {
    figures.set(name, { value, unit, isBetter })
    console.error(`${contestant.name.padEnd(8)} ${name.padEnd(34)} ${shown(value)} ${unit}`)
  }
  const wanted = options.only?.split(',')
  const isWanted = (name: string) => wanted === undefined || wanted.includes(name)

  // A first start may load code from disk: only the second one counts.
  await stop(await start(contestant, { port }))
  const server = await start(contestant, { port })
  note('start to first answer', server.firstAnswerMs, 'ms', 'lower')
  note('resident, idle', residentBytes(server) / 2 ** 20, 'MiB', 'lower')
  try {
    // Warm up: compilers need seconds of load before their code is what it will be.
    await zk(zkload, server.port, ['-c', '20', '-d', '50', '-o', 'mix50', '-t', '4', '-w', '0'])
    for (const { name, args, figure, unit, isBetter } of LOADS.filter((row) =>
      isWanted(row.name),
    )) {
      const result = await zk(zkload, server.port, [...args, '-t', options.seconds])
      if (result.errs > 0) throw new Error(`${name}: ${result.errs} requests failed`)
      note(name, figure(result), unit, isBetter)
    }
    note('resident, after the load', residentBytes(server) / 2 ** 20, 'MiB', 'lower')
  } finally {
    await stop(server)
  }
  const why = options['no-sessions'] ? null : tooFewFiles()
  if (why !== null) console.error(`SKIPPED ten thousand sessions: ${why}`)
  else if (!options['no-sessions']) {
    const load = (args: readonly string[]) => zk(zkload, port, args)
    await measureSessions(contestant, { port, load, note })
  }
  const nodes = Number(options.nodes)
  if (nodes > 0) await measureManyNodes(contestant, { zkload, port, nodes, note })
  return figures
}

/** What a large tree costs: memory, snapshots while serving, and a restart. */
async function measureManyNodes(
  contestant: Contestant,
  {
    zkload,
    port,
    nodes,
    note,
  }: {
    zkload: string
    port: number
    nodes: number
    note: (name: string, value: number, unit: string, isBetter: 'higher' | 'lower') => void
  },
): Promise<void> {
  const server = await start(contestant, { port, isAskedForMemory: true })
  const { folder } = server
  try {
    const before = await contestant.usedBytes(server)
    const count = ['-c', '20', '-d', '50', '-o', 'create', '-t', '120', '-n', String(nodes)]
    await zk(zkload, server.port, count)
    const after = await contestant.usedBytes(server)
    note('heap + external a node', (after - before) / nodes, 'bytes', 'lower')
    note('resident, a million nodes', residentBytes(server) / 2 ** 20, 'MiB', 'lower')
  } finally {
    await stop(server, { kept: true })
  }
  // Snapshots come often enough that several are taken while the writers are measured.
  const again = await start(contestant, { port, folder, settings: 'snapCount=30000' })
  note('restart with a million nodes', again.firstAnswerMs, 'ms', 'lower')
  try {
    await zk(zkload, again.port, ['-c', '20', '-d', '1', '-o', 'set', '-t', '3', '-w', '0'])
    const before = snapshots(folder)
    const { write_us: writes } = await zk(zkload, again.port, [
      '-c',
      '20',
      '-d',
      '1',
      '-o',
      'set',
      '-t',
      '20',
    ])
    const taken = [...snapshots(folder)].filter((name) => !before.has(name)).length
    if (taken === 0) throw new Error('no snapshot was taken while the writers were measured')
    note('snapshots taken meanwhile', taken, '', 'higher')
    note('set 20x1 during snapshots, p99', (writes?.p99 ?? NaN) / 1000, 'ms', 'lower')
    note('set 20x1 during snapshots, p99.9', (writes?.p999 ?? NaN) / 1000, 'ms', 'lower')
  } finally {
    await stop(again)
  }
}

function snapshots(folder: string): Set<string> {
  const names = readdirSync(join(folder, 'data/version-2'))
  return new Set(names.filter((name) => name.startsWith('snapshot.')))
}

async function zk(zkload: string, port: number, args: readonly string[]): Promise<LoadResult> {
  const common = ['-s', `127.0.0.1:${port}`, '-b', '100', '-k', '1000']
  // It ends by itself; what does not, ends the bench with an error.
  const { stdout } = await run(zkload, [...common, ...args], {
    timeout: 300_000,
    killSignal: 'SIGKILL',
  })
  return JSON.parse(stdout) as LoadResult
}

function buildLoadGenerator(): string {
  const source = join(dirname(fileURLToPath(import.meta.url)), 'zkload.c')
  const program = join(tmpdir(), 'howdah-zkload')
  if (!existsSync(program) || statSync(program).mtimeMs < statSync(source).mtimeMs) {
    execFileSync('cc', ['-O2', '-o', program, source], { stdio: 'inherit' })
  }
  return program
}

function load(name: string, args: readonly string[]): Load {
  return { name, args, figure: perSecond, unit: '/s', isBetter: 'higher' }
}

function print(results: ReadonlyMap<string, Figures>): void {
  const ours = results.get('howdah')!
  const theirs = results.get('apache')
  const rows = [...ours].map(([name, { value, unit, isBetter }]) => {
    const other = theirs?.get(name)?.value
    // Where Apache has none, neither shall we: a ratio says nothing there.
    const ratio = other === undefined || other === 0 ? '' : (value / other).toFixed(2)
    const goal = goalOf(name, isBetter)
    const met = goal === null ? null : isMet(goal, value, other)
    const verdict = met === null ? '' : met ? 'met' : 'NOT MET'
    const theirsShown = other === undefined ? '' : shown(other)
    return [
      name,
      unit,
      shown(value),
      theirsShown,
      ratio,
      goal === null ? '' : goalText(goal),
      verdict,
    ]
  })
  const head = ['', 'unit', 'howdah', 'apache 3.9.5', 'ratio', 'goal', '']
  const table = [head, ...rows]
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  for (const row of table) {
    console.log(
      row
        .map((cell, column) =>
          column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
        )
        .join('  '),
    )
  }
}

function shown(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2)
}
