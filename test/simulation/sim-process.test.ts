/** Simulated child processes and HTTP: programs by name, signals, exits, hanging and lost answers. */
import { describe, expect, test } from 'vitest'
import { sleep } from '../../ensemble/sys/clock.ts'
import type { Exit } from '../../ensemble/sys/process.ts'
import { Simulation } from './simulation.ts'

describe('simulated programs', () => {
  test('outlive the process that started them, and die by SIGKILL even when paused', async () => {
    const simulation = new Simulation(1)
    const { world, programs } = simulation
    const host = world.addHost('10.0.0.1')
    const parent = simulation.start(host, 'parent')
    let beats = 0
    programs.register('service', ({ sys }) => {
      const beat = async (): Promise<void> => {
        for (;;) {
          await sleep(sys.clock, 10)
          beats++
        }
      }
      void beat()
    })
    const child = parent.sys.process.spawn({ argv: ['service'] })
    let exit: Exit | null = null
    void child.exited.then((value) => (exit = value))
    await world.run(100)
    expect(beats).toBeGreaterThan(5)
    const other = simulation.start(host, 'other')
    world.kill(parent.proc, 'kill')
    await world.run(100)
    expect(beats).toBeGreaterThan(12)
    expect(exit).toBe(null)
    world.pause(programs.find(other.proc, child.pid!)!)
    expect(other.sys.process.isAlive(child.pid!)).toBe(true)
    expect(other.sys.process.killGroup(child.pid!, 'SIGKILL')).toBe(true)
    await world.run(100)
    expect(other.sys.process.isAlive(child.pid!)).toBe(false)
  })

  test('end by SIGTERM in their own way, and report their status', async () => {
    const simulation = new Simulation(1)
    const { world, programs } = simulation
    const parent = simulation.start(world.addHost('10.0.0.1'), 'parent')
    programs.register('polite', (context) => {
      context.onTerminate = () => context.exit(3)
    })
    const child = parent.sys.process.spawn({ argv: ['polite'] })
    const missing = parent.sys.process.spawn({ argv: ['nowhere'] })
    const exits: Exit[] = []
    void child.exited.then((exit) => exits.push(exit))
    void missing.exited.then((exit) => exits.push(exit))
    await world.run(100)
    child.kill('SIGTERM')
    await world.run(100)
    expect(exits[0]?.error?.message).toBe('ENOENT: nowhere')
    expect(exits[1]).toEqual({ code: 3, signal: null })
  })
})

describe('simulated HTTP', () => {
  test('answers, refuses, and times out', async () => {
    const simulation = new Simulation(1)
    const { world, http } = simulation
    const near = simulation.start(world.addHost('10.0.0.1'), 'near')
    const far = simulation.start(world.addHost('10.0.0.2'), 'far')
    http.serve(far.proc, 80, ({ method, path, headers }) => ({
      status: 200,
      headers: {},
      body: `${method} ${path} ${headers['a-b']}`,
    }))
    const outcomes: string[] = []
    const ask = async (url: string): Promise<void> => {
      try {
        const headers = { 'A-B': 'c' }
        const { body } = await near.sys.http.request({
          method: 'GET',
          url,
          headers,
          timeoutMs: 500,
        })
        outcomes.push(body)
      } catch (error) {
        outcomes.push((error as Error).message)
      }
    }
    void ask('http://10.0.0.2/health')
    await world.run(50)
    void ask('http://10.0.0.2:81/health')
    await world.run(50)
    world.pause(far.proc)
    void ask('http://10.0.0.2/health')
    await world.run(1000)
    expect(outcomes).toEqual([
      'GET /health c',
      'ECONNREFUSED: http://10.0.0.2:81/health',
      'no answer within 500 ms',
    ])
  })
})
