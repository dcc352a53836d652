/** Health from probes: rise and fall, and what unknown means (H-6). */
import { describe, expect, test } from 'vitest'
import { healthOf, probeAfter, UNKNOWN_HEALTH, type ProbeOutcome } from '../../failover/health.ts'

const LETTERS = { p: 'passed', r: 'refused-by-answer', n: 'no-answer' } as const

/** `p` passed, `r` refused by its answer, `n` no answer; returns the state after each. */
function states(outcomes: string, limits = { rise: 1, fall: 3 }): string[] {
  let probe = UNKNOWN_HEALTH
  return outcomes.split('').map((letter) => {
    const outcome: ProbeOutcome = LETTERS[letter as keyof typeof LETTERS] // letters of the table
    probe = probeAfter(probe, outcome, limits)
    return healthOf([probe])
  })
}

describe('one probe', () => {
  test.each([
    ['p', ['healthy']],
    ['nnn', ['initializing', 'initializing', 'not-responding']],
    ['pnnp', ['healthy', 'healthy', 'healthy', 'healthy']],
    ['prrr', ['healthy', 'healthy', 'healthy', 'unhealthy']],
    ['prrn', ['healthy', 'healthy', 'healthy', 'not-responding']],
    ['pnnpnn', ['healthy', 'healthy', 'healthy', 'healthy', 'healthy', 'healthy']],
    ['nnnp', ['initializing', 'initializing', 'not-responding', 'healthy']],
  ])('%s', (outcomes, expected) => {
    expect(states(outcomes)).toEqual(expected)
  })

  test('rise counts too', () => {
    expect(states('pp', { rise: 2, fall: 1 })).toEqual(['initializing', 'healthy'])
    expect(states('pprp', { rise: 2, fall: 1 }).slice(2)).toEqual(['unhealthy', 'unhealthy'])
  })
})

test('all probes must pass, and one that has not been heard of is not healthy', () => {
  const up = probeAfter(UNKNOWN_HEALTH, 'passed', { rise: 1, fall: 1 })
  const down = probeAfter(UNKNOWN_HEALTH, 'refused-by-answer', { rise: 1, fall: 1 })
  const silent = probeAfter(UNKNOWN_HEALTH, 'no-answer', { rise: 1, fall: 1 })
  expect(healthOf([up, UNKNOWN_HEALTH])).toBe('initializing')
  expect(healthOf([up, down])).toBe('unhealthy')
  expect(healthOf([down, silent])).toBe('not-responding')
  expect(healthOf([up, up])).toBe('healthy')
})
