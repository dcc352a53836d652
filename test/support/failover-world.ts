/**
 * Two or more controllers with their services, a ZooKeeper in memory and one step clock.
 *
 * Each host has its own clock: `pause` stops all its processes (SIGSTOP of service and controller),
 * `suspend` stops its monotonic clock too (a laptop lid, a virtual machine). Services write all the
 * time while their guard permits; `violations` says when two could write at once.
 */
import type { Clock } from '../../ensemble/sys/clock.ts'
import type { File, FileSystem } from '../../ensemble/sys/file-system.ts'
import type { HttpRequest, HttpResponse } from '../../ensemble/sys/http.ts'
import { silent, type Logger } from '../../ensemble/sys/logger.ts'
import type { Sys } from '../../ensemble/sys/sys.ts'
import { Controller } from '../../failover/controller.ts'
import { Guard } from '../../failover/guard.ts'
import { initGroup } from '../../failover/init.ts'
import type { GroupSettings } from '../../failover/settings.ts'
import { FakeZooKeeper, type FakeSession } from './fake-zookeeper.ts'

interface Event {
  atMs: number
  order: number
  cancelled: boolean
  proc: Proc | null
  run: () => void
}

export class Timeline {
  nowMs = 1000
  #order = 0
  #events: Event[] = []

  at(atMs: number, proc: Proc | null, run: () => void): Event {
    const event = { atMs, order: this.#order++, cancelled: false, proc, run }
    this.#events.push(event)
    return event
  }

  /** Runs what is due, one event at a time, with all continuations after each. */
  async advance(ms: number, until: () => boolean = () => false): Promise<void> {
    const endMs = this.nowMs + ms
    await settle()
    while (!until()) {
      const next = this.#next(endMs)
      if (next === null) break
      this.nowMs = Math.max(this.nowMs, next.atMs)
      next.run()
      await settle()
    }
    if (!until()) this.nowMs = endMs
  }

  #next(endMs: number): Event | null {
    this.#events = this.#events.filter((event) => !event.cancelled && event.proc?.isGone !== true)
    let best: Event | null = null
    for (const event of this.#events) {
      if (event.atMs > endMs || event.proc?.isPaused === true) continue
      if (best === null || isEarlier(event, best)) best = event
    }
    if (best !== null) this.#events.splice(this.#events.indexOf(best), 1)
    return best
  }
}

function isEarlier(left: Event, right: Event): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order)
}

/** Lets every continuation run that does not wait for a timer. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

export class Host {
  readonly timeline: Timeline
  readonly files = new MemoryFiles()
  isPaused = false
  #suspendedMs = 0
  #suspendedSinceMs: number | null = null
  wallOffsetMs = 1_700_000_000_000

  constructor(timeline: Timeline) {
    this.timeline = timeline
  }

  get monotonicMs(): number {
    return this.timeline.nowMs - this.#suspendedMs
  }

  pause(): void {
    this.isPaused = true
  }

  suspend(): void {
    this.isPaused = true
    this.#suspendedSinceMs = this.timeline.nowMs
  }

  wake(): void {
    this.isPaused = false
    if (this.#suspendedSinceMs === null) return
    this.#suspendedMs += this.timeline.nowMs - this.#suspendedSinceMs
    this.#suspendedSinceMs = null
  }
}

/** One process of a host: its timers and answers end with it. */
export class Proc {
  readonly host: Host
  isGone = false
  /** SIGSTOP of this process alone. */
  isStopped = false

  constructor(host: Host) {
    this.host = host
  }

  get isPaused(): boolean {
    return this.isStopped || this.host.isPaused
  }

  readonly clock: Clock = {
    monotonicMs: () => this.host.monotonicMs,
    bootMs: () => this.host.timeline.nowMs,
    wallMs: () => Math.floor(this.host.timeline.nowMs + this.host.wallOffsetMs),
    setTimer: (delayMs, fire) => {
      const { timeline } = this.host
      const event = timeline.at(timeline.nowMs + Math.max(delayMs, 0.01), this, fire)
      return { cancel: () => (event.cancelled = true) }
    },
    defer: (run) => void this.host.timeline.at(this.host.timeline.nowMs, this, run),
  }
}

/** Files that lose nothing: crash tests of durability are the store's and the simulation's. */
export class MemoryFiles implements FileSystem {
  readonly contents = new Map<string, Buffer>()
  /** Awaited by each `datasync`: a disk that stalls, or fails. */
  beforeSync: () => Promise<void> = () => Promise.resolve()

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<File> {
    if (mode === 'create' && this.contents.has(path)) throw systemError('EEXIST')
    if (mode === 'create') this.contents.set(path, Buffer.alloc(0))
    const bytes = () => this.#get(path)
    bytes()
    return {
      read: async (position, length) => bytes().subarray(position, position + length),
      write: async (added, position) => {
        const grown = Buffer.alloc(Math.max(bytes().length, position + added.length))
        bytes().copy(grown)
        added.copy(grown, position)
        this.contents.set(path, grown)
      },
      datasync: () => this.beforeSync(),
      truncate: async (length) => void this.contents.set(path, bytes().subarray(0, length)),
      size: async () => bytes().length,
      chmod: async () => {},
      close: async () => {},
    }
  }

  #get(path: string): Buffer {
    const found = this.contents.get(path)
    if (found === undefined) throw systemError('ENOENT')
    return found
  }

  readFile = async (path: string) => this.#get(path)
  list = async (path: string) => [...this.contents.keys()].filter((one) => one.startsWith(path))
  stat = async (path: string) => {
    const found = this.contents.get(path)
    return found === undefined ? null : { sizeBytes: found.length, isDirectory: false }
  }
  rename = async (source: string, target: string) => {
    this.contents.set(target, this.#get(source))
    this.contents.delete(source)
  }
  unlink = async (path: string) => void this.contents.delete(path)
  makeDirectory = async () => {}
  syncDirectory = async () => {}
  freeBytes = async () => 1e12
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code })
}

interface Write {
  readonly atMs: number
  readonly member: string
  readonly token: bigint
}

/**
 * A service which writes whenever it may: with the guard, or a plain one that knows tokens and no
 * lease, so that nothing but its controller keeps it from writing on.
 */
export class FakeService {
  readonly member: string
  readonly proc: Proc
  readonly guard: Guard
  readonly world: FailoverWorld
  isHealthy = true
  /** `activate` and `deactivate` are answered only this much later. */
  commandDelayMs = 0
  refuseToActivate = false
  /** The highest token, and whether it is active: of a plain service. */
  plain: { token: bigint; isActive: boolean } | null = null

  constructor(world: FailoverWorld, member: string, host: Host) {
    this.world = world
    this.member = member
    this.proc = new Proc(host)
    this.guard = new Guard({
      stateFile: `/state/guard-${member}.json`,
      sys: { files: host.files, clock: this.proc.clock, random: world.random },
    })
  }

  get isAlive(): boolean {
    return !this.proc.isGone
  }

  async start(): Promise<void> {
    await this.guard.open()
    this.#write()
  }

  #write(): void {
    if (this.plain?.isActive === true) this.world.written(this.member, this.plain.token)
    try {
      this.world.written(this.member, this.guard.permit().token)
    } catch {
      // Not permitted: what the guard is for.
    }
    this.proc.clock.setTimer(this.world.writeEveryMs, () => this.#write())
  }

  /** What a plain service does when it is told its role. */
  obey(token: bigint, isActive: boolean): boolean {
    if (this.plain === null || token < this.plain.token) return false
    this.plain = { token, isActive }
    return true
  }

  #handlePlainly(path: string, token: bigint): HttpResponse {
    const isDone = path === '/health' || this.obey(token, path === '/activate')
    const role = this.plain?.isActive === true ? 'active' : 'standby'
    const body = JSON.stringify({ role, token: String(this.plain?.token ?? 0n) })
    return { status: isDone ? 200 : 409, headers: {}, body }
  }

  async handle(request: HttpRequest): Promise<HttpResponse> {
    const path = new URL(request.url).pathname
    const headers: Record<string, string> = {}
    for (const [name, value] of Object.entries(request.headers ?? {})) {
      headers[name.toLowerCase()] = value
    }
    if (this.plain !== null && this.isHealthy) {
      return this.#handlePlainly(path, BigInt(headers['howdah-fencing-token'] ?? '0'))
    }
    if (path === '/health') {
      const body = JSON.stringify(this.guard.status)
      return { status: this.isHealthy ? 200 : 500, headers: {}, body }
    }
    if (this.refuseToActivate && path === '/activate') return { status: 500, headers: {}, body: '' }
    const answer =
      path === '/activate'
        ? await this.guard.onActivate(headers)
        : await this.guard.onDeactivate(headers)
    return { status: answer.status, headers: {}, body: JSON.stringify(answer.body) }
  }
}

export interface Place {
  readonly member: string
  readonly host: Host
  /** The controller's process. */
  proc: Proc
  controller: Controller
  service: FakeService
  session: FakeSession | null
  readonly settings: GroupSettings
}

export class FailoverWorld {
  readonly timeline = new Timeline()
  readonly zookeeper: FakeZooKeeper
  readonly places = new Map<string, Place>()
  readonly writes: Write[] = []
  writeEveryMs = 5
  readonly violations: string[] = []
  readonly cuts = new Set<string>()
  readonly commands: { argv: readonly string[]; env: Readonly<Record<string, string>> }[] = []
  /** What was written to the standard inputs of commands, with the time. */
  readonly fed: { readonly atMs: number; readonly line: string }[] = []
  /** What a command does: its exit status and effect after some time, or null to hang. */
  command: (
    argv: readonly string[],
  ) => { code: number; afterMs: number; effect?: () => void } | null = () => null
  /** Requests on their way: a test may hold one back (H-3). */
  holdBack: (request: HttpRequest) => number = () => 0
  #seed = 7
  readonly random = {
    uint32: () => (this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0),
    secureBytes: (length: number) => {
      const bytes = Buffer.alloc(length)
      for (let at = 0; at < length; at++) bytes[at] = this.random.uint32() >>> 24
      return bytes
    },
  }

  constructor() {
    this.zookeeper = new FakeZooKeeper(new Proc(new Host(this.timeline)).clock)
  }

  static async make(
    members: readonly string[] = ['a', 'b'],
    change: Partial<GroupSettings> = {},
  ): Promise<FailoverWorld> {
    const world = new FailoverWorld()
    await world.init()
    for (const [index, member] of members.entries()) {
      const host = new Host(world.timeline)
      const settings = settingsFor(member, members, change)
      const service = new FakeService(world, member, host)
      await service.start()
      const place = { member, host, service, settings, session: null } as unknown as Place // rest below
      world.newController(place)
      world.places.set(member, place)
      host.wallOffsetMs += index * 77_000
    }
    return world
  }

  async init(force = false): Promise<void> {
    const session = this.zookeeper.openSession({
      servers: '',
      sessionTimeoutMs: 4000,
      auth: [],
      session: null,
    })
    session.start()
    await this.timeline.advance(5)
    const done = initGroup(session, { cluster: 'test', group: 'orders', force })
    await this.timeline.advance(200)
    await done
    void session.close()
    await this.timeline.advance(5)
  }

  /** A controller in a process of its own; its files are the host's. */
  newController(place: Place): void {
    const proc = new Proc(place.host)
    place.proc = proc
    place.controller = new Controller(place.settings, this.sysOf(proc, place.member), {
      openSession: (options) => {
        place.session = this.zookeeper.openSession(options, proc.clock)
        return place.session
      },
    })
  }

  /** Starts it again after `killController`. */
  restartController(member: string): void {
    const place = this.place(member)
    this.newController(place)
    void place.controller.start()
  }

  killService(member: string): void {
    this.place(member).service.proc.isGone = true
  }

  async restartService(member: string): Promise<void> {
    const place = this.place(member)
    place.service.proc.isGone = true
    place.service = new FakeService(this, member, place.host)
    await place.service.start()
  }

  place(member: string): Place {
    const place = this.places.get(member)
    if (place === undefined) throw new Error(`no member ${member}`)
    return place
  }

  async startAll(): Promise<void> {
    for (const place of this.places.values()) void place.controller.start()
    await this.timeline.advance(1)
  }

  get active(): string[] {
    return [...this.places.values()]
      .filter((place) => !place.proc.isGone && place.controller.status.role === 'active')
      .map((place) => place.member)
  }

  /** Advances until exactly `member` (or anybody) is active; fails after `withinMs`. */
  async untilActive(member: string | null, withinMs = 20_000): Promise<number> {
    const startMs = this.timeline.nowMs
    const isSo = () => (member === null ? this.active.length === 1 : this.active.join() === member)
    await this.timeline.advance(withinMs, isSo)
    if (!isSo()) throw new Error(`nobody became active in ${withinMs} ms: ${this.describe()}`)
    return this.timeline.nowMs - startMs
  }

  describe(): string {
    return [...this.places.values()]
      .map(({ member, controller }) => {
        const { role, health, lastDecision } = controller.status
        return `${member}: ${role} ${health}; ${lastDecision.action}: ${lastDecision.sentence}`
      })
      .join(' | ')
  }

  /** kill -9 of a controller; its service and its files stay. */
  killController(member: string): void {
    const place = this.place(member)
    place.proc.isGone = true
    place.session?.kill()
  }

  /** Stops all processes of a member's host; the ensemble hears nothing of it either. */
  pause(member: string, how: 'pause' | 'suspend' = 'pause'): void {
    const place = this.place(member)
    place.host[how]()
    if (place.session !== null) this.zookeeper.lost(place.session.sessionId, 4000)
  }

  wake(member: string): void {
    const place = this.place(member)
    place.host.wake()
    const { session } = place
    if (session === null) return
    place.proc.clock.setTimer(1, () => session.drop('disconnected'))
  }

  written(member: string, token: bigint): void {
    const last = this.writes.at(-1)
    const atMs = this.timeline.nowMs
    if (last !== undefined && token < last.token) {
      this.violations.push(
        `${atMs}: ${member} wrote with ${token} after ${last.member} with ${last.token}`,
      )
    }
    const reigns = this.writes.findLast((write) => write.token === token)
    if (reigns !== undefined && reigns.member !== member) {
      this.violations.push(`${atMs}: ${member} and ${reigns.member} wrote with the same ${token}`)
    }
    this.writes.push({ atMs, member, token })
  }

  readonly decisions: string[] = []
  onDecision: (member: string, action: string) => void = () => {}

  sysOf(proc: Proc, member: string): Sys {
    const log: Logger = {
      ...silent,
      child: () => log,
      info: ({ action, sentence }, message) => {
        if (message !== 'decision') return
        this.decisions.push(
          `${this.timeline.nowMs} ${member} ${String(action)}: ${String(sentence)}`,
        )
        this.onDecision(member, String(action))
      },
    }
    return {
      clock: proc.clock,
      random: this.random,
      files: proc.host.files,
      log,
      network: {
        connect: () => {
          throw new Error('no sockets here')
        },
        listen: () => Promise.reject(new Error('no sockets here')),
      },
      http: { request: (request) => this.#request(proc, request) },
      process: {
        pid: 1,
        isAlive: () => false,
        killGroup: () => false,
        spawn: ({ argv, env }) => this.#spawn(proc, argv, env ?? {}),
      },
    }
  }

  #spawn(proc: Proc, argv: readonly string[], env: Readonly<Record<string, string>>) {
    this.commands.push({ argv, env })
    const outcome = this.command(argv)
    const { promise, resolve } = Promise.withResolvers<{
      code: number | null
      signal: string | null
    }>()
    // A process of its own: it goes on when the one that started it is stopped or gone.
    const child = new Proc(proc.host)
    if (outcome !== null) {
      child.clock.setTimer(outcome.afterMs, () => {
        outcome.effect?.()
        resolve({ code: outcome.code, signal: null })
      })
    }
    return {
      pid: 99,
      exited: promise,
      write: (line: string) => void this.fed.push({ atMs: this.timeline.nowMs, line }),
      kill: (signal: string) => {
        child.isGone = true
        resolve({ code: null, signal })
      },
    }
  }

  #request(from: Proc, request: HttpRequest): Promise<HttpResponse> {
    const url = new URL(request.url)
    const place = [...this.places.values()].find(
      ({ settings }) => settings.members[settings.member]?.host === url.hostname,
    )
    return new Promise((resolve, reject) => {
      const timeout = from.clock.setTimer(request.timeoutMs, () =>
        reject(new Error(`no answer within ${request.timeoutMs} ms`)),
      )
      if (place === undefined) return
      const isLocal = place.host === from.host
      const isCut = () =>
        !isLocal && (this.cuts.has(place.member) || this.cuts.has(this.#nameOf(from.host)))
      const travelMs = 0.5 + this.holdBack(request)
      const arriveAtMs = this.timeline.nowMs + travelMs
      this.timeline.at(arriveAtMs, new Proc(place.host), () => {
        if (isCut()) return
        if (!place.service.isAlive) {
          timeout.cancel()
          from.clock.setTimer(0.5, () => reject(new Error('ECONNREFUSED')))
          return
        }
        const { service } = place
        const delayMs = url.pathname === '/health' ? 0 : service.commandDelayMs
        service.proc.clock.setTimer(delayMs, () => {
          void service.handle(request).then((response) => {
            from.clock.setTimer(0.5, () => {
              if (isCut()) return
              timeout.cancel()
              resolve(response)
            })
          })
        })
      })
    })
  }

  #nameOf(host: Host): string {
    return [...this.places.values()].find((place) => place.host === host)?.member ?? ''
  }
}

export function settingsFor(
  member: string,
  members: readonly string[],
  change: Partial<GroupSettings> = {},
): GroupSettings {
  const all: Record<string, { host: string; port: number; priority: number }> = {}
  for (const [index, name] of members.entries()) {
    all[name] = { host: `${name}.example`, port: 8080, priority: 100 - index }
  }
  return {
    cluster: 'test',
    group: 'orders',
    member,
    members: all,
    ensembleConnect: 'zk:2181',
    sessionTimeoutMs: 4000,
    leaseMs: 3000,
    service: {
      health: [
        {
          kind: 'http',
          url: 'http://{host}:{port}/health',
          everyMs: 500,
          timeoutMs: 300,
          rise: 1,
          fall: 3,
        },
      ],
      activate: {
        kind: 'http',
        method: 'POST',
        url: 'http://{host}:{port}/activate',
        timeoutMs: 2000,
      },
      deactivate: {
        kind: 'http',
        method: 'POST',
        url: 'http://{host}:{port}/deactivate',
        timeoutMs: 1000,
      },
    },
    protection: ['lease'],
    fencing: [{ kind: 'graceful', timeoutMs: 500 }],
    whenEnsembleIsLost: 'demote',
    watchdog: 'off',
    stateDir: '/state',
    address: `${member}.example:8108`,
    configDigest: 'same',
    // Some tests do in a minute what should not happen in a month.
    failoversMax: 0,
    ...change,
  }
}
