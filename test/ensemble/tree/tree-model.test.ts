/** The packed tree against the naive one, with transactions by chance. */
import { expect, test } from 'vitest'

import { Writer } from '../../../ensemble/jute/writer.ts'
import type { FrozenTree } from '../../../ensemble/tree/frozen-tree.ts'
import { SnapshotBodyReader, SnapshotBodyWriter } from '../../../ensemble/tree/snapshot-body.ts'
import { Tree, type TreeChange } from '../../../ensemble/tree/tree.ts'
import { expectSame } from './compare.ts'
import { NaiveTree } from './naive-tree.ts'
import { RandomTransactions, randomOf } from './random-transactions.ts'

const seeds = Array.from({ length: 8 }, (_, index) => index + 1)

function eventsOf(changes: TreeChange[]): string[] {
  return changes.map(({ type, path, acl }) => `${type} ${path || '/'} ${JSON.stringify(acl)}`)
}

test.each(seeds)(
  'trees of pages and of objects agree on nodes, digest, events (I-13, I-27, I-29, I-44; seed %i)',
  (seed) => {
    const naive = new NaiveTree()
    const tree = new Tree({ extendedTypes: true })
    const transactions = new RandomTransactions(seed, naive)
    for (let step = 0; step < 700; step++) {
      const txn = transactions.next()
      const changes: TreeChange[] = []
      const applied = tree.apply(txn, changes)
      const { events, err } = naive.apply(txn)
      const expected = events.map(([type, path, acl]) => `${type} ${path || '/'} ${acl}`)
      // Nodes of a closed session go in no promised order.
      if (txn.type === -11) expect(eventsOf(changes).toSorted()).toEqual(expected.toSorted())
      else expect(eventsOf(changes)).toEqual(expected)
      if (txn.type !== -1 && txn.type !== 14) expect(applied.err).toBe(err)
      expect(tree.lastZxid).toBe(txn.zxid)
      if (step % 100 === 0) expectSame(tree, naive)
    }
    expectSame(tree, naive)
  },
)

test.each(seeds.slice(0, 5))(
  'a snapshot holds the tree of its freeze, whatever is applied while it is written (B-36, B-37; seed %i)',
  (seed) => {
    const random = randomOf(seed)
    const naive = new NaiveTree()
    const tree = new Tree({ extendedTypes: true })
    const transactions = new RandomTransactions(seed + 1000, naive)
    const apply = (count: number): void => {
      for (let i = 0; i < count; i++) {
        const txn = transactions.next()
        tree.apply(txn, null)
        naive.apply(txn)
      }
    }
    // Views of other moments come and go beside the one that is written.
    const others: FrozenTree[] = []
    for (let round = 0; round < 4; round++) {
      apply(150)
      const frozen = tree.freeze()
      const then = naive.clone()
      if (random() < 0.7) others.push(tree.freeze())
      const sessions = new Map([
        [1n + BigInt(seed), 30_000],
        [-5n, 4000],
      ])
      const bodyWriter = new SnapshotBodyWriter(frozen, sessions)
      sessions.clear()
      const writer = new Writer()
      const reader = new SnapshotBodyReader({ extendedTypes: true })
      for (let more = true; more;) {
        more = bodyWriter.next(writer, 1 + Math.floor(random() * 60_000))
        const piece = writer.take()
        expect(reader.push(piece)).toBe(piece.length)
        piece.fill(0xee)
        apply(10)
        if (random() < 0.1) others.push(tree.freeze())
        if (random() < 0.1) others.shift()?.release()
      }
      expect(reader.done).toBe(true)
      const read = reader.result()
      expect(read.sessions.size).toBe(2)
      expectSame(read.tree, then)
      expect(frozen.treeDigest).toBe(read.tree.treeDigest)
      expect(frozen.nodeCount).toBe(read.tree.nodeCount)
      frozen.release()
      frozen.release()
      expectSame(tree, naive)
    }
    for (const other of others) other.release()
    apply(100)
    expectSame(tree, naive)
  },
)
