/** `howdah server`, `init` and `status` against a real server of ours, as processes where that matters. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { startServer, type Peer } from '../../ensemble/server/index.ts'
import { silent } from '../../ensemble/sys/logger.ts'
import { runCommandLine } from '../../toolkit/command-line.ts'
import { howdahArgv } from '../../toolkit/setup/plan.ts'
import { freePorts } from '../support/pair.ts'

let directory: string
let server: Peer
let file: string

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'howdah-commands-'))
  const settings = {
    dataDir: join(directory, 'data'),
    clientPort: 0,
    clientPortAddress: '127.0.0.1',
  }
  mkdirSync(settings.dataDir)
  server = await startServer({ ...settings, tickTimeMs: 500, fourLetterWords: ['*'] }, silent)
  file = join(directory, 'howdah.yaml')
  writeFileSync(
    file,
    `howdah: 1
cluster: c
ensemble: { connect: '127.0.0.1:${server.clientPort}' }
groups:
  orders:
    sessionTimeout: 4s
    members:
      a: { host: 127.0.0.1, port: 1 }
      b: { host: 127.0.0.1, port: 2 }
    service:
      health: [{ http: 'http://{host}:{port}/health' }]
      activate: { http: { url: 'http://{host}:{port}/activate' }, timeout: 1s }
      deactivate: { http: { url: 'http://{host}:{port}/deactivate' }, timeout: 500ms }
    protection: [lease]
`,
  )
})
afterAll(async () => {
  await server.close()
  rmSync(directory, { recursive: true })
})

async function howdah(...words: string[]): Promise<{ status: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const status = await runCommandLine(words, {
    env: {},
    isTerminal: false,
    out: (text) => (out += text),
    err: (text) => (err += text),
    signal: new AbortController().signal,
  })
  return { status, out, err }
}

test('init makes the root once, and again only with --force (H-4)', async () => {
  const before = await howdah('status', '-f', file, '-o', 'json')
  expect(before.status).toBe(1)
  expect(before.out).toContain('not-initialized')

  const made = { status: 0, out: 'made /howdah/c/groups/orders\n', err: '' }
  expect(await howdah('init', 'orders', '-f', file)).toEqual(made)
  expect(await howdah('init', 'orders', '-f', file)).toEqual({
    status: 1,
    out: '',
    err: 'howdah init: /howdah/c/groups/orders exists: group orders was initialized before (--force forgets who was active)\n',
  })
  expect(await howdah('init', 'orders', '-f', file, '--force')).toEqual(made)
  expect(await howdah('init', 'order', '-f', file)).toEqual({
    status: 2,
    out: '',
    err: 'howdah init: there is no group "order"; did you mean "orders"?\n',
  })
})

test('status has the published shape, in json and yaml, and 1 without an active', async () => {
  const { status, out } = await howdah('status', '-f', file, '-o', 'json')
  expect(status).toBe(1)
  const report = JSON.parse(out) as Record<string, unknown>
  const member = (port: number) => ({
    role: 'unknown',
    reportedRole: 'unknown',
    health: 'not-responding',
    address: `127.0.0.1:${port}`,
    leaseMs: null,
    eligible: false,
    configDigest: '',
    version: '',
    pid: null,
    controllerPid: null,
  })
  expect(report).toEqual({
    apiVersion: 1,
    cluster: 'c',
    observedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
    ensemble: [
      {
        sid: null,
        address: `127.0.0.1:${server.clientPort}`,
        mode: 'standalone',
        zxid: expect.stringMatching(/^0x[0-9a-f]+$/) as string,
        version: expect.stringMatching(/^3\./) as string,
      },
    ],
    groups: {
      orders: {
        active: null,
        lockHolder: null,
        breadcrumb: null,
        token: null,
        tokenHex: null,
        paused: false,
        fencing: null,
        problems: [],
        members: { a: member(1), b: member(2) },
      },
    },
    registrations: {},
  })
  const yaml = await howdah('status', '-f', file, '-o', 'yaml')
  expect(Object.keys(parse(yaml.out) as object)).toEqual(Object.keys(report))
})

test('status without a set-up finds the groups; tsv and table are lines', async () => {
  const servers = `127.0.0.1:${server.clientPort}`
  const { out } = await howdah('status', '--server', servers)
  expect(out).toMatch(/^server\t\t127.0.0.1:\d+\tstandalone\t0x/)
  expect(out).toContain('problem\tno-active\tgroup orders has no active member\t')
  expect((await howdah('status', '--server', servers, '-o', 'table')).out).toContain(
    'group orders: active none',
  )
  expect((await howdah('status', '--server', servers, '-o', 'xml')).err).toBe(
    'howdah status: --output xml: expected one of table, json, yaml, tsv (see: howdah status --help)\n',
  )
})

test('nobody answers: 3', async () => {
  expect(await howdah('status', '--server', '127.0.0.1:1')).toEqual({
    status: 3,
    out: '',
    err: 'howdah status: nobody answers at 127.0.0.1:1\n',
  })
})

interface Ended {
  readonly status: number | null
  readonly out: string
  readonly err: string
}

function run(
  words: readonly string[],
  onLine: (line: string, kill: (signal: NodeJS.Signals) => void) => void,
): Promise<Ended> {
  const [program = '', ...rest] = howdahArgv(words)
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString()
    onLine(chunk.toString(), (signal) => child.kill(signal))
  })
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, out, err })))
}

function zooCfg(name: string, lines: readonly string[]): string {
  const path = join(directory, name)
  writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}

test('server: JSON lines, SIGTERM ends it with 0', async () => {
  const path = zooCfg('zoo.cfg', [
    'tickTime=500',
    `dataDir=${join(directory, 'own')}`,
    'clientPort=none',
    'clientPortAddress=127.0.0.1',
  ])
  const refused = await run(['server', path], () => {})
  expect(refused).toEqual({
    status: 2,
    out: '',
    err:
      `${path}:3:12: clientPort: got none, expected a whole number from 0 to 65535\n` +
      `${path}:4:1: clientPortAddress without clientPort: expected clientPort=PORT\n`,
  })
  writeFileSync(
    path,
    `tickTime=500\ndataDir=${join(directory, 'own')}\nclientPort=${(await freePorts(1))[0]}\nclientPortAddress=127.0.0.1\n`,
  )
  const { status, out, err } = await run(['server', path], (line, kill) => {
    if (line.includes('"serving"')) kill('SIGTERM')
  })
  expect([status, err]).toEqual([0, ''])
  const messages = out
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { msg: string }).msg)
  expect(messages[0]).toBe('serving')
  expect(messages.toSorted()).toEqual(['closed', 'serving', 'stopping'])
})

test('a dangerous setting is warned of at the start and by check, without its value (S-7, S-16)', async () => {
  const path = zooCfg('open.cfg', [
    'tickTime=500',
    `dataDir=${join(directory, 'open')}`,
    `clientPort=${(await freePorts(1))[0]}`,
    'clientPortAddress=127.0.0.1',
    'skipACL=yes',
    'DigestAuthenticationProvider.superDigest=super:canary',
  ])
  const checked = await howdah('check', path)
  expect(checked.status).toBe(0)
  expect(checked.out).toContain(`WARNING: ${path}:5:1: skipACL: no ACL is checked`)
  expect(checked.out).toContain(`WARNING: ${path}:6:1: DigestAuthenticationProvider.superDigest: `)
  const { out } = await run(['server', path], (line, kill) => {
    if (line.includes('"serving"')) kill('SIGTERM')
  })
  expect(out.match(/"msg":"WARNING: a dangerous setting"/g)).toHaveLength(2)
  expect(checked.out + out).not.toContain('canary')
})

test('check --explain tells of a key of zoo.cfg what it does, its default, and its value in this file', async () => {
  const path = zooCfg('explain.cfg', [`dataDir=${directory}`, 'clientPort=2181', 'snapCount=5000'])
  expect(await howdah('check', path, '--explain', 'snapCount')).toEqual({
    status: 0,
    err: '',
    out:
      'snapCount\n  Transactions in a log before a snapshot.\n' +
      '  given by: snapCount= in the file, or -Dzookeeper.snapCount=\n' +
      `  default: 100000\n  here: 5000   from ${path}:3\n`,
  })
  const explained = async (key: string): Promise<string> => {
    const { out } = await howdah('check', path, '--explain', key)
    return out
  }
  expect(await explained('zookeeper.forceSync')).toContain('here: not given')
  expect(await explained('jute.maxbuffer')).toContain('given by: -Djute.maxbuffer=\n')
  expect(
    (await howdah('check', path, '--explain', 'jute.maxbuffer', '-Djute.maxbuffer=9')).out,
  ).toContain('here: 9   from -D\n')
  const spaced = ['-Dhowdah.sessionPasswords=a b', '-Dhowdah.maxWatchs=1']
  expect((await howdah('check', path, ...spaced)).out).toBe(
    '-D: howdah.sessionPasswords: got a b, expected secret or apache\n' +
      '-D: -Dhowdah.maxWatchs is not known; did you mean "howdah.maxWatches"?\n2 problems\n',
  )
  expect(await explained('howdah.maxWatches')).toContain(
    'given by: howdah.maxWatches= in the file, or -Dhowdah.maxWatches=\n',
  )
  expect(await explained('flushDelay')).toContain('It has no effect here.')
  expect(await explained('leaderServes')).toContain('It matters between servers only.')
  expect(await explained('ssl.keyStore.password')).toContain('ssl.keyStore.password\n')
  const unknown = await howdah('check', path, '--explain', 'snapCuont')
  expect(unknown).toMatchObject({ status: 2, out: '' })
  expect(unknown.err).toContain('did you mean "snapCount"?')
})

test('check names the file and the line of what is missing, or not available (X-11)', async () => {
  const base = [`dataDir=${directory}`, 'clientPort=2181']
  const checked = async (...lines: string[]): Promise<string> => {
    const path = zooCfg('places.cfg', [...base, ...lines])
    const { out } = await howdah('check', path)
    return out.replaceAll(path, 'FILE')
  }
  expect(await checked('secureClientPort=2182', 'ssl.clientAuth=none')).toContain(
    'FILE: ssl.keyStore.location is missing',
  )
  const two = ['initLimit=5', 'syncLimit=5', 'server.1=a:1:2', 'server.2=b:1:2']
  expect(await checked(...two)).toContain('FILE:6:1: an ensemble of several servers is not')
  expect(await checked('dynamicConfigFile=/none')).toBe(
    'FILE:3:1: dynamicConfigFile cannot be read (ENOENT): got /none\n1 problem\n',
  )
  expect(await checked('emulate353TTLNodes=true')).toContain(
    'FILE:3:1: what 3.5.3 took for TTL nodes is not available yet',
  )
  expect(await checked('metricsProvider.className=a.B')).toContain('FILE:3:1: a Java class that')
  const prometheus = 'org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider'
  expect(
    await checked(`metricsProvider.className=${prometheus}`, 'metricsProvider.httpPort=7OOO'),
  ).toContain('FILE:4:1: metricsProvider.httpPort: got 7OOO, expected')
  const portless = zooCfg('portless.cfg', [`dataDir=${directory}`, 'clientPort=0'])
  expect((await howdah('check', portless)).out).toContain('no client can connect')
})

test('server: a data directory that cannot be used ends it with 3, a taken port with 1, in one line', async () => {
  const blocked = join(directory, 'blocked')
  writeFileSync(blocked, 'a file')
  const [port] = await freePorts(1)
  const base = ['tickTime=500', `clientPort=${port}`, 'clientPortAddress=127.0.0.1']
  const bad = await run(['server', zooCfg('bad.cfg', [...base, `dataDir=${blocked}`])], () => {})
  expect(bad.status).toBe(3)
  expect(bad.err).toMatch(/^howdah server: .*blocked.*\n$/)
  // Node's own recursion never ends there.
  if (process.platform === 'linux') {
    const proc = await run(
      ['server', zooCfg('proc.cfg', [...base, 'dataDir=/proc/none/x'])],
      () => {},
    )
    expect(proc.status).toBe(3)
    expect(proc.err).toMatch(/^howdah server: .*\/proc\/none.*\n$/)
  }
  const taken = [
    'tickTime=500',
    `clientPort=${server.clientPort}`,
    'clientPortAddress=127.0.0.1',
    `dataDir=${join(directory, 'taken')}`,
  ]
  const second = await run(['server', zooCfg('taken.cfg', taken)], () => {})
  expect(second.status).toBe(1)
  expect(second.err).toMatch(/^howdah server: cannot listen at .*EADDRINUSE.*\n$/)
  const nowhere = [...base.slice(0, 2), `dataDir=${join(directory, 'nowhere')}`]
  for (const [address, said] of [
    ['192.0.2.1', /EADDRNOTAVAIL\): this machine does not have that address\n$/],
    ['no-such-host.invalid', /cannot listen at no-such-host.invalid \(E.*no address is known.*\n$/],
  ] as const) {
    const path = zooCfg('nowhere.cfg', [...nowhere, `clientPortAddress=${address}`])
    const third = await run(['server', path], () => {})
    expect(third.status).toBe(1)
    expect(third.err).toMatch(said)
  }
})

test('a closed stdout ends a command with 1 and one line (X-12)', async () => {
  const [program = '', ...rest] = howdahArgv(['--help'])
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let err = ''
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const status = await new Promise((resolve) => child.on('close', resolve))
  expect([status, err]).toEqual([1, 'howdah: cannot write to the output (EPIPE)\n'])
})
