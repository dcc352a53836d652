/**
 * Snapshots change hands between our server and Apache 3.9.5, by the admin command of each: what one
 * hands out the other restores. Skips aloud where there is no Java or no Maven.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { connect, type Client } from '../../ensemble/client/index.ts'
import { apacheMissing, apacheWithAdmin } from '../support/apache.ts'
import { freePort, ours, ServerProcess, type ServerProgram } from '../support/server-process.ts'

const missing = apacheMissing()
if (missing !== null) process.stderr.write(`SKIPPED test/interop/restore.test.ts: ${missing}\n`)

const HEADERS = { authorization: 'digest super:admin' }
/** `super:admin`, whose digest this is. */
const SUPER = 'super:xQJmxLMiHGwaqBvst5y6rkB6HQs='

const started: ServerProcess[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map((server) => server.kill()))
})

async function run(program: ServerProgram, folder: string, name: string) {
  const adminPort = await freePort()
  const server = await ServerProcess.start(program, {
    folder: join(folder, name),
    port: await freePort(),
    settings: {
      'admin.enableServer': 'true',
      'admin.serverAddress': '127.0.0.1',
      'admin.serverPort': adminPort,
      'admin.rateLimiterIntervalInMS': 1,
      'DigestAuthenticationProvider.superDigest': SUPER,
    },
  })
  started.push(server)
  const url = (command: string) => `http://127.0.0.1:${adminPort}/commands/${command}`
  const endMs = performance.now() + 15_000
  // Administration comes up beside the server.
  while (
    !(await fetch(url('ruok')).then(
      ({ ok }) => ok,
      () => false,
    ))
  ) {
    if (performance.now() > endMs) throw new Error(`no administration: ${server.output}`)
    await delay(50)
  }
  return {
    server,
    snapshot: async () => {
      const answer = await fetch(url('snapshot'), { headers: HEADERS })
      expect(answer.status).toBe(200)
      return { bytes: Buffer.from(await answer.arrayBuffer()), headers: answer.headers }
    },
    restore: (body: Buffer<ArrayBuffer>) =>
      fetch(url('restore'), { method: 'POST', headers: HEADERS, body }),
    lastSnapshot: async () =>
      (await (await fetch(url('last_snapshot'))).json()) as { zxid: string; timestamp: number },
  }
}

async function fill(client: Client): Promise<void> {
  await client.create('/orders', 'open')
  for (let i = 0; i < 50; i++)
    await client.create('/orders/o-', `order ${i}`, { mode: 'persistent-sequential' })
  await client.create('/orders/mine', null, { mode: 'ephemeral' })
}

describe.skipIf(missing !== null)('a snapshot that', () => {
  test.each([
    ['Apache hands out is restored here', null, ours],
    ['we hand out is restored by Apache', ours, null],
  ] as const)('%s', async (_name, source, target) => {
    const folder = mkdtempSync(join(tmpdir(), 'howdah-restore-'))
    const from = await run(source ?? apacheWithAdmin(), folder, 'from')
    const to = await run(target ?? apacheWithAdmin(), folder, 'to')
    try {
      {
        await using client = await connect(from.server.connectString)
        await fill(client)
        const { bytes, headers } = await from.snapshot()
        expect(headers.get('snapshot_size')).toBe(String(bytes.length))
        expect(headers.get('last_zxid')).toMatch(/^0x[0-9a-f]+$/)
        writeFileSync(join(folder, 'handed-out'), bytes)
        const answer = await to.restore(bytes)
        expect(answer.status).toBe(200)
        expect(Object.keys((await answer.json()) as object)).toEqual([
          'last_zxid',
          'command',
          'error',
        ])
      }
      await using client = await connect(to.server.connectString)
      const { children } = await client.getChildren('/orders')
      expect(children.filter((name) => name !== 'mine')).toHaveLength(50)
      expect((await client.get('/orders')).data?.toString()).toBe('open')
      await client.create('/later', null)
    } finally {
      await Promise.all([from.server.kill(), to.server.kill()])
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('was restored here is what Apache serves from that directory (H-2)', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'howdah-restore-'))
    try {
      const own = await run(ours, folder, 'ensemble')
      let lastZxid: bigint
      try {
        await using client = await connect(own.server.connectString)
        await fill(client)
        const { bytes } = await own.snapshot()
        await client.set('/orders', 'changed')
        expect((await own.restore(bytes)).status).toBe(200)
        await using after = await connect(own.server.connectString)
        expect(await after.exists('/orders/mine')).toBeNull()
        lastZxid = (await after.set('/orders', 'behind the restore')).mzxid
      } finally {
        await own.server.kill()
      }
      const theirs = await run(apacheWithAdmin(), folder, 'ensemble')
      try {
        await using client = await connect(theirs.server.connectString)
        expect((await client.get('/orders')).data?.toString()).toBe('behind the restore')
        expect((await client.getChildren('/orders')).children).toHaveLength(50)
        const { stat } = await client
          .create('/by-apache', null)
          .then(() => client.get('/by-apache'))
        expect(stat.czxid).toBeGreaterThan(lastZxid)
      } finally {
        await theirs.server.kill()
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('is on disk at the start is the last one, with its time in seconds, on both', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'howdah-restore-'))
    try {
      const shown: { zxid: string; timestamp: number }[] = []
      for (const program of [ours, apacheWithAdmin()]) {
        const { server, lastSnapshot } = await run(program, folder, program.name)
        shown.push(await lastSnapshot())
        await server.kill()
      }
      const nowSeconds = Date.now() / 1000
      for (const { zxid, timestamp } of shown) {
        expect(zxid).toBe('0')
        expect(Math.abs(nowSeconds - timestamp)).toBeLessThan(600)
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe('kill -9 in the middle of a restore', () => {
  test('leaves the old state or the new one, and the next start serves it (F-1, H-2, F-31)', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'howdah-restore-'))
    const seen = new Set<string>()
    try {
      const first = await run(ours, folder, 'killed')
      let bytes: Buffer<ArrayBuffer>
      {
        await using client = await connect(first.server.connectString)
        const data = Buffer.alloc(20_000, 'x')
        for (let i = 0; i < 300; i++) await client.create(`/old${i}`, data)
        bytes = (await first.snapshot()).bytes
        await client.create('/marker', '0')
      }
      await first.server.kill()
      for (let round = 0; round < ROUNDS; round++) {
        const killed = await run(ours, folder, 'killed')
        // The state that must be there if the restore has not happened.
        const marker = `round ${round}`
        let before: bigint
        {
          await using client = await connect(killed.server.connectString)
          if ((await client.exists('/marker')) === null) await client.create('/marker', marker)
          before = (await client.set('/marker', marker)).mzxid
        }
        const restoring = killed.restore(bytes).then(
          ({ status }) => status,
          () => null,
        )
        if (round === ROUNDS - 1) expect(await restoring).toBe(200)
        else await delay(round * ((RESTORE_MS * 1.2) / ROUNDS))
        await killed.server.kill()
        const status = await restoring
        const again = await run(ours, folder, 'killed')
        {
          await using client = await connect(again.server.connectString)
          const found =
            (await client.exists('/marker')) === null ? null : await client.get('/marker')
          const { children } = await client.getChildren('/')
          if (found === null) {
            seen.add('new')
            expect(children.filter((name) => name.startsWith('old'))).toHaveLength(300)
            const created = await client.create('/after', null).then(() => client.get('/after'))
            expect(created.stat.czxid).toBeGreaterThan(before + (0xffffn << 32n))
            await client.delete('/after', -1)
          } else {
            seen.add('old')
            expect(status).not.toBe(200)
            expect(found.data?.toString()).toBe(marker)
            expect(found.stat.mzxid).toBe(before)
          }
        }
        await again.server.kill()
      }
      expect([...seen].toSorted()).toEqual(['new', 'old'])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

const ROUNDS = 12
/** About how long the restore takes here; kills are spread over it and a little more. */
const RESTORE_MS = 500
