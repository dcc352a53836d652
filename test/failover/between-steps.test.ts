/**
 * A fault between every two decisions of a start, a failover and a return (T2): whatever is hit,
 * whenever, never two write at once, and in the end exactly one is active.
 */
import { describe, expect, test } from 'vitest'
import { FailoverWorld } from '../support/failover-world.ts'

type Fault = (world: FailoverWorld, member: string) => void

/** Everything that can happen to the one who has just decided; each is over after 15 s. */
const FAULTS: Readonly<Record<string, Fault>> = {
  'kill -9 of the controller, restarted after 6 s': (world, member) => {
    world.killController(member)
    world.timeline.at(world.timeline.nowMs + 6000, null, () => world.restartController(member))
  },
  'kill -9 of the controller, restarted at once': (world, member) => {
    world.killController(member)
    world.timeline.at(world.timeline.nowMs + 50, null, () => world.restartController(member))
  },
  'kill -9 of the service': (world, member) => {
    world.killService(member)
    world.timeline.at(world.timeline.nowMs + 3000, null, () => void world.restartService(member))
  },
  'a pause of 12 s': (world, member) => {
    world.pause(member)
    world.timeline.at(world.timeline.nowMs + 12_000, null, () => world.wake(member))
  },
  'a pause of 3.9 s': (world, member) => {
    world.pause(member)
    world.timeline.at(world.timeline.nowMs + 3900, null, () => world.wake(member))
  },
  'a suspension of 12 s': (world, member) => {
    world.pause(member, 'suspend')
    world.timeline.at(world.timeline.nowMs + 12_000, null, () => world.wake(member))
  },
  'an expired session (H-9)': (world, member) => {
    world.zookeeper.expire(world.place(member).session?.sessionId ?? 0n)
  },
  'a lost connection of 1 s': (world, member) => world.place(member).session?.cut(1000),
  'a lost connection of 10 s, services cut off too': (world, member) => {
    world.place(member).session?.cut(10_000)
    world.cuts.add(member)
    world.timeline.at(world.timeline.nowMs + 10_000, null, () => world.cuts.delete(member))
  },
  // Real expiry may come earlier than the client thinks (H-12): only the lease stands between.
  'an expiry that its owner does not hear of, cut off from all': (world, member) => {
    const { session } = world.place(member)
    session?.cut(10_000)
    world.cuts.add(member)
    world.timeline.at(world.timeline.nowMs + 10_000, null, () => world.cuts.delete(member))
    world.zookeeper.expire(session?.sessionId ?? 0n)
  },
  'an expiry while paused for 2 s, renewals and commands on their way': (world, member) => {
    const { session } = world.place(member)
    world.pause(member)
    world.zookeeper.expire(session?.sessionId ?? 0n)
    world.timeline.at(world.timeline.nowMs + 2000, null, () => world.wake(member))
  },
  'the lock deleted by hand': (world) => {
    const path = '/howdah/test/groups/orders/lock'
    if (world.zookeeper.nodes.has(path)) world.zookeeper.remove(path, 0n)
  },
  'the lease deleted by hand': (world) => {
    const path = '/howdah/test/groups/orders/lease'
    if (world.zookeeper.nodes.has(path)) world.zookeeper.remove(path, 0n)
  },
  'the breadcrumb deleted by hand': (world) => {
    const path = '/howdah/test/groups/orders/breadcrumb'
    if (world.zookeeper.nodes.has(path)) world.zookeeper.remove(path, 0n)
  },
}

/** Starts, and after 3 s lets the active's session expire, so that every step happens twice. */
async function run(hit: (world: FailoverWorld, count: number, member: string) => void) {
  const world = await FailoverWorld.make()
  world.writeEveryMs = 10
  let count = 0
  world.onDecision = (member) => hit(world, ++count, member)
  await world.startAll()
  await world.timeline.advance(3000)
  for (const member of world.active) {
    world.zookeeper.expire(world.place(member).session?.sessionId ?? 0n)
  }
  await world.timeline.advance(4000)
  return { world, decisions: count }
}

/** Every second decision, alternating with the fault: a minute is too long for each run of the tests. */
const STRIDE = 2

describe.each(Object.entries(FAULTS))('%s', (name, fault) => {
  test('between every two decisions: one history of tokens, and one active at the end (T2, H-4)', async () => {
    const { decisions } = await run(() => {})
    expect(decisions).toBeGreaterThan(20)
    const first = 1 + (Object.keys(FAULTS).indexOf(name) % STRIDE)
    for (let at = first; at <= decisions; at += STRIDE) {
      const { world } = await run((one, count, member) => {
        if (count === at) fault(one, member)
      })
      await world.timeline.advance(15_500)
      await world.timeline.advance(15_000, () => world.active.length === 1)
      await world.timeline.advance(500)
      const story = `at decision ${at}: ${world.describe()}\n${world.decisions.join('\n')}`
      expect(world.violations, story).toEqual([])
      expect(world.active, story).toHaveLength(1)
    }
  }, 120_000)
})
