/** The arithmetic of leases, and the times derived from a group's settings (H-10, H-11). */
import { describe, expect, test } from 'vitest'
import { isoTime, parseIsoTime } from '../../failover/iso-time.ts'
import { disagreementMs, leaseLeftMs, passedMs, type ClockReading } from '../../failover/lease.ts'
import { settingsProblems, timesOf, waitFor } from '../../failover/settings.ts'
import { settingsFor } from '../support/failover-world.ts'

const SENT: ClockReading = { monotonicMs: 1000, bootMs: 51_000, wallMs: 1_700_000_000_000 }
const moved = (monotonic: number, boot = monotonic, wall = monotonic): ClockReading => ({
  monotonicMs: SENT.monotonicMs + monotonic,
  bootMs: SENT.bootMs + boot,
  wallMs: SENT.wallMs + wall,
})

describe('what is left of a lease of 3000 ms', () => {
  test.each([
    ['at its sending', moved(0), 3000],
    ['a second later', moved(1000), 2000],
    ['at its end', moved(3000), 0],
    ['after a suspension: boot time says so (T19)', moved(10, 5000, 5000), -2000],
    ['when only the wall clock tells', moved(10, 10, 5000), -2000],
    ['a wall clock that went back adds nothing (T10, F-17)', moved(1000, 1000, -9_000_000), 2000],
    ['no clock makes it longer than it was', moved(-5, -5, -5), 3000],
  ])('%s', (_, now, expected) => {
    expect(leaseLeftMs(SENT, 3000, now)).toBe(expected)
  })
})

test('clocks that disagree tell of a suspension or a step', () => {
  expect(disagreementMs(SENT, moved(100))).toBe(0)
  expect(disagreementMs(SENT, moved(100, 4100, 4100))).toBe(4000)
  expect(passedMs(SENT, moved(100, 4100, 4100))).toBe(4100)
})

test('a taker never stops to wait before the holder has stopped to act (H-10)', () => {
  const settings = settingsFor('a', ['a', 'b'])
  const times = timesOf(settings)
  const rateError = 0.01
  for (const holderRate of [1 - rateError / 2, 1, 1 + rateError / 2]) {
    for (const takerRate of [1 - rateError / 2, 1, 1 + rateError / 2]) {
      // The renewal is seen at the very moment of its sending: the worst case for the taker.
      const holderEnds = settings.leaseMs / holderRate
      const takerActs = waitFor(settings.leaseMs, rateError) / takerRate
      expect(takerActs).toBeGreaterThan(holderEnds)
    }
  }
  expect(times.stopMs).toBeGreaterThanOrEqual(
    settings.service.deactivate.timeoutMs + times.marginMs,
  )
  expect(times.renewEveryMs * 3).toBeLessThanOrEqual(times.leaseMs - times.stopMs)
})

describe('settings that cannot keep their promise are refused', () => {
  const good = settingsFor('a', ['a', 'b'])
  test('the defaults of the tests are fine', () => {
    expect(settingsProblems(good)).toEqual([])
  })
  test.each([
    ['a lease shorter than two stops (H-10)', { leaseMs: 2000 }, 'time to stop'],
    ['nothing that proves anything (H-7)', { protection: [], fencing: [] }, 'can confirm'],
    ['keep with leases', { whenEnsembleIsLost: 'keep' as const }, 'contradict'],
    ['a member that is not in its group', { member: 'z' }, 'not in members'],
  ])('%s', (_, change, expected) => {
    expect(settingsProblems({ ...good, ...change }).join()).toContain(expected)
  })
})

describe('times as text', () => {
  const samples = [0, 951_782_400_000, 1_709_164_800_000, 1_767_225_599_999, 4_102_444_800_000]
  test.each(samples)('%i as Date has it, and back', (ms) => {
    expect(isoTime(ms)).toBe(new Date(ms).toISOString())
    expect(parseIsoTime(isoTime(ms))).toBe(ms)
  })
  test('nothing else is a time', () => {
    for (const text of ['', 'tomorrow', '2026-11-21', '2026-11-21T03:00:00+01:00']) {
      expect(parseIsoTime(text)).toBeNull()
    }
  })
})
