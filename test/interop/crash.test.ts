/**
 * Kill -9 of a real server under load, many times over: every acknowledged write is there after each
 * restart, and sessions go on. Then Apache's server reads what ours wrote, and ours what Apache's did.
 *
 * Four clients write all the time, 16 requests in flight each; snapshots, log rolls and purges happen
 * many times a second. Some restarts are killed as well.
 *
 *   HOWDAH_CRASH_ROUNDS   how many kills, 100 when unset
 *   HOWDAH_CRASH_SEED     of the moments and of the load, random when unset
 */
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { acl, Client, connect } from '../../ensemble/client/index.ts'
import { nodeClock } from '../../ensemble/sys/node-clock.ts'
import { nodeNetwork } from '../../ensemble/sys/node-network.ts'
import { nodeRandom } from '../../ensemble/sys/node-random.ts'
import { apache, apacheMissing } from '../support/apache.ts'
import { checkShared, CrashLoad } from '../support/crash-load.ts'
import { RandomValues } from '../support/random-values.ts'
import { fourLetters, freePort, ours, ServerProcess } from '../support/server-process.ts'
import { differences, dumpTree, type DumpedNode } from '../support/tree-dump.ts'

const ROUNDS = Number(process.env['HOWDAH_CRASH_ROUNDS'] ?? 100)
const SEED = Number(process.env['HOWDAH_CRASH_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const CLIENTS = ['ada', 'bob', 'cyd', 'dan']
const SESSION_TIMEOUT_MS = 60_000

const missing = apacheMissing()
if (missing !== null) {
  process.stderr.write(`SKIPPED part of test/interop/crash.test.ts: ${missing}\n`)
}

const settings = {
  extendedTypesEnabled: 'true',
  snapCount: 200,
  preAllocSize: 64,
  'autopurge.snapRetainCount': 3,
  maxSessionTimeout: 120_000,
}
const credentials = { auth: [{ scheme: 'digest', auth: 'load:secret' }] }

describe(`kill -9 under load, seed ${SEED}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'howdah-crash-'))
  const random = new RandomValues(SEED)
  let server: ServerProcess
  let port = 0
  let dump = new Map<string, DumpedNode>()

  beforeAll(async () => {
    port = await freePort()
    server = await ServerProcess.start(ours, { folder, port, settings })
  })

  afterAll(async () => {
    await server?.kill()
    rmSync(folder, { recursive: true, force: true })
  })

  async function restart(): Promise<void> {
    if (random.below(5) === 0) {
      const again = ServerProcess.spawn(ours, { folder, port, settings })
      await delay(100 + random.below(600))
      await again.kill()
    }
    server = await ServerProcess.start(ours, { folder, port, settings })
  }

  test(`${ROUNDS} times: every acknowledged write is there, sessions go on (F-1, I-6, I-21, I-22, I-27, I-28, I-54)`, async () => {
    const clients = await Promise.all(CLIENTS.map(() => connectEager(server.connectString)))
    const sessions = clients.map((client) => client.sessionId)
    const loads: CrashLoad[] = []
    for (const [index, name] of CLIENTS.entries()) {
      loads.push(await CrashLoad.create(name, clients[index]!, new RandomValues(SEED + index)))
    }
    await clients[0]!.create('/visitors')

    for (let round = 0; round < ROUNDS; round++) {
      const visitor = await visit(server.connectString, round)
      const running = Promise.all(loads.map((load) => load.run(round)))
      await Promise.race([delay(5 + random.below(200)), running])
      await server.kill()
      await running
      await visitor.leave()
      await restart()
      await Promise.all(clients.map((client) => client.connected()))
      const problems = await Promise.all(loads.map((load) => load.check()))
      expect(problems.flat()).toEqual([])
      expect(clients.map((client) => client.sessionId)).toEqual(sessions)
      await visitor.check(server.connectString)
    }

    dump = await dumpTree(clients[0]!)
    expect(loads.flatMap((load) => load.checkAll(dump))).toEqual([])
    expect(checkShared(dump, loads)).toEqual([])
    const acknowledged = loads.reduce((sum, load) => sum + load.acknowledged, 0)
    process.stdout.write(`${ROUNDS} kills, ${acknowledged} acknowledged, ${dump.size} nodes\n`)
    expect(acknowledged).toBeGreaterThan(ROUNDS * 20)
    // The small settings did what they are for.
    const files = readdirSync(join(folder, 'data/version-2'))
    expect(files.filter((name) => name.startsWith('snapshot.')).length).toBeGreaterThan(1)
    await server.kill()
    await Promise.all(clients.map((client) => client.close()))
  })

  const title =
    'Apache shows the tree that ours wrote, and ours the one that Apache wrote (I-2, I-13)'
  test.skipIf(missing !== null)(missing === null ? title : `${title}: ${missing}`, async () => {
    expect(dump.size).toBeGreaterThan(0)
    const apacheFolder = join(folder, 'apache')
    cpSync(join(folder, 'data'), join(apacheFolder, 'data'), { recursive: true })
    {
      const options = { folder: apacheFolder, port: await freePort(), settings }
      await using running = await ServerProcess.start(apache(), options)
      await using client = await connect(running.connectString, credentials)
      expect(differences(dump, await dumpTree(client))).toEqual([])
      const monitored = await fourLetters(running.port, 'mntr')
      expect(/zk_digest_mismatches_count\s+(\d+)/.exec(monitored)?.[1]).toBe('0')
      await writeSome(client)
      dump = await dumpTree(client)
      // No close: its session and its ephemeral node are for the next server.
      await running.stop()
    }
    const ownFolder = join(folder, 'again')
    cpSync(join(apacheFolder, 'data'), join(ownFolder, 'data'), { recursive: true })
    const options = { folder: ownFolder, port: await freePort(), settings }
    await using running = await ServerProcess.start(ours, options)
    await using client = await connect(running.connectString, credentials)
    expect(differences(dump, await dumpTree(client))).toEqual([])
    await client.create('/from-apache/s-', 'ours', { mode: 'persistent-sequential' })
  })
})

/** A client that hardly waits before it tries again: one that takes a server for many, and no dice. */
async function connectEager(connectString: string): Promise<Client> {
  const servers = Array.from({ length: 40 }, () => connectString).join(',')
  const options = { ...credentials, sessionTimeoutMs: SESSION_TIMEOUT_MS, closeTimeoutMs: 1 }
  const random = { ...nodeRandom, uint32: () => nodeRandom.uint32() >>> 5 }
  const client = new Client(servers, options, {
    clock: nodeClock,
    network: nodeNetwork,
    random,
  })
  client.start()
  await client.connected()
  return client
}

/**
 * A client that comes, leaves an ephemeral node, and is cut off or says goodbye: a session that was
 * granted is there after the restart, one whose end was acknowledged is not, nor are its nodes.
 */
async function visit(connectString: string, round: number) {
  const path = `/visitors/${round}`
  const hasClosed = round % 2 === 0
  const options = { sessionTimeoutMs: SESSION_TIMEOUT_MS }
  // Whoever is cut off finds no server to say goodbye to.
  const client = await connect(connectString, { ...options, closeTimeoutMs: hasClosed ? 5000 : 1 })
  await client.create(path, null, { mode: 'ephemeral' })
  const session = { id: client.sessionId, password: client.sessionPassword }
  if (hasClosed) await client.close()
  return {
    /** Called while no server runs. */
    async leave(): Promise<void> {
      await client.close()
    },
    async check(servers: string): Promise<void> {
      if (hasClosed) {
        await using other = await connect(servers)
        expect(await other.exists(path), `${path} of a closed session`).toBeNull()
        return
      }
      await using resumed = await connect(servers, { ...options, session })
      expect(resumed.sessionId).toBe(session.id)
      expect((await resumed.exists(path))?.ephemeralOwner).toBe(session.id)
    },
  }
}

async function writeSome(client: Client): Promise<void> {
  await client.create('/from-apache', 'x')
  const names = Array.from({ length: 500 }, (_, at) => `/from-apache/n${at}`)
  await Promise.all(names.map((path) => client.create(path, path)))
  await Promise.all(names.slice(0, 200).map((path) => client.set(path, 'changed')))
  await Promise.all(names.slice(100, 150).map((path) => client.delete(path)))
  await client.setAcl('/from-apache/n1', acl.digest('load', 'secret'))
  await client.create('/from-apache/s-', null, { mode: 'persistent-sequential' })
  await client.create('/from-apache/box', null, { mode: 'container' })
  await client.create('/from-apache/box/child', Buffer.alloc(0))
  await client.create('/from-apache/ttl', 'x', { ttlMs: 600_000 })
  await client
    .transaction()
    .create('/from-apache/multi', 'x')
    .set('/from-apache/multi', 'y')
    .delete('/from-apache/n0')
    .commit()
  const failed = client.transaction().create('/from-apache/half').delete('/none').commit()
  await expect(failed).rejects.toMatchObject({ code: 'noNode' })
}
