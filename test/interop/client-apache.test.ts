/**
 * Our client against Apache ZooKeeper 3.9.5, by the scenario that our own server must pass too.
 * Skips aloud where there is no Java, no Maven, or no script to start Apache's server with.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { clientScenario } from '../support/client-scenario.ts'
import { stablePort } from '../support/stable-port.ts'

const rigs = process.env['HOWDAH_RIGS'] ?? join(import.meta.dirname, '../../../shared/rigs')
const script = join(rigs, 'apache/server')
const hasTools = ['java', 'mvn'].every((tool) => spawnSync(tool, ['-version']).status === 0)
const missing = !existsSync(script) ? `no ${script}` : hasTools ? null : 'no java or mvn'
if (missing !== null)
  process.stderr.write(`SKIPPED test/interop/client-apache.test.ts: ${missing}\n`)

describe.skipIf(missing !== null)('our client against Apache ZooKeeper 3.9.5', () => {
  let folder = ''
  let port = 0
  let server: ChildProcess | null = null

  async function start(): Promise<void> {
    server = spawn(script, [join(folder, 'zoo.cfg')], { stdio: 'ignore' })
    const deadlineMs = performance.now() + 120_000
    while ((await fourLetters(port, 'ruok')) !== 'imok') {
      if (server.exitCode !== null) throw new Error(`the server ended with ${server.exitCode}`)
      if (performance.now() > deadlineMs) throw new Error('the server did not start')
      await delay(100)
    }
  }

  /** By the id of the process that we started: the script replaces itself with java. */
  async function stop(signal: NodeJS.Signals): Promise<void> {
    const child = server
    server = null
    if (child === null || child.exitCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await gone
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'howdah-apache-'))
    port = await stablePort()
    const settings = [
      'tickTime=1000',
      `dataDir=${join(folder, 'data')}`,
      `clientPort=${port}`,
      'clientPortAddress=127.0.0.1',
      'preAllocSize=1024',
    ]
    writeFileSync(join(folder, 'zoo.cfg'), `${settings.join('\n')}\n`)
    await start()
  })

  afterAll(async () => {
    await stop('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  test.for(Object.entries(clientScenario))('%s', async ([, step]) => {
    await step({
      connectString: `127.0.0.1:${port}`,
      restart: async () => {
        await stop('SIGKILL')
        await start()
      },
    })
  })
})

function fourLetters(port: number, word: string): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connectSocket(port, '127.0.0.1', () => socket.write(word))
    socket.on('data', (chunk) => (text += chunk.toString()))
    socket.setTimeout(2000, () => socket.destroy())
    socket.on('error', () => resolve(''))
    socket.on('close', () => resolve(text))
  })
}
