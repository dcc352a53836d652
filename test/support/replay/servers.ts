/** The servers that recordings are played to: ours in this process, and Apache's. */
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPeer, serverSettings } from '../../../ensemble/server/index.ts'
import { silent } from '../../../ensemble/sys/logger.ts'
import { nodeClock } from '../../../ensemble/sys/node-clock.ts'
import { nodeHost } from '../../../ensemble/sys/node-host.ts'
import { nodeSys } from '../../../ensemble/sys/node-sys.ts'
import { readServerFile } from '../../../toolkit/setup/server-file.ts'
import { apache } from '../apache.ts'
import { freePort, ServerProcess } from '../server-process.ts'
import { StepClock } from '../step-clock.ts'
import type { Recording } from './recordings.ts'
import type { ReplayServer } from './replay.ts'

export type RunningServer = ReplayServer & AsyncDisposable

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

export async function ourServer(recording: Recording): Promise<RunningServer> {
  const folder = mkdtempSync(join(tmpdir(), 'howdah-replay-'))
  const port = await freePort()
  const file = join(folder, 'zoo.cfg')
  const keys = { dataDir: join(folder, 'data'), clientPort: port, ...COMMON, ...recording.settings }
  writeFileSync(
    file,
    Object.entries(keys)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  )
  const properties = new Map(Object.entries(propertiesOf(recording, folder)))
  const { settings } = readServerFile([file], { sid: null, env: {}, properties })
  const clock = new ToldClock()
  const peer = await startPeer(serverSettings({ ...settings, preallocBytes: 65_536 }), {
    ...nodeSys(silent),
    clock,
    host: nodeHost,
  })
  return {
    port,
    advance: (ms) => clock.advance(ms),
    async [Symbol.asyncDispose]() {
      await peer.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export async function apacheServer(recording: Recording): Promise<RunningServer> {
  const folder = mkdtempSync(join(tmpdir(), 'howdah-replay-apache-'))
  const port = await freePort()
  const flags = Object.entries(propertiesOf(recording, folder)).map(
    ([name, value]) => `-D${name}=${value}`,
  )
  const settings = { ...COMMON, ...recording.settings }
  const server = await ServerProcess.start(apache(flags), { folder, port, settings })
  return {
    port,
    advance: async () => {}, // its time passes by itself
    async [Symbol.asyncDispose]() {
      await server.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function propertiesOf(recording: Recording, folder: string): Record<string, string> {
  if (recording.jaas === undefined) return { ...recording.properties }
  const file = join(folder, 'jaas.conf')
  mkdirSync(folder, { recursive: true })
  writeFileSync(file, recording.jaas)
  return { ...recording.properties, 'java.security.auth.login.config': file }
}
