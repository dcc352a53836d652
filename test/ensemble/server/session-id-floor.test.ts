/** Session ids are never given out twice, whatever the wall clock says (I-55). */
import { expect, test } from 'vitest'
import { reserveSessionIds } from '../../../ensemble/server/session-id-floor.ts'
import { SimFileSystem, seededRandom } from '../../simulation/sim-file-system.ts'

const NOON = Date.UTC(2026, 0, 1, 12)

test('a run begins above all ids of the runs before it, though the clock went back (I-55, F-17)', async () => {
  const files = new SimFileSystem({ random: seededRandom(1) })
  files.seedDirectory('/data')
  let last = 0n
  for (const wallMs of [NOON, NOON - 3_600_000, NOON - 3_600_000, 0, NOON + 1000]) {
    const first = await reserveSessionIds('/data', wallMs, { files })
    expect(first).toBeGreaterThanOrEqual(last)
    last = first + (1n << 32n)
  }
})

test('with a clock that moves on, an id begins with the time, as Apache has it', async () => {
  const files = new SimFileSystem({ random: seededRandom(1) })
  files.seedDirectory('/data')
  expect(await reserveSessionIds('/data', NOON, { files })).toBe(
    (BigInt(NOON) << 16n) & ((1n << 56n) - 1n),
  )
})

test('a reservation survives a power loss at any moment after it (F-2)', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const files = new SimFileSystem({ random: seededRandom(seed) })
    files.seedDirectory('/data')
    const first = await reserveSessionIds('/data', NOON, { files })
    files.crash()
    const second = await reserveSessionIds('/data', 0, { files })
    expect(second).toBe(first + (1n << 32n))
  }
})
