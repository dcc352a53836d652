/** bin/zkServer.sh: words, variables, output and exit statuses of Apache's script (client-protocol 9.6). */
import { spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { freePorts } from '../support/pair.ts'
import { fourLetters } from '../support/server-process.ts'

const SCRIPT = join(import.meta.dirname, '../../bin/zkServer.sh')

let folder: string
let conf: string
let dataDir: string
let port: number
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'howdah-zkserver-'))
  conf = join(folder, 'conf')
  dataDir = join(folder, 'data')
  mkdirSync(conf)
  port = (await freePorts(1))[0]!
  configure()
})
afterEach(() => {
  zkServer(['stop'])
  rmSync(folder, { recursive: true, force: true })
})

function configure(
  lines: readonly string[] = [`clientPort=${port}`, 'clientPortAddress=127.0.0.1'],
) {
  const all = ['# a comment', 'tickTime=500', `  dataDir = ${dataDir}  `, ...lines]
  writeFileSync(join(conf, 'zoo.cfg'), `${all.join('\n')}\n`)
}

interface Ended {
  readonly status: number | null
  readonly out: string
  readonly err: string
}

function environment(own: Record<string, string>): Record<string, string> {
  return {
    HOME: folder,
    PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
    ZOOCFGDIR: conf,
    ZOO_LOG_DIR: join(folder, 'logs'),
    ...own,
  }
}

function zkServer(words: readonly string[], own: Record<string, string> = {}): Ended {
  const { status, stdout, stderr } = spawnSync('sh', [SCRIPT, ...words], {
    cwd: folder,
    env: environment(own),
    encoding: 'utf8',
  })
  return { status, out: stdout, err: stderr }
}

/** The server is up some time after the script says so. */
async function untilServing(): Promise<void> {
  await expect
    .poll(() => fourLetters(port, 'srvr'), { timeout: 15_000, interval: 50 })
    .toContain('Mode: standalone')
}

const PID = /^\d+$/

test('start, status, stop, restart say and end as Apache’s do', async () => {
  const words = `ZooKeeper JMX enabled by default\nUsing config: ${conf}/zoo.cfg\n`
  const found = `Client port found: ${port}. Client address: 127.0.0.1. Client SSL: false.\n`
  expect(zkServer(['status'])).toEqual({
    status: 1,
    out: `${found}Error contacting service. It is probably not running.\n`,
    err: words,
  })
  expect(zkServer(['start'])).toEqual({
    status: 0,
    out: 'Starting zookeeper ... STARTED\n',
    err: words,
  })
  const pidFile = join(dataDir, 'zookeeper_server.pid')
  const pid = readFileSync(pidFile, 'utf8')
  expect(pid).toMatch(PID)
  await untilServing()
  expect(zkServer(['status'])).toEqual({ status: 0, out: `${found}Mode: standalone\n`, err: words })
  expect(zkServer(['start'])).toMatchObject({
    status: 1,
    out: `Starting zookeeper ... already running as process ${pid}.\n`,
  })
  expect(zkServer(['restart'])).toMatchObject({
    status: 0,
    out: 'Stopping zookeeper ... STOPPED\nStarting zookeeper ... STARTED\n',
  })
  expect(readFileSync(pidFile, 'utf8')).not.toBe(pid)
  await untilServing()
  expect(zkServer(['stop'])).toMatchObject({ status: 0, out: 'Stopping zookeeper ... STOPPED\n' })
  expect(existsSync(pidFile)).toBe(false)
  expect(zkServer(['stop'])).toMatchObject({
    status: 0,
    out: `Stopping zookeeper ... no zookeeper to stop (could not find file ${pidFile})\n`,
  })
  const logs = readdirSync(join(folder, 'logs'))
  expect(logs).toEqual([expect.stringMatching(/^zookeeper-.+-server-.+\.out$/)])
}, 60_000)

test('files beside the configuration, a file of its own, a pid file elsewhere, and flags', async () => {
  const own = join(folder, 'own.cfg')
  writeFileSync(own, readFileSync(join(conf, 'zoo.cfg')))
  writeFileSync(join(conf, 'zookeeper-env.sh'), `ZOOPIDFILE=${folder}/run/zk.pid\n`)
  writeFileSync(
    join(conf, 'java.env'),
    'SERVER_JVMFLAGS="-Xmx1g -Dzookeeper.4lw.commands.whitelist=ruok"\n',
  )
  const link = join(folder, 'zkServer')
  symlinkSync(SCRIPT, link)
  const started = spawnSync('sh', [link, '--config', conf, 'start', own], {
    cwd: folder,
    env: environment({ ZOOCFGDIR: '/nowhere', JMXDISABLE: 'true' }),
    encoding: 'utf8',
  })
  expect(started).toMatchObject({
    status: 0,
    stdout: 'Starting zookeeper ... STARTED\n',
    stderr: `JMX disabled by user request\nUsing config: ${own}\n`,
  })
  await untilServing()
  expect(readFileSync(join(folder, 'run', 'zk.pid'), 'utf8')).toMatch(PID)
  expect(await fourLetters(port, 'ruok')).toBe('imok')
  expect(zkServer(['stop']).out).toBe('Stopping zookeeper ... STOPPED\n')
}, 60_000)

test('what cannot start is told', () => {
  configure(['clientPort=none'])
  expect(zkServer(['start'])).toMatchObject({
    status: 1,
    out: 'Starting zookeeper ... FAILED TO START\n',
  })
  const disabled = { ZOO_DATADIR_AUTOCREATE_DISABLE: '1' }
  expect(zkServer(['start'], disabled)).toMatchObject({
    status: 1,
    out: `ZooKeeper data directory is missing at ${dataDir} fix the path or run initialize\n`,
  })
  mkdirSync(join(dataDir, 'version-2'), { recursive: true })
  configure([`clientPort=${port}`, `dataLogDir=${folder}/logs-of-txns`])
  expect(zkServer(['start'], disabled)).toMatchObject({
    status: 1,
    out: `ZooKeeper txnlog directory is missing at ${folder}/logs-of-txns fix the path or run initialize\n`,
  })
  expect(zkServer(['--config', join(folder, 'none'), 'start'])).toMatchObject({ status: 1 })
  const usage = `Usage: ${SCRIPT} [--config <conf-dir>] {start|start-foreground|stop|version|restart|status|print-cmd}\n`
  for (const words of [['begin'], []]) {
    const { status, err } = zkServer(words)
    expect([status, err.endsWith(usage)]).toEqual([0, true])
  }
})

test('status finds the port in a server line, as myid says', () => {
  mkdirSync(dataDir, { recursive: true })
  configure(['server.1=a:2888:3888;2181', `server.2=b:2888:3888;127.0.0.1:${port}`])
  expect(zkServer(['status']).out).toBe(
    'myid could not be determined, will not able to locate clientPort in the server configs.\n' +
      'Client port not found. Looking for secureClientPort in the static config.\n' +
      'Unable to find either secure or unsecure client port in any configs. Terminating.\n',
  )
  writeFileSync(join(dataDir, 'myid'), '2\n')
  expect(zkServer(['status'])).toMatchObject({
    status: 1,
    out:
      `Client port found: ${port}. Client address: 127.0.0.1. Client SSL: false.\n` +
      'Error contacting service. It is probably not running.\n',
  })
  const dynamic = join(folder, 'zoo.cfg.dynamic')
  writeFileSync(dynamic, `server.2=b:2888:3888;${port}\n`)
  configure([`dynamicConfigFile=${dynamic}`])
  expect(zkServer(['status']).out).toContain(
    'Client port not found in static config file. Looking in dynamic config file.\n' +
      `Client port found: ${port}. Client address: localhost. Client SSL: false.\n`,
  )
})

test('start-foreground is the server itself: SIGTERM ends it with 0', async () => {
  const child = spawn('sh', [SCRIPT, 'start-foreground'], { cwd: folder, env: environment({}) })
  const ended = new Promise((resolve) => child.on('close', resolve))
  await untilServing()
  child.kill('SIGTERM')
  expect(await ended).toBe(0)
}, 30_000)
