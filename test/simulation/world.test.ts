/** The scheduler of the simulated world (D-3, D-4): order, microtasks, pauses, crashes, hashes. */
import { describe, expect, test } from 'vitest'
import { sleep } from '../../ensemble/sys/clock.ts'
import { Prng } from './prng.ts'
import { simClock } from './sim-clock.ts'
import { World } from './world.ts'

function worldWithProc(seed: number, rate = 1) {
  const world = new World(seed)
  const host = world.addHost('10.0.0.1', { rate })
  const proc = world.startProc(host, 'a')
  return { world, host, proc, clock: simClock(proc) }
}

describe('streams of random numbers', () => {
  test('are equal for equal seeds and names, and differ otherwise (D-4)', () => {
    const draw = (seed: number, name: string) => {
      const prng = new Prng(seed, name)
      return Array.from({ length: 8 }, () => prng.uint32())
    }
    expect(draw(1, 'net')).toEqual(draw(1, 'net'))
    expect(draw(1, 'net')).not.toEqual(draw(2, 'net'))
    expect(draw(1, 'net')).not.toEqual(draw(1, 'disk'))
    expect(new Set(draw(1, 'net')).size).toBe(8)
  })

  test('are spread evenly', () => {
    const prng = new Prng(7, 'x')
    const counts = [0, 0, 0, 0]
    for (let n = 0; n < 40_000; n++) counts[prng.below(4)]!++
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(400)
  })
})

describe('the world', () => {
  test('lets every promise chain of an event come to rest before the next event (D-2)', async () => {
    const { world, proc } = worldWithProc(1)
    const order: string[] = []
    const chain = async (name: string) => {
      for (let step = 0; step < 50; step++) await Promise.resolve()
      order.push(name)
    }
    world.schedule(proc, 10, 'one', 0, () => void chain('first'))
    world.schedule(proc, 11, 'two', 0, () => order.push('second'))
    await world.run(1)
    expect(order).toEqual(['first', 'second'])
  })

  test('orders simultaneous events by the seed (D-3)', async () => {
    const orderOf = async (seed: number) => {
      const { world, proc } = worldWithProc(seed)
      let order = ''
      for (const name of 'abcdef') world.schedule(proc, 5, 'x', 0, () => (order += name))
      await world.run(1)
      return order
    }
    expect(await orderOf(1)).toBe(await orderOf(1))
    expect(new Set(await Promise.all([1, 2, 3, 4, 5].map(orderOf))).size).toBeGreaterThan(1)
  })

  test('has equal hashes for equal runs, and different ones for different runs', async () => {
    const hashOf = async (seed: number, extra: number) => {
      const { world, proc } = worldWithProc(seed)
      for (let n = 0; n < 100; n++) world.schedule(proc, n * 3, 'x', n === 50 ? extra : n, () => {})
      await world.run(10)
      return world.hash
    }
    expect(await hashOf(1, 0)).toBe(await hashOf(1, 0))
    expect(await hashOf(1, 0)).not.toBe(await hashOf(1, 1))
  })

  test('drops the events of a process that crashed: its promises never resolve', async () => {
    const { world, proc, clock } = worldWithProc(1)
    let woke = false
    void sleep(clock, 10).then(() => (woke = true))
    world.schedule(null, 5000, 'crash', 0, () => world.kill(proc, 'kill'))
    await world.run(100)
    expect(woke).toBe(false)
    expect(world.violations).toEqual([])
  })

  test('holds the events of a paused process, and keeps their order (F-19)', async () => {
    const { world, proc } = worldWithProc(1)
    const seen: [string, number][] = []
    world.pause(proc)
    for (const name of ['a', 'b', 'c']) {
      world.schedule(proc, name.charCodeAt(0), 'x', 0, () => seen.push([name, world.nowMs]))
    }
    world.schedule(null, 20_000, 'resume', 0, () => world.resume(proc))
    await world.run(100)
    expect(seen).toEqual([
      ['a', 20],
      ['b', 20],
      ['c', 20],
    ])
  })

  test('reports what escapes from a process as a crash by bug (F-28)', async () => {
    const { world, proc } = worldWithProc(1)
    world.schedule(proc, 1, 'x', 0, () => {
      throw new Error('boom')
    })
    await world.run(1)
    expect(world.violations.map((violation) => violation.id)).toEqual(['F-28'])
    expect(proc.isAlive).toBe(false)
  })

  test('runs timers by the rate of the host (F-18)', async () => {
    const { world, clock } = worldWithProc(1, 1.05)
    const begun = clock.monotonicMs()
    let firedAtMs = 0
    clock.setTimer(1050, () => (firedAtMs = world.nowMs))
    await world.run(2000)
    expect(firedAtMs).toBeGreaterThanOrEqual(1000)
    expect(firedAtMs).toBeLessThan(1010)
    expect(clock.monotonicMs() - begun).toBeCloseTo(2100, 0)
  })
})
