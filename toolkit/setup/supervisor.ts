/**
 * Runs the parts of a set-up as processes of their own: starts, restarts with back-off, stops in order.
 *
 * Invariants:
 * 1. A part leads a process group of its own, so that Ctrl-C at a terminal reaches `up` alone.
 * 2. No part outlives us: its stdin is a pipe whose close our servers and controllers take as SIGTERM,
 *    and the reaper ends every group when we are killed with -9.
 * 3. A part that ends by itself is started again after its `restartAfterMs`, doubled up to
 *    `RESTART_LAST_MS`, and from the beginning once it ran for `STEADY_AFTER_MS`. Status 2 (wrong
 *    usage or configuration) is final: a restart would end the same way.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { LineCutter } from '../log-lines.ts'
import { SUPERVISED } from '../supervised.ts'
import type { Part } from './plan.ts'

const RESTART_LAST_MS = 10_000
const STEADY_AFTER_MS = 10_000
const KILL_AFTER_MS = 10_000
const CONFIGURATION_STATUS = 2

export interface SupervisorEvents {
  onLine(part: Part, line: string, stream: 'stdout' | 'stderr'): void
  onStart(part: Part, pid: number): void
  /** @param againInMs null when the part is not started again */
  onExit(part: Part, how: string, againInMs: number | null): void
}

interface Running {
  readonly part: Part
  child: ChildProcess | null
  restarts: number
  startedAtMs: number
  timer: NodeJS.Timeout | null
  gone: Promise<void>
}

export class Supervisor {
  readonly #directory: string
  readonly #events: SupervisorEvents
  readonly #running: Running[] = []
  readonly #reaper: ChildProcess
  #isStopping = false

  constructor(options: { directory: string; events: SupervisorEvents }) {
    this.#directory = options.directory
    this.#events = options.events
    const file = import.meta.url.endsWith('.ts') ? './reaper.ts' : './reaper.js'
    const path = fileURLToPath(new URL(file, import.meta.url))
    this.#reaper = spawn(process.execPath, [path], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    })
    this.#reaper.on('error', () => {})
    this.#reaper.stdin?.on('error', () => {})
    this.#reaper.unref()
  }

  start(part: Part): void {
    if (this.#isStopping) return
    const running: Running = {
      part,
      child: null,
      restarts: 0,
      startedAtMs: 0,
      timer: null,
      gone: Promise.resolve(),
    }
    this.#running.push(running)
    this.#spawn(running)
  }

  /** Stops kind after kind; parts of one kind together. */
  async stop(order: readonly Part['kind'][]): Promise<void> {
    this.#isStopping = true
    for (const { timer } of this.#running) if (timer !== null) clearTimeout(timer)
    for (const kind of order) {
      const parts = this.#running.filter(({ part }) => part.kind === kind)
      await Promise.all(parts.map((running) => stopOne(running)))
    }
    this.#reaper.stdin?.end()
  }

  #spawn(running: Running): void {
    const { part } = running
    const [program = '', ...rest] = part.argv
    running.timer = null
    running.startedAtMs = performance.now()
    const child = spawn(program, rest, {
      cwd: this.#directory,
      env: { ...process.env, [SUPERVISED]: '1' },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    })
    running.child = child
    child.stdin.on('error', () => {})
    for (const stream of ['stdout', 'stderr'] as const) {
      const cutter = new LineCutter((line) => this.#events.onLine(part, line, stream))
      child[stream].on('data', (chunk: Buffer) => cutter.push(chunk))
      child[stream].on('end', () => cutter.end())
    }
    const { pid } = child
    if (pid !== undefined) {
      this.#reaper.stdin?.write(`+${pid}\n`)
      this.#events.onStart(part, pid)
    }
    running.gone = new Promise((resolve) => {
      const onGone = (how: string, status: number | null): void => {
        if (running.child !== child) return
        running.child = null
        if (pid !== undefined) this.#reaper.stdin?.write(`-${pid}\n`)
        resolve()
        this.#onExit(running, how, status)
      }
      child.on('error', (error) => onGone(`could not start: ${error.message}`, null))
      child.on('exit', (status, signal) =>
        onGone(signal === null ? `ended with status ${status}` : `ended by ${signal}`, status),
      )
    })
  }

  #onExit(running: Running, how: string, status: number | null): void {
    const { part } = running
    if (this.#isStopping || status === CONFIGURATION_STATUS) {
      this.#events.onExit(part, how, null)
      return
    }
    const ranMs = performance.now() - running.startedAtMs
    if (ranMs > STEADY_AFTER_MS) running.restarts = 0
    const delayMs = Math.min(part.restartAfterMs * 2 ** running.restarts, RESTART_LAST_MS)
    running.restarts++
    this.#events.onExit(part, how, delayMs)
    running.timer = setTimeout(() => this.#spawn(running), delayMs)
  }
}

async function stopOne(running: Running): Promise<void> {
  const { child, gone } = running
  const pid = child?.pid
  if (child === null || pid === undefined) return
  signalGroup(pid, 'SIGTERM')
  // A stopped process (SIGSTOP) gets its SIGTERM only when it goes on.
  signalGroup(pid, 'SIGCONT')
  const timer = setTimeout(() => signalGroup(pid, 'SIGKILL'), KILL_AFTER_MS)
  await gone
  clearTimeout(timer)
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // gone already
  }
}
