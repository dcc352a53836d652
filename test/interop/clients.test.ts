/**
 * Foreign clients against our server: kazoo with a program of our own, and where the rig of client
 * programs is at hand (../shared, or HOWDAH_RIGS) Apache's zkCli, its C and Java clients with Curator,
 * go-zookeeper and node-zookeeper-client, each with its own checks, and kazoo's whole test suite.
 *
 * Skips aloud whatever lacks a tool, a registry or the rig.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, describe, expect, test } from 'vitest'
import { kazooPython } from '../support/kazoo.ts'
import { freePort, ours, ServerProcess } from '../support/server-process.ts'
import { stablePort } from '../support/stable-port.ts'

const root = mkdtempSync(join(tmpdir(), 'howdah-clients-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

function lacks(tools: readonly string[]): string | null {
  const missing = tools.filter((tool) => spawnSync('which', [tool]).status !== 0)
  return missing.length === 0 ? null : `no ${missing.join(', ')}`
}

function skipAloud(what: string, why: string | null): boolean {
  if (why !== null)
    process.stderr.write(`SKIPPED ${what} of test/interop/clients.test.ts: ${why}\n`)
  return why !== null
}

// kazoo --------------------------------------------------------------------------------------------

const kazoo = kazooPython()
const kazooMissing = 'missing' in kazoo ? kazoo.missing : null

describe.skipIf(skipAloud('kazoo', kazooMissing))('kazoo', () => {
  test('nodes, sequences, watches, multi, a killed client, a killed server (F-1, I-28, I-42, I-50)', async () => {
    if ('missing' in kazoo) return
    const options = { folder: join(root, 'kazoo'), port: await freePort() }
    let server = await ServerProcess.start(ours, options)
    const program = join(import.meta.dirname, 'kazoo_basics.py')
    const child = spawn(kazoo.python, [program, server.connectString], {
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let errors = ''
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    const lines: string[] = []
    try {
      for await (const line of createInterface({ input: child.stdout })) {
        if (line === '@kill') {
          await server.kill()
          server = await ServerProcess.start(ours, options)
          child.stdin.write('done\n')
        } else lines.push(line)
      }
      expect(lines.filter((line) => !line.startsWith('ok '))).toEqual([])
      expect(await ended, errors).toBe(0)
      expect(lines.length).toBeGreaterThanOrEqual(26)
    } finally {
      child.kill('SIGKILL')
      await server.kill()
    }
  })
})

// the rig ------------------------------------------------------------------------------------------

const rigs = process.env['HOWDAH_RIGS'] ?? join(import.meta.dirname, '../../../shared/rigs')
const rig = join(rigs, 'clients/run')

interface Part {
  readonly tools: readonly string[]
  /** Checks that pass; fewer mean that some did not run. */
  readonly passed: number
  /** Checks of the config node, which is empty on a lone server, Apache's too. */
  readonly failing: readonly string[]
  /** What a race inside the rig's own client program prints, as its source reads. */
  readonly race?: RegExp
}

const parts: Readonly<Record<string, Part>> = {
  zkcli: { tools: ['java', 'mvn'], passed: 60, failing: ['zkcli: config -s'] },
  c: { tools: ['cc', 'dpkg-deb'], passed: 38, failing: ['c: getconfig'] },
  java: {
    tools: ['java', 'javac', 'mvn'],
    passed: 55,
    failing: ['java: curator: getConfig'],
    // The client's own event about a watch it removed may come after the queue was cleared; behind it
    // must be the one event that the check is about.
    race: /^FAIL java: exists watch fires once: \[\[PersistentWatchRemoved \/j\/w\], \[WatchedEvent state:SyncConnected type:NodeCreated path:\/j\/w\/once zxid: \d+\]\]: /,
  },
  go: { tools: ['go'], passed: 28, failing: ['go: config node'] },
  node: { tools: ['node', 'npm'], passed: 20, failing: [] },
}

describe('the rig of foreign clients', () => {
  for (const [name, { tools, passed, failing, race }] of Object.entries(parts)) {
    const missing = existsSync(rig) ? lacks(['python3', ...tools]) : `no ${rig}`
    const title = `${name}: every check that a lone Apache server passes`
    if (skipAloud(name, missing)) {
      test.skip(`${title} (${missing})`)
      continue
    }
    test(title, async () => {
      const { lines, output } = await runRig(name)
      const bad = lines.filter((line) => line.startsWith('FAIL '))
      const unexpected = bad.filter(
        (line) =>
          race?.test(line) !== true && !failing.some((check) => line.startsWith(`FAIL ${check}: `)),
      )
      expect(unexpected, output).toEqual([])
      const good = lines.filter((line) => line.startsWith('ok '))
      expect(good.length, output).toBeGreaterThanOrEqual(passed)
    })
  }
})

// kazoo's own suite ----------------------------------------------------------------------------------

/** Tests that need an ensemble: with one server they fail against Apache's as well, and are left out. */
const NEED_ENSEMBLE = [
  'TestClient and test_update_host_list',
  'TestGeventClient and test_update_host_list',
  'TestEventletClient and test_update_host_list',
  'TestReconfig and test_add_remove_observer',
  'TestReconfig and test_bad_input',
  'TestReconfig and test_no_super_auth',
  'TestReadOnlyMode and test_read_only',
]
const KAZOO_TESTS = 493
/** They want a KDC, or variables of kazoo's own CI. */
const KAZOO_SKIPPED = 3

describe('the suite of kazoo', () => {
  const missing = existsSync(rig) ? lacks(['python3']) : `no ${rig}`
  const title = `passes but for ${NEED_ENSEMBLE.length} tests of ensembles (S-2, S-4, F-1, I-22, I-42)`
  if (skipAloud('the suite of kazoo', missing)) return test.skip(`${title} (${missing})`)
  test(title, { timeout: 25 * 60_000 }, async () => {
    const select = NEED_ENSEMBLE.map((name) => `not (${name})`).join(' and ')
    const { lines, output } = await runRig('kazoo', ['--kazoo-select', select], 24)
    expect(
      lines.filter((line) => line.startsWith('FAIL ')),
      output,
    ).toEqual([])
    const counts = lines.map((line) => /^ok kazoo: \w+: (\d+) passed, (\d+) known/.exec(line))
    const sum = (at: 1 | 2) => counts.reduce((total, count) => total + Number(count?.[at] ?? 0), 0)
    expect([sum(1), sum(2)], output).toEqual([
      KAZOO_TESTS - NEED_ENSEMBLE.length - KAZOO_SKIPPED,
      KAZOO_SKIPPED,
    ])
  })
})

async function runRig(
  part: string,
  more: readonly string[] = [],
  minutesMax = 10,
): Promise<{ lines: string[]; output: string }> {
  // Its client ports are within 101 above its base; kazoo's servers are stopped and started there.
  const basePort = (await stablePort()) - 101
  const program = ours.command.join(' ')
  const words = ['--servers', '1', '--only', part, '--server-cmd', program, ...more]
  // Where CI is set, kazoo's suite has one test more.
  const { CI: _, ...env } = process.env
  const child = spawn('python3', [rig, ...words, '--base-port', String(basePort)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  })
  let output = ''
  const collect = (chunk: Buffer): void => void (output += chunk.toString())
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  // It stops its servers when it is asked to end.
  const stop = (): void => void child.kill('SIGTERM')
  process.once('exit', stop)
  const impatience = setTimeout(stop, minutesMax * 60_000)
  await new Promise((resolve) => child.once('close', resolve))
  clearTimeout(impatience)
  process.off('exit', stop)
  return { lines: output.split('\n'), output: output.slice(-3000) }
}
