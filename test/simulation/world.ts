/**
 * The simulated world: one scheduler, on which everything waits that production code gets from
 * outside.
 *
 * - Events lie in one priority queue keyed (time, tie, sequence); the tie is drawn from the seed, so
 *   that the order of simultaneous events varies by seed and never by engine (D-3).
 * - Each event runs in an immediate of its own: Node empties the microtask queue between two
 *   immediates, so every promise chain that an event set off has come to rest before the next event.
 *   Code in the world must therefore wait for nothing but what `sys` promised (D-2).
 * - A rolling hash over (time, process, kind, detail) of all events tells whether two runs of a seed
 *   were the same run.
 * - A process that crashed takes part no more: its events are dropped, so its timers never fire, and
 *   its promises never resolve. A paused process has its events held until it is resumed (F-19).
 * - An error that escapes from production code is a crash by bug (F-28), and a violation.
 */
import { Prng } from './prng.ts'

export interface WorldEvent {
  timeUs: number
  tie: number
  sequence: number
  /** Whose event it is; null for the world's own, such as faults. */
  readonly proc: Proc | null
  readonly kind: string
  readonly detail: number
  readonly run: () => void
  cancelled: boolean
}

/** A violated rule: the run has failed. */
export interface Violation {
  /** Ids of the reliability reference, or a word. */
  readonly id: string
  readonly text: string
  readonly timeUs: number
}

interface Note {
  readonly timeUs: number
  readonly who: string
  readonly kind: string
  readonly detail: unknown
  /** How many events had run before it. */
  readonly after: number
}

const TRACE_LENGTH = 200
const EVENTS_PER_LOOP_TURN = 64

/** What runs on a host and is paused or killed as one: an operating-system process. */
export class Proc {
  readonly world: World
  readonly host: Host
  readonly name: string
  readonly pid: number
  isAlive = true
  isPaused = false
  /** Counts calls with an effect outside the process; see `crashAtEffect`. */
  effects = 0
  crashAtEffect = -1
  crashHow: 'kill' | 'power-loss' = 'kill'
  /** Ends with the process: connections closed, listeners gone. Called with what ended it. */
  readonly onEnd: ((how: 'exit' | 'kill' | 'power-loss') => void)[] = []
  held: WorldEvent[] = []

  constructor(world: World, host: Host, name: string, pid: number) {
    this.world = world
    this.host = host
    this.name = name
    this.pid = pid
  }

  /** Counts an effect; true when the process died just before it, so that it must not happen. */
  diesBeforeEffect(): boolean {
    if (!this.isAlive) return true
    this.effects++
    if (this.effects === this.crashAtEffect) {
      this.world.mark('crash-at-effect')
      this.world.kill(this, this.crashHow)
      return true
    }
    return false
  }
}

/** A machine: one address, one clock, one disk. */
export class Host {
  readonly address: string
  isUp = true
  /** Local milliseconds per millisecond of the world. */
  readonly clockRate: number
  readonly monotonicOffsetMs: number
  wallOffsetMs: number
  nextPid = 100
  readonly procs = new Set<Proc>()

  constructor(address: string, clock: { rate: number; offsetMs: number; wallOffsetMs: number }) {
    this.address = address
    this.clockRate = clock.rate
    this.monotonicOffsetMs = clock.offsetMs
    this.wallOffsetMs = clock.wallOffsetMs
  }
}

export class World {
  readonly seed: number
  nowUs = 0
  readonly violations: Violation[] = []
  /** How often something worth knowing happened (D-20). */
  readonly marks = new Map<string, number>()
  readonly hosts = new Map<string, Host>()
  eventsRun = 0
  readonly #ties: Prng
  readonly #heap: WorldEvent[] = []
  #sequence = 0
  #hash = 0x811c9dc5
  readonly #events: WorldEvent[] = []
  readonly #notes: Note[] = []
  #notesMade = 0
  #current: Proc | null = null
  #kinds = new Map<string, number>()
  #processIds = new Map<Proc, number>()

  constructor(seed: number) {
    this.seed = seed
    this.#ties = this.stream('ties')
  }

  stream(name: string): Prng {
    return new Prng(this.seed, name)
  }

  get nowMs(): number {
    return this.nowUs / 1000
  }

  /** The rolling hash so far, as eight hexadecimal digits. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0')
  }

  /** The process whose event runs now. */
  get current(): Proc | null {
    return this.#current
  }

  mark(name: string): void {
    this.marks.set(name, (this.marks.get(name) ?? 0) + 1)
  }

  violate(id: string, text: string): void {
    this.violations.push({ id, text, timeUs: this.nowUs })
    this.note('world', 'VIOLATION', `${id}: ${text}`)
  }

  // -- machines and processes

  addHost(
    address: string,
    clock: { rate?: number; offsetMs?: number; wallOffsetMs?: number } = {},
  ): Host {
    const host = new Host(address, {
      rate: clock.rate ?? 1,
      offsetMs: clock.offsetMs ?? 1000,
      wallOffsetMs: clock.wallOffsetMs ?? Date.UTC(2026, 0, 1),
    })
    this.hosts.set(address, host)
    return host
  }

  startProc(host: Host, name: string): Proc {
    const proc = new Proc(this, host, name, host.nextPid++)
    host.procs.add(proc)
    this.#processIds.set(proc, this.#processIds.size + 1)
    this.note(name, 'start', proc.pid)
    return proc
  }

  /** Ends a process between two of its steps, or at an effect: nothing of it happens after. */
  kill(proc: Proc, how: 'exit' | 'kill' | 'power-loss'): void {
    if (!proc.isAlive) return
    proc.isAlive = false
    proc.isPaused = false
    proc.held = []
    proc.host.procs.delete(proc)
    this.note(proc.name, how, proc.pid)
    for (const end of proc.onEnd.splice(0)) end(how)
  }

  pause(proc: Proc): void {
    if (!proc.isAlive || proc.isPaused) return
    proc.isPaused = true
    this.note(proc.name, 'pause', proc.pid)
  }

  /** Hands the process what it missed, in the order in which it would have come. */
  resume(proc: Proc): void {
    if (!proc.isAlive || !proc.isPaused) return
    proc.isPaused = false
    this.note(proc.name, 'resume', proc.pid)
    const held = proc.held
    proc.held = []
    // All of it is due now; the ties keep the order among themselves and let others in between.
    let tie = 0
    for (const event of held) {
      event.timeUs = this.nowUs
      tie += this.#ties.float() / (held.length + 1)
      event.tie = tie
      this.#push(event)
    }
  }

  // -- events

  /** Runs `run` after `delayUs`, as an event of `proc`, unless that process has ended by then. */
  schedule(
    proc: Proc | null,
    delayUs: number,
    kind: string,
    detail: number,
    run: () => void,
  ): WorldEvent {
    const event: WorldEvent = {
      timeUs: this.nowUs + Math.max(0, Math.round(delayUs)),
      tie: this.#ties.float(),
      sequence: this.#sequence++,
      proc,
      kind,
      detail,
      run,
      cancelled: false,
    }
    this.#push(event)
    return event
  }

  /** For the scripts of scenarios, which no fault touches. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.schedule(null, delayMs * 1000, 'sleep', 0, resolve))
  }

  /** Lets the world run for `forMs`, or until `done` holds after an event. */
  run(forMs: number, done: () => boolean = () => false): Promise<void> {
    const untilUs = this.nowUs + Math.round(forMs * 1000)
    return new Promise((resolve, reject) => {
      let queued = 0
      let finished = false
      const finish = () => {
        finished = true
        if (!(this.nowUs > untilUs) && !done()) this.nowUs = untilUs
        resolve()
      }
      const step = () => {
        queued--
        if (finished) return
        try {
          const next = this.#heap[0]
          if (done() || next === undefined || next.timeUs > untilUs) return finish()
          this.#pop()
          this.#perform(next)
        } catch (error) {
          finished = true
          return reject(error)
        }
        if (queued === 0) refill()
      }
      const refill = () => {
        while (queued < EVENTS_PER_LOOP_TURN) {
          queued++
          setImmediate(step)
        }
      }
      refill()
    })
  }

  #perform(event: WorldEvent): void {
    if (event.cancelled) return
    if (event.timeUs > this.nowUs) this.nowUs = event.timeUs
    const { proc } = event
    if (proc !== null) {
      if (!proc.isAlive) return
      if (proc.isPaused) {
        proc.held.push(event)
        return
      }
    }
    this.#events[this.eventsRun++ % TRACE_LENGTH] = event
    this.#mix(event)
    this.#current = proc
    try {
      event.run()
    } catch (error) {
      this.crashedByBug(proc, error)
    }
  }

  /** What `uncaughtException` is to a real process. */
  crashedByBug(proc: Proc | null, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    if (proc === null) {
      this.violate('simulator', text)
      return
    }
    // What a process does after its death, within the step that it died in, is not observable.
    if (!proc.isAlive) return
    this.violate('F-28', `${proc.name}: ${text}`)
    this.kill(proc, 'exit')
  }

  #mix(event: WorldEvent): void {
    let kind = this.#kinds.get(event.kind)
    if (kind === undefined) {
      kind = this.#kinds.size + 1
      this.#kinds.set(event.kind, kind)
    }
    const proc = event.proc === null ? 0 : this.#processIds.get(event.proc)!
    let hash = this.#hash
    hash = Math.imul(hash ^ (event.timeUs >>> 0), 0x01000193)
    hash = Math.imul(hash ^ Math.floor(event.timeUs / 0x1_0000_0000), 0x85ebca6b)
    hash = Math.imul(hash ^ ((proc << 8) | kind), 0xc2b2ae35)
    hash = Math.imul(hash ^ event.detail, 0x27d4eb2f)
    this.#hash = hash ^ (hash >>> 15)
  }

  // -- the trace

  note(who: string, kind: string, detail: unknown): void {
    const note = { timeUs: this.nowUs, who, kind, detail, after: this.eventsRun }
    this.#notes[this.#notesMade++ % TRACE_LENGTH] = note
  }

  /** The last events, and the last log lines before them, oldest first (D-18). */
  trace(): string[] {
    const events = inOrder(this.#events, this.eventsRun)
    const lines: string[] = []
    let next = this.eventsRun - events.length
    for (const note of inOrder(this.#notes, this.#notesMade)) {
      for (; next < note.after && events.length > 0; next++) lines.push(eventLine(events.shift()!))
      lines.push(noteLine(note))
    }
    return [...lines, ...events.map(eventLine)]
  }

  // -- the heap

  #push(event: WorldEvent): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(event, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    const length = heap.length
    if (length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= length) break
      if (child + 1 < length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}

function isBefore(left: WorldEvent, right: WorldEvent): boolean {
  if (left.timeUs !== right.timeUs) return left.timeUs < right.timeUs
  if (left.tie !== right.tie) return left.tie < right.tie
  return left.sequence < right.sequence
}

/** The content of a ring of which `count` places were written in all. */
function inOrder<T>(ring: readonly T[], count: number): T[] {
  const start = count > ring.length ? count % ring.length : 0
  return [...ring.slice(start), ...ring.slice(0, start)]
}

function eventLine(event: WorldEvent): string {
  return line(event.timeUs, event.proc?.name ?? 'world', `${event.kind} ${event.detail}`)
}

function noteLine({ timeUs, who, kind, detail }: Note): string {
  const text = JSON.stringify(detail, (_, value: unknown) => {
    if (typeof value === 'bigint') return `0x${value.toString(16)}`
    return value instanceof Error ? value.message : value
  })
  return line(timeUs, who, `${kind} ${text}`)
}

function line(timeUs: number, who: string, text: string): string {
  return `${(timeUs / 1000).toFixed(3).padStart(12)} ${who.padEnd(14)} ${text}`
}
