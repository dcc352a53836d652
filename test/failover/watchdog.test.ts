/** The watchdog's logic (H-10, H-11, H-14). */
import { describe, expect, test } from 'vitest'
import {
  NEW_WATCHDOG,
  parseFeed,
  watchdogDueMs,
  watchdogStep,
  type Feed,
  type WatchdogInput,
} from '../../failover/watchdog.ts'

const at = (ms: number) => ({ monotonicMs: ms, bootMs: 1000 + ms, wallMs: 5_000_000 + ms })
const arm = (stopMs: number, token = '7'): Feed => ({
  kind: 'arm',
  token,
  stopAtBootMs: 1000 + stopMs,
  stopAtWallMs: 5_000_000 + stopMs,
  servicePid: 42,
})
const feed = (one: Feed): WatchdogInput => ({ kind: 'feed', feed: one })
const SESSION = { servers: 'zk:2181', id: '-5', password: '00ff', timeoutMs: 4000 }
const TICK: WatchdogInput = { kind: 'tick' }
const DIED: WatchdogInput = { kind: 'controller-died' }

/** Runs inputs at their times; returns what was done, when. */
function run(...inputs: readonly (readonly [number, WatchdogInput])[]): string[] {
  let watchdog = NEW_WATCHDOG
  const done: string[] = []
  for (const [ms, input] of inputs) {
    const step = watchdogStep(watchdog, input, at(ms))
    watchdog = step.watchdog
    for (const effect of step.effects) done.push(`${ms} ${effect.kind}`)
  }
  return done
}

describe('the watchdog', () => {
  test.each<[string, readonly (readonly [number, WatchdogInput])[], string[]]>([
    [
      'does nothing while it is fed',
      [
        [0, feed(arm(100))],
        [50, feed(arm(150))],
        [120, TICK],
      ],
      [],
    ],
    [
      'stops the service at the deadline',
      [
        [0, feed(arm(100))],
        [99, TICK],
        [100, TICK],
      ],
      ['100 stop-service'],
    ],
    [
      'stops it once',
      [
        [0, feed(arm(100))],
        [100, TICK],
        [200, TICK],
      ],
      ['100 stop-service'],
    ],
    [
      'is quiet when disarmed',
      [
        [0, feed(arm(100))],
        [50, feed({ kind: 'disarm' })],
        [200, TICK],
      ],
      [],
    ],
    [
      'a line that waited in the pipe saves no deadline that has passed (H-11)',
      [
        [0, feed(arm(100))],
        [150, feed(arm(400))],
      ],
      ['150 stop-service'],
    ],
    ['a deadline that had passed when it came', [[150, feed(arm(100))]], ['150 stop-service']],
    [
      'the controller dies with an active service (H-14)',
      [
        [0, feed(arm(100))],
        [50, DIED],
      ],
      ['50 stop-service', '50 exit'],
    ],
    [
      'the controller dies beside a standby that it had started',
      [
        [0, feed({ kind: 'service', servicePid: 42 })],
        [50, DIED],
      ],
      ['50 end-process', '50 exit'],
    ],
    [
      'and its session is closed behind the stop, so that nobody waits for its expiry (H-14)',
      [
        [0, feed({ kind: 'session', session: SESSION })],
        [0, feed(arm(100))],
        [50, DIED],
      ],
      ['50 stop-service', '50 close-session', '50 exit'],
    ],
    ['the controller dies beside nothing', [[50, DIED]], ['50 exit']],
    [
      'the controller parts in order: the service is left alone (H-14)',
      [
        [0, feed(arm(100))],
        [50, feed({ kind: 'part' })],
        [50, DIED],
        [200, TICK],
      ],
      ['50 exit'],
    ],
  ])('%s', (_, inputs, expected) => {
    expect(run(...inputs)).toEqual(expected)
  })

  test('it looks again when the nearer of its clocks says so', () => {
    const { watchdog } = watchdogStep(NEW_WATCHDOG, feed(arm(100)), at(0))
    expect(watchdogDueMs(watchdog, at(40))).toBe(60)
    expect(watchdogDueMs(watchdog, { ...at(40), wallMs: 5_000_090 })).toBe(10)
    expect(watchdogDueMs(NEW_WATCHDOG, at(0))).toBeNull()
  })

  test('lines are what the controller writes, and nothing else', () => {
    expect(parseFeed(JSON.stringify(arm(100)))).toEqual(arm(100))
    const session: Feed = { kind: 'session', session: SESSION }
    expect(parseFeed(JSON.stringify(session))).toEqual(session)
    for (const line of ['', '{', 'null', '{"kind":"arm"}', '{"kind":"burn"}']) {
      expect(parseFeed(line)).toBeNull()
    }
  })
})
