/**
 * Bugs planted on purpose are found by random seeds (D-16): what the simulator is worth.
 *
 * Each is planted from outside, in what `sys`, a client or a prototype does, never by a switch in
 * production code.
 */
import { afterEach, expect, test } from 'vitest'
import { Tree } from '../../ensemble/tree/tree.ts'
import type { Plant, Scenario } from './scenario.ts'
import { runFailoverScenario } from './scenario-failover.ts'
import { runServerScenario } from './scenario-server.ts'

const SEEDS_MAX = 200

/** Runs seeds until one breaks the rule of this id: how many it took, or null. */
async function seedsToFind(id: string, scenario: Scenario, plant: Plant): Promise<number | null> {
  for (let seed = 1; seed <= SEEDS_MAX; seed++) {
    const { violations } = await scenario(seed, plant)
    if (violations.some((violation) => violation.id === id)) return seed
  }
  return null
}

const ephemeralsOf = Tree.prototype.ephemeralsOf
afterEach(() => {
  Tree.prototype.ephemeralsOf = ephemeralsOf
})

test(
  'a reply before fsync: acknowledged writes are lost in a power failure (I-6, I-9)',
  { timeout: 60_000 },
  async () => {
    expect(await seedsToFind('I-6', runServerScenario, { repliesBeforeSync: true })).not.toBe(null)
  },
)

test(
  'an ephemeral left behind: it outlives its session (I-50, I-54)',
  { timeout: 60_000 },
  async () => {
    Tree.prototype.ephemeralsOf = function* (sessionId) {
      yield* [...ephemeralsOf.call(this, sessionId)].slice(1)
    }
    expect(await seedsToFind('I-50', runServerScenario, {})).not.toBe(null)
  },
)

test(
  'a breadcrumb skipped: two services hold the resource (H-1, H-4)',
  { timeout: 60_000 },
  async () => {
    expect(await seedsToFind('H-1', runFailoverScenario, { skipsBreadcrumb: true })).not.toBe(null)
  },
)

test('without a planted bug the same seeds are clean', { timeout: 60_000 }, async () => {
  for (let seed = 1; seed <= 3; seed++) {
    expect((await runServerScenario(seed)).violations).toEqual([])
    expect((await runFailoverScenario(seed)).violations).toEqual([])
  }
})
