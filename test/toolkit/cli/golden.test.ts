/**
 * Recordings of Apache's zkCli, replayed with our shell against our server.
 *
 * The recordings are of 3.8.0: `DIFFERENT` lists what 3.9.5 prints otherwise, as the usage of `get` and
 * `set`; events end with a zxid since 3.9. Ids, times and zxids are made equal before the comparison.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../../ensemble/client/index.ts'
import { startServer, type Peer } from '../../../ensemble/server/index.ts'
import { silent } from '../../../ensemble/sys/logger.ts'
import { runCli } from '../../../toolkit/commands/cli.ts'
import { CliSession, withoutEvents } from '../../support/cli-session.ts'
import { GOLDEN } from '../../support/golden.ts'

interface Step {
  readonly command: string
  readonly out: readonly string[]
  readonly err: readonly string[]
  readonly exitCode: number | null
}

let folder: string
let server: Peer
let servers: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'howdah-cli-'))
  server = await startServer(
    {
      dataDir: folder,
      clientPort: 0,
      clientPortAddress: '127.0.0.1',
      tickTimeMs: 500,
      extendedTypesEnabled: true,
      superDigest: 'super:D/InIHSb7yEEbrWz8b9l71RjZJU=',
    },
    silent,
  )
  servers = `127.0.0.1:${server.clientPort}`
  // What was there when the recording was made.
  await using client = await connect(servers)
  for (const path of ['/0000000001', '/app', '/m', '/p']) await client.create(path)
})
afterAll(async () => {
  await server.close()
  rmSync(folder, { recursive: true })
})

function stepsOf(file: string): Step[] {
  const lines = readFileSync(join(GOLDEN, 'client', file), 'utf8')
    .trimEnd()
    .split('\n')
  const steps: { command: string; out: string[]; err: string[]; exitCode: number | null }[] = []
  for (const line of lines) {
    if (line.startsWith('$ '))
      steps.push({ command: line.slice(2), out: [], err: [], exitCode: null })
    else if (line.startsWith('1|')) steps.at(-1)!.out.push(line.slice(2))
    else if (line.startsWith('2|')) steps.at(-1)!.err.push(line.slice(2))
    else if (line.startsWith('exit code ')) steps.at(-1)!.exitCode = Number(line.slice(10))
  }
  return steps
}

const GET_USAGE = `get [-s] [-w] [-b] [-x] path
 -b   Output data in base64 format
 -s   Print znode stats additionally
 -w   Watch for changes on the znode
 -x   Output data in hexdump format
`.split('\n')
const SET_USAGE = `set path data [-s] [-v version] [-b]
 -b         Supply data in base64 format
 -s         Print znode stats additionally
 -v <arg>   Set with an expected version
`.split('\n')

/** By command of the recording: what 3.9.5 prints in its place. */
const DIFFERENT: Readonly<Record<string, Partial<Step>>> = {
  get: { err: GET_USAGE },
  'get -b /cli': { out: ['aGVsbG8='], err: [] },
  'get -x /cli': {
    out: `         +-------------------------------------------------+
         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |
+--------+-------------------------------------------------+----------------+
|00000000| 68 65 6c 6c 6f                                  |hello           |
+--------+-------------------------------------------------+----------------+`.split('\n'),
    err: [],
  },
  // It would change versions that later lines show.
  'set -b /cli aGVsbG8=': { command: 'set -b', err: SET_USAGE },
  'set /cli': { err: SET_USAGE },
  // A recursive and a plain persistent watch of one node live side by side since 3.9.
  'create /cli/fire x': {
    out: ['NodeCreated path:/cli/fire', 'NodeChildrenChanged path:/cli'].flatMap((event) => [
      '',
      'WATCHER::',
      '',
      `WatchedEvent state:SyncConnected type:${event}`,
    ]),
  },
}

const USAGES_OF_3_9: readonly [string, string][] = [
  ['\tget [-s] [-w] path', '\tget [-s] [-w] [-b] [-x] path'],
  ['\tset [-s] [-v version] path data', '\tset path data [-s] [-v version] [-b]'],
]

/** Makes equal what may differ from run to run. */
function normal(line: string): string {
  const usage = USAGES_OF_3_9.find(([old]) => old === line)
  if (usage !== undefined) return usage[1]
  return (
    line
      .replace(/^(WatchedEvent .*?)( zxid: -?\d+)?$/, '$1')
      .replace(/^([cmp]Zxid|ephemeralOwner) = 0x(?!0$)[0-9a-f]+$/, '$1 = 0xN')
      .replace(/^([cm]time) = (?!Thu Jan 01).*$/, '$1 = T')
      // In the order of a Java hash table.
      .replace('[/cli/eseq-0000000002, /cli/eph]', '[/cli/eph, /cli/eseq-0000000002]')
      .replace(/127\.0\.0\.1:\d+/, '127.0.0.1:PORT')
      .replace(/^(ZooKeeper CLI version: 3).*$/, '$1')
  )
}

// Before the session below leaves its nodes.
describe('zkcli-oneshot.txt', () => {
  test.each(stepsOf('zkcli-oneshot.txt'))('$command', async ({ command, out, err, exitCode }) => {
    let printedOut = ''
    let printedErr = ''
    const words = command.replace('zkCli.sh -server 127.0.0.1:21800 ', '').split(' ')
    const status = await runCli(
      ['-server', servers, ...words],
      {
        env: {},
        isTerminal: false,
        out: (text) => (printedOut += text),
        err: (text) => (printedErr += text),
        signal: new AbortController().signal,
      },
      { input: Readable.from([]), terminal: null },
    )
    const lines = (text: string) => text.split('\n').slice(0, -1).map(normal)
    expect(lines(printedOut)).toEqual(out.map(normal))
    // The recording holds the first lines of a long usage only.
    const isUsage = words[0] === 'nosuch'
    const expectedErr = words.join(' ') === 'get' ? GET_USAGE : err.map(normal)
    expect(lines(printedErr).slice(0, isUsage ? err.length : undefined)).toEqual(expectedErr)
    expect(status).toBe(exitCode)
  })
})

test('zkcli-interactive.txt: every line of a session', { timeout: 60_000 }, async () => {
  using session = await new CliSession(servers).connected()
  session.taken()
  for (const recorded of stepsOf('zkcli-interactive.txt').slice(1, -1)) {
    const expected = { ...recorded, ...DIFFERENT[recorded.command] }
    const command = expected.command.replace('127.0.0.1:21800', servers)
    const printed = await session.run(command)
    // The event of a new connection belongs to the line that waits for it, in the recording to the
    // line that asked for it.
    if (command.startsWith('connect')) await session.connected()
    const out = [...printed.out, ...session.taken().out]
    const isHistory = command === 'history'
    const history = (line: string) => line.replace('set -b /cli aGVsbG8=', 'set -b')
    const expectedOut = expected.out.map(normal)
    expect({ command, out: out.map(normal), err: printed.err.map(normal) }).toEqual({
      command,
      out: isHistory ? expectedOut.map(history) : expectedOut,
      err: expected.err.map(normal),
    })
    expect(printed.goesOn).toBe(command !== 'quit')
  }
})

/** Of the rig's session: what needs three servers. */
const NOT_HERE = /^config/

test('a session of zkCli 3.9.5, with what it must print', { timeout: 60_000 }, async () => {
  using session = await new CliSession(servers).connected()
  session.taken()
  for (const { command, expected, wanted } of scriptSteps()) {
    if (NOT_HERE.test(command)) continue
    const { lines, events } = withoutEvents((await session.run(command)).all)
    expect(matches(lines, expected), `${command}\n${lines.join('\n')}`).toBe(true)
    const missing = wanted.filter(
      (type) => !events.some((event) => event.includes(`type:${type} zxid`)),
    )
    expect({ command, missing, events }).toEqual({ command, missing: [], events })
  }
})

function scriptSteps() {
  const steps: { command: string; expected: string[]; wanted: string[] }[] = []
  const text = readFileSync(join(GOLDEN, 'cli/zkcli-session.txt'), 'utf8')
  for (const line of text.split('\n')) {
    if (line.startsWith('> ')) steps.push({ command: line.slice(2), expected: [], wanted: [] })
    else if (line.startsWith('! ')) steps.at(-1)!.wanted.push(line.slice(2))
    else if (line !== '' && !line.startsWith('#')) steps.at(-1)!.expected.push(line)
  }
  return steps
}

/** `~ REGEX` matches one line, `~~` any number of them. */
function matches(lines: readonly string[], expected: readonly string[]): boolean {
  const parts = expected.map((line) => {
    if (line === '~~') return '(?:.*\\n)*?'
    if (line.startsWith('~ ')) return `${line.slice(2)}\\n`
    return `${line.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}\\n`
  })
  return new RegExp(`^${parts.join('')}$`).test(lines.map((line) => `${line}\n`).join(''))
}
