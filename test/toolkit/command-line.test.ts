/** The words of the command line: help, statuses, errors of one line. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { runCommandLine } from '../../toolkit/command-line.ts'
import {
  parseArguments,
  UsageError,
  type Arguments,
  type CommandSpec,
} from '../../toolkit/command.ts'
import { commands, commandsToCome } from '../../toolkit/commands/index.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'howdah-command-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

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

function write(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

test.each(Object.keys(commands))('%s --help shows its usage and two examples', async (name) => {
  const { status, out, err } = await howdah(name, '--help')
  expect([status, err]).toEqual([0, ''])
  expect(out).toContain(`Usage: howdah ${name}`)
  expect(out.match(/^ {2}howdah /gm)?.length).toBe(2)
  expect(await howdah('help', name)).toEqual({ status, out, err })
})

test('--help lists every command, and apart those to come', async () => {
  const { status, out } = await howdah('--help')
  expect(status).toBe(0)
  const [now = '', later = ''] = out.split('Not available yet:')
  for (const name of Object.keys(commands)) expect(now).toMatch(new RegExp(`^ {2}${name} `, 'm'))
  for (const name of Object.keys(commandsToCome))
    expect(later).toMatch(new RegExp(`^ {2}${name} `, 'm'))
})

test.each([
  [['chek'], 'howdah: unknown command "chek"; did you mean "check"? (see: howdah --help)\n'],
  [['switchover'], 'howdah: "switchover" is not available yet\n'],
  [['constructor'], 'howdah: unknown command "constructor" (see: howdah --help)\n'],
  [
    ['check', '--exlpain', 'x'],
    'howdah check: unknown option --exlpain; did you mean "--explain"? (see: howdah check --help)\n',
  ],
  [
    ['check', '--explain'],
    'howdah check: --explain needs a value: --explain KEY (see: howdah check --help)\n',
  ],
  [['check', 'a', 'b'], 'howdah check: one argument too many: b (see: howdah check --help)\n'],
  [
    ['check', '--plan=yes', 'a'],
    'howdah check: --plan takes no value (see: howdah check --help)\n',
  ],
  [
    ['check', 'a', '-f', 'b'],
    'howdah check: the file is named twice, as argument and with -f (see: howdah check --help)\n',
  ],
  [['check', '/nonexistent/x.yaml'], 'howdah check: cannot read /nonexistent/x.yaml (ENOENT)\n'],
  [['check', '/'], 'howdah check: cannot read / (EISDIR)\n'],
  [
    ['server'],
    'howdah server: too few arguments: expected FILE [--sid N] | PORT DATADIR [TICKTIME] [MAXCLIENTCNXNS] (see: howdah server --help)\n',
  ],
  [
    ['server', 'x', '--sid', '0'],
    'howdah server: --sid 0: expected a whole number from 1 to 255 (see: howdah server --help)\n',
  ],
  [
    ['server', '/nonexistent/zoo.cfg'],
    'howdah server: cannot read /nonexistent/zoo.cfg (ENOENT)\n',
  ],
  [['up', '\u001b[2J.yaml'], 'howdah up: cannot read \\u001b[2J.yaml (ENOENT)\n'],
])('howdah %j ends with 2 and one line (X-12)', async (words, err) => {
  expect(await howdah(...words)).toEqual({ status: 2, out: '', err })
})

describe('arguments', () => {
  const spec: CommandSpec = {
    summary: '',
    usage: '',
    options: {
      file: { value: 'FILE', short: '-f', help: '' },
      watch: { value: 'SECONDS', isOptional: true, help: '' },
      force: { value: null, help: '' },
    },
    takesProperties: true,
    positionals: { least: 0, most: 2 },
    examples: ['', ''],
    load: () => Promise.reject(new Error('not loaded here')),
  }
  const parse = (...words: string[]): Arguments => parseArguments(words, spec)

  test('options in every spelling', () => {
    for (const words of [['-f', 'x'], ['--file', 'x'], ['--file=x']]) {
      expect(parse(...words).text('file')).toBe('x')
    }
    expect(parse('--file=').text('file')).toBe('')
    expect(parse('-f', '-').text('file')).toBe('-')
  })

  test('a value that may be left out is taken when it is a number', () => {
    expect(parse('--watch', '5').text('watch')).toBe('5')
    expect(parse('--watch', 'file').positionals).toEqual(['file'])
    expect(parse('--watch').has('watch')).toBe(true)
    expect(parse('--watch').text('watch')).toBeUndefined()
  })

  test('after -- nothing is an option; -D gives properties', () => {
    expect(parse('--', '-f', '--x').positionals).toEqual(['-f', '--x'])
    expect([...parse('-Da.b=c=d', '-De').properties]).toEqual([
      ['a.b', 'c=d'],
      ['e', ''],
    ])
    expect(() => parse('-D=x')).toThrow(UsageError)
  })
})

describe('check', () => {
  test('prints every problem of a YAML with its place, and ends with 2', async () => {
    const path = write('a.yaml', 'howdah: 1\ncluster: c\nensembel: {}\nstateDir: [x]\n')
    expect(await howdah('check', path)).toEqual({
      status: 2,
      err: '',
      out: [
        `${path}:1:1: the file lacks the key "ensemble": expected an object with keys such as connect, servers, settings, tls, auth`,
        `${path}:3:1: unknown key "ensembel"; did you mean "ensemble"?`,
        `${path}:4:11: stateDir: got a list, expected text`,
        '3 problems',
        '',
      ].join('\n'),
    })
  })

  test('a key of zoo.cfg inside the YAML is checked, at its place there', async () => {
    const path = write(
      'a.yaml',
      'howdah: 1\ncluster: c\nensemble:\n  servers: { 1: { host: 127.0.0.1, dataDir: d } }\n  settings: { tickTime: abc, tikTime: 5 }\n',
    )
    expect((await howdah('check', path)).out).toBe(
      `${path}:5:25: tickTime: got abc, expected a whole number of at least 1\n` +
        `${path}:5:39: an unknown key: got tikTime; did you mean "tickTime"?\n2 problems\n`,
    )
  })

  test('reads a zoo.cfg', async () => {
    const good = write('zoo.cfg', 'tickTime=2000\ndataDir=/tmp/x\nclientPort=2181\n')
    expect(await howdah('check', good)).toEqual({
      status: 0,
      err: '',
      out: `${good}: no problems\n`,
    })
    const bad = write('bad.cfg', 'tickTime=2000\nclientPort=x\n')
    expect(await howdah('check', bad)).toMatchObject({
      status: 2,
      out: expect.stringContaining(`${bad}:2:12: clientPort: got x`) as string,
    })
  })

  test('refuses what a file asks for and nothing is behind yet', async () => {
    const path = write(
      'zoo.cfg',
      'dataDir=/tmp/x\nclientPort=2181\ninitLimit=5\nsyncLimit=5\nserver.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\n',
    )
    expect((await howdah('check', path)).out).toContain(
      'an ensemble of several servers is not available yet',
    )
  })

  test('does not print what ${…} stands for (S-16)', async () => {
    const secret = write('secret', 'canary-4711\n')
    const path = write(
      'a.yaml',
      `howdah: 1\ncluster: c\nensemble:\n  servers: { 1: { host: 127.0.0.1, dataDir: d } }\n  settings: { tickTime: '\${file:${secret}}' }\n`,
    )
    const { status, out, err } = await howdah('check', path)
    expect(status).toBe(2)
    expect(out + err).not.toContain('canary')
  })

  test('the plan shows no secret, and a secret that everyone can read is noted (S-16)', async () => {
    const secret = write('secret', 'canary-4711\n')
    const path = write(
      'a.yaml',
      `howdah: 1\ncluster: c\nensemble: { connect: '127.0.0.1:1' }\nprocesses: { p: { start: [x, '\${file:${secret}}'] } }\n`,
    )
    const { status, out } = await howdah('check', path, '--plan')
    expect(status, out).toBe(0)
    expect(out).toContain('x ***')
    expect(out).toContain(`${secret} can be read by everyone on this host`)
    expect(out).not.toContain('canary')
  })

  test('takes the set-up of the example', async () => {
    const { status, out } = await howdah('check', 'examples/pair/howdah.yaml', '--plan')
    expect(status, out).toBe(0)
    expect(out).toContain('orders/a')
  })
})
