/**
 * A real server with few descriptors and very many connections (F-27): those that it has are served, new
 * ones are refused with a line in the log, and there is room for the files that it starts meanwhile.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { connect } from '../../ensemble/client/index.ts'
import { howdahArgv } from '../../toolkit/setup/plan.ts'
import { freePort } from '../support/server-process.ts'

const DESCRIPTORS = 100
const CONNECTIONS = 200

test.skipIf(process.platform !== 'linux')(
  'connections that take all descriptors cost no client its session, and the server none of its files (F-27)',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'howdah-descriptors-'))
    const port = await freePort()
    const file = join(folder, 'zoo.cfg')
    const lines = [`dataDir=${folder}/data`, `clientPort=${port}`, 'clientPortAddress=127.0.0.1']
    writeFileSync(file, [...lines, 'maxClientCnxns=0', 'snapCount=20', ''].join('\n'))
    const limited = `ulimit -n ${DESCRIPTORS} && exec "$@"`
    const words = ['-c', limited, 'sh', ...howdahArgv(['server', file])]
    const server = spawn('/bin/sh', words, { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(server, 'close')
    let log = ''
    server.stdout.on('data', (chunk: Buffer) => (log += chunk.toString()))
    const sockets: Socket[] = []
    try {
      await expect.poll(() => log, { timeout: 15_000 }).toContain('"serving"')
      await using client = await connect(`127.0.0.1:${port}`)
      for (let i = 0; i < CONNECTIONS; i++) {
        sockets.push(createConnection({ host: '127.0.0.1', port }).on('error', () => {}))
      }
      await expect.poll(() => log, { timeout: 15_000 }).toContain('ulimit -n')
      // Snapshots are taken, and logs begun, while the rest knock.
      for (let i = 0; i < 200; i++) await client.create(`/n${i}`, 'x')
      expect(readdirSync(join(folder, 'data/version-2')).length).toBeGreaterThan(3)
      for (const socket of sockets) socket.destroy()
      const afterwards = async (): Promise<boolean> => {
        await using other = await connect(`127.0.0.1:${port}`, { connectTimeoutMs: 1000 })
        return (await other.exists('/n199')) !== null
      }
      await expect.poll(() => afterwards().catch(() => false), { timeout: 15_000 }).toBe(true)
      expect(log).not.toContain('"fatal"')
    } finally {
      for (const socket of sockets) socket.destroy()
      server.kill()
      await ended
      rmSync(folder, { recursive: true })
    }
  },
  60_000,
)
