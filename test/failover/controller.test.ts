/** Two controllers against a ZooKeeper in memory, under a step clock. */
import { describe, expect, test } from 'vitest'
import { groupPaths } from '../../failover/group-nodes.ts'
import { confirmOff } from '../../failover/requests.ts'
import { FailoverWorld } from '../support/failover-world.ts'

const ROOT = '/howdah/test/groups/orders'

async function running(members?: readonly string[], change = {}): Promise<FailoverWorld> {
  const world = await FailoverWorld.make(members, change)
  await world.startAll()
  await world.untilActive('a')
  await world.timeline.advance(1500)
  return world
}

function tokenOf(world: FailoverWorld): bigint | undefined {
  return world.zookeeper.nodes.get(`${ROOT}/lock`)?.czxid
}

describe('becoming active', () => {
  test('one of two members, with lock, lease and breadcrumb (H-4)', async () => {
    const world = await running()
    const token = tokenOf(world)
    expect(JSON.parse(world.zookeeper.text(`${ROOT}/breadcrumb`) ?? '')).toMatchObject({
      v: 1,
      member: 'a',
      token: String(token),
    })
    const { status } = world.place('a').controller
    expect(status).toMatchObject({ role: 'active', token, eligible: true, health: 'healthy' })
    expect(world.place('b').controller.status.role).toBe('standby')
    expect(world.zookeeper.childrenOf(`${ROOT}/history`)).toHaveLength(1)
    expect(world.violations).toEqual([])
  })

  test('nothing is made where no init was: the group is never made silently (H-4)', async () => {
    const world = await FailoverWorld.make()
    world.zookeeper.removeTree(ROOT)
    await world.startAll()
    await world.timeline.advance(10_000)
    expect(world.active).toEqual([])
    expect(world.zookeeper.nodes.has(ROOT)).toBe(false)
    expect(world.place('a').controller.status.problems.map((one) => one.code)).toContain(
      'not-initialized',
    )
    await world.init()
    await world.untilActive('a')
  })
})

describe('failover', () => {
  test('the service dies: the other is active within 3 s after it was noticed (H-6, H-10)', async () => {
    const world = await running()
    const before = tokenOf(world) ?? 0n
    world.killService('a')
    const tookMs = await world.untilActive('b')
    expect(tookMs).toBeLessThan(1500 + 3100)
    expect(tokenOf(world)).toBeGreaterThan(before)
    await world.timeline.advance(1000)
    expect(world.violations).toEqual([])
  })

  test('the controller dies: the standby asks its service first, and waits no lease (H-1 a, T9)', async () => {
    const world = await running()
    const writesOfA = () => world.writes.filter((write) => write.member === 'a').length
    world.killController('a')
    const tookMs = await world.untilActive('b')
    expect(tookMs).toBeLessThan(4000 + 500)
    const written = writesOfA()
    await world.timeline.advance(5000)
    expect(writesOfA()).toBe(written)
    expect(world.place('a').service.guard.role).toBe('standby')
    expect(world.violations).toEqual([])
  })

  test('the host is cut off: the lease ends before the other begins (H-10)', async () => {
    const world = await running()
    world.place('a').session?.cut(20_000)
    world.cuts.add('a')
    await world.untilActive('b')
    await world.timeline.advance(2000)
    const lastOfA = world.writes.findLast((write) => write.member === 'a')?.atMs ?? 0
    const firstOfB = world.writes.find((write) => write.member === 'b')?.atMs ?? 0
    expect(firstOfB).toBeGreaterThan(lastOfA)
    expect(world.violations).toEqual([])
    world.cuts.clear()
    await world.timeline.advance(25_000)
    expect(world.active).toEqual(['b'])
    expect(world.violations).toEqual([])
  })

  test('a short disconnection demotes nobody: neutral, then verified again (H-8)', async () => {
    const world = await running()
    const token = tokenOf(world)
    world.place('a').session?.cut(800)
    await world.timeline.advance(5000)
    expect(world.active).toEqual(['a'])
    expect(tokenOf(world)).toBe(token)
  })

  test('a lock deleted by hand: standby at once, a new token, never two at once (H-8, T15)', async () => {
    const world = await running()
    const token = tokenOf(world) ?? 0n
    world.zookeeper.remove(`${ROOT}/lock`, 0n)
    await world.timeline.advance(8, () => world.place('a').service.guard.role === 'standby')
    expect(world.place('a').service.guard.role).toBe('standby')
    await world.timeline.advance(5000)
    expect(world.active).toHaveLength(1)
    expect(tokenOf(world)).toBeGreaterThan(token)
    expect(world.violations).toEqual([])
  })

  test.each(['lease', 'breadcrumb'])(
    'the node %s deleted by hand while the active lives: never two at once (H-1, H-4, T15)',
    async (node) => {
      const world = await running()
      world.zookeeper.remove(`${ROOT}/${node}`, 0n)
      await world.timeline.advance(300)
      world.zookeeper.expire(world.place('a').session?.sessionId ?? 0n)
      await world.timeline.advance(15_000)
      expect(world.active).toHaveLength(1)
      expect(world.violations).toEqual([])
    },
  )

  test('the whole root deleted by hand, and made anew (T15)', async () => {
    const world = await running()
    world.zookeeper.removeTree(ROOT)
    await world.timeline.advance(200)
    expect(world.place('a').service.guard.role).toBe('standby')
    await world.init()
    await world.untilActive(null)
    await world.timeline.advance(3000)
    expect(world.violations).toEqual([])
  })
})

describe('a clean stop', () => {
  test('the other takes over without waiting for any time-out (H-5)', async () => {
    const world = await running()
    const stopped = world.place('a').controller.stop()
    const tookMs = await world.untilActive('b')
    expect(tookMs).toBeLessThan(200)
    await stopped
    expect(world.place('a').service.guard.role).toBe('standby')
    expect(world.violations).toEqual([])
  })

  test('standby unconfirmed: the breadcrumb stays, and the next one proves it (H-5)', async () => {
    const world = await running()
    world.place('a').service.commandDelayMs = 60_000
    void world.place('a').controller.stop()
    const tookMs = await world.untilActive('b')
    expect(tookMs).toBeGreaterThan(1000)
    await world.timeline.advance(2000)
    expect(world.violations).toEqual([])
  })

  test('a service kept running is adopted by the next start with its token (H-14)', async () => {
    const world = await running()
    const token = tokenOf(world)
    await Promise.all([
      world.place('a').controller.stop({ keepService: true }),
      world.timeline.advance(100),
    ])
    world.killController('a')
    await world.timeline.advance(300)
    world.restartController('a')
    await world.untilActive('a', 3000)
    expect(tokenOf(world)).toBe(token)
    const pauses = world.writes.map((write, at) => write.atMs - (world.writes[at - 1]?.atMs ?? 0))
    await world.timeline.advance(5000)
    expect(Math.max(...pauses.slice(1))).toBeLessThan(20)
    expect(world.violations).toEqual([])
  })

  test('a restarted controller whose service was stopped takes a new token (H-2, H-14)', async () => {
    const world = await running()
    const token = tokenOf(world) ?? 0n
    world.killController('a')
    await world.restartService('a')
    world.restartController('a')
    await world.untilActive(null)
    await world.timeline.advance(1000)
    expect(tokenOf(world)).toBeGreaterThan(token)
    expect(world.violations).toEqual([])
  })
})

describe('an active that is stopped for a while', () => {
  const times = [0.9, 1, 1.1, 10].map((factor) => factor * 4000)
  test.each(times.flatMap((ms) => [[ms, 'pause'] as const, [ms, 'suspend'] as const]))(
    'of %i ms by %s: its last accepted write is before the first of the next (T5, T19, H-11)',
    async (ms, how) => {
      const world = await running()
      world.pause('a', how)
      await world.timeline.advance(ms)
      world.wake('a')
      await world.timeline.advance(15_000)
      expect(world.active).toHaveLength(1)
      expect(world.violations).toEqual([])
    },
  )

  test('a renewal that was on its way to the stopped service moves no deadline (H-3, H-11)', async () => {
    const world = await running()
    world.place('a').service.proc.isStopped = true
    await world.timeline.advance(700)
    world.place('a').proc.isStopped = true
    world.zookeeper.lost(world.place('a').session?.sessionId ?? 0n, 4000)
    await world.timeline.advance(20_000)
    expect(world.active).toContain('b')
    const before = world.writes.filter((write) => write.member === 'a').length
    world.place('a').service.proc.isStopped = false
    await world.timeline.advance(5000)
    expect(world.writes.filter((write) => write.member === 'a')).toHaveLength(before)
    expect(world.violations).toEqual([])
  })
})

describe('delayed commands', () => {
  test('an activate that arrives after the graceful stop is refused (H-3, T8)', async () => {
    const world = await FailoverWorld.make()
    let held = 0
    world.holdBack = (request) => {
      if (!request.url.endsWith('a.example:8080/activate') || held > 0) return 0
      held++
      return 6000
    }
    await world.startAll()
    await world.untilActive(null)
    await world.timeline.advance(20_000)
    expect(held).toBe(1)
    expect(world.violations).toEqual([])
  })
})

describe('tokens', () => {
  test('an ensemble replaced by an empty one: nobody activates, alarm (H-2, T14)', async () => {
    const world = await running()
    const { zookeeper } = world
    for (const place of world.places.values()) place.session?.cut(1000)
    for (const id of Array.from(zookeeper.sessions.keys())) zookeeper.expire(id)
    zookeeper.removeTree('/howdah')
    zookeeper.zxid = 0n
    await world.timeline.advance(500)
    await world.init()
    await world.timeline.advance(30_000)
    expect(world.active).toEqual([])
    for (const place of world.places.values()) {
      expect(place.controller.status.problems.map((one) => one.code)).toContain('token-went-back')
    }
    expect(world.violations).toEqual([])
  })
})

describe('agreement of the members', () => {
  test('another digest: not eligible, and the problem names key and member (H-17, T17)', async () => {
    const world = await FailoverWorld.make()
    const place = world.place('b')
    Object.assign(place.settings, { configDigest: 'other', configKeys: { lease: '9' } })
    await world.startAll()
    await world.timeline.advance(5000)
    expect(world.active).toEqual([])
    const messages = world.place('a').controller.status.problems.map((one) => one.message)
    expect(messages.join()).toContain('lease of b')
  })

  test('the same member started on two hosts: the second one refuses (H-17, H-9, T16)', async () => {
    const world = await running()
    const twin = await FailoverWorld.make(['a'])
    const place = twin.place('a')
    Object.assign(twin, { zookeeper: world.zookeeper })
    // The twin's clock is its own; its sessions live in the same ensemble.
    twin.newController(place)
    void place.controller.start()
    const failed = place.controller.failed.then((error) => error.message)
    for (let round = 0; round < 200; round++) {
      await world.timeline.advance(100)
      await twin.timeline.advance(100)
    }
    expect(await failed).toMatch(/another live session/)
    expect(world.active).toEqual(['a'])
  })
})

describe('operators', () => {
  test('a switchover moves the role and is recorded under its id (H-15)', async () => {
    const world = await running()
    const { controller } = world.place('b')
    const asked = controller.switchover({ from: 'a', to: 'b', id: 'req-1', by: 'ann' })
    const tookMs = await world.untilActive('b')
    expect(await asked).toMatchObject({ state: 'accepted' })
    expect(tookMs).toBeLessThan(500)
    await world.timeline.advance(500)
    expect(world.zookeeper.childrenOf(`${ROOT}/requests`)).toEqual([])
    const again = controller.switchover({ from: 'a', to: 'b', id: 'req-1', by: 'ann' })
    expect(await again).toMatchObject({ state: 'wrong-active' })
    await world.timeline.advance(3000)
    expect(world.active).toEqual(['b'])
    expect(world.violations).toEqual([])
  })

  test('a switchover whose target does not come up is rolled back (H-15, T11)', async () => {
    const world = await running()
    world.place('b').service.refuseToActivate = true
    void world.place('a').controller.switchover({ from: 'a', to: 'b', id: 'x', by: 'ann' })
    await world.timeline.advance(500)
    await world.untilActive('a', 40_000)
    expect(world.violations).toEqual([])
  })

  test('a switchover to a member that is not healthy is refused with the reason (H-15)', async () => {
    const world = await running()
    world.place('b').service.isHealthy = false
    await world.timeline.advance(3000)
    void world.place('a').controller.switchover({ from: 'a', to: 'b', id: 'x', by: 'ann' })
    await world.timeline.advance(1000)
    expect(world.active).toEqual(['a'])
    expect(world.zookeeper.childrenOf(`${ROOT}/requests`)).toEqual([])
    const history = world.zookeeper.childrenOf(`${ROOT}/history`).toSorted()
    expect(world.zookeeper.text(`${ROOT}/history/${history.at(-1)}`)).toContain('refused: b is not')
  })

  test('a member said to be off counts as proven, for this breadcrumb only (H-7)', async () => {
    const world = await running(['a', 'b'], { protection: [] })
    world.killService('a')
    world.killController('a')
    await world.timeline.advance(15_000)
    const { controller, session } = world.place('b')
    expect(controller.status.role).toBe('standby')
    expect(controller.status.problems.map((one) => one.code)).toContain('fencing-unconfirmed')
    const said = confirmOff(session!, groupPaths('test', 'orders'), {
      member: 'a',
      by: 'ann',
      at: '2026-11-21T03:00:00.000Z',
    })
    await world.untilActive('b', 40_000)
    expect(await said).toMatchObject({ member: 'a', by: 'ann' })
    // The new breadcrumb has another version: what was said is void.
    world.restartController('a')
    await world.timeline.advance(1000)
    world.killService('b')
    await world.restartService('a')
    world.killController('b')
    await world.timeline.advance(15_000)
    expect(world.place('a').service.guard.role).toBe('standby')
    expect(world.violations).toEqual([])
  })

  test('a paused group replaces nobody, and its protection goes on', async () => {
    const world = await running()
    void world.place('a').controller.pause({ reason: 'maintenance', by: 'ann' })
    await world.timeline.advance(100)
    world.killService('a')
    await world.timeline.advance(10_000)
    expect(world.place('b').controller.status).toMatchObject({ role: 'standby', paused: true })
    void world.place('b').controller.resume()
    await world.untilActive('b')
    expect(world.violations).toEqual([])
  })
})

describe('too much of it (H-13)', () => {
  test('failovers in quick succession: hold with an alarm, then go on', async () => {
    const world = await running(['a', 'b'], { failoversMax: 3, failoversWithinMs: 60_000 })
    for (const [victim, next] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      world.killService(victim)
      await world.untilActive(next)
      await world.restartService(victim)
      await world.timeline.advance(2000)
    }
    world.killService('a')
    await world.timeline.advance(15_000)
    expect(world.active).toEqual([])
    const { problems } = world.place('b').controller.status
    expect(problems.map((one) => one.code)).toContain('flapping')
    await world.untilActive('b', 60_000)
    expect(world.violations).toEqual([])
  })

  test('an operator ends the hold', async () => {
    const world = await running(['a', 'b'], { failoversMax: 1, failoversWithinMs: 60_000 })
    world.killService('a')
    await world.timeline.advance(5000)
    expect(world.active).toEqual([])
    void world.place('b').controller.failover({ to: 'b', id: 'x', by: 'ann' })
    await world.untilActive('b', 2000)
    expect(world.violations).toEqual([])
  })
})

test('a session timeout that cannot satisfy the configuration is refused with a sentence (H-12)', async () => {
  const world = await FailoverWorld.make()
  const { zookeeper } = world
  zookeeper.minSessionTimeoutMs = 6000
  await world.startAll()
  await world.timeline.advance(10_000)
  expect(world.active).toEqual([])
  const { lastDecision, problems } = world.place('a').controller.status
  expect(lastDecision.sentence).toContain('grants sessions of 6000 ms instead of 4000 ms')
  expect(problems.map((one) => one.code)).toContain('session-timeout')
})
