/** Znodes that somebody damaged, and state directories that were copied (T4, T15, T16). */
import { describe, expect, test } from 'vitest'
import { FailoverWorld } from '../support/failover-world.ts'

const ROOT = '/howdah/test/groups/orders'

const BREADCRUMBS: readonly (readonly [string, string | null])[] = [
  ['missing', null],
  ['empty', ''],
  ['no JSON', '{"member":'],
  ['of another format', '{"v":9,"member":"a","token":"1"}'],
  ['without a token', '{"v":1,"member":"a"}'],
  ['with a token that is a number', '{"v":1,"member":"a","token":7}'],
  ['oversized', JSON.stringify({ v: 1, member: 'a', token: '1', x: 'y'.repeat(100_000) })],
  ['of an unknown member', '{"v":1,"member":"zed","address":"z:1","token":"1","incarnation":"q"}'],
  ['of the winner itself, written by somebody else', '{"v":1,"member":"b","token":"1"}'],
]

describe.each(BREADCRUMBS)('a breadcrumb that is %s (X-15)', (_, text) => {
  test.each([false, true])(
    'when the owner of the lock is cut off (%s: the lease is damaged too): no two at once, then one (T4, H-1, H-4)',
    async (leaseToo) => {
      const world = await FailoverWorld.make()
      await world.startAll()
      await world.untilActive('a')
      await world.timeline.advance(1500)
      const { zookeeper } = world
      world.place('a').session?.cut(30_000)
      world.cuts.add('a')
      if (text === null) zookeeper.remove(`${ROOT}/breadcrumb`, 0n)
      else zookeeper.set(`${ROOT}/breadcrumb`, Buffer.from(text), -1, 0n)
      if (leaseToo) zookeeper.set(`${ROOT}/lease`, Buffer.from(text ?? '?'), -1, 0n)
      zookeeper.expire(world.place('a').session?.sessionId ?? 0n)
      await world.untilActive('b', 15_000)
      await world.timeline.advance(3000)
      expect(world.violations).toEqual([])
    },
  )

  test('without leases and without an answer nobody becomes active (H-7)', async () => {
    const world = await FailoverWorld.make(['a', 'b'], { protection: [] })
    await world.startAll()
    await world.untilActive('a')
    await world.timeline.advance(1500)
    const { zookeeper } = world
    world.place('a').session?.cut(30_000)
    world.cuts.add('a')
    if (text === null) zookeeper.remove(`${ROOT}/breadcrumb`, 0n)
    else zookeeper.set(`${ROOT}/breadcrumb`, Buffer.from(text), -1, 0n)
    zookeeper.expire(world.place('a').session?.sessionId ?? 0n)
    await world.timeline.advance(20_000)
    expect(world.place('b').service.guard.role).toBe('standby')
    expect(world.violations).toEqual([])
  })
})

test('a breadcrumb that changes while the winner fences: it gives up (T4, H-4)', async () => {
  const world = await FailoverWorld.make()
  await world.startAll()
  await world.untilActive('a')
  await world.timeline.advance(1500)
  let changes = 0
  world.onDecision = (member, action) => {
    if (member !== 'b' || action !== 'fence' || changes++ > 0) return
    world.zookeeper.set(`${ROOT}/breadcrumb`, Buffer.from('{"v":1}'), -1, 0n)
  }
  world.killService('a')
  await world.untilActive('b', 30_000)
  expect(changes).toBeGreaterThan(1)
  expect(world.decisions.some((line) => line.includes('changed by somebody else'))).toBe(true)
  expect(world.violations).toEqual([])
})

test('a cloned state directory: the twin never acts beside the first (T16, H-4, H-10)', async () => {
  const world = await FailoverWorld.make(['a', 'b', 'a2'])
  const twin = world.place('a2')
  // The twin believes to be `a`, with a copy of its record and its session, on another host.
  const members = { ...twin.settings.members }
  const [a, a2] = [members['a']!, members['a2']!]
  for (const name of ['a', 'b']) {
    const place = world.place(name)
    const { a2: _, ...two } = place.settings.members
    Object.assign(place.settings, { members: two })
  }
  Object.assign(twin.settings, {
    member: 'a',
    members: { a: { ...a, host: a2.host }, b: members['b'] },
  })
  world.newController(twin)
  for (const name of ['a', 'b']) {
    world.newController(world.place(name))
    void world.place(name).controller.start()
  }
  await world.timeline.advance(5000)
  const first = world.place('a')
  expect(first.controller.status.role).toBe('active')
  for (const [path, bytes] of first.host.files.contents) {
    if (path.includes('orders-a')) twin.host.files.contents.set(path, bytes)
  }
  void twin.controller.start()
  await world.timeline.advance(30_000)
  const tokens = world.writes.map((write) => write.token)
  expect(tokens).toEqual(tokens.toSorted((left, right) => Number(left - right)))
  // One token may pass from one twin to the other, but only after the lease of the first is over.
  for (const [at, write] of world.writes.entries()) {
    const before = world.writes[at - 1]
    if (before === undefined || before.member === write.member) continue
    expect(
      world.writes.findIndex((one) => one.member === write.member && one.token === write.token),
    ).toBe(at)
  }
})

describe('three members', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'faults at random for two minutes: one history of tokens (T1, T7, seed %i)',
    async (seed) => {
      const world = await FailoverWorld.make(['a', 'b', 'c'])
      world.writeEveryMs = 10
      let state = seed * 2_654_435_761
      const below = (bound: number) => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
        return Math.floor((state / 2 ** 32) * bound)
      }
      await world.startAll()
      for (let round = 0; round < 60; round++) {
        const member = ['a', 'b', 'c'][below(3)]!
        const place = world.place(member)
        const forMs = below(8000)
        const until = (run: () => void) =>
          world.timeline.at(world.timeline.nowMs + forMs, null, run)
        if (!place.proc.isGone && !place.host.isPaused && place.service.isAlive) {
          switch (below(7)) {
            case 0:
              world.killController(member)
              until(() => world.restartController(member))
              break
            case 1:
              world.killService(member)
              until(() => void world.restartService(member))
              break
            case 2:
              world.pause(member, below(2) === 0 ? 'pause' : 'suspend')
              until(() => world.wake(member))
              break
            case 3:
              place.session?.cut(forMs)
              world.cuts.add(member)
              until(() => world.cuts.delete(member))
              break
            case 4:
              world.zookeeper.expire(place.session?.sessionId ?? 0n)
              break
            case 5:
              place.service.isHealthy = false
              until(() => (place.service.isHealthy = true))
              break
            case 6: {
              const node = `${ROOT}/${['lock', 'lease', 'breadcrumb'][below(3)]}`
              if (world.zookeeper.nodes.has(node)) world.zookeeper.remove(node, 0n)
            }
          }
        }
        await world.timeline.advance(below(4000))
      }
      expect(world.violations, `seed ${seed}`).toEqual([])
      await world.timeline.advance(20_000)
      await world.untilActive(null, 40_000)
      expect(new Set(world.writes.map((write) => write.token)).size).toBeGreaterThan(3)
      expect(world.violations, `seed ${seed}`).toEqual([])
    },
    30_000,
  )
})
