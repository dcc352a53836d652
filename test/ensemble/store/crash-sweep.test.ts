/**
 * A script of twenty operations, stopped before, during and after every effect on the disk, by a
 * killed process (F-1) and by power losses that keep any subset of what was not synced (F-2).
 *
 * After each: recovery succeeds by itself, every acknowledged transaction is there, nothing is there
 * that was never appended, and the recovered store takes and keeps further transactions.
 */
import { expect, test } from 'vitest'
import type { Tree } from '../../../ensemble/tree/tree.ts'
import {
  seededRandom,
  type HaltPoint,
  type SimFileSystem,
} from '../../simulation/sim-file-system.ts'
import { newDisk, openSim } from './open-sim.ts'
import type { StoreOptions } from '../../../ensemble/store/store.ts'
import { applyAndAppend, create, setData, txnOf } from './txns.ts'

interface History {
  /** Logs beside the snapshots, or on a disk of their own. */
  readonly dataLogDir: string
  /** Digest of the tree after each transaction ever appended. */
  readonly digests: Map<bigint, bigint>
  acked: bigint
  accepted: number
  /** Promised, but not reported when the machine stopped. */
  accepting: number
}

/** Batches of several sectors, rolls, snapshots, epochs, a purge, a restart and a truncation. */
async function script(files: SimFileSystem, history: History): Promise<void> {
  let opened = await open(files, history)
  let zxid = opened.lastZxid
  history.digests.set(zxid, opened.tree.treeDigest)
  const append = (count: number, bytes: number) => {
    for (let i = 0; i < count; i++) {
      zxid += 1n
      const data = Buffer.alloc(bytes, Number(zxid) + 1)
      const path = `/n${zxid % 8n}`
      const { tree } = opened
      const known = tree.find(path)
      const body =
        known === 0
          ? create(path, data, tree.storedCversion(tree.find('')) + 1)
          : setData(path, data, tree.version(known) + 1)
      applyAndAppend(tree, opened.store, txnOf(zxid, body))
      history.digests.set(zxid, tree.treeDigest)
    }
    opened.store.flush()
  }
  const promise = async (epoch: number) => {
    history.accepting = epoch
    await opened.store.writeEpoch('acceptedEpoch', epoch)
    history.accepted = epoch
  }
  append(1, 10) // 1
  await opened.store.whenDurable()
  append(12, 300) // 2: many sectors in one batch
  append(3, 5) // 3
  await opened.store.whenDurable()
  append(2, 2000) // 4: records of many sectors
  await opened.store.whenDurable()
  await promise(1) // 5
  const taking = opened.store.snapshot(opened.tree.freeze(), new Map([[1n, 4000]])) // 6
  append(4, 100) // 7
  await opened.store.whenDurable()
  expect((await taking).ok).toBe(true)
  append(9, 40) // 8
  opened.store.rollLog() // 9
  append(7, 200) // 10: the roll lies inside the next batch
  await opened.store.whenDurable()
  await promise(2) // 11
  await opened.store.snapshot(opened.tree.freeze(), new Map()) // 12
  append(1, 900) // 13
  await opened.store.whenDurable()
  await opened.store.purge(2) // 14
  await opened.store.close() // 15
  opened = await open(files, history) // 16
  expect(opened.lastZxid).toBe(zxid)
  append(5, 350) // 17
  append(5, 350)
  await opened.store.whenDurable()
  await opened.store.snapshot(opened.tree.freeze(), new Map()) // 18
  await opened.store.purge(1) // 19
  append(2, 700) // 20
  await opened.store.close()
}

async function open(files: SimFileSystem, history: History) {
  return openSim(files, {
    ...optionsOf(history),
    onDurable: (zxid) => (history.acked = zxid),
    onFailure: (error) => {
      throw error
    },
  })
}

function optionsOf({ dataLogDir }: History): Partial<StoreOptions> {
  return { dataLogDir }
}

function newHistory(dataLogDir = '/data'): History {
  return { dataLogDir, digests: new Map(), acked: 0n, accepted: 0, accepting: 0 }
}

async function check(files: SimFileSystem, history: History, where: string): Promise<void> {
  const empty = (tree: Tree) => history.digests.get(0n) ?? tree.treeDigest
  let opened
  try {
    opened = await openSim(files, optionsOf(history))
  } catch (error) {
    throw new Error(`${where}: recovery failed`, { cause: error })
  }
  const { tree, lastZxid, store } = opened
  expect(lastZxid, where).toBeGreaterThanOrEqual(history.acked)
  const expected = lastZxid === 0n ? empty(tree) : history.digests.get(lastZxid)
  expect(tree.treeDigest, where).toBe(expected)
  const { acceptedEpoch } = await store.loadEpochs(lastZxid)
  expect(acceptedEpoch, where).toBeGreaterThanOrEqual(history.accepted)
  expect(acceptedEpoch, where).toBeLessThanOrEqual(history.accepting)
  // what was recovered is as durable as what is appended now
  const next = txnOf(lastZxid + 1n, create('/after', 'x', 99))
  applyAndAppend(tree, store, next)
  store.flush()
  await store.whenDurable()
  const after = tree.treeDigest
  files.crash()
  const again = await openSim(files, optionsOf(history))
  expect(again.lastZxid, where).toBe(next.zxid)
  expect(again.tree.treeDigest, where).toBe(after)
  expect(
    again.repairs.filter(({ kind }) => kind !== 'dropped'),
    where,
  ).toEqual([])
}

async function effectsOfScript(dataLogDir: string): Promise<number> {
  const files = newDisk()
  await script(files, newHistory(dataLogDir))
  return files.effects.length
}

const SUBSETS = Number(process.env['CRASH_SUBSETS'] ?? 6)

test('the script runs, and its end survives a power loss (F-2)', async () => {
  const files = newDisk()
  const history = newHistory()
  await script(files, history)
  files.crash()
  await check(files, history, 'at the end')
})

test.each([
  ['before', '/data'],
  ['during', '/data'],
  ['after', '/data'],
  ['after', '/logs'],
] as const)(
  `a stop %s any effect, with logs in %s, loses nothing acknowledged (I-6, I-7, I-9, I-12, N-1, N-6, F-1, F-2, F-3)`,
  async (phase, dataLogDir) => {
    const effects = await effectsOfScript(dataLogDir)
    expect(effects).toBeGreaterThan(80)
    for (let effect = 1; effect <= effects; effect++) {
      const point: HaltPoint = { effect, phase }
      const files = newDisk(effect)
      const history = newHistory(dataLogDir)
      files.haltAt = point
      // the script never ends: its process is dead
      void script(files, history)
      await files.whenHalted()
      for (let subset = 0; subset < SUBSETS; subset++) {
        const where = `${phase} effect ${effect} (${files.effects[effect - 1]!.kind} ${files.effects[effect - 1]!.path}), subset ${subset}`
        const machine = files.fork(seededRandom(effect * 1000 + subset))
        if (subset === 0) machine.kill()
        else machine.crash()
        await check(machine, history, where)
      }
    }
  },
  300_000,
)
