/** Real processes, a real server, real sockets: what the step clock cannot show (T9, T13). */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { connect } from '../../ensemble/client/index.ts'
import { startServer } from '../../ensemble/server/index.ts'
import { silent } from '../../ensemble/sys/logger.ts'
import { initGroup } from '../../failover/init.ts'
import { readGroupStatus, type GroupStatus } from '../../failover/group-status.ts'
import type { GroupSettings } from '../../failover/settings.ts'
import { watchdogArgv } from '../../failover/watchdog-argv.ts'
import { settingsFor } from '../support/failover-world.ts'

const MEMBERS = ['a', 'b'] as const
type Member = (typeof MEMBERS)[number]

class Rig {
  readonly directory: string
  readonly ports: Record<Member, number>
  readonly children = new Map<Member, ChildProcess>()
  readonly output: string[] = []
  readonly connectString: string
  readonly #closers: (() => Promise<unknown>)[]
  readonly status: () => Promise<GroupStatus>

  private constructor(
    directory: string,
    ports: Record<Member, number>,
    connectString: string,
    status: () => Promise<GroupStatus>,
    closers: (() => Promise<unknown>)[],
  ) {
    this.directory = directory
    this.ports = ports
    this.connectString = connectString
    this.status = status
    this.#closers = closers
  }

  static async start(): Promise<Rig> {
    const directory = await mkdtemp(join(tmpdir(), 'howdah-failover-'))
    const server = await startServer(
      {
        dataDir: join(directory, 'server'),
        clientPort: 0,
        clientPortAddress: '127.0.0.1',
        tickTimeMs: 200,
        minSessionTimeoutMs: 400,
        maxSessionTimeoutMs: 8000,
        preallocBytes: 1 << 20,
      },
      silent,
    )
    const connectString = `127.0.0.1:${server.clientPort}`
    const zk = await connect(connectString)
    await initGroup(zk, { cluster: 'test', group: 'orders', force: false })
    const ports = { a: await freePort(), b: await freePort() }
    const members = [...MEMBERS]
    const status = () => readGroupStatus(zk, { cluster: 'test', group: 'orders', members })
    return new Rig(directory, ports, connectString, status, [
      () => zk.close(),
      () => server.close(),
      () => rm(directory, { recursive: true, force: true, maxRetries: 5 }),
    ])
  }

  startController(member: Member): void {
    const settings = this.#settingsOf(member)
    const script = fileURLToPath(new URL('../support/controller-process.ts', import.meta.url))
    const child = spawn(process.execPath, [script, JSON.stringify(settings)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const keep = (chunk: Buffer) => this.output.push(`${member} ${chunk.toString()}`)
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    this.children.set(member, child)
  }

  #settingsOf(member: Member): GroupSettings {
    const base = settingsFor(member, MEMBERS)
    const script = fileURLToPath(new URL('../support/guarded-service.ts', import.meta.url))
    const { activate, deactivate } = base.service
    const members = Object.fromEntries(
      MEMBERS.map((name, at) => [
        name,
        { host: '127.0.0.1', port: this.ports[name], priority: 100 - at },
      ]),
    )
    return {
      ...base,
      members,
      ensembleConnect: this.connectString,
      sessionTimeoutMs: 1500,
      leaseMs: 1500,
      service: {
        start: [process.execPath, script, '{port}', join(this.directory, `guard-${member}.json`)],
        health: [{ ...base.service.health[0]!, everyMs: 100, timeoutMs: 1000 }],
        activate,
        deactivate: { ...deactivate, timeoutMs: 300 },
      },
      stateDir: join(this.directory, `state-${member}`),
      watchdog: 'automatic',
      watchdogArgv: watchdogArgv(),
    }
  }

  async until(what: string, isSo: (status: GroupStatus) => boolean, withinMs = 15_000) {
    const startMs = performance.now()
    for (;;) {
      const status = await this.status()
      if (isSo(status)) return { status, tookMs: performance.now() - startMs }
      if (performance.now() - startMs > withinMs) {
        throw new Error(`not within ${withinMs} ms: ${what}\n${this.output.join('')}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  async write(member: Member): Promise<number> {
    try {
      const url = `http://127.0.0.1:${this.ports[member]}/write`
      return (await fetch(url, { method: 'POST' })).status
    } catch {
      return 0
    }
  }

  async close(): Promise<void> {
    const exits = [...this.children.values()].map((child) => {
      if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
      child.kill('SIGCONT')
      child.kill('SIGTERM')
      return new Promise<void>((resolve) => child.once('exit', () => resolve()))
    })
    await Promise.all(exits)
    for (const close of this.#closers) await close()
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo // it listens on TCP
      server.close(() => resolve(port))
    })
  })
}

/** Standby is what a controller says at once; healthy is its service, once that answers. */
function isStandby(member: Member): (status: GroupStatus) => boolean {
  return ({ members }) =>
    members[member]?.role === 'standby' && members[member].health === 'healthy'
}

let rig: Rig | null = null
afterEach(async () => {
  await rig?.close()
  rig = null
})

test('kill -9 of the service, then of the controller: the other is active, never both (H-5, H-14, T9, T13)', async () => {
  rig = await Rig.start()
  rig.startController('a')
  await rig.until('a is active', (status) => status.active === 'a')
  rig.startController('b')
  await rig.until('b is standby', isStandby('b'))
  const first = await rig.until('a is active', (status) => status.active === 'a')
  expect(await rig.write('a')).toBe(200)
  expect(await rig.write('b')).toBe(503)

  process.kill(first.status.members['a']?.pid ?? 0, 'SIGKILL')
  const second = await rig.until('b is active', (status) => status.active === 'b')
  expect(second.tookMs).toBeLessThan(3000)
  expect(BigInt(second.status.token ?? 0)).toBeGreaterThan(BigInt(first.status.token ?? 0))
  await rig.until('a is back', isStandby('a'))
  expect(await rig.write('a')).toBe(503)

  rig.children.get('b')?.kill('SIGKILL')
  // The watchdog stops the service and closes the session: nobody waits for its expiry.
  const third = await rig.until('a is active again', (status) => status.active === 'a')
  expect(third.tookMs).toBeLessThan(1500 + 1500)
  expect(await rig.write('b')).not.toBe(200)
  // The watchdog ended the service that the dead controller had started.
  expect(await rig.write('b')).toBe(0)
}, 60_000)

test('SIGSTOP of the active controller past its lease: the watchdog stops the service in time (H-10, T13)', async () => {
  rig = await Rig.start()
  rig.startController('a')
  await rig.until('a is active', (status) => status.active === 'a')
  rig.startController('b')
  await rig.until('b is standby', isStandby('b'))
  rig.children.get('a')?.kill('SIGSTOP')
  const { status } = await rig.until('b is active', ({ lockHolder, members }) => {
    return lockHolder === 'b' && members['b']?.role === 'active'
  })
  expect(status.lockHolder).toBe('b')
  expect(await rig.write('a')).not.toBe(200)
  expect(await rig.write('b')).toBe(200)
  rig.children.get('a')?.kill('SIGCONT')
  await rig.until('a is back', isStandby('a'))
  expect(await rig.write('b')).toBe(200)
}, 60_000)
