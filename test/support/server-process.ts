/**
 * A real server program as a child process, for tests that kill it: started on a zoo.cfg of its own,
 * ready once it serves, ended by its process id alone.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect as connectSocket, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** What runs `command zoo.cfg` in the foreground. */
export interface ServerProgram {
  readonly name: string
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

const ROOT = join(import.meta.dirname, '../..')

/** Our server as `howdah server` runs it, without the launcher for old Nodes. */
export const ours: ServerProgram = {
  name: 'howdah',
  command: [process.execPath, join(ROOT, 'toolkit/main.ts'), 'server'],
}

export interface ServerOptions {
  /** Holds zoo.cfg, and `data` when `settings` name no other directory. */
  readonly folder: string
  readonly port: number
  readonly settings?: Readonly<Record<string, string | number>>
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

const READY_MS = 60_000
/** A server that does not end by itself is killed after so long. */
const STOP_MS = 20_000

const alive = new Set<ChildProcess>()
// Not even a test run that crashes leaves a server behind.
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})

export class ServerProcess {
  readonly port: number
  readonly connectString: string
  readonly ended: Promise<Ended>
  readonly #name: string
  readonly #child: ChildProcess
  #stdout = ''
  #stderr = ''

  private constructor(program: ServerProgram, options: ServerOptions) {
    const { folder, port } = options
    this.port = port
    this.connectString = `127.0.0.1:${port}`
    this.#name = program.name
    const settings = {
      dataDir: join(folder, 'data'),
      clientPort: port,
      clientPortAddress: '127.0.0.1',
      tickTime: 500,
      'admin.enableServer': 'false',
      '4lw.commands.whitelist': '*',
      maxClientCnxns: 0,
      ...options.settings,
    }
    mkdirSync(folder, { recursive: true })
    const config = join(folder, 'zoo.cfg')
    const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}\n`)
    writeFileSync(config, lines.join(''))
    const [command = '', ...words] = program.command
    const child = spawn(command, [...words, config], {
      cwd: folder,
      env: { ...process.env, ...program.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    alive.add(child)
    child.stdout!.on('data', (chunk: Buffer) => (this.#stdout += chunk.toString()))
    child.stderr!.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()))
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => {
        alive.delete(child)
        resolve({ code, signal })
      })
    })
  }

  /** Starts a server without waiting for it. */
  static spawn(program: ServerProgram, options: ServerOptions): ServerProcess {
    return new ServerProcess(program, options)
  }

  /** Starts a server; resolves once it serves. */
  static async start(program: ServerProgram, options: ServerOptions): Promise<ServerProcess> {
    const server = new ServerProcess(program, options)
    await server.ready()
    return server
  }

  async ready(): Promise<void> {
    const endMs = performance.now() + READY_MS
    while (!(await fourLetters(this.port, 'srvr')).includes('Mode:')) {
      if (!this.isAlive) throw new Error(`${this.#name} ended while starting: ${this.output}`)
      if (performance.now() > endMs) {
        await this.kill()
        throw new Error(`${this.#name} does not serve: ${this.output}`)
      }
      await delay(10)
    }
  }

  get pid(): number {
    return this.#child.pid!
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  get stdout(): string {
    return this.#stdout
  }

  get stderr(): string {
    return this.#stderr
  }

  /** The end of both, for messages. */
  get output(): string {
    return `${this.#stdout.slice(-2000)}${this.#stderr.slice(-2000)}`
  }

  /** Bytes of memory that the process holds now. */
  get residentBytes(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024
  }

  /** kill -9: what had not been written is lost. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.ended
  }

  /** SIGTERM, as an operator stops it. */
  async stop(): Promise<Ended> {
    this.#child.kill('SIGTERM')
    const impatience = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS)
    const ended = await this.ended
    clearTimeout(impatience)
    return ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}

/** A port of the loopback interface that nobody listened at a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** What a server answers to a four-letter word; empty when it does not. */
export function fourLetters(port: number, word: string): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connectSocket(port, '127.0.0.1', () => socket.write(word))
    socket.setTimeout(5000, () => socket.destroy())
    socket.on('data', (chunk) => (text += chunk.toString()))
    socket.on('error', () => resolve(''))
    socket.on('close', () => resolve(text))
  })
}
