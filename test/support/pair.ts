/**
 * The set-up of examples/pair as real processes: its own YAML on free ports and a temporary
 * directory, under `howdah up`; and a client that writes all the time and remembers what was accepted.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { LedgerLine } from '../../examples/pair/ledger.ts'
import { LineCutter } from '../../toolkit/log-lines.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const START_TIMEOUT_MS = 60_000
const LOOK_EVERY_MS = 20

export type MemberName = 'a' | 'b'
export const otherOf = (member: MemberName): MemberName => (member === 'a' ? 'b' : 'a')

export interface MemberState {
  readonly role: string
  readonly token: string | null
  readonly pid: number
  readonly controllerPid: number
  readonly watchdogPid: number | null
}

export type LogLine = Readonly<Record<string, unknown>> & {
  readonly part: string
  readonly msg: string
}

export class Pair {
  readonly directory: string
  readonly file: string
  readonly lines: LogLine[] = []
  readonly #ports: Readonly<Record<string, number>>
  readonly #up: ChildProcess
  readonly #exited: Promise<number | null>
  /** Everything that was printed, for the message of a failed test. */
  text = ''

  private constructor(directory: string, file: string, ports: Readonly<Record<string, number>>) {
    this.directory = directory
    this.file = file
    this.#ports = ports
    this.#up = spawn(process.execPath, [join(root, 'bin/howdah.js'), 'up', file, '--raw'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const cutter = new LineCutter((line) => {
      this.text += `${line}\n`
      // `--raw` prints JSON objects only.
      if (line.startsWith('{')) this.lines.push(JSON.parse(line) as LogLine)
    })
    this.#up.stdout?.on('data', (chunk: Buffer) => cutter.push(chunk))
    this.#up.stderr?.on('data', (chunk: Buffer) => (this.text += chunk.toString()))
    this.#exited = new Promise((resolve) => this.#up.on('exit', (status) => resolve(status)))
  }

  static async start(): Promise<Pair> {
    const directory = mkdtempSync(join(tmpdir(), 'howdah-pair-'))
    const published = [12181, 18001, 18002, 18101, 18102, 18200]
    const free = await freePorts(published.length)
    const ports: Record<string, number> = {}
    let yaml = readFileSync(join(root, 'examples/pair/howdah.yaml'), 'utf8')
    for (const [index, port] of published.entries()) {
      ports[port] = free[index] ?? 0
      yaml = yaml.replaceAll(String(port), `PORT${index}`)
    }
    for (const [index, port] of free.entries()) yaml = yaml.replaceAll(`PORT${index}`, String(port))
    for (const program of ['service.ts', 'ledger.ts']) {
      yaml = yaml.replaceAll(`node, ${program}`, `node, ${join(root, 'examples/pair', program)}`)
    }
    yaml = yaml.replace('--state,', `--ledger, 'http://127.0.0.1:${ports[18200]}', --state,`)
    const file = join(directory, 'howdah.yaml')
    writeFileSync(file, yaml)
    return new Pair(directory, file, ports)
  }

  get pid(): number {
    return this.#up.pid ?? 0
  }

  port(published: number): number {
    return this.#ports[published] ?? 0
  }

  url(member: MemberName, path: string): string {
    return `http://127.0.0.1:${this.port(member === 'a' ? 18001 : 18002)}${path}`
  }

  controllerUrl(member: MemberName, path: string): string {
    return `http://127.0.0.1:${this.port(member === 'a' ? 18101 : 18102)}${path}`
  }

  ledgerUrl(path: string): string {
    return `http://127.0.0.1:${this.port(18200)}${path}`
  }

  async state(member: MemberName): Promise<MemberState | null> {
    try {
      const response = await fetch(this.controllerUrl(member, '/status'), {
        signal: AbortSignal.timeout(500),
      })
      return (await response.json()) as MemberState
    } catch {
      return null
    }
  }

  /** Waits until `member` (or any) is active by its controller's own HTTP check. */
  async untilActive(members: readonly MemberName[], timeoutMs: number): Promise<MemberName> {
    return this.until(`one of ${members.join()} is active`, timeoutMs, async () => {
      for (const member of members) {
        try {
          const options = { signal: AbortSignal.timeout(300) }
          if ((await fetch(this.controllerUrl(member, '/active'), options)).status === 200)
            return member
        } catch {
          // not there (yet)
        }
      }
      return null
    })
  }

  start(): Promise<MemberName> {
    return this.untilActive(['a', 'b'], START_TIMEOUT_MS)
  }

  async until<T>(what: string, timeoutMs: number, look: () => Promise<T | null>): Promise<T> {
    const endMs = performance.now() + timeoutMs
    for (;;) {
      const found = await look()
      if (found !== null) return found
      if (performance.now() > endMs) {
        throw new Error(`not within ${timeoutMs} ms: ${what}\n${this.text.slice(-6000)}`)
      }
      await delay(LOOK_EVERY_MS)
    }
  }

  async ledger(): Promise<LedgerLine[]> {
    return (await (await fetch(this.ledgerUrl('/entries'))).json()) as LedgerLine[]
  }

  /** The lines of one part that come after `mark` (from `lines.length`). */
  linesOf(part: string, mark = 0): LogLine[] {
    return this.lines.slice(mark).filter((line) => line.part === part)
  }

  kill(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal)
  }

  get exited(): Promise<number | null> {
    return this.#exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#up.exitCode === null && this.#up.signalCode === null) {
      this.kill('SIGTERM')
      await this.#exited
    }
    if (existsSync(this.directory)) rmSync(this.directory, { recursive: true })
  }
}

export interface Accepted {
  readonly order: string
  readonly line: LedgerLine
}

/** Writes orders one after the other, to whoever takes them. */
export class Writer {
  readonly accepted: Accepted[] = []
  readonly #pair: Pair
  readonly #done: Promise<void>
  #isOver = false
  #target: MemberName = 'a'
  #count = 0

  constructor(pair: Pair) {
    this.#pair = pair
    this.#done = this.#run()
  }

  async stop(): Promise<readonly Accepted[]> {
    this.#isOver = true
    await this.#done
    return this.accepted
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const order = `order ${this.#count++}`
      try {
        const response = await fetch(this.#pair.url(this.#target, '/orders'), {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ order }),
          signal: AbortSignal.timeout(300),
        })
        const line: unknown = await response.json()
        if (response.status === 201) {
          this.accepted.push({ order, line: line as LedgerLine }) // 201 carries the ledger's line
          continue
        }
      } catch {
        // not answered: whether it was written is not known
      }
      this.#target = otherOf(this.#target)
      await delay(5)
    }
  }
}

/** What must hold for any ledger, whatever happened; empty when it does. */
export function violations(lines: readonly LedgerLine[], accepted: readonly Accepted[]): string[] {
  const found: string[] = []
  let highest = 0n
  for (const { index, token } of lines) {
    if (BigInt(token) < highest) found.push(`line ${index}: token ${token} after ${highest}`)
    if (BigInt(token) > highest) highest = BigInt(token)
  }
  for (const { order, line } of accepted) {
    const written = lines[line.index]
    if (written?.order !== order || written.token !== line.token) {
      found.push(`accepted ${JSON.stringify(line)}, the ledger has ${JSON.stringify(written)}`)
    }
  }
  return found
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer()
          server.listen(0, '127.0.0.1', () => resolve(server))
        }),
    ),
  )
  return Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          const address = server.address()
          server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0))
        }),
    ),
  )
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
