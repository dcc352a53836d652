/** A server on the real network and disk: start, restart, and what it refuses. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { connect } from '../../../ensemble/client/index.ts'
import { ConnectRequest } from '../../../ensemble/protocol/connect.ts'
import { AuthPacket, CreateRequest, RequestHeader } from '../../../ensemble/protocol/requests.ts'
import { startServer } from '../../../ensemble/server/index.ts'
import { silent } from '../../../ensemble/sys/logger.ts'

const folders: string[] = []
function settings() {
  const dataDir = mkdtempSync(join(tmpdir(), 'howdah-server-'))
  folders.push(dataDir)
  return {
    dataDir,
    clientPort: 0,
    clientPortAddress: '127.0.0.1',
    tickTimeMs: 500,
    preallocBytes: 65_536,
  }
}
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

test('what was acknowledged is there after a restart, and so is the session (I-6)', async () => {
  const own = settings()
  const first = await startServer(own, silent)
  const port = first.clientPort
  const zk = await connect(`127.0.0.1:${port}`, { sessionTimeoutMs: 5000 })
  await zk.create('/kept', 'value')
  await zk.create('/kept/mine', null, { mode: 'ephemeral' })
  await first.close()
  await using second = await startServer({ ...own, clientPort: port }, silent)
  expect((await zk.get('/kept')).data?.toString()).toBe('value')
  expect((await zk.exists('/kept/mine'))?.ephemeralOwner).toBe(zk.sessionId)
  await zk.close()
  expect(second.tree.find('/kept/mine')).toBe(0)
})

test('a second server on the same data directory is refused, whatever its path looks like', async () => {
  const own = settings()
  await using _first = await startServer(own, silent)
  const again = startServer(
    { ...own, dataDir: `${own.dataDir}/../${own.dataDir.split('/').at(-1)}` },
    silent,
  )
  await expect(again).rejects.toThrow(/another server is running on this data directory/)
})

test('the data directory is free again when its server has closed', async () => {
  const own = settings()
  await (await startServer(own, silent)).close()
  await (await startServer(own, silent)).close()
})

test('the secret of session passwords is for its owner alone (S-20)', async () => {
  const own = settings()
  await using _server = await startServer(own, silent)
  expect(statSync(join(own.dataDir, 'howdah.secret')).mode & 0o777).toBe(0o600)
})

/** Sends `bytes`, ends our side at once, and collects everything until the server ends its own. */
function halfClosed(port: number, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = createConnection({ port, host: '127.0.0.1', allowHalfOpen: true }, () =>
      socket.end(bytes),
    )
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('end', () => resolve(Buffer.concat(chunks)))
    socket.on('error', reject)
  })
}

function frame(body: Buffer): Buffer {
  const bytes = Buffer.alloc(4 + body.length)
  bytes.writeInt32BE(body.length)
  body.copy(bytes, 4)
  return bytes
}

const CONNECT = ConnectRequest.encode({
  protocolVersion: 0,
  lastZxidSeen: 0n,
  timeOut: 4000,
  sessionId: 0n,
  passwd: Buffer.alloc(16),
  readOnly: false,
})

test('an auth packet behind the connect request is answered after it (X-2)', async () => {
  await using server = await startServer(settings(), silent)
  const auth = AuthPacket.encode({ type: 0, scheme: 'digest', auth: Buffer.from('a:b') })
  const header = RequestHeader.encode({ xid: -4, type: 100 })
  const sent = Buffer.concat([frame(CONNECT), frame(Buffer.concat([header, auth]))])
  const received = await halfClosed(server.clientPort, sent)
  expect(received.readInt32BE(0)).toBe(37) // the connect response
  expect(received.readInt32BE(41)).toBe(16) // then the reply to the auth packet
  expect(received.readInt32BE(45)).toBe(-4)
})

test('a client that has sent its last request still gets the answers (F-16)', async () => {
  await using server = await startServer({ ...settings(), fourLetterWords: ['*'] }, silent)
  const request = CreateRequest.encode({
    path: '/last',
    data: null,
    acl: [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }],
    flags: 0,
  })
  const header = RequestHeader.encode({ xid: 1, type: 1 })
  const sent = Buffer.concat([frame(CONNECT), frame(Buffer.concat([header, request]))])
  const received = await halfClosed(server.clientPort, sent)
  expect(received.subarray(41).readInt32BE(4)).toBe(1)
  expect(server.tree.find('/last')).not.toBe(0)
  expect((await halfClosed(server.clientPort, Buffer.from('dirs'))).toString()).toContain(
    'datadir_size',
  )
})

test('a port that is taken leaves the data directory free', async () => {
  const own = settings()
  await using other = await startServer(settings(), silent)
  await expect(startServer({ ...own, clientPort: other.clientPort }, silent)).rejects.toThrow(
    /EADDRINUSE/,
  )
  await (await startServer(own, silent)).close()
})

test('snapshots do not pile up while old ones are purged', async () => {
  const own = { ...settings(), snapCount: 4 }
  await using server = await startServer(own, silent)
  const zk = await connect(`127.0.0.1:${server.clientPort}`, { sessionTimeoutMs: 5000 })
  for (let i = 0; i < 100; i++) await zk.create(`/n${i}`, null)
  await zk.close()
  await server.close()
  const snapshots = readdirSync(join(own.dataDir, 'version-2')).filter((name) =>
    name.startsWith('snapshot.'),
  )
  expect(snapshots.length).toBeGreaterThan(0)
  expect(snapshots.length).toBeLessThanOrEqual(5)
})
