/** The bucket of tokens for connect requests, as BlueThrottle of 3.9.5 has it. */
import { expect, test } from 'vitest'
import { ConnectionThrottle } from '../../../ensemble/server/connection-throttle.ts'

const SETTINGS = {
  tokens: 3,
  fillTimeMs: 100,
  fillCount: 2,
  freezeTimeMs: null,
  dropIncrease: 0.5,
  dropDecrease: 0.25,
  decreaseRatio: 0,
  weights: null,
}

function asking(nowMs: number, { isResumed = false, chance = 0 } = {}) {
  return { nowMs, isResumed, chance }
}

test('the bucket empties, and fills again as time passes, up to its size (S-15)', () => {
  const throttle = new ConnectionThrottle(SETTINGS, 0)
  expect([1, 2, 3, 4].map(() => throttle.admits(asking(1)))).toEqual([true, true, true, false])
  expect(throttle.deficit).toBe(3)
  expect(throttle.admits(asking(100))).toBe(false)
  expect([1, 2, 3].map(() => throttle.admits(asking(101)))).toEqual([true, true, false])
  expect([1, 2, 3, 4].map(() => throttle.admits(asking(9000)))).toEqual([true, true, true, false])
})

test('with weights, a resumed session takes less than a new one', () => {
  const throttle = new ConnectionThrottle(
    { ...SETTINGS, tokens: 6, weights: { create: 3, resume: 2 } },
    0,
  )
  expect(throttle.admits(asking(1))).toBe(true)
  expect(throttle.admits(asking(1, { isResumed: true }))).toBe(true)
  expect(throttle.admits(asking(1, { isResumed: true }))).toBe(false)
})

test('while the bucket is found empty more are refused at random, and fewer once it is full', () => {
  const throttle = new ConnectionThrottle(
    { ...SETTINGS, tokens: 1, fillTimeMs: 1000, fillCount: 1, freezeTimeMs: 10 },
    0,
  )
  expect(throttle.admits(asking(1, { chance: 0.9 }))).toBe(true)
  expect(throttle.admits(asking(12, { chance: 0.9 }))).toBe(false)
  expect(throttle.dropRatio).toBe(0.5)
  expect(throttle.admits(asking(2000, { chance: 0.2 }))).toBe(false)
  expect(throttle.dropRatio).toBe(0.25)
  expect(throttle.admits(asking(2001, { chance: 0.4 }))).toBe(true)
})
