/** examples/pair as real processes: controllers killed, processes stopped and continued, `up` killed. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { isAlive, otherOf, Pair, violations, Writer } from '../support/pair.ts'

const SESSION_TIMEOUT_MS = 3000

test('kill -9 of the controller of the active: the standby takes over only after a proof (H-1, H-4, H-14, T9)', async () => {
  await using pair = await Pair.start()
  const first = await pair.start()
  const second = otherOf(first)
  const writer = new Writer(pair)
  await pair.until('orders are accepted', 10_000, async () =>
    writer.accepted.length > 5 ? true : null,
  )
  const before = await pair.state(first)
  const mark = pair.lines.length

  process.kill(before?.controllerPid ?? 0, 'SIGKILL')
  await pair.untilActive([second], 15_000)
  // Whatever the first service is now, it is not active at the moment when the second one is.
  const health = await fetch(pair.url(first, '/health'), { signal: AbortSignal.timeout(500) }).then(
    (response) => response.json() as Promise<{ role: string }>,
    () => null,
  )
  expect(health?.role ?? 'gone').not.toBe('active')

  const sentences = pair
    .linesOf(`orders/${second}`, mark)
    .map((line) => (typeof line['sentence'] === 'string' ? line['sentence'] : line.msg))
  const proven = sentences.findIndex((text) => text.includes('proven unable to act (H-1)'))
  const active = sentences.indexOf('active')
  expect(sentences.slice(0, active + 1), 'the proof comes before the activation').toSatisfy(
    () => proven >= 0 && proven < active,
  )

  const count = writer.accepted.length
  await pair.until('orders are accepted again', 5000, async () =>
    writer.accepted.length > count + 5 ? true : null,
  )
  const accepted = await writer.stop()
  expect(violations(await pair.ledger(), accepted)).toEqual([])
}, 120_000)

test.each([
  ['controller and service', false],
  ['controller, service and watchdog', true],
])(
  'SIGSTOP of %s of the active for three session times, then SIGCONT, under writes (H-10, H-11, T5)',
  async (_, withWatchdog) => {
    await using pair = await Pair.start()
    const first = await pair.start()
    const second = otherOf(first)
    const writer = new Writer(pair)
    await pair.until('orders are accepted', 10_000, async () =>
      writer.accepted.length > 5 ? true : null,
    )
    const before = await pair.state(first)
    const stopped = [
      ...(withWatchdog ? [before?.watchdogPid ?? 0] : []),
      before?.controllerPid ?? 0,
      before?.pid ?? 0,
    ]
    for (const pid of stopped) process.kill(pid, 'SIGSTOP')
    const stoppedMs = performance.now()
    try {
      await pair.untilActive([second], 3 * SESSION_TIMEOUT_MS)
      const count = writer.accepted.length
      await pair.until('the second one takes orders', 5000, async () =>
        writer.accepted.length > count + 5 ? true : null,
      )
      await delay(Math.max(0, stoppedMs + 3 * SESSION_TIMEOUT_MS - performance.now()))
    } finally {
      for (const pid of stopped) if (isAlive(pid)) process.kill(pid, 'SIGCONT')
    }
    // The first one comes back, in the middle of the writes of the second.
    await pair.until('the first one is standby', 20_000, async () =>
      (await pair.state(first))?.role === 'standby' ? true : null,
    )
    const accepted = await writer.stop()
    const lines = await pair.ledger()
    expect(violations(lines, accepted)).toEqual([])
    expect(accepted.length).toBeGreaterThan(50)

    const newToken = BigInt((await pair.state(second))?.token ?? 0)
    const firstOfNew = lines.findIndex(({ token }) => BigInt(token) === newToken)
    expect(firstOfNew).toBeGreaterThan(0)
    expect(lines.slice(firstOfNew).filter(({ member }) => member === first)).toEqual([])
  },
  180_000,
)

test('kill -9 of howdah up ends every process that it started', async () => {
  await using pair = await Pair.start()
  const first = await pair.start()
  const pids = processesOf(pair.directory)
  const state = await pair.state(first)
  expect(pids).toContain(state?.pid)
  expect(pids.length).toBeGreaterThanOrEqual(6)
  pair.kill('SIGKILL')
  await pair.until('all are gone', 15_000, async () =>
    processesOf(pair.directory).length === 0 ? true : null,
  )
}, 120_000)

test('a part that is killed starts again, and a stopped set-up starts from its data', async () => {
  await using pair = await Pair.start()
  await pair.start()
  const [ledger] = pair.linesOf('ledger')
  expect(ledger).toBeDefined()
  const mark = pair.lines.length
  const started = pair.lines.find((line) => line['of'] === 'ledger')
  const pid = Number(/pid (\d+)/.exec(started?.msg ?? '')?.[1])
  process.kill(pid, 'SIGKILL')
  await pair.until('the ledger is back', 10_000, async () =>
    pair.linesOf('ledger', mark).some(({ msg }) => msg.startsWith('ledger at')) ? true : null,
  )
  const sentences = pair.linesOf('howdah', mark).map(({ msg }) => msg)
  expect(sentences).toContain('ended by SIGKILL; starts again in 0.5 s')
}, 120_000)

test('random kills and stops for a while, under writes (T9, T13)', async () => {
  await using pair = await Pair.start()
  await pair.start()
  const writer = new Writer(pair)
  const seed = Number(process.env['HOWDAH_SEED'] ?? Date.now() % 100_000)
  const random = seededRandom(seed)
  const endMs = performance.now() + SOAK_MS
  const done: string[] = []
  while (performance.now() < endMs) {
    await delay(500 + random() * 4000)
    const member = random() < 0.5 ? 'a' : 'b'
    const state = await pair.state(member)
    if (state === null) continue
    const victims = {
      service: state.pid,
      controller: state.controllerPid,
      watchdog: state.watchdogPid,
    }
    const [name, pid] = Object.entries(victims)[Math.floor(random() * 3)] ?? ['', null]
    if (pid === null || !isAlive(pid)) continue
    const isKill = random() < 0.6
    done.push(`${isKill ? 'kill' : 'stop'} ${name} of ${member}, ${state.role}`)
    process.kill(pid, isKill ? 'SIGKILL' : 'SIGSTOP')
    if (isKill) continue
    await delay(random() * 2 * SESSION_TIMEOUT_MS)
    if (isAlive(pid)) process.kill(pid, 'SIGCONT')
  }
  await pair.untilActive(['a', 'b'], 30_000)
  const count = writer.accepted.length
  await pair.until('orders are accepted again', 20_000, async () =>
    writer.accepted.length > count + 5 ? true : null,
  )
  const accepted = await writer.stop()
  expect(violations(await pair.ledger(), accepted), `seed ${seed}: ${done.join('; ')}`).toEqual([])
}, 180_000)

const SOAK_MS = 45_000

/** Mulberry32: numbers in [0, 1) from a seed, for a run that can be told again. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

/** Processes that work in `directory`, or name it in their arguments; Linux only. */
function processesOf(directory: string): number[] {
  const found: number[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const isOurs =
        readlinkSync(`/proc/${name}/cwd`) === directory ||
        readFileSync(`/proc/${name}/cmdline`, 'latin1').includes(directory)
      if (isOurs && Number(name) !== process.pid) found.push(Number(name))
    } catch {
      // gone meanwhile
    }
  }
  return found
}
