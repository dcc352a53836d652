/**
 * Scenario `failover`: one server, two or three members of a group, each a controller and a service
 * with the real guard, and a shared resource that nobody but one may hold (§6.3: T1, T2, T5, T7, T9).
 *
 * 1. Faults: controllers, services and the server are killed, paused and cut off, services fall ill,
 *    commands are delayed and answers lost (T8), clocks jump (T10), hosts lose power.
 * 2. Heal: within a bounded time exactly one member holds the resource, and its writes are accepted.
 * 3. All the time: never two holders, tokens only grow (shared-resource.ts).
 */
import { Client } from '../../ensemble/client/index.ts'
import { startPeer } from '../../ensemble/server/peer.ts'
import { serverSettings } from '../../ensemble/server/server-settings.ts'
import type { Sys } from '../../ensemble/sys/sys.ts'
import {
  Controller,
  initGroup,
  settingsProblems,
  type FencingMethod,
  type GroupSettings,
  type OpenSession,
  type Protection,
} from '../../failover/index.ts'
import type { Prng } from './prng.ts'
import { resultOf, type Plant, type RunResult } from './scenario.ts'
import { Resource, serveLedger, SERVICE_PORT, serviceProgram } from './shared-resource.ts'
import { Simulation } from './simulation.ts'
import { withoutBreadcrumbs } from './plant-breadcrumb.ts'
import type { Host, Proc } from './world.ts'

const PORT = 2181
const CLUSTER = 'sim'
const GROUP = 'orders'

export async function runFailoverScenario(seed: number, plant: Plant = {}): Promise<RunResult> {
  const run = new FailoverRun(seed, plant)
  await run.run()
  return resultOf('failover', run.simulation, run.options)
}

const FAULTS = [
  'kill-controller',
  'kill-service',
  'kill-server',
  'server-power-loss',
  'member-power-loss',
  'crash-at-effect',
  'pause-controller',
  'pause-active',
  'pause-service',
  'pause-member',
  'pause-server',
  'cut-server',
  'cut-one-way',
  'cut-member',
  'reset',
  'ill',
  'wall-jump',
] as const

/** What proves that the former active cannot act (H-1), in combinations that the settings allow. */
const PROTECTIONS: readonly (readonly Protection[])[] = [
  ['lease'],
  ['lease'],
  ['token'],
  ['lease', 'token'],
  [],
]

function drawOptions(random: Prng) {
  const leaseMs = random.pick([1000, 1500, 3000])
  const deactivateTimeoutMs = random.pick([100, 300])
  return {
    members: random.pick([2, 2, 3]),
    leaseMs,
    sessionTimeoutMs: random.pick([1000, 2000, 4000]),
    tickTimeMs: random.pick([100, 200, 500]),
    protection: random.pick(PROTECTIONS),
    hasGraceful: random.chance(0.7),
    hasFenceCommand: random.chance(0.4),
    fenceTrouble: random.pick([0, 0.3]),
    // A lease must be twice the time to stop the service, or the settings are refused.
    deactivateTimeoutMs: leaseMs === 1000 ? 100 : deactivateTimeoutMs,
    marginMs: random.pick([20, 100]),
    clockRateError: random.pick([0.01, 0.05]),
    isSupervised: random.chance(0.6),
    snapCount: random.pick([10, 100, 1000]),
    startTogether: random.chance(0.5),
    durationMs: random.between(15, 40) * 1000,
    faults: FAULTS.filter(() => random.chance(0.4)),
    faultEveryMs: random.pick([50, 500, 2000, 6000]),
    network: {
      delayMinMs: random.pick([0.05, 1]),
      delayMeanMs: random.pick([0.2, 2, 10]),
      splitChance: random.pick([0, 0.1]),
      stallResetMs: random.pick([1000, 8000]),
    },
    http: {
      lateChance: random.pick([0, 0, 0.05]),
      lateMeanMs: random.pick([500, 5000]),
      lostAnswerChance: random.pick([0, 0.05]),
    },
    disk: { syncMeanMs: random.pick([0.5, 5]), slowChance: random.pick([0, 0.005]), slowMs: 1000 },
  }
}

type Options = ReturnType<typeof drawOptions>

interface Member {
  readonly name: string
  readonly host: Host
  controller: Proc | null
  isIll: boolean
}

class FailoverRun {
  readonly options: Options
  readonly simulation: Simulation
  readonly #random: Prng
  readonly #plant: Plant
  readonly #resource: Resource
  readonly #members: Member[] = []
  readonly #serverHost: Host
  #server: Proc | null = null
  #isFaulty = true

  constructor(seed: number, plant: Plant) {
    const swarm = new Simulation(seed).world.stream('swarm')
    this.options = drawOptions(swarm)
    const { network, http, disk, clockRateError, protection } = this.options
    this.simulation = new Simulation(seed, { network, http, disk })
    this.#plant = plant
    const { world } = this.simulation
    this.#random = world.stream('faults')
    // With the token rule alone a former active may believe in itself; the ledger refuses it.
    this.#resource = new Resource(world, !protection.includes('token'))
    this.#serverHost = world.addHost('10.0.0.1')
    const drift = clockRateError / 2
    for (let number = 0; number < this.options.members; number++) {
      const rate = 1 + (swarm.float() * 2 - 1) * drift * 0.99
      const host = world.addHost(`10.0.3.${number + 1}`, { rate, offsetMs: swarm.below(1_000_000) })
      this.#members.push({ name: 'abc'[number]!, host, controller: null, isIll: false })
    }
    this.#registerPrograms()
  }

  get #isBroken(): boolean {
    return this.simulation.world.violations.length > 0
  }

  async run(): Promise<void> {
    const { world, network } = this.simulation
    const problems = settingsProblems(this.#settings('a'))
    if (problems.length > 0) return world.mark('settings-refused')
    const ledger = this.simulation.start(world.addHost('10.0.4.1'), 'ledger')
    serveLedger(this.simulation.http, ledger.proc, this.#resource)
    this.#startServer()
    await this.#init()
    for (const member of this.#members) {
      if (!this.options.isSupervised) this.#startService(member)
      this.#startController(member)
      if (!this.options.startTogether) await world.run(this.#random.below(3000))
    }
    void this.#disturb()
    await world.run(this.options.durationMs, () => this.#isBroken)
    if (this.#isBroken) return

    this.#isFaulty = false
    network.healAll()
    this.simulation.diskOptions.slowChance = 0
    this.simulation.http.options.lateChance = 0
    this.simulation.http.options.lostAnswerChance = 0
    for (const member of this.#members) {
      member.isIll = false
      if (member.controller !== null) member.controller.crashAtEffect = -1
    }
    for (const host of world.hosts.values()) for (const proc of host.procs) world.resume(proc)
    await world.run(this.#liveMs, () => this.#isBroken)
    if (this.#isBroken) return
    this.#checkLiveness()
    world.mark('runs')
  }

  /** The longest of: session gone, lease over, backed off, service started, and some more. */
  get #liveMs(): number {
    const { leaseMs, sessionTimeoutMs } = this.options
    return 4 * (leaseMs + sessionTimeoutMs) + 35_000
  }

  #checkLiveness(): void {
    const { world } = this.simulation
    const sinceUs = world.nowUs - 2000_000
    const holders = this.#resource.holders.filter(({ timeUs }) => timeUs >= sinceUs)
    const accepted = this.#resource.accepted.filter(({ timeUs }) => timeUs >= sinceUs)
    // Where no proof is to be had (a fence that fails for ever), nobody may become active.
    const canProve = this.options.protection.length > 0 || this.options.fenceTrouble === 0
    if (holders.length !== 1 && canProve) {
      const names = holders.map(({ member }) => member).join()
      world.violate(
        'I-16',
        `${holders.length} members hold the resource after the faults: [${names}]`,
      )
    }
    if (holders.length === 1 && accepted.length === 0) {
      world.violate('I-16', 'the ledger accepts no writes of the one who holds the resource')
    }
  }

  // -- settings and programs

  #settings(member: string): GroupSettings {
    const { options } = this
    const fencing: FencingMethod[] = []
    if (options.hasGraceful || (options.protection.length === 0 && !options.hasFenceCommand)) {
      fencing.push({ kind: 'graceful', timeoutMs: 300 })
    }
    if (options.hasFenceCommand) {
      fencing.push({
        kind: 'command',
        argv: ['fence', '{target.host}'],
        timeoutMs: 2000,
        verify: { argv: ['is-off', '{target.host}'], timeoutMs: 1000 },
      })
    }
    const url = (path: string) => `http://{host}:{port}${path}`
    return {
      cluster: CLUSTER,
      group: GROUP,
      member,
      members: Object.fromEntries(
        this.#members.map(({ name, host }) => [name, { host: host.address, port: SERVICE_PORT }]),
      ),
      ensembleConnect: `10.0.0.1:${PORT}`,
      sessionTimeoutMs: options.sessionTimeoutMs,
      leaseMs: options.leaseMs,
      service: {
        ...(options.isSupervised ? { start: [`service-${member}`] } : {}),
        health: [
          { kind: 'http', url: url('/health'), everyMs: 200, timeoutMs: 150, rise: 1, fall: 2 },
        ],
        activate: { kind: 'http', method: 'POST', url: url('/activate'), timeoutMs: 500 },
        deactivate: {
          kind: 'http',
          method: 'POST',
          url: url('/deactivate'),
          timeoutMs: options.deactivateTimeoutMs,
        },
      },
      protection: options.protection,
      fencing,
      whenEnsembleIsLost: 'demote',
      watchdog: 'off',
      stateDir: '/controller',
      address: `${this.#members.find(({ name }) => name === member)!.host.address}:8108`,
      configDigest: 'one',
      backoffMs: 200,
      backoffMaxMs: 2000,
      // More failovers in a minute than a group would stand for (H-13).
      failoversMax: 0,
      clockRateError: options.clockRateError,
      marginMs: options.marginMs,
    }
  }

  #registerPrograms(): void {
    const { programs, http, world } = this.simulation
    for (const member of this.#members) {
      const service = serviceProgram(member.name, {
        http,
        resource: this.#resource,
        isUnhealthy: () => member.isIll,
      })
      programs.register(`service-${member.name}`, service)
    }
    const random = world.stream('fencing')
    const serviceOn = (address: string) =>
      [...(world.hosts.get(address)?.procs ?? [])].filter(({ name }) => name.startsWith('service-'))
    // Turns the service off from outside, as a power switch would; sometimes it fails or hangs (T3).
    programs.register('fence', (context) => {
      const address = context.argv[1] ?? ''
      const hasTrouble = random.chance(this.options.fenceTrouble)
      const outcome = hasTrouble ? random.pick(['fails', 'hangs', 'lies'] as const) : 'works'
      world.mark(`fence ${outcome}`)
      world.schedule(context.proc, random.exponential(200_000), 'fence', 0, () => {
        if (outcome === 'hangs') return
        if (outcome === 'works') for (const proc of serviceOn(address)) world.kill(proc, 'kill')
        context.exit(outcome === 'fails' ? 1 : 0)
      })
    })
    programs.register('is-off', (context) => {
      context.exit(serviceOn(context.argv[1] ?? '').length === 0 ? 0 : 1)
    })
  }

  // -- processes

  #startServer(): void {
    const { world } = this.simulation
    this.#serverHost.isUp = true
    const { proc, sys } = this.simulation.start(this.#serverHost, 'server')
    this.#server = proc
    const settings = serverSettings({
      dataDir: '/data',
      clientPort: PORT,
      tickTimeMs: this.options.tickTimeMs,
      maxSessionTimeoutMs: 10_000,
      snapCount: this.options.snapCount,
      preallocBytes: 4096,
    })
    world.schedule(proc, 0, 'main', 0, () => {
      startPeer(settings, sys).catch((error: unknown) => world.crashedByBug(proc, error))
    })
    proc.onEnd.push(() => {
      this.#server = null
      world.schedule(null, this.#restartUs(), 'restart', 0, () => this.#startServer())
    })
  }

  #restartUs(): number {
    return this.#random.exponential(this.#isFaulty ? 800 : 100) * 1000
  }

  async #init(): Promise<void> {
    const { world } = this.simulation
    const { proc, sys } = this.simulation.start(world.addHost('10.0.2.1'), 'init')
    let isDone = false
    const main = async () => {
      const client = new Client(`10.0.0.1:${PORT}`, { sessionTimeoutMs: 10_000 }, sys)
      client.start()
      await initGroup(client, { cluster: CLUSTER, group: GROUP, force: false })
      await client.close()
      isDone = true
    }
    world.schedule(proc, 0, 'main', 0, () => {
      main().catch((error: unknown) => world.crashedByBug(proc, error))
    })
    await world.run(30_000, () => isDone || this.#isBroken)
  }

  #startService(member: Member): void {
    const { world, programs } = this.simulation
    const proc = programs.start(member.host, [`service-${member.name}`])
    proc.onEnd.push(() => {
      world.schedule(null, this.#restartUs(), 'restart', 1, () => {
        if (member.host.isUp) this.#startService(member)
      })
    })
  }

  #startController(member: Member): void {
    const { world } = this.simulation
    const { proc, sys } = this.simulation.start(member.host, `controller-${member.name}`)
    member.controller = proc
    world.schedule(proc, 0, 'main', 0, () => {
      const controller = new Controller(
        this.#settings(member.name),
        sys,
        this.#sessionsOf(member, sys),
      )
      controller.start().catch((error: unknown) => world.crashedByBug(proc, error))
      void controller.failed.then((error) => world.crashedByBug(proc, error))
    })
    proc.onEnd.push(() => {
      member.controller = null
      world.schedule(null, this.#restartUs(), 'restart', 2, () => {
        if (member.host.isUp && member.controller === null) this.#startController(member)
      })
    })
  }

  #sessionsOf(member: Member, sys: Sys): { openSession?: OpenSession } {
    if (this.#plant.skipsBreadcrumb !== true) return {}
    return {
      openSession: ({ servers, session, ...rest }) => {
        const client = new Client(servers, session === null ? rest : { ...rest, session }, sys)
        return withoutBreadcrumbs(client, member.name)
      },
    }
  }

  // -- faults

  async #disturb(): Promise<void> {
    const { world } = this.simulation
    const { faults, faultEveryMs } = this.options
    await world.sleep(this.#random.below(4000))
    while (faults.length > 0 && this.#isFaulty) {
      const fault = this.#random.pick(faults)
      world.mark(`fault ${fault}`)
      await this.#inflict(fault, this.#victim())
      await world.sleep(this.#random.exponential(faultEveryMs))
    }
  }

  /** The active more often than the others. */
  #victim(): Member {
    const holder = this.#resource.holders.at(-1)?.member
    const active = this.#members.find(({ name }) => name === holder)
    if (active !== undefined && this.#random.chance(0.7)) return active
    return this.#random.pick(this.#members)
  }

  #serviceOf(member: Member): Proc | null {
    for (const proc of member.host.procs) if (proc.name.startsWith('service-')) return proc
    return null
  }

  async #inflict(fault: (typeof FAULTS)[number], member: Member): Promise<void> {
    const { world, network } = this.simulation
    const random = this.#random
    const { controller, host } = member
    const service = this.#serviceOf(member)
    const { leaseMs, sessionTimeoutMs } = this.options
    const holdMs = random.pick([0.1, 0.9, 1, 1.1, 3]) * random.pick([leaseMs, sessionTimeoutMs])
    switch (fault) {
      case 'kill-controller':
        if (controller !== null) world.kill(controller, 'kill')
        return
      case 'kill-service':
        if (service !== null) world.kill(service, 'kill')
        return
      case 'kill-server':
        if (this.#server !== null) world.kill(this.#server, 'kill')
        return
      case 'server-power-loss':
        if (this.#server !== null) this.simulation.losePower(this.#serverHost)
        return
      case 'member-power-loss':
        this.simulation.losePower(host)
        world.schedule(null, this.#restartUs() * 2, 'power-on', 0, () => this.#powerOn(member))
        return
      case 'crash-at-effect':
        if (controller !== null)
          controller.crashAtEffect = controller.effects + random.between(1, 40)
        return
      case 'pause-controller':
        return this.#pause(controller, null, holdMs)
      case 'pause-active': {
        // T5: the service lives on and writes, while nobody renews its lease.
        const holder = this.#resource.holders.at(-1)?.member
        const active = this.#members.find(({ name }) => name === holder)
        return this.#pause(
          active?.controller ?? null,
          null,
          Math.max(holdMs, 0.9 * sessionTimeoutMs),
        )
      }
      case 'pause-service':
        return this.#pause(null, service, holdMs)
      case 'pause-member':
        return this.#pause(controller, service, holdMs)
      case 'pause-server':
        return this.#pause(this.#server, null, holdMs)
      case 'cut-server':
        network.cut(host, this.#serverHost)
        network.cut(this.#serverHost, host)
        return this.#healLater(host, holdMs)
      case 'cut-one-way':
        if (random.chance(0.5)) network.cut(host, this.#serverHost)
        else network.cut(this.#serverHost, host)
        return this.#healLater(host, holdMs)
      case 'cut-member':
        for (const other of world.hosts.values()) {
          network.cut(host, other)
          network.cut(other, host)
        }
        return this.#healLater(host, holdMs)
      case 'reset':
        network.resetBetween(host, this.#serverHost)
        return
      case 'ill':
        member.isIll = true
        await world.sleep(holdMs)
        member.isIll = false
        return
      case 'wall-jump':
        host.wallOffsetMs += random.pick([-3_600_000, 3_600_000, -1500, 1500])
    }
  }

  #powerOn(member: Member): void {
    if (member.host.isUp) return
    member.host.isUp = true
    if (!this.options.isSupervised) this.#startService(member)
    if (member.controller === null) this.#startController(member)
  }

  async #pause(one: Proc | null, other: Proc | null, forMs: number): Promise<void> {
    const { world } = this.simulation
    for (const proc of [one, other]) if (proc !== null) world.pause(proc)
    await world.sleep(forMs)
    for (const proc of [one, other]) if (proc !== null) world.resume(proc)
  }

  async #healLater(host: Host, afterMs: number): Promise<void> {
    const { world, network } = this.simulation
    await world.sleep(afterMs)
    for (const other of world.hosts.values()) {
      network.heal(host, other)
      network.heal(other, host)
    }
  }
}
