/**
 * Scenario `server`: one server, one to five clients, every fault that a lone server must survive.
 *
 * 1. Faults: clients work while the server loses power, is killed or paused, links are cut, disks
 *    are slow, clients crash; what is on is drawn from the seed (D-6).
 * 2. Heal: everything is repaired, clients stop, sessions without a client expire.
 * 3. Check: an auditor reads the whole tree, before and after one more power loss; then the history
 *    is checked against the log (check-history.ts, check-calls.ts).
 */
import { Client, ZkError } from '../../ensemble/client/index.ts'
import { startPeer, type Peer } from '../../ensemble/server/peer.ts'
import { serverSettings, type ServerSettings } from '../../ensemble/server/server-settings.ts'
import { checkCalls } from './check-calls.ts'
import { checkHistory } from './check-history.ts'
import { checkExpiry } from './check-expiry.ts'
import { History } from './history.ts'
import { readLog } from './log-reader.ts'
import { hex, Model } from './model.ts'
import type { Prng } from './prng.ts'
import { resultOf, type Plant, type RunResult } from './scenario.ts'
import { Simulation } from './simulation.ts'
import { Workload } from './workload.ts'
import type { Host, Proc } from './world.ts'

const PORT = 2181
const DATA = '/data'

export async function runServerScenario(seed: number, plant: Plant = {}): Promise<RunResult> {
  const run = new ServerRun(seed, plant)
  await run.run()
  return resultOf('server', run.simulation, run.options)
}

const FAULTS = [
  'power-loss',
  'kill',
  'crash-at-effect',
  'pause-server',
  'pause-client',
  'cut',
  'cut-one-way',
  'reset',
  'crash-client',
  'wall-jump',
] as const

function drawOptions(random: Prng) {
  const tickTimeMs = random.pick([50, 100, 200, 500])
  const mix: Record<string, number> = {}
  const steps = {
    create: 4,
    set: 6,
    cas: 3,
    delete: 2,
    get: 6,
    exists: 4,
    children: 4,
    ephemeral: 4,
    sequential: 4,
    'delete-sequential': 3,
    multi: 4,
    sync: 2,
    acl: 1,
    'add-watch': 1,
    'remove-watches': 1,
    container: 1,
    close: 1,
    burst: 4,
  }
  for (const [name, weight] of Object.entries(steps)) if (random.chance(0.75)) mix[name] = weight
  if (Object.keys(mix).length === 0) mix['set'] = 1
  return {
    clients: random.between(1, 5),
    tickTimeMs,
    sessionTimeoutMs: tickTimeMs * random.between(2, 12),
    durationMs: random.between(5, 20) * 1000,
    thinkMs: random.pick([20, 60, 150, 400]),
    registers: random.pick([1, 3, 6]),
    mix,
    snapCount: random.pick([5, 10, 20, 50, 1000]),
    preallocBytes: random.pick([0, 512, 1024, 4096, 65_536]),
    sessionPasswords: random.pick(['secret', 'apache'] as const),
    digestEnabled: random.chance(0.7),
    snapRetainCount: null,
    containerCheckIntervalMs: random.pick([500, 60_000]),
    clockRate: 1 + (random.float() - 0.5) * 0.1,
    faults: FAULTS.filter(() => random.chance(0.5)),
    faultEveryMs: random.pick([300, 1000, 3000]),
    network: {
      delayMinMs: random.pick([0.05, 0.5, 5]),
      delayMeanMs: random.pick([0.1, 1, 20]),
      splitChance: random.pick([0, 0.05, 0.5]),
      windowBytes: random.pick([200, 4096, 65_536]),
      stallResetMs: random.pick([500, 4000, 15_000]),
    },
    disk: {
      syncMeanMs: random.pick([0.1, 1, 8]),
      slowChance: random.pick([0, 0, 0.01]),
      slowMs: random.pick([100, 1500]),
    },
  }
}

type Options = ReturnType<typeof drawOptions>

class ServerRun {
  readonly options: Options
  readonly simulation: Simulation
  readonly #random: Prng
  readonly #history: History
  readonly #workload: Workload
  readonly #serverHost: Host
  readonly #clients: { host: Host; proc: Proc | null; number: number }[] = []
  #server: Proc | null = null
  #peer: Peer | null = null
  #isFaulty = true
  #audits = 0

  constructor(seed: number, plant: Plant) {
    const swarm = new Simulation(seed).world.stream('swarm')
    this.options = drawOptions(swarm)
    const { network, disk, clockRate } = this.options
    this.simulation = new Simulation(seed, {
      network,
      disk: { ...disk, syncsLateMs: plant.repliesBeforeSync === true ? 20 : 0 },
    })
    const { world } = this.simulation
    this.#random = world.stream('faults')
    this.#history = new History(world, [PORT])
    this.simulation.network.tap = this.#history
    this.#workload = new Workload(this.#history, {
      servers: `10.0.0.1:${PORT}`,
      sessionTimeoutMs: this.options.sessionTimeoutMs,
      thinkMs: this.options.thinkMs,
      mix: this.options.mix,
      registers: this.options.registers,
    })
    this.#serverHost = world.addHost('10.0.0.1', { rate: clockRate })
    for (let number = 1; number <= this.options.clients; number++) {
      const rate = 1 + (swarm.float() - 0.5) * 0.02
      this.#clients.push({ host: world.addHost(`10.0.1.${number}`, { rate }), proc: null, number })
    }
  }

  async run(): Promise<void> {
    const { world, network } = this.simulation
    this.#startServer()
    await world.run(5000, () => this.#peer !== null)
    await this.#audit(['/r', '/e', '/q'])
    for (const client of this.#clients) this.#startClient(client)
    void this.#disturb()
    await world.run(this.options.durationMs)

    this.#isFaulty = false
    this.#workload.isStopping = true
    network.healAll()
    if (this.#server !== null) this.#server.crashAtEffect = -1
    this.simulation.diskOptions.slowChance = 0
    for (const host of world.hosts.values()) for (const proc of host.procs) world.resume(proc)
    // Sessions of crashed clients end after their time-out, counted from the server's last start.
    const { sessionTimeoutMs, tickTimeMs } = this.options
    await world.run(Math.max(20_000, 4 * (sessionTimeoutMs + tickTimeMs)), () => this.#isBroken)
    if (this.#isBroken) return
    await this.#audit()
    this.simulation.losePower(this.#serverHost)
    await world.run(10_000, () => this.#peer !== null)
    await this.#audit()
    // The restart gave every session its time again, and some clients gave up on theirs meanwhile.
    await world.run(1000 + 2 * (sessionTimeoutMs + tickTimeMs))
    if (!this.#isBroken) this.#check()
  }

  get #isBroken(): boolean {
    return this.simulation.world.violations.length > 0
  }

  // -- processes

  #settings(): ServerSettings {
    const { options } = this
    return serverSettings({
      dataDir: DATA,
      dataLogDir: DATA,
      clientPort: PORT,
      tickTimeMs: options.tickTimeMs,
      snapCount: options.snapCount,
      preallocBytes: options.preallocBytes,
      sessionPasswords: options.sessionPasswords,
      digestEnabled: options.digestEnabled,
      containerCheckIntervalMs: options.containerCheckIntervalMs,
      retention:
        options.snapRetainCount === null
          ? { kind: 'never' }
          : { kind: 'own-directory', snapshots: options.snapRetainCount },
    })
  }

  #startServer(): void {
    const { world } = this.simulation
    this.#serverHost.isUp = true
    const { proc, sys } = this.simulation.start(this.#serverHost, 'server')
    this.#server = proc
    world.schedule(proc, 0, 'main', 0, () => void this.#serve(proc, sys))
    proc.onEnd.push(() => {
      this.#server = null
      this.#peer = null
      if (proc.crashHow === 'power-loss') this.#serverHost.isUp = false
      world.schedule(null, this.#random.exponential(500) * 1000, 'restart', 0, () =>
        this.#startServer(),
      )
    })
  }

  async #serve(proc: Proc, sys: Parameters<typeof startPeer>[1]): Promise<void> {
    const { world } = this.simulation
    try {
      const peer = await startPeer(this.#settings(), sys)
      peer.failed.catch((error: unknown) => world.crashedByBug(proc, error))
      if (proc.isAlive) this.#peer = peer
    } catch (error) {
      world.crashedByBug(proc, error)
    }
  }

  #startClient(client: { host: Host; proc: Proc | null; number: number }): void {
    const { world } = this.simulation
    const { proc, sys } = this.simulation.start(client.host, `client-${client.number}`)
    client.proc = proc
    const random = world.stream(`workload ${client.number} ${proc.pid}`)
    world.schedule(proc, 0, 'main', client.number, () => {
      this.#workload.runClient(proc, sys, random).catch((error) => world.crashedByBug(proc, error))
    })
  }

  // -- faults

  async #disturb(): Promise<void> {
    const { world } = this.simulation
    const { faults, faultEveryMs } = this.options
    while (faults.length > 0) {
      await world.sleep(this.#random.exponential(faultEveryMs))
      if (!this.#isFaulty) return
      const fault = this.#random.pick(faults)
      world.mark(`fault ${fault}`)
      await this.#inflict(fault)
    }
  }

  async #inflict(fault: (typeof FAULTS)[number]): Promise<void> {
    const { world, network } = this.simulation
    const random = this.#random
    const client = random.pick(this.#clients)
    const server = this.#server
    const { sessionTimeoutMs } = this.options
    const holdMs = random.pick([0.1, 0.5, 0.9, 1.1, 3]) * sessionTimeoutMs
    switch (fault) {
      case 'power-loss':
        if (server !== null) this.simulation.losePower(this.#serverHost)
        return
      case 'kill':
        if (server !== null) world.kill(server, 'kill')
        return
      case 'crash-at-effect':
        if (server === null) return
        server.crashHow = random.pick(['kill', 'power-loss'])
        server.crashAtEffect = server.effects + random.between(1, 60)
        return
      case 'pause-server':
        return server === null ? undefined : this.#pause(server, holdMs)
      case 'pause-client':
        return client.proc === null ? undefined : this.#pause(client.proc, holdMs)
      case 'cut':
        network.cut(client.host, this.#serverHost)
        network.cut(this.#serverHost, client.host)
        return this.#healLater(client.host, holdMs)
      case 'cut-one-way':
        if (random.chance(0.5)) network.cut(client.host, this.#serverHost)
        else network.cut(this.#serverHost, client.host)
        return this.#healLater(client.host, holdMs)
      case 'reset':
        network.resetBetween(client.host, this.#serverHost)
        return
      case 'crash-client':
        if (client.proc === null) return
        world.kill(client.proc, random.pick(['kill', 'power-loss']))
        client.proc = null
        await world.sleep(random.exponential(sessionTimeoutMs))
        if (this.#isFaulty) this.#startClient(client)
        return
      case 'wall-jump':
        this.#serverHost.wallOffsetMs += random.pick([-3_600_000, 3_600_000, -1500, 1500])
    }
  }

  async #pause(proc: Proc, forMs: number): Promise<void> {
    const { world } = this.simulation
    world.pause(proc)
    await world.sleep(forMs)
    world.resume(proc)
  }

  async #healLater(host: Host, afterMs: number): Promise<void> {
    const { world, network } = this.simulation
    await world.sleep(afterMs)
    network.heal(host, this.#serverHost)
    network.heal(this.#serverHost, host)
  }

  // -- checks

  /** A client without faults makes the given nodes, writes, and reads the whole tree. */
  async #audit(create: readonly string[] = []): Promise<void> {
    const { world } = this.simulation
    const name = `auditor-${++this.#audits}`
    const host = world.addHost(`10.0.2.${this.#audits}`)
    const { proc, sys } = this.simulation.start(host, name)
    let isDone = false
    const attempt = async (client: Client): Promise<void> => {
      for (const path of create) await client.create(path).catch(unless('nodeExists'))
      await client.set('/r', this.#workload.nextTag(proc))
      const visit = async (path: string): Promise<void> => {
        // The session of an ephemeral may end while we read.
        const listed = await client.getChildren(path).catch(unless('noNode'))
        await client.get(path).catch(unless('noNode'))
        const children = listed?.children ?? []
        for (const child of children) await visit(path === '/' ? `/${child}` : `${path}/${child}`)
      }
      await visit('/')
      isDone = true
    }
    const main = async () => {
      while (!isDone) {
        const client = new Client(`10.0.0.1:${PORT}`, { sessionTimeoutMs: 10_000 }, sys)
        client.start()
        // The server may still be starting, or stand before a slow disk.
        await attempt(client).catch(unless('connectionLoss', 'sessionExpired'))
        await client.close()
      }
    }
    world.schedule(proc, 0, 'main', 0, () => {
      main().catch((error: unknown) => world.crashedByBug(proc, error))
    })
    await world.run(30_000, () => isDone || this.#isBroken)
    if (!isDone && !this.#isBroken) {
      world.violate('I-16', `${name} could not write and read after the faults had stopped`)
    }
    world.kill(proc, 'exit')
  }

  #check(): void {
    const { world } = this.simulation
    const txns = readLog(
      this.simulation.disk(this.#serverHost, 'server').files,
      `${DATA}/version-2`,
    )
    const { connections } = this.#history
    const model = new Model()
    for (const txn of txns) model.apply(txn)
    const hasJumped = this.options.faults.includes('wall-jump')
    const problems = [
      ...checkHistory(connections, txns),
      ...checkCalls(this.#workload, txns, model),
      ...(hasJumped ? [] : checkExpiry(connections, txns, this.#serverHost)),
    ]
    // After the quiet time only sessions with a living client are open (I-52). One that its client gave
    // up a moment ago may have been touched since, by a connect request that was on its way.
    const { sessionTimeoutMs, tickTimeMs } = this.options
    const lateMs = world.nowMs - (1000 + 2 * (sessionTimeoutMs + tickTimeMs))
    const living = new Set(
      this.#workload.sessions
        .filter(({ proc, isOver, expiredMs }) =>
          isOver ? expiredMs !== null && expiredMs > lateMs : proc.isAlive,
        )
        .map((session) => session.client.sessionId),
    )
    // Nobody waited for the sessions that an auditor lost.
    for (const wire of connections) if (wire.who.startsWith('auditor')) living.add(wire.sessionId)
    for (const sessionId of model.sessions.keys()) {
      if (!living.has(sessionId)) {
        problems.push({
          id: 'I-52',
          text: `session ${hex(sessionId)} has no client and is still open`,
        })
      }
    }
    for (const { id, text } of problems) world.violate(id, text)
    if (txns.length > 50) world.mark('long-log')
    world.mark('runs')
  }
}

/** Lets the named outcomes pass, as null. */
function unless(...codes: readonly string[]): (error: unknown) => null {
  return (error) => {
    if (error instanceof ZkError && codes.includes(error.code)) return null
    throw error
  }
}
