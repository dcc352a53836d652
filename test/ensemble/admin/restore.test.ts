/** Going back to a snapshot over HTTP: who may, what becomes of those who are connected, and what comes back. */
import { mkdtempSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { connect, type Client } from '../../../ensemble/client/index.ts'
import { startServer, type Peer, type ServerSettings } from '../../../ensemble/server/index.ts'
import { silent } from '../../../ensemble/sys/logger.ts'

const authorization = 'digest super:admin'
/** `super:admin`, whose digest this is. */
const superDigest = 'super:xQJmxLMiHGwaqBvst5y6rkB6HQs='
const admin = {
  address: '127.0.0.1',
  port: 0,
  commandUrl: '/commands',
  idleTimeoutMs: 30_000,
  snapshotEnabled: true,
  snapshotIntervalMs: 0,
  restoreEnabled: true,
  restoreIntervalMs: 0,
}

let dataDir: string
let server: Peer
let zk: Client

async function start(own: Partial<ServerSettings> = {}): Promise<void> {
  server = await startServer(
    {
      dataDir,
      clientPort: 0,
      clientPortAddress: '127.0.0.1',
      tickTimeMs: 500,
      preallocBytes: 65_536,
      fourLetterWords: ['*'],
      superDigest,
      admin,
      ...own,
    },
    silent,
  )
}

async function connected(): Promise<Client> {
  return connect(`127.0.0.1:${server.clientPort}`, { sessionTimeoutMs: 5000 })
}

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'howdah-restore-'))
  await start()
  zk = await connected()
})
afterEach(async () => {
  await zk.close().catch(() => {})
  await server.close()
  rmSync(dataDir, { recursive: true, force: true })
})

async function backup(): Promise<Buffer<ArrayBuffer>> {
  const answer = await fetch(url('snapshot'), { headers: { authorization } })
  expect(answer.status).toBe(200)
  return Buffer.from(await answer.arrayBuffer())
}

function restore(
  body: Buffer<ArrayBuffer> | string | null,
  headers: Record<string, string> = { authorization },
): Promise<Response> {
  return fetch(url('restore'), { method: 'POST', headers, body })
}

function url(command: string): string {
  return `http://127.0.0.1:${server.adminPort}/commands/${command}`
}

test('the data come back, in a new history, and every session has ended (H-2, F-31, N-7)', async () => {
  await zk.create('/kept', 'before')
  await zk.create('/mine', null, { mode: 'ephemeral' })
  const bytes = await backup()
  await zk.set('/kept', 'after')
  await zk.create('/later', null)
  const port = server.clientPort
  const before = server.lastZxid

  const answer = await restore(bytes)
  expect(answer.status).toBe(200)
  const text = await answer.text()
  expect(text).toBe(
    `{\n  "last_zxid" : ${server.lastZxid},\n  "command" : "restore",\n  "error" : null\n}`,
  )
  expect(server.lastZxid).toBeGreaterThan(before + (0xffffn << 32n))
  expect(server.clientPort).toBe(port)

  // The client's own session is gone, and it is told so.
  await expect(zk.get('/kept')).rejects.toThrow(/sessionExpired|sessionClosed|expired/i)
  zk = await connected()
  expect((await zk.get('/kept')).data?.toString()).toBe('before')
  expect((await zk.getChildren('/')).children.toSorted()).toEqual(['kept', 'zookeeper'])
  const { stat } = await zk.create('/new', null).then(() => zk.get('/new'))
  expect(stat.czxid).toBeGreaterThan(before)

  // Administration shows the new state, and so does the next start.
  const monitor = (await (await fetch(url('monitor'))).json()) as Record<string, number>
  expect(monitor).toMatchObject({
    cnt_restore_time: 1,
    restore_error_count: 0,
    ephemerals_count: 0,
  })
  await zk.close()
  const { lastZxid } = server
  await server.close()
  await start()
  expect(server.lastZxid).toBeGreaterThanOrEqual(lastZxid)
  zk = await connected()
  expect((await zk.getChildren('/')).children.toSorted()).toEqual(['kept', 'new', 'zookeeper'])
})

test('writes under way while a snapshot is restored are done in the old history or not at all (H-2)', async () => {
  await zk.create('/kept', '0')
  const bytes = await backup()
  const before = server.lastZxid
  let isOver = false
  const acknowledged: bigint[] = []
  const own = await connected()
  const writer = (async () => {
    try {
      for (;;) {
        const stat = await own.set('/kept', 'more')
        // What is acknowledged before the switch is lost, as asked; nothing of it may mix with the new.
        acknowledged.push(stat.mzxid)
      }
    } catch {
      isOver = true
    }
  })()
  const answers = await Promise.all([restore(bytes), restore(bytes)])
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 500]))
  await writer
  expect(isOver).toBe(true)
  const after = await connected()
  expect((await after.get('/kept')).data?.toString()).toBe('0')
  expect(acknowledged.every((zxid) => zxid < before + (1n << 32n))).toBe(true)
  await after.close()
})

test.each([
  ['cut short', (bytes: Buffer<ArrayBuffer>) => bytes.subarray(0, -1)],
  ['with a changed byte', (bytes: Buffer<ArrayBuffer>) => changed(bytes)],
  ['of something else', () => Buffer.from('PK\x03\x04')],
])('a body %s changes nothing, and nobody is disturbed (S-14, X-10)', async (_name, damage) => {
  await zk.create('/mine', null, { mode: 'ephemeral' })
  const bytes = await backup()
  await zk.create('/later', null)
  const { sessionId } = zk
  const answer = await restore(Buffer.from(damage(bytes)))
  expect(answer.status).toBe(500)
  expect(await answer.text()).toMatch(/"command" : "restore",\n {2}"error" : ".+"/)
  expect((await zk.getChildren('/')).children.toSorted()).toEqual(['later', 'mine', 'zookeeper'])
  expect(zk.sessionId).toBe(sessionId)
  const monitor = (await (await fetch(url('monitor'))).json()) as Record<string, number>
  expect(monitor['restore_error_count']).toBe(1)
})

test('who may not, or asks for it when it is off, empty or too soon is refused as by 3.9.5', async () => {
  const bytes = await backup()
  const statusOf = async (answer: Promise<Response>): Promise<number> => (await answer).status
  expect(await statusOf(restore(bytes, {}))).toBe(401)
  expect(await statusOf(restore(bytes, { authorization: 'digest' }))).toBe(401)
  expect(await statusOf(restore(bytes, { authorization: 'kerberos x' }))).toBe(401)
  await zk.addAuth('digest', 'owner:secret')
  await zk.setAcl('/', [{ perms: 31, id: { scheme: 'auth', id: '' } }], -1)
  expect(await statusOf(restore(bytes, { authorization: 'digest who:ever' }))).toBe(403)
  expect(await statusOf(restore(null))).toBe(400)
  expect(server.mode).toBe('standalone')

  await zk.close()
  await server.close()
  await start({ admin: { ...admin, restoreEnabled: false } })
  expect(await statusOf(restore(bytes))).toBe(503)
  await server.close()
  await start({ admin: { ...admin, restoreIntervalMs: 60_000 } })
  expect(await statusOf(restore('nothing'))).toBe(500)
  expect(await statusOf(restore(bytes))).toBe(429)
  const monitor = (await (await fetch(url('monitor'))).json()) as Record<string, number>
  expect(monitor).toMatchObject({ restore_rate_limited_count: 1, restore_error_count: 1 })
})

test('a packed snapshot is told by its first bytes', async () => {
  await zk.close()
  await server.close()
  await start({ snapshotStream: 'gz' })
  zk = await connected()
  await zk.create('/packed', 'x')
  const bytes = await backup()
  expect(bytes.readUInt16BE(0)).toBe(0x1f8b)
  await zk.delete('/packed', -1)
  expect((await restore(bytes)).status).toBe(200)
  zk = await connected()
  expect((await zk.get('/packed')).data?.toString()).toBe('x')
})

function changed(bytes: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
  const copy = Buffer.from(bytes)
  copy[60]! ^= 1
  return copy
}

test('a snapshot that becomes shorter while it is handed out breaks off (B-35)', async () => {
  await zk.create('/large', Buffer.alloc(600_000))
  const { zxid, sizeBytes, read } = await server.view.takeSnapshot()
  const path = join(dataDir, 'version-2', `snapshot.${zxid.toString(16)}`)
  let received = 0
  const reading = async (): Promise<void> => {
    for await (const piece of read()) {
      received += piece.length
      truncateSync(path, 300_000)
    }
  }
  await expect(reading()).rejects.toThrow('has become shorter')
  expect(received).toBeLessThan(sizeBytes)
})
