/**
 * bin/howdah.js as a launcher: what a user of an old Node sees must not tell that there are two
 * processes. A small checkout of its own is made, in which the launcher's idea of "new enough" is
 * far in the future, so that it hands over whatever Node runs the tests.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')

/** Says its pid and what it was given, then does as told. */
const PROGRAM = `
const [what = '', value = ''] = process.argv.slice(2) as string[]
// Before a word is said: whoever hears it sends the signal.
if (what === 'on') process.on(value, () => { console.log('got ' + value); process.exit(7) })
console.log(JSON.stringify({ pid: process.pid, launched: process.env['HOWDAH_LAUNCHED'] ?? null, argv: process.argv.slice(2) }))
if (what === 'exit') process.exit(Number(value))
if (what === 'die') process.kill(process.pid, value)
if (what === 'end') process.exitCode = 5
else if (what !== 'done') setInterval(() => {}, 1000)
`

let checkout = ''

beforeAll(() => {
  checkout = mkdtempSync(join(tmpdir(), 'howdah-launcher-'))
  for (const folder of ['bin', 'toolkit', 'node_modules/node/bin']) {
    mkdirSync(join(checkout, folder), { recursive: true })
  }
  const launcher = readFileSync(join(ROOT, 'bin/howdah.js'), 'utf8')
  expect(launcher).toContain('[22, 18]')
  writeFileSync(join(checkout, 'bin/howdah.js'), launcher.replace('[22, 18]', '[999, 0]'))
  writeFileSync(join(checkout, 'package.json'), '{"type":"module"}')
  writeFileSync(join(checkout, 'toolkit/main.ts'), PROGRAM)
  writeFileSync(join(checkout, 'node_modules/node/package.json'), '{"name":"node"}')
  symlinkSync(process.execPath, join(checkout, 'node_modules/node/bin/node'))
})

afterAll(() => rmSync(checkout, { recursive: true, force: true }))

interface Launched {
  launcher: ChildProcess
  /** What the program printed first. */
  hello: { pid: number; launched: string | null; argv: string[] }
  output(): string
  ended: Promise<{ code: number | null; signal: string | null }>
}

async function launch(...argv: string[]): Promise<Launched> {
  const launcher = spawn(process.execPath, [join(checkout, 'bin/howdah.js'), ...argv], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  launcher.stdout.setEncoding('utf8')
  const ended = once(launcher, 'close').then(([code, signal]) => ({ code, signal }))
  await new Promise<void>((resolve, reject) => {
    launcher.stdout.on('data', (text: string) => {
      output += text
      if (output.includes('\n')) resolve()
    })
    launcher.on('close', () => reject(new Error('ended without a word')))
  })
  const hello = JSON.parse(output.slice(0, output.indexOf('\n'))) as Launched['hello']
  return { launcher, hello, output: () => output, ended }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('arguments pass through, the marker does not, and it is a process of its own', async () => {
  const { launcher, hello, ended } = await launch('done', 'a b', '--x')
  expect(hello.argv).toEqual(['done', 'a b', '--x'])
  expect(hello.launched).toBeNull()
  expect(hello.pid).not.toBe(launcher.pid)
  expect(await ended).toEqual({ code: 0, signal: null })
})

test.each([
  ['exit', '0', { code: 0, signal: null }],
  ['exit', '3', { code: 3, signal: null }],
  ['exit', '75', { code: 75, signal: null }],
  ['end', '', { code: 5, signal: null }],
  ['die', 'SIGKILL', { code: null, signal: 'SIGKILL' }],
  ['die', 'SIGTERM', { code: null, signal: 'SIGTERM' }],
])('the launcher ends as its child does: %s %s', async (what, value, outcome) => {
  const { ended } = await launch(what, value)
  expect(await ended).toEqual(outcome)
})

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '%s reaches the child, which may handle it',
  async (signal) => {
    const { launcher, output, ended } = await launch('on', signal)
    launcher.kill(signal)
    expect(await ended).toEqual({ code: 7, signal: null })
    expect(output()).toContain(`got ${signal}`)
  },
)

test('a signal that the child does not handle ends both by it', async () => {
  const { launcher, hello, ended } = await launch('stay')
  launcher.kill('SIGTERM')
  expect(await ended).toEqual({ code: null, signal: 'SIGTERM' })
  expect(isAlive(hello.pid)).toBe(false)
})

test('the child does not outlive a launcher killed with -9', async () => {
  const { launcher, ended } = await launch('stay')
  launcher.kill('SIGKILL')
  // The pipe of its output closes only when the child, which holds it too, is gone. (Its pid may
  // stay for a while: whoever adopts it has to reap it.)
  expect(await ended).toEqual({ code: null, signal: 'SIGKILL' })
})

test('without a newer Node it says what is needed and what to do', async () => {
  const bare = mkdtempSync(join(tmpdir(), 'howdah-launcher-'))
  try {
    cpSync(join(checkout, 'bin'), join(bare, 'bin'), { recursive: true })
    cpSync(join(checkout, 'toolkit'), join(bare, 'toolkit'), { recursive: true })
    writeFileSync(join(bare, 'package.json'), '{"type":"module"}')
    const child = spawn(process.execPath, [join(bare, 'bin/howdah.js'), 'done'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
    const [code] = (await once(child, 'close')) as [number]
    expect(code).toBe(1)
    expect(said).toBe(
      `howdah: needs Node 999.0 or newer, this is ${process.versions.node}: run \`npm ci\` without --ignore-scripts, which brings one\n`,
    )
  } finally {
    rmSync(bare, { recursive: true, force: true })
  }
})
