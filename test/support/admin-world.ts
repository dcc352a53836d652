/**
 * A server with the sessions, nodes and watches that the recordings of `golden/admin` were made with,
 * and the form in which answers are compared: numbers, ids, dates and versions are what differs from
 * run to run.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Client } from '../../ensemble/client/index.ts'
import { startServer, type Peer, type ServerSettings } from '../../ensemble/server/index.ts'
import { silent } from '../../ensemble/sys/logger.ts'

export class AdminWorld {
  readonly server: Peer
  readonly first: Client
  readonly second: Client
  readonly #dataDir: string

  private constructor(server: Peer, first: Client, second: Client, dataDir: string) {
    this.server = server
    this.first = first
    this.second = second
    this.#dataDir = dataDir
  }

  static async start(settings: Partial<ServerSettings> = {}): Promise<AdminWorld> {
    const dataDir = mkdtempSync(join(tmpdir(), 'howdah-admin-'))
    const server = await startServer(
      {
        dataDir,
        clientPort: 0,
        clientPortAddress: '127.0.0.1',
        tickTimeMs: 2000,
        fourLetterWords: ['*'],
        ...settings,
      },
      silent,
    )
    const address = `127.0.0.1:${server.clientPort}`
    const first = await connect(address, { sessionTimeoutMs: 10_000 })
    const second = await connect(address, { sessionTimeoutMs: 8000 })
    const watcher = (): void => {}
    await first.create('/app', Buffer.alloc(0))
    await first.create('/app/eph-', null, { mode: 'ephemeral-sequential' })
    await second.create('/app/eph-', null, { mode: 'ephemeral-sequential' })
    await first.exists('/app', { watch: watcher })
    await first.exists('/app/missing', { watch: watcher })
    await second.get('/app', { watch: watcher })
    await second.getChildren('/app', { watch: watcher })
    return new AdminWorld(server, first, second, dataDir)
  }

  /** Statistics that were reset have something to show again. */
  async askSomething(): Promise<void> {
    await this.first.get('/app')
    await this.second.get('/app')
  }

  /** All that the server sends after these bytes, until it closes. */
  send(bytes: string | Buffer, { end = false } = {}): Promise<string> {
    return exchange(this.server.clientPort, bytes, end)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.first.close()
    await this.second.close()
    await this.server.close()
    rmSync(this.#dataDir, { recursive: true, force: true })
  }
}

const PATIENCE_MS = 5000

function exchange(port: number, bytes: string | Buffer, end: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connectSocket(port, '127.0.0.1', () => {
      socket.write(bytes)
      if (end) socket.end()
    })
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('the server does not close')))
    socket.on('data', (chunk) => (text += chunk.toString()))
    // Garbage ends with a reset as well as with a close.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET') reject(error)
    })
    socket.on('close', () => resolve(text))
  })
}

/** Text without what changes from run to run. */
export function shape(text: string): string {
  return text
    .replace(/^(Zookeeper version: |zookeeper\.version=).*$/gm, '$1VERSION')
    .replace(/expire at .*:$/gm, 'expire at DATE:')
    .replace(/\w{3} \w{3} \d\d \d\d:\d\d:\d\d \S+ \d{4}/g, 'DATE')
    .replace(/\d+\.\d+\.\d+\.\d+:\d+/g, 'ADDRESS')
    .replace(/lop=[A-Z0-9]+/g, 'lop=OP')
    .replace(/0x[0-9a-f]+/g, 'HEX')
    .replace(/(Dir|dir|data_dir|log_dir)=\S+/g, '$1=PATH')
    .replace(/\d+\.\d+/g, 'DECIMAL')
    .replace(/\d+/g, 'N')
}

/** Lines of the same shape count once: how many there are is a matter of load and time. */
export function shapeOfList(text: string): string[] {
  return [...new Set(shape(text).split('\n'))]
}
