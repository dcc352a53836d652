/** The logger: what a line looks like, what it must not say, and that none is lost or waited for. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { pinoLogger } from '../../../ensemble/sys/pino-logger.ts'
import { prettyLine } from '../../../ensemble/sys/pretty-log-line.ts'

const MODULE = join(import.meta.dirname, '../../../ensemble/sys/pino-logger.ts')

function captured(options: Parameters<typeof pinoLogger>[0] = {}) {
  const lines: string[] = []
  const log = pinoLogger({ ...options, write: (line) => lines.push(line) })
  return { log, lines, last: () => JSON.parse(lines.at(-1)!) as Record<string, unknown> }
}

test('a line is JSON with time, level, pid, the fields and the message', () => {
  const { log, last } = captured({ fields: { sid: 1 } })
  log.child({ role: 'leader' }).info({ epoch: 5, zxid: '0x500000001' }, 'leading')
  expect(last()).toMatchObject({
    level: 'info',
    pid: process.pid,
    sid: 1,
    role: 'leader',
    epoch: 5,
    zxid: '0x500000001',
    msg: 'leading',
  })
  expect(last()['time']).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
})

test('secrets are replaced by key, at any depth; tokens are none', () => {
  const { log, lines, last } = captured({ fields: { keyPassword: 'hidden' } })
  log.child({ passwd: 'hidden' }).warn(
    {
      token: '42',
      auth: 'hidden',
      deep: [{ clientSecret: 'hidden', port: 1 }],
      data: Buffer.from('hidden'),
    },
    'x',
  )
  expect(lines.join('')).not.toContain('hidden')
  expect(last()).toMatchObject({ token: '42', deep: [{ port: 1 }], data: '<6 bytes>' })
})

test('levels below the one asked for are dropped', () => {
  const { log, lines } = captured({ level: 'warn' })
  log.info({}, 'no')
  log.debug({}, 'no')
  log.warn({}, 'yes')
  expect(lines).toHaveLength(1)
})

test('errors keep message and stack; bigints do no harm', () => {
  const { log, last } = captured()
  log.error({ error: new Error('disk full', { cause: new Error('ENOSPC') }), zxid: 5n }, 'stopping')
  expect(last()['error']).toMatchObject({
    type: 'Error',
    message: expect.stringContaining('disk full'),
  })
  expect(last()['zxid']).toBe(5)
})

test('pretty lines are for people, and cannot drive a terminal', () => {
  const time = new Date(2026, 10, 21, 12, 0, 1, 123).toISOString()
  const line = JSON.stringify({
    level: 'info',
    time,
    pid: 1,
    sid: 1,
    why: 'a b',
    msg: 'lead\u001Bing',
  })
  expect(prettyLine(line)).toBe('12:00:01.123 info  lead\\u001bing sid=1 why="a b"\n')
  expect(prettyLine('not ours\n')).toBe('not ours\n')
  const failed = JSON.stringify({
    level: 'error',
    error: { message: 'full', stack: 'at x' },
    msg: 'm',
  })
  expect(prettyLine(failed, { stacks: false })).toBe('error m error=full\n')
  expect(prettyLine(failed, { stacks: true })).toBe('error m error=full\nat x\n')
})

test.each([true, false])(
  'every line is written when the process ends at once (daemon: %s)',
  (daemon) => {
    const program = `
import { pinoLogger } from ${JSON.stringify(MODULE)}
const log = pinoLogger({ to: 'stdout', daemon: ${daemon} })
for (let i = 0; i < 5000; i++) log.info({ i }, 'line')
process.exit(3)`
    const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      maxBuffer: 1 << 24,
    })
    expect(status).toBe(3)
    expect(stdout.trimEnd().split('\n')).toHaveLength(5000)
  },
)

test('a daemon goes on when nobody reads its log', async () => {
  const program = `
import { pinoLogger } from ${JSON.stringify(MODULE)}
const log = pinoLogger({ to: 'stdout', daemon: true })
for (let round = 0; round < 50; round++) {
  for (let i = 0; i < 1000; i++) log.info({ i }, 'a line of some length, to fill the pipe')
  await new Promise((resolve) => setImmediate(resolve))
}
process.stderr.write('served')
process.stdin.on('end', () => process.exit(0)).resume()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program])
  const [said] = (await once(child.stderr, 'data')) as [Buffer]
  expect(said.toString()).toBe('served')
  child.stdout.resume()
  child.stdin.end()
  const [code] = (await once(child, 'close')) as [number]
  expect(code).toBe(0)
})

test.each(['gone', 'asleep'])('a daemon ends although the reader of its log is %s', async (how) => {
  const program = `
import { pinoLogger } from ${JSON.stringify(MODULE)}
const log = pinoLogger({ to: 'stdout', daemon: true })
process.stdin.on('end', () => {
  for (let i = 0; i < 2000; i++) log.info({ i }, 'a line of some length, to fill the pipe')
  setImmediate(() => {
    log.fatal({}, 'the last one')
    process.exit(0)
  })
}).resume()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program])
  if (how === 'gone') child.stdout.destroy()
  child.stdin.end()
  const deadline = setTimeout(() => child.kill('SIGKILL'), 15_000)
  const [code] = (await once(child, 'exit')) as [number | null]
  clearTimeout(deadline)
  expect(code).toBe(0)
})
