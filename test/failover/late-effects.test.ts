/**
 * Effects that come too late, and services that nothing but their controller keeps from writing on:
 * what the guard would forgive in other tests.
 */
import { describe, expect, test } from 'vitest'
import type { GroupSettings } from '../../failover/settings.ts'
import { FailoverWorld, settingsFor } from '../support/failover-world.ts'

const ROOT = '/howdah/test/groups/orders'

/** Both services know tokens, and no lease. */
async function plainWorld(change: Partial<GroupSettings> = {}): Promise<FailoverWorld> {
  const world = await FailoverWorld.make(['a', 'b'], change)
  for (const place of world.places.values()) place.service.plain = { token: 0n, isActive: false }
  return world
}

/** Cuts a member off from everything, its session gone without its knowing (H-12). */
function isolate(world: FailoverWorld, member: string): void {
  const { session } = world.place(member)
  session?.cut(60_000)
  world.cuts.add(member)
  world.zookeeper.expire(session?.sessionId ?? 0n)
}

describe('a service without the guard', () => {
  test('its controller stops it before the lease ends, when cut off (H-8, H-10)', async () => {
    const world = await plainWorld()
    await world.startAll()
    await world.untilActive('a')
    await world.timeline.advance(1500)
    isolate(world, 'a')
    await world.untilActive('b')
    await world.timeline.advance(3000)
    expect(world.place('a').service.plain?.isActive).toBe(false)
    expect(world.violations).toEqual([])
  })

  test('it is not activated after a pause of the disk that outlasted the lease (H-11)', async () => {
    const world = await plainWorld()
    const { host } = world.place('a')
    let isStalled = false
    let commands = 0
    world.holdBack = ({ url }) => {
      if (url.endsWith('a.example:8080/activate')) commands++
      return 0
    }
    world.onDecision = (member, action) => {
      if (member !== 'a' || action !== 'activate' || isStalled) return
      isStalled = true
      const { promise, resolve } = Promise.withResolvers<void>()
      host.files.beforeSync = () => promise
      world.timeline.at(world.timeline.nowMs + 8000, null, () => resolve())
      isolate(world, 'a')
    }
    await world.startAll()
    await world.timeline.advance(15_000)
    expect(isStalled).toBe(true)
    expect(world.active).toEqual(['b'])
    expect(commands).toBe(0)
    expect(world.violations).toEqual([])
  })
})

test('the watchdog has a deadline before an adopted service is looked at (H-10, H-14)', async () => {
  const world = await plainWorld({ watchdog: 'automatic', watchdogArgv: ['watchdog'] })
  await world.startAll()
  await world.untilActive('a')
  await world.timeline.advance(1500)
  await Promise.all([
    world.place('a').controller.stop({ keepService: true }),
    world.timeline.advance(100),
  ])
  world.killController('a')
  world.fed.length = 0
  world.restartController('a')
  const startMs = world.timeline.nowMs
  await world.timeline.advance(1)
  const armed = world.fed.map(({ line }) => JSON.parse(line) as Record<string, unknown>)
  const deadline = armed.find(({ kind }) => kind === 'arm')
  expect(deadline).toMatchObject({ token: String(world.place('a').service.plain?.token) })
  expect(deadline?.['stopAtBootMs']).toBeLessThan(startMs + 3000)
  await world.untilActive('a', 3000)
  await world.timeline.advance(3000)
  expect(world.fed.findLast(({ line }) => line.includes('"arm"'))?.atMs).toBeGreaterThan(
    startMs + 2000,
  )
  expect(world.active).toEqual(['a'])
  expect(world.violations).toEqual([])
})

describe('a service that is told by commands', () => {
  const service: GroupSettings['service'] = {
    ...settingsFor('a', ['a', 'b']).service,
    activate: { kind: 'command', argv: ['activate', '{member}', '{token}'], timeoutMs: 3000 },
    deactivate: { kind: 'command', argv: ['deactivate', '{member}', '{token}'], timeoutMs: 500 },
  }

  test('an activation under way is ended before the stop, not overtaken by it (H-3, H-5)', async () => {
    const world = await plainWorld({ service })
    world.command = ([what, member = '', token = '0']) => ({
      code: 0,
      afterMs: what === 'activate' && member === 'a' ? 2500 : 5,
      effect: () => void world.place(member).service.obey(BigInt(token), what === 'activate'),
    })
    let hits = 0
    world.onDecision = (member, action) => {
      if (member !== 'a' || action !== 'activate' || hits++ > 0) return
      world.timeline.at(world.timeline.nowMs + 200, null, () => {
        void world.place('a').controller.stop()
      })
    }
    await world.startAll()
    await world.timeline.advance(10_000)
    expect(hits).toBe(1)
    expect(world.active).toEqual(['b'])
    expect(world.place('a').service.plain?.isActive).toBe(false)
    expect(world.violations).toEqual([])
  })
})

describe('renewals of a grant that has ended', () => {
  test('one that was on its way while the grant was given back is refused (H-3, T8)', async () => {
    const world = await FailoverWorld.make()
    await world.startAll()
    await world.untilActive('a')
    let isHeld = false
    world.holdBack = (request) => {
      if (isHeld || !request.url.endsWith('a.example:8080/activate')) return 0
      isHeld = true
      // Long enough to be overtaken, short enough for its lease to have time left.
      return 900
    }
    await world.timeline.advance(5000, () => isHeld)
    expect(isHeld).toBe(true)
    void world.place('a').controller.stop()
    await world.untilActive('b', 500)
    await world.timeline.advance(3000)
    expect(world.writes.at(-1)?.member).toBe('b')
    expect(world.violations).toEqual([])
  })
})

describe('the own node', () => {
  test('of a dying session is replaced at its version, and what that one says late is nothing (H-9)', async () => {
    const world = await FailoverWorld.make()
    await world.startAll()
    await world.untilActive('a')
    await world.timeline.advance(1500)
    const { zookeeper } = world
    const place = world.place('b')
    const path = `${ROOT}/members/b`
    const old = place.session
    const before = zookeeper.nodes.get(path)
    expect(before?.owner).toBe(old?.sessionId)
    // Other than what a creation gives, so that the deletion shows which version it names.
    zookeeper.set(path, before?.data ?? null, -1, 0n)
    await world.timeline.advance(500)
    const version = before?.version ?? 0
    expect(version).toBeGreaterThan(0)
    const changes: string[] = []
    const remove = zookeeper.remove.bind(zookeeper)
    zookeeper.remove = (target, by, named) => {
      if (target === path) changes.push(`delete at ${named}`)
      remove(target, by, named)
    }
    let seen: unknown = before
    zookeeper.onWrite = (target) => {
      const node = zookeeper.nodes.get(target)
      if (target !== path || node === undefined) return
      changes.push(node === seen ? 'set' : 'create')
      seen = node
    }

    // The client gives its session up; the ensemble has not ended it yet.
    old?.drop('expired')
    await world.timeline.advance(500)
    const { session } = place
    expect(session).not.toBe(old)
    expect(zookeeper.ephemeralsOf(old?.sessionId ?? 0n)).toEqual([])
    expect(zookeeper.ephemeralsOf(session?.sessionId ?? 0n)).toEqual([path])
    expect(changes.slice(0, 2)).toEqual([`delete at ${version}`, 'create'])
    expect(changes.filter((change) => change !== 'set')).toHaveLength(2)

    // It is heard again, with all its watches, and ends at last.
    const decided = world.decisions.length
    const status = JSON.stringify(place.controller.status, plain)
    old?.connect()
    await world.timeline.advance(10)
    old?.drop('disconnected')
    zookeeper.expire(old?.sessionId ?? 0n)
    await world.timeline.advance(10)
    expect(world.decisions.slice(decided)).toEqual([])
    expect(JSON.stringify(place.controller.status, plain)).toBe(status)
    await world.timeline.advance(5000)
    expect(place.session).toBe(session)
    expect(zookeeper.ephemeralsOf(session?.sessionId ?? 0n)).toEqual([path])
    expect(world.active).toEqual(['a'])
    expect(world.violations).toEqual([])
  })

  function plain(_: string, value: unknown): unknown {
    return typeof value === 'bigint' ? String(value) : value
  }
})

describe('a cloned state directory', () => {
  test.each([0, 2000])(
    'copied from an active that is then cut off: its twin waits for the lease (T16, H-4, H-10; %i ms later)',
    async (afterMs) => {
      const world = await FailoverWorld.make(['a', 'twin'])
      const [first, twin] = [world.place('a'), world.place('twin')]
      const members = first.settings.members
      Object.assign(first.settings, { members: { a: members['a'] } })
      Object.assign(twin.settings, { member: 'a', members: { a: members['twin'] } })
      for (const place of [first, twin]) world.newController(place)
      void first.controller.start()
      await world.timeline.advance(5000)
      expect(first.controller.status.role).toBe('active')
      for (const [path, bytes] of first.host.files.contents) {
        if (path.includes('orders-a')) twin.host.files.contents.set(path, bytes)
      }
      isolate(world, 'a')
      await world.timeline.advance(afterMs)
      void twin.controller.start()
      await world.timeline.advance(10_000)
      const lastOfFirst = world.writes.findLast(({ member }) => member === 'a')?.atMs ?? 0
      const firstOfTwin = world.writes.find(({ member }) => member === 'twin')?.atMs ?? 0
      expect(firstOfTwin).toBeGreaterThan(lastOfFirst)
      expect(world.violations).toEqual([])
    },
  )
})

describe('a disk that fails', () => {
  test('under an action that was given up: the controller ends all the same', async () => {
    const world = await FailoverWorld.make()
    const { controller, host } = world.place('a')
    let why = ''
    void controller.failed.then((error) => (why = error.message))
    world.onDecision = (member, action) => {
      if (member !== 'a' || action !== 'write-breadcrumb') return
      host.files.beforeSync = () =>
        new Promise((_, reject) => {
          host.files.beforeSync = () => Promise.resolve()
          world.timeline.at(world.timeline.nowMs + 100, null, () => {
            reject(Object.assign(new Error('the disk is gone'), { code: 'EIO' }))
          })
        })
      world.timeline.at(world.timeline.nowMs + 50, null, () => {
        world.zookeeper.remove(`${ROOT}/lock`, 0n)
      })
    }
    await world.startAll()
    await world.timeline.advance(3000)
    expect(why).toBe('the disk is gone')
  })
})
