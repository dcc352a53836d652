/**
 * Our server in this process, and Apache's beside it, on the same zoo.cfg: what recordings are played to,
 * and what differential runs compare.
 */
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPeer, serverSettings, type Peer } from '../../ensemble/server/index.ts'
import type { Clock } from '../../ensemble/sys/clock.ts'
import { silent } from '../../ensemble/sys/logger.ts'
import { nodeClock } from '../../ensemble/sys/node-clock.ts'
import { nodeHost } from '../../ensemble/sys/node-host.ts'
import { nodeSys } from '../../ensemble/sys/node-sys.ts'
import { readServerFile } from '../../toolkit/setup/server-file.ts'
import { apache } from './apache.ts'
import { freePort, ServerProcess } from './server-process.ts'
import { StepClock } from './step-clock.ts'
import type { ReplayServer } from './replay/replay.ts'

export interface RunningServer extends ReplayServer, AsyncDisposable {
  /** What a server that has ended said; nothing while it runs. */
  lastWords(): string
  /** Stops it and starts it again on the same port and data. */
  restart(): Promise<void>
}

export interface ServerSetUp {
  /** Keys of zoo.cfg, beyond those of every server here. */
  readonly settings?: Readonly<Record<string, string>>
  /** System properties, which zoo.cfg cannot set, by their whole names. */
  readonly properties?: Readonly<Record<string, string>>
  /** Text of the JAAS file. */
  readonly jaas?: string
}

/** What the servers of all recordings had, or what a test needs. */
const COMMON = {
  tickTime: '2000',
  clientPortAddress: '127.0.0.1',
  extendedTypesEnabled: 'true',
  'DigestAuthenticationProvider.superDigest': 'super:xQJmxLMiHGwaqBvst5y6rkB6HQs=', // super:admin
  maxClientCnxns: '0',
  forceSync: 'no',
  '4lw.commands.whitelist': '*',
}

/** Time moves when told; the end of a turn comes by itself. */
class ToldClock extends StepClock {
  override defer(run: () => void): void {
    nodeClock.defer(run)
  }
}

/** On a clock of its own, which `advance` moves. */
export async function ourServer(setUp: ServerSetUp): Promise<RunningServer> {
  const clock = new ToldClock()
  return ourServerBy(clock, setUp, (ms) => clock.advance(ms))
}

/** On the clock of this machine. */
export async function ourTimedServer(setUp: ServerSetUp): Promise<RunningServer> {
  return ourServerBy(nodeClock, setUp, async () => {})
}

async function ourServerBy(
  clock: Clock,
  setUp: ServerSetUp,
  advance: (ms: number) => Promise<void>,
): Promise<RunningServer> {
  const folder = mkdtempSync(join(tmpdir(), 'howdah-replay-'))
  const port = await freePort()
  const file = join(folder, 'zoo.cfg')
  const keys = { dataDir: join(folder, 'data'), clientPort: port, ...COMMON, ...setUp.settings }
  writeFileSync(
    file,
    Object.entries(keys)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  )
  const properties = new Map(Object.entries(propertiesOf(setUp, folder)))
  const { settings } = readServerFile([file], { sid: null, env: {}, properties })
  const start = (): Promise<Peer> =>
    startPeer(serverSettings({ ...settings, preallocBytes: 65_536 }), {
      ...nodeSys(silent),
      clock,
      host: nodeHost,
    })
  let peer = await start()
  return {
    port,
    advance,
    lastWords: () => '',
    async restart() {
      await peer.close()
      peer = await start()
    },
    async [Symbol.asyncDispose]() {
      await peer.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export async function apacheServer(setUp: ServerSetUp): Promise<RunningServer> {
  const folder = mkdtempSync(join(tmpdir(), 'howdah-replay-apache-'))
  const port = await freePort()
  const flags = Object.entries(propertiesOf(setUp, folder)).map(
    ([name, value]) => `-D${name}=${value}`,
  )
  const settings = { ...COMMON, ...setUp.settings }
  const start = (): Promise<ServerProcess> =>
    ServerProcess.start(apache(flags), { folder, port, settings })
  let server = await start()
  return {
    port,
    lastWords: () => (server.isAlive ? '' : `Apache's server ended: ${server.output}\n`),
    async restart() {
      await server.stop()
      server = await start()
    },
    advance: async () => {}, // its time passes by itself
    async [Symbol.asyncDispose]() {
      await server.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function propertiesOf(setUp: ServerSetUp, folder: string): Record<string, string> {
  if (setUp.jaas === undefined) return { ...setUp.properties }
  const file = join(folder, 'jaas.conf')
  mkdirSync(folder, { recursive: true })
  writeFileSync(file, setUp.jaas)
  return { ...setUp.properties, 'java.security.auth.login.config': file }
}
