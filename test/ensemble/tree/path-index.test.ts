/** The index against a Map, also when all hashes are equal. */
import { expect, test } from 'vitest'

import { PathIndex } from '../../../ensemble/tree/path-index.ts'
import { randomOf } from './random-transactions.ts'

function candidates(index: PathIndex, hash: number): number[] {
  const found: number[] = []
  for (let node = index.first(hash); node !== 0; node = index.next(hash)) found.push(node)
  return found.toSorted((left, right) => left - right)
}

test.each([
  ['scattered', 60_000, (random: () => number) => (random() * 2 ** 32) | 0],
  ['in groups of the same', 20_000, (random: () => number) => Math.floor(random() * 300)],
  ['all equal', 2500, () => 42],
])('hashes %s: finds what was added and not removed', (_, count, hashOf) => {
  const random = randomOf(count)
  const index = new PathIndex()
  const hashes = new Map<number, number>()
  for (let node = 1; node <= count; node++) {
    const hash = hashOf(random)
    index.add(node, hash)
    hashes.set(node, hash)
    if (random() < 0.4) {
      const victim = 1 + Math.floor(random() * node)
      const victimHash = hashes.get(victim)
      if (victimHash !== undefined) index.remove(victim, victimHash)
      hashes.delete(victim)
    }
  }
  const byHash = new Map<number, number[]>()
  for (const [node, hash] of hashes) byHash.set(hash, [...(byHash.get(hash) ?? []), node])
  for (const [hash, nodes] of byHash) {
    expect(candidates(index, hash)).toEqual(nodes.toSorted((left, right) => left - right))
  }
  for (const [node, hash] of hashes) index.remove(node, hash)
  for (const hash of byHash.keys()) expect(index.first(hash)).toBe(0)
})
