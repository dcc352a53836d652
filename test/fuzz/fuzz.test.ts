/**
 * Some seeds of every fuzz target; `npm run fuzz -- --seeds N` runs more.
 *
 *   FUZZ_SEEDS   seeds of each target instead of its own few
 *   FUZZ_START   the first of them, 1 when unset
 */
import { expect, test } from 'vitest'
import { mutateBytes, mutateText } from './mutate.ts'
import { randomOf, repeatCommand, type Target } from './target.ts'
import { targets } from './targets.ts'

const START = Number(process.env['FUZZ_START'] ?? 1)
const SEEDS = process.env['FUZZ_SEEDS']
const TEST_MS = 60_000

/** Titles name the ids that a target proves. */
const byTitle: Readonly<Record<string, string>> = {
  frames: 'streams of frames (X-1)',
  connect: 'connect requests (X-2)',
  requests: 'requests within a session (X-3, X-5, X-6)',
  paths: 'paths (X-4)',
  acls: 'access control lists (X-5)',
  watches: 'requests about watches (X-6)',
  words: 'four-letter words (X-7)',
  admin: 'requests to the admin server (X-10)',
  cli: 'lines of the shell (X-12)',
  'zoo-cfg': 'zoo.cfg (X-11)',
  'set-up': 'the YAML of a set-up (X-11)',
  files: 'data directories (X-13)',
}

async function runSeeds(target: Target): Promise<void> {
  const count = SEEDS === undefined ? target.seeds : Number(SEEDS)
  for (let seed = START; seed < START + count; seed++) {
    try {
      expect(await target.run(seed)).toBeGreaterThan(0)
    } catch (error) {
      throw new Error(`${repeatCommand(target, seed)}: ${String(error)}`, { cause: error })
    }
  }
}

test.each(Object.entries(byTitle))(
  '%s: %s',
  async (name) => {
    const target = targets.find((each) => each.name === name)
    await runSeeds(target!)
  },
  TEST_MS * (SEEDS === undefined ? 1 : 60),
)

test('every target has its test', () => {
  expect(targets.map(({ name }) => name).sort()).toEqual(Object.keys(byTitle).sort())
})

test('a seed makes the same changes each time, and another one others', () => {
  const text = 'tickTime=2000\ndataDir=/var/lib/zookeeper\n'
  const changed = (seed: number): string => {
    const random = randomOf(seed)
    return mutateText(random, text) + mutateBytes(random, Buffer.from(text)).toString('hex')
  }
  expect(changed(7)).toBe(changed(7))
  expect(new Set(Array.from({ length: 50 }, (_, seed) => changed(seed))).size).toBe(50)
})
