/**
 * Real systems on our server: Kafka brokers in ZooKeeper mode, HBase masters and region servers,
 * Hadoop's NameNodes and ResourceManagers with their controllers, each under the checks of its rig
 * (../shared/rigs, or HOWDAH_RIGS): daemons are killed, paused and stopped, and what they keep in
 * ZooKeeper must be what the system itself says.
 *
 *   SYSTEMS_RESTART_SECONDS   kill -9 our server and start it again, each time after so long; unset: never
 *
 * Skips aloud what lacks a tool, a registry or the rig. One system at a time: they take up to 2 GB.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, describe, expect, test } from 'vitest'
import { freePort, ours, ServerProcess, type ServerOptions } from '../support/server-process.ts'

const RIGS = process.env['HOWDAH_RIGS'] ?? join(import.meta.dirname, '../../../shared/rigs')
const RESTART_SECONDS = Number(process.env['SYSTEMS_RESTART_SECONDS'] ?? 0)
const FETCH_MS = 5 * 60_000
const RUN_MS = 12 * 60_000
/** A rig ends its daemons when it is asked to; after so long it is killed. */
const PATIENCE_MS = 30_000

interface System {
  /** Checks that pass with `--connect`; fewer mean that some did not run. */
  readonly passed: number
  /** Python, with the rig's folder and the rigs' library on its path, that fetches the packages. */
  readonly fetch: string
}

const viaLibrary =
  'import pathlib, jvmrig; jvmrig.kazoo_path(); jvmrig.class_path(pathlib.Path(sys.path[0]))'
const systems: Readonly<Record<string, System>> = {
  kafka: { passed: 17, fetch: viaLibrary },
  hbase: { passed: 8, fetch: viaLibrary },
  hadoop: { passed: 28, fetch: 'import hadoop; hadoop.jars()' },
}

const root = mkdtempSync(join(tmpdir(), 'howdah-systems-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe('a system that keeps its state in our server', () => {
  for (const [name, { passed, fetch }] of Object.entries(systems)) {
    const rig = join(RIGS, name, 'run')
    const title = `${name}: every check of its rig`
    const missing = lacking(rig)
    if (missing !== null) {
      skipAloud(name, missing)
      test.skip(`${title} (${missing})`)
      continue
    }
    test(
      title,
      async (context) => {
        const refused = await fetchPackages(rig, fetch)
        if (refused !== null) {
          skipAloud(name, refused)
          return context.skip(refused)
        }
        const settings = { minSessionTimeout: 500, maxSessionTimeout: 60_000 }
        const options = { folder: join(root, name), port: await freePort(), settings }
        await using restarted = new Restarted(options)
        await restarted.start()
        const startedMs = performance.now()
        const { status, output } = await python(
          [rig, '--connect', restarted.server.connectString],
          RUN_MS,
        )
        const seconds = ((performance.now() - startedMs) / 1000).toFixed(0)
        process.stderr.write(`${name}: ${seconds} s, ${restarted.count} restarts of our server\n`)
        const server = await restarted.settled()
        const lines = output.split('\n')
        const shown = `${output.slice(-6000)}\n${server.output}`
        expect(
          lines.filter((line) => line.startsWith('FAIL ')),
          shown,
        ).toEqual([])
        expect(status, shown).toBe(0)
        const good = lines.filter((line) => line.startsWith('ok '))
        expect(good.length, shown).toBeGreaterThanOrEqual(passed)
        expect(server.isAlive, server.output).toBe(true)
        expect(server.stderr).toBe('')
      },
      FETCH_MS + RUN_MS + 2 * PATIENCE_MS,
    )
  }
})

/** Our server, killed and started again on its directory as often as the environment says. */
class Restarted {
  server!: ServerProcess
  count = 0
  readonly #options: ServerOptions
  readonly #ending = new AbortController()
  #loop: Promise<void> = Promise.resolve()

  constructor(options: ServerOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    this.server = await ServerProcess.start(ours, this.#options)
    if (RESTART_SECONDS > 0) this.#loop = this.#run()
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending
    for (;;) {
      await delay(RESTART_SECONDS * 1000, undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      await this.server.kill()
      this.server = await ServerProcess.start(ours, this.#options)
      this.count++
    }
  }

  /** No restart any more: the server that runs now. */
  async settled(): Promise<ServerProcess> {
    this.#ending.abort()
    await this.#loop
    return this.server
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.settled()).kill()
  }
}

function lacking(rig: string): string | null {
  if (!existsSync(rig)) return `no ${rig}`
  const tools = ['python3', 'java', 'javac', 'mvn']
  const missing = tools.filter((tool) => spawnSync('which', [tool]).status !== 0)
  return missing.length === 0 ? null : `no ${missing.join(', ')}`
}

function skipAloud(name: string, why: string): void {
  process.stderr.write(`SKIPPED ${name} of test/interop/systems.test.ts: ${why}\n`)
}

/** Fills the cache on the first run. @returns why it cannot, or null */
async function fetchPackages(rig: string, fetch: string): Promise<string | null> {
  const folders = JSON.stringify([dirname(rig), join(RIGS, 'lib')])
  const program = `import sys; sys.path[0:0] = ${folders}; ${fetch}`
  const { status, output } = await python(['-c', program], FETCH_MS)
  if (status === 0) return null
  return `its packages cannot be fetched: ${output.trim().split('\n').at(-1)}`
}

/** Runs Python to its end, or stops it: a rig then ends its daemons and tells what it has so far. */
async function python(
  words: readonly string[],
  limitMs: number,
): Promise<{ status: number | null; output: string }> {
  const child = spawn('python3', words, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const collect = (chunk: Buffer): void => void (output += chunk.toString())
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const stop = (): void => void child.kill('SIGTERM')
  process.once('exit', stop)
  const impatience = setTimeout(stop, limitMs)
  const end = setTimeout(() => child.kill('SIGKILL'), limitMs + PATIENCE_MS)
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  clearTimeout(impatience)
  clearTimeout(end)
  process.off('exit', stop)
  return { status, output }
}
