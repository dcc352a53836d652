/**
 * The servers that are compared: how each is started on a fresh data directory, asked for its memory,
 * and stopped. Both listen on loopback, sync every batch, and have the same zoo.cfg.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Contestant {
  readonly name: string
  /** Program and arguments in front of the configuration file. */
  command(): string[]
  /** What asking for its memory needs; without the question, it runs as its users run it. */
  readonly memoryEnv: Readonly<Record<string, string>>
  /** Bytes of heap and buffers in use, after a full collection. */
  usedBytes(running: Running): Promise<number>
}

const HERE = dirname(fileURLToPath(import.meta.url))
const ROOT = dirname(HERE)

export const howdah: Contestant = {
  name: 'howdah',
  command() {
    const main = join(ROOT, 'dist/toolkit/main.js')
    if (!existsSync(main)) throw new Error('nothing built yet: run `npm run build` first')
    return [process.execPath, main, 'server']
  },
  memoryEnv: { NODE_OPTIONS: `--expose-gc --import ${join(HERE, 'memory-probe.js')}` },
  async usedBytes(running) {
    const report = join(running.folder, 'memory.json')
    rmSync(report, { force: true })
    running.child.kill('SIGUSR2')
    await until(() => existsSync(report), 60_000, 'the memory report')
    const { heapUsed, external } = JSON.parse(readFileSync(report, 'utf8')) as NodeJS.MemoryUsage
    return heapUsed + external
  },
}

export const apache: Contestant = {
  name: 'apache',
  command() {
    return [
      'java',
      '-Xmx2g',
      '-Dzookeeper.admin.enableServer=false',
      '-Dzookeeper.4lw.commands.whitelist=*',
      '-cp',
      `${apacheJars()}/*`,
      'org.apache.zookeeper.server.quorum.QuorumPeerMain',
    ]
  },
  memoryEnv: {},
  async usedBytes({ child }) {
    const ask = (what: string): string =>
      execFileSync('jcmd', [String(child.pid), what], { encoding: 'utf8', timeout: 60_000 })
    ask('GC.run')
    const info = ask('GC.heap_info')
    const used = [...info.matchAll(/(?:heap|generation)\s+total \d+K, used (\d+)K/g)]
    return used.reduce((sum, [, kib]) => sum + Number(kib) * 1024, 0)
  },
}

/** The jars of Apache's server, from Maven Central on the first run. */
export function apacheJars(): string {
  const folder = join(
    process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
    'howdah-bench/apache-3.9.5',
  )
  if (!existsSync(folder)) {
    console.error('fetching Apache ZooKeeper 3.9.5 by Maven …')
    const staging = `${folder}.new`
    mkdirSync(staging, { recursive: true })
    const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${staging}`]
    execFileSync('mvn', ['-q', '-B', '-f', join(HERE, 'pom.xml'), ...goal], { stdio: 'inherit' })
    for (const jar of readdirSync(staging)) {
      // Without a logging backend the server is as quiet as ours.
      if (/^(logback|log4j|slf4j-(log4j|reload4j)|reload4j)/.test(jar)) rmSync(join(staging, jar))
    }
    execFileSync('mv', [staging, folder])
  }
  return folder
}

export interface Running {
  readonly child: ChildProcess
  readonly folder: string
  readonly address: string
  readonly port: number
  /** From the start of the process to its first `imok`. */
  readonly firstAnswerMs: number
}

/** Starts a server on `folder`, or on a fresh one. */
export async function start(
  { command, memoryEnv }: Contestant,
  {
    port,
    folder = mkdtempSync(join(tmpdir(), 'howdah-bench-')),
    settings = '',
    isAskedForMemory = false,
  }: StartOptions,
): Promise<Running> {
  const config = join(folder, 'zoo.cfg')
  const lines = [
    `dataDir=${folder}/data`,
    `clientPort=${port}`,
    'clientPortAddress=127.0.0.1',
    'tickTime=2000',
    'maxClientCnxns=0',
    '4lw.commands.whitelist=*',
    settings,
    '',
  ]
  writeFileSync(config, lines.join('\n'))
  const [program = '', ...args] = command()
  const startedMs = performance.now()
  const child = spawn(program, [...args, config], {
    stdio: ['ignore', 'ignore', process.env['BENCH_DEBUG'] ? 'inherit' : 'ignore'],
    env: {
      ...process.env,
      ...(isAskedForMemory ? memoryEnv : {}),
      HOWDAH_MEMORY_REPORT: join(folder, 'memory.json'),
    },
  })
  await until(async () => (await word(port, 'ruok')) === 'imok', 120_000, 'the first answer')
  await until(async () => (await word(port, 'srvr')).includes('Mode:'), 120_000, 'the first answer')
  const firstAnswerMs = performance.now() - startedMs
  return { child, folder, address: `127.0.0.1:${port}`, port, firstAnswerMs }
}

export interface StartOptions {
  port: number
  folder?: string
  settings?: string
  /** Whether `usedBytes` will be asked. */
  isAskedForMemory?: boolean
}

/** Ends a server; its folder goes too unless it is `kept`. */
export async function stop({ child, folder }: Running, { kept = false } = {}): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve))
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGTERM')
    const impatience = setTimeout(() => child.kill('SIGKILL'), 20_000)
    await ended
    clearTimeout(impatience)
  }
  if (!kept) rmSync(folder, { recursive: true, force: true })
}

/** Resident memory of a process, in bytes. */
export function residentBytes({ child }: Running): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024
}

/** What a server answers to a four-letter word; empty when it does not. */
export function word(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    // One that accepts and says nothing is asked again.
    socket.setTimeout(2000, () => socket.destroy())
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')))
    socket.on('error', () => resolve(''))
    socket.on('close', () => resolve(answer))
  })
}

export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
  what: string,
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
