/**
 * missing arguments, bad numbers, quotes, binary data, huge input, EOF and Ctrl-C, a server that is
 * away, a closed stdout, no terminal: one line says why, and the exit code is not 0.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { connect } from '../../../ensemble/client/index.ts'
import { startServer, type Peer } from '../../../ensemble/server/index.ts'
import { silent } from '../../../ensemble/sys/logger.ts'
import { CLI_VERSION } from '../../../toolkit/cli/ensemble-commands.ts'
import { runCommandLine } from '../../../toolkit/command-line.ts'
import { runCli } from '../../../toolkit/commands/cli.ts'
import { CliSession } from '../../support/cli-session.ts'
import { freePort } from '../../support/server-process.ts'

const MAIN = join(import.meta.dirname, '../../../toolkit/main.ts')

let folder: string
let server: Peer
let servers: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'howdah-cli-'))
  const settings = { dataDir: join(folder, 'data'), clientPort: 0, clientPortAddress: '127.0.0.1' }
  server = await startServer({ ...settings, tickTimeMs: 500 }, silent)
  servers = `127.0.0.1:${server.clientPort}`
})
afterAll(async () => {
  await server.close()
  rmSync(folder, { recursive: true })
})

interface Ran {
  status: number
  out: string
  err: string
}

async function cli(words: readonly string[], input = '', env = {}): Promise<Ran> {
  const ran: Ran = { status: -1, out: '', err: '' }
  ran.status = await runCli(
    words,
    {
      env,
      isTerminal: false,
      out: (text) => (ran.out += text),
      err: (text) => (ran.err += text),
      signal: new AbortController().signal,
    },
    { input: Readable.from([Buffer.from(input, 'latin1')]), terminal: null },
  )
  return ran
}

describe('one line, and an exit code (X-12)', () => {
  test.each([
    [['-server'], 'Error: no argument found for option -server', 2],
    [['-timeout', 'soon'], 'Error: -timeout soon: expected milliseconds', 2],
    [['-sever', 'a'], 'Error: unknown option -sever (see: howdah cli --help)', 2],
    [
      ['-server', 'a:b:c'],
      'Error: server "a:b:c": expected host:port, or [address]:port for IPv6',
      1,
    ],
    [['-client-configuration', '/none'], 'Error: -client-configuration: ENOENT', 2],
  ])('%j', async (words, line, status) => {
    const ran = await cli(words)
    expect(ran.err).toMatch(new RegExp(`^.+\n$`))
    expect(ran.err).toContain(line)
    expect(ran.status).toBe(status)
  })

  test.each([
    ['delete -v abc /x', '-v argument must be an int value'],
    ['delete -v 2147483648 /x', '-v argument must be an int value'],
    ['set -b /x a*b', 'data is not valid base64'],
    ['deleteall /x -b ten', '-b argument must be an int value'],
    ['redo x', 'Command index out of range'],
    ['redo -1', 'Command index out of range'],
    ['"', 'No command entered'],
    ["'", 'No command entered'],
    ['addWatch bad', 'Path must start with / character'],
    ['get /a//b', 'Invalid path string "/a//b" caused by empty node name specified @3'],
    ['get \u0000', 'Path must start with / character'],
    ['connect a:b:c', 'Error: server "a:b:c": expected host:port, or [address]:port for IPv6'],
    [
      'reconfig -file /none',
      "Error processing /none: ENOENT: no such file or directory, open '/none'",
    ],
  ])('%j', async (line, message) => {
    using session = await new CliSession(servers).connected()
    session.taken()
    expect((await session.run(line)).err.join('\n')).toContain(message)
    expect(session.shell.exitCode).toBe(1)
    // The shell goes on, with the connection that it had.
    expect((await session.run('ls /')).out).toEqual(['[zookeeper]'])
    expect(session.shell.exitCode).toBe(0)
  })
})

test('a request that is too large is refused with the reason (X-12)', async () => {
  using session = await new CliSession(servers).connected()
  const { err } = await session.run(`create /big ${'x'.repeat(2_000_000)}`)
  expect(err).toEqual(['Arguments are not valid : /big (the request is larger than 1048575 bytes)'])
})

test('any bytes on stdin end in lines, never in a stack (X-12)', async () => {
  const input = Array.from({ length: 2000 }, (_, i) => String.fromCharCode((i * 7919) % 256)).join(
    '',
  )
  const { err, status } = await cli(['-server', servers], `${input}\nnosuch`)
  expect(err).not.toMatch(/^ {4}at /m)
  expect(status).toBe(127)
})

test('a script: CRLF, empty lines, the exit code of its last line (X-12)', async () => {
  const good = await cli(['-server', servers], 'nosuch\r\n\r\n\nversion')
  expect(good.status).toBe(0)
  expect(good.out).toContain(`ZooKeeper CLI version: ${CLI_VERSION}\n`)
  expect((await cli(['-server', servers], 'ls /\nget /none\n')).status).toBe(1)
  // What follows a quit is not run, and quit itself changes no exit code.
  const left = await cli(['-server', servers], 'get /none\nquit\nversion\n')
  expect(left.status).toBe(1)
  expect(left.out).not.toContain('version')
})

test('version says what the server says of itself', () => {
  expect(server.version).toBe(CLI_VERSION)
})

test('nobody listens: ConnectionLoss at once, and with -waitforconnection in time (X-12)', async () => {
  const away = `127.0.0.1:${await freePort()}`
  expect(await cli(['-server', away, 'ls', '/'])).toEqual({
    status: 1,
    out: `Connecting to ${away}\n`,
    err: 'KeeperErrorCode = ConnectionLoss for /\n',
  })
  const waited = await cli(['-server', away, '-timeout', '300', '-waitforconnection', 'ls', '/'])
  expect(waited).toMatchObject({ status: 1, err: 'KeeperErrorCode = ConnectionLoss\n' })
  // A list is tried to its end: Java gives up with the first server.
  const listed = await cli(['-server', `${away},${servers}`, 'ls', '/'])
  expect(listed).toMatchObject({ status: 0, err: '' })
})

test('a server that accepts and stays silent (X-12)', async () => {
  const mute = createServer(() => {})
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
  const { port } = mute.address() as { port: number }
  const ran = await cli(['-server', `127.0.0.1:${port}`, '-timeout', '500', 'ls', '/'])
  expect(ran).toMatchObject({ status: 1, err: 'KeeperErrorCode = ConnectionLoss for /\n' })
  mute.close()
})

test('jute.maxbuffer of CLIENT_JVMFLAGS is the limit of a request', async () => {
  const ran = await cli(['-server', servers, 'create', '/limited', 'x'.repeat(500)], '', {
    CLIENT_JVMFLAGS: '-Xmx1g -Djute.maxbuffer=200',
  })
  expect(ran.err).toContain('larger than 200 bytes')
})

test('the session outlives a command, and ends by quit, as with zkCli', async () => {
  await using client = await connect(servers)
  await cli(['-server', servers, 'create', '-e', '/left', 'x'])
  expect(await client.exists('/left')).not.toBeNull()
  await cli(['-server', servers], 'create -e /gone x\nquit\n')
  expect(await client.exists('/gone')).toBeNull()
})

test('howdah cli --help is help; --help behind a command is data', async () => {
  const printed = { out: '', err: '' }
  const io = {
    env: {},
    isTerminal: false,
    out: (text: string) => (printed.out += text),
    err: (text: string) => (printed.err += text),
    signal: new AbortController().signal,
  }
  expect(await runCommandLine(['cli', '--help'], io)).toBe(0)
  expect(printed.out).toContain('howdah cli -server 127.0.0.1:2181 ls -R /')
  const words = ['cli', '-server', servers, 'create', '/help', '--', '--help']
  expect(await runCommandLine(words, io)).toBe(0)
  expect(printed.err).toBe('Created /help\n')
})

/** What a person at a terminal sees; the prompt is redrawn with escape sequences. */
class Person {
  readonly #input = new PassThrough()
  readonly #signal = new AbortController()
  readonly ended: Promise<number>
  seen = ''

  constructor() {
    const terminal = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.seen += chunk.toString()
        done()
      },
    })
    const take = (text: string) => (this.seen += text)
    const io = { env: {}, isTerminal: true, out: take, err: take, signal: this.#signal.signal }
    this.ended = runCli(['-server', servers], io, { input: this.#input, terminal })
  }

  types(text: string): void {
    this.#input.write(text)
  }

  leaves(): void {
    this.#input.end()
  }

  async sees(text: string | RegExp): Promise<void> {
    const isSeen = () =>
      typeof text === 'string' ? expect(this.seen).toContain(text) : expect(this.seen).toMatch(text)
    await vi.waitFor(isSeen, { timeout: 5000, interval: 5 })
  }
}

describe('at a terminal', () => {
  test('a prompt with state and number, completion, history, and EOF', async () => {
    await using client = await connect(servers)
    await client.create('/shop')
    for (const name of ['apples', 'pears']) await client.create(`/shop/${name}`)
    const person = new Person()
    await person.sees('JLine support is enabled')
    await person.sees(`[zk: ${servers}(CONNECTED) 0] `)
    person.types('getAllC')
    person.types('\t')
    await person.sees('getAllChildrenNumber ')
    person.types('/sho')
    person.types('\t')
    await person.sees('/shop')
    person.types('\n')
    await person.sees(/\n2\r?\n/)
    person.types('ls /shop/')
    person.types('\t')
    person.types('\t')
    await person.sees(/\/shop\/apples.*\/shop\/pears/s)
    person.types('p')
    person.types('\t')
    await person.sees(/Gpears$/)
    person.types('\n')
    await person.sees(/\n\[\]\r?\n/)
    await person.sees(/CONNECTED\) 2\] /)
    person.types('get -w /shop\n')
    await person.sees('null')
    await client.set('/shop', 'open')
    await person.sees('type:NodeDataChanged path:/shop')
    person.leaves()
    expect(await person.ended).toBe(0)
  })

  test('Ctrl-C clears a line, and ends at an empty one (X-12)', async () => {
    const person = new Person()
    await person.sees('CONNECTED')
    person.types('delete /zookeeper\u0003')
    await person.sees(/\^C\n/)
    person.types('version\n')
    await person.sees('ZooKeeper CLI version')
    expect(person.seen).not.toContain('Node not empty')
    person.types('\u0003')
    expect(await person.ended).toBe(130)
  })

  test('names and data cannot steer the terminal (S-21)', async () => {
    await using client = await connect(servers)
    await client.create('/evil', '\u001b]0;owned\u0007')
    const person = new Person()
    person.types('get /evil\n')
    await person.sees('\\u001b]0;owned\\u0007')
    person.types('quit\n')
    expect(await person.ended).toBe(0)
  })
})

describe('as a process', () => {
  function start(...words: string[]): { child: ChildProcess; err: () => string } {
    const child = spawn(process.execPath, [MAIN, 'cli', '-server', servers, ...words])
    let err = ''
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    return { child, err: () => err }
  }

  function ended(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
    return new Promise((resolve) => child.on('close', (...how) => resolve(how)))
  }

  test('stdout closed: one line, and not 0 (X-12)', async () => {
    const { child, err } = start()
    child.stdout!.destroy()
    child.stdin!.on('error', () => {})
    child.stdin!.write('ls /\n'.repeat(1000))
    expect(await ended(child)).toEqual([1, null])
    expect(err()).toBe('howdah: cannot write to the output (EPIPE)\n')
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends a script that waits for input with %i (X-12)', async (signal, status) => {
    const { child, err } = start()
    const welcome = new Promise<void>((resolve) => {
      child.stdout!.on('data', (chunk: Buffer) => {
        if (chunk.toString().includes('SyncConnected')) resolve()
      })
    })
    await welcome
    child.kill(signal)
    expect(await ended(child)).toEqual([status, null])
    expect(err()).toBe('')
  })

  test('bin/zkCli.sh is howdah cli', async () => {
    writeFileSync(join(folder, 'node'), `#!/bin/sh\nexec ${process.execPath} "$@"\n`, {
      mode: 0o755,
    })
    const child = spawn(
      join(import.meta.dirname, '../../../bin/zkCli.sh'),
      ['-server', servers, 'get'],
      {
        env: { ...process.env, PATH: `${folder}:${process.env['PATH']}` },
      },
    )
    let err = ''
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    expect(await ended(child)).toEqual([1, null])
    expect(err).toContain('get [-s] [-w] [-b] [-x] path\n')
  })
})
