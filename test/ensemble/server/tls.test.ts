/**
 * TLS of a real server: who gets in, as whom, and what those see who do not; Node's own TLS and our
 * client stand for the clients.
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as tlsConnect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { acl, connect, type TlsOptions } from '../../../ensemble/client/index.ts'
import { Client } from '../../../ensemble/client/client.ts'
import { tlsNetwork } from '../../../ensemble/client/connect.ts'
import {
  defaultAuth,
  startServer,
  type ClientTls,
  type Peer,
  type ServerSettings,
} from '../../../ensemble/server/index.ts'
import { silent, type Logger } from '../../../ensemble/sys/logger.ts'
import { nodeClock } from '../../../ensemble/sys/node-clock.ts'
import { nodeRandom } from '../../../ensemble/sys/node-random.ts'
import { CLIENT_SUBJECT, fixture, serverTls, store } from '../../support/tls-fixtures.ts'

const DEADLINE_MS = 10_000
/** Silent connections go soon. */
const LIMITS = { sessionlessCnxnTimeoutMs: 200, tickTimeMs: 50, maxSessionTimeoutMs: 5000 }
const folders: string[] = []
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'howdah-tls-'))
  folders.push(path)
  return path
}
afterEach(() => {
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true })
})

function serve(
  tls: Partial<ClientTls> = {},
  more: Partial<ServerSettings> = {},
  log: Logger = silent,
): Promise<Peer> {
  const settings = {
    dataDir: folder(),
    clientPort: 0,
    clientPortAddress: '127.0.0.1',
    secureClientPort: 0,
    secureClientPortAddress: '127.0.0.1',
    tls: { ...serverTls(), portUnification: false, handshakesMax: 0, ...tls },
    auth: { ...defaultAuth, hasX509Scheme: true, x509SuperUser: 'CN=root' },
    fourLetterWords: ['*'],
    tickTimeMs: 500,
    preallocBytes: 65_536,
    ...more,
  }
  return startServer(settings, log)
}

const own: TlsOptions = { ca: fixture('ca.pem'), cert: fixture('client.pem') }

/** Opens a session. */
function open(port: number, tls: TlsOptions | null, host = '127.0.0.1') {
  const options = { sessionTimeoutMs: 5000, connectTimeoutMs: DEADLINE_MS }
  return connect(`${host}:${port}`, tls === null ? options : { ...options, tls })
}

/** Why our client's first attempt fails. */
async function failure(port: number, tls: TlsOptions): Promise<string> {
  const sys = { clock: nodeClock, random: nodeRandom, network: await tlsNetwork(tls) }
  const client = new Client(`127.0.0.1:${port}`, {}, sys)
  const failed = new Promise<string>((resolve) => client.onFailure(resolve))
  client.start()
  const why = await failed
  await client.close()
  return why
}

function secure(port: number, options: ConnectionOptions = {}): TLSSocket {
  const material = { ca: readFileSync(fixture('ca.pem')) }
  const host = '127.0.0.1'
  return tlsConnect({ host, port, ...material, ...identity('client.pem'), ...options })
}

function identity(file: string): ConnectionOptions {
  return { key: readFileSync(fixture(file)), cert: readFileSync(fixture(file)) }
}

/** What is received until the other side closes; an error counts as a close. */
function received(socket: NodeJS.ReadWriteStream): Promise<{ text: string; error: string | null }> {
  return new Promise((resolve) => {
    let text = ''
    let error: string | null = null
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
    socket.on('error', (thrown: NodeJS.ErrnoException) => (error = thrown.code ?? thrown.message))
    socket.on('close', () => resolve({ text, error }))
  })
}

function word(port: number, text: string, options?: ConnectionOptions): Promise<string> {
  const socket = secure(port, options)
  socket.on('secureConnect', () => socket.write(text))
  return received(socket).then((answer) => answer.text)
}

async function until(isSo: () => boolean): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS
  while (!isSo()) {
    if (performance.now() > endMs) throw new Error('it did not come to be')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const openTo = (id: string) => [{ perms: 31, id: { scheme: 'x509', id } }]

test('a client certificate is an id in ACLs, and `whoami` shows it (S-1, S-4)', async () => {
  await using server = await serve()
  const zk = await open(server.secureClientPort, own, 'localhost')
  await zk.create('/mine', 'data', { acl: openTo(CLIENT_SUBJECT) })
  await zk.create('/auth', 'data', { acl: acl.creatorAll })
  expect((await zk.get('/mine')).data?.toString()).toBe('data')
  expect((await zk.getAcl('/auth')).acl).toEqual(openTo(CLIENT_SUBJECT))
  expect(await zk.whoAmI()).toContainEqual({ scheme: 'x509', id: CLIENT_SUBJECT })
  const plain = await open(server.clientPort, null)
  await expect(plain.get('/mine')).rejects.toThrow(/noAuth/)
  const root = await open(server.secureClientPort, { ...own, cert: fixture('root.pem') })
  expect((await root.get('/mine')).data?.toString()).toBe('data')
  for (const client of [zk, plain, root]) await client.close()
})

test.each([
  ['JKS', 'server.jks', 'trust.jks', 'client.jks'],
  ['PKCS#12', 'server.p12', 'trust.p12', 'client.p12'],
])('stores in %s serve as well (S-4)', async (_name, keyStore, trustStore, cert) => {
  await using server = await serve(serverTls(keyStore, trustStore))
  const tls = { ca: fixture('trust.jks'), cert: fixture(cert), password: 'secret' }
  const zk = await open(server.secureClientPort, tls)
  expect(await zk.whoAmI()).toContainEqual({ scheme: 'x509', id: CLIENT_SUBJECT })
  await zk.close()
})

test('four-letter words work inside TLS, and list the connections of their port (X-7)', async () => {
  await using server = await serve()
  const zk = await open(server.secureClientPort, own)
  const plain = await open(server.clientPort, null)
  const ofTls = await word(server.secureClientPort, 'cons')
  expect(ofTls).toContain(`sid=0x${zk.sessionId.toString(16)}`)
  expect(ofTls).not.toContain(`sid=0x${plain.sessionId.toString(16)}`)
  expect(await word(server.secureClientPort, 'conf')).toContain(
    `clientPort=${server.clientPort}\nsecureClientPort=${server.secureClientPort}\n`,
  )
  for (const client of [zk, plain]) await client.close()
})

test('a session may go over to TLS and back, for ids belong to the connection (S-6)', async () => {
  await using server = await serve()
  const first = await open(server.secureClientPort, own)
  await first.create('/mine', null, { acl: openTo(CLIENT_SUBJECT) })
  const session = { id: first.sessionId, password: first.sessionPassword }
  first.abandon()
  const again = await connect(`127.0.0.1:${server.clientPort}`, { session })
  expect(again.sessionId).toBe(session.id)
  await expect(again.get('/mine')).rejects.toThrow(/noAuth/)
  await again.close()
})

test.each([
  ['no certificate', { ca: own.ca! }, /may want a certificate of ours/],
  [
    'one of a stranger',
    { ...own, cert: fixture('stranger.pem') },
    /closed|reset|hang up|ECONN|EPIPE/,
  ],
  [
    'one that has ended',
    { ...own, cert: fixture('expired.pem') },
    /closed|reset|hang up|ECONN|EPIPE/,
  ],
])('clientAuth=need refuses a client with %s (S-4)', async (_name, tls, why) => {
  await using server = await serve()
  expect(await failure(server.secureClientPort, tls)).toMatch(why)
  await until(() => server.edgeCounts.handshakesFailed > 0)
  await until(() => server.view.handshakes === 0)
  expect([...server.view.links()]).toEqual([])
})

test('clientAuth=want takes those without a certificate, and none that is not good (S-4)', async () => {
  await using server = await serve({ clientAuth: 'want' })
  const zk = await open(server.secureClientPort, { ca: own.ca! })
  expect((await zk.whoAmI()).map(({ scheme }) => scheme)).toEqual(['ip'])
  await zk.close()
  const stranger = { ...own, cert: fixture('stranger.pem') }
  expect(await failure(server.secureClientPort, stranger)).toMatch(/closed|reset|hang up|ECONN/)
})

test('clientAuth=none does not ask (S-4)', async () => {
  await using server = await serve({ clientAuth: 'none', trustStore: null })
  const zk = await open(server.secureClientPort, own)
  expect((await zk.whoAmI()).map(({ scheme }) => scheme)).toEqual(['ip'])
  await zk.close()
})

test("a client's certificate must name its address where that is asked for (S-4)", async () => {
  await using server = await serve({ clientHostnameVerification: true })
  const zk = await open(server.secureClientPort, own)
  await zk.close()
  const nameless = { ...own, cert: fixture('root.pem') }
  expect(await failure(server.secureClientPort, nameless)).toMatch(/closed|reset|hang up|ECONN/)
})

test.each([
  ['a stranger signed it', 'stranger.pem', {}, /not from an issuer we trust/],
  ['it has ended', 'expired.pem', {}, /has expired/],
  ['it is of another host', 'elsewhere.pem', {}, /is not for 127\.0\.0\.1/],
])("our client refuses a server's certificate: %s (S-4)", async (_name, keyStore, more, why) => {
  await using server = await serve(serverTls(keyStore))
  expect(await failure(server.secureClientPort, { ...own, ...more })).toMatch(why)
})

test('our client takes any name where it is told to', async () => {
  await using server = await serve(serverTls('elsewhere.pem'))
  const zk = await open(server.secureClientPort, { ...own, hostnameVerification: false })
  await zk.close()
})

test('files that cannot be used fail our client at once, and a server before it touches data', async () => {
  const missing = { ca: '/none.pem' }
  await expect(open(1, missing)).rejects.toThrow('tls.ca.location: cannot read /none.pem')
  const dataDir = folder()
  await expect(serve(serverTls('/none.pem'), { dataDir })).rejects.toThrow(
    'ssl.keyStore.location: cannot read /none.pem: no such file',
  )
  await (await serve({}, { dataDir })).close()
})

test('plain bytes on the port for TLS get nothing (S-4, X-1)', async () => {
  await using server = await serve({}, LIMITS)
  for (const bytes of ['ruok', 'GET / HTTP/1.1\r\n\r\n', '\0\0\0\x2c\0\0\0\0']) {
    const socket = createConnection(server.secureClientPort, '127.0.0.1')
    socket.write(bytes, 'latin1')
    const { text } = await received(socket)
    expect(text).not.toMatch(/imok|HTTP|Zookeeper/i)
  }
  expect(server.edgeCounts.handshakesFailed).toBe(3)
})

test('TLS on the plain port is told so, with an alert (X-1)', async () => {
  await using server = await serve()
  const { error } = await received(secure(server.clientPort))
  expect(error).toMatch(/SSL|ECONNRESET/)
  expect(await failure(server.clientPort, own)).toMatch(/TLS: |closed/)
})

test('with client.portUnification the plain port takes both (S-4)', async () => {
  await using server = await serve({ portUnification: true }, LIMITS)
  const zk = await open(server.clientPort, own)
  expect(await zk.whoAmI()).toContainEqual({ scheme: 'x509', id: CLIENT_SUBJECT })
  const plain = await open(server.clientPort, null)
  expect((await plain.whoAmI()).map(({ scheme }) => scheme)).toEqual(['ip'])
  expect(await word(server.clientPort, 'ruok')).toBe('imok')
  // A word may come byte by byte, and so may a handshake.
  const socket = createConnection(server.clientPort, '127.0.0.1')
  const answer = received(socket)
  for (const letter of 'ruok') await new Promise<void>((done) => socket.write(letter, () => done()))
  expect((await answer).text).toBe('imok')
  // The port for TLS is for TLS, still.
  const stray = createConnection(server.secureClientPort, '127.0.0.1')
  stray.write('ruok')
  expect((await received(stray)).text).not.toContain('imok')
  for (const client of [zk, plain]) await client.close()
})

test('a handshake that never ends is cut, and so is silence where both are spoken (S-13)', async () => {
  await using server = await serve({ portUnification: true }, LIMITS)
  for (const port of [server.clientPort, server.secureClientPort]) {
    const silence = received(createConnection(port, '127.0.0.1'))
    const half = createConnection(port, '127.0.0.1')
    half.write(Buffer.from([0x16, 3, 1, 2]))
    await Promise.all([silence, received(half)])
  }
  expect(server.edgeCounts.handshakesFailed).toBe(4)
  await until(() => server.view.handshakes === 0)
})

test('one handshake too many is refused (S-15)', async () => {
  await using server = await serve({ handshakesMax: 1 })
  const first = createConnection(server.secureClientPort, '127.0.0.1')
  await until(() => server.view.handshakes === 1)
  await received(createConnection(server.secureClientPort, '127.0.0.1'))
  expect(server.edgeCounts.handshakesExceeded).toBe(1)
  first.destroy()
  await until(() => server.view.handshakes === 0)
  const zk = await open(server.secureClientPort, own)
  await zk.close()
})

test('each port counts the connections of an address by itself (S-15)', async () => {
  await using server = await serve({}, { maxClientCnxns: 1 })
  const zk = await open(server.secureClientPort, own)
  const plain = await open(server.clientPort, null)
  expect((await received(createConnection(server.secureClientPort, '127.0.0.1'))).text).toBe('')
  expect((await received(createConnection(server.clientPort, '127.0.0.1'))).text).toBe('')
  expect(server.edgeCounts.connectionsRejected).toBe(2)
  for (const client of [zk, plain]) await client.close()
})

test('renewed certificates count from the next connection on, broken ones not (S-4)', async () => {
  const path = join(folder(), 'server.pem')
  copyFileSync(fixture('server.pem'), path)
  const errors: string[] = []
  const log = { ...silent, error: (_fields: object, message: string) => void errors.push(message) }
  await using server = await serve({ keyStore: store('ssl.keyStore', path) }, {}, log)
  const nameOf = (): Promise<string | undefined> =>
    new Promise((resolve, reject) => {
      const socket = secure(server.secureClientPort)
      socket.on('error', reject)
      socket.on('secureConnect', () => {
        resolve(String(socket.getPeerCertificate().subject.CN))
        socket.destroy()
      })
    })
  const zk = await open(server.secureClientPort, own)
  expect(await nameOf()).toBe('server')
  const renewed = readFileSync(fixture('renewed.pem'))
  writeFileSync(path, renewed.subarray(0, 300))
  await until(() => errors.length > 0)
  expect(await nameOf()).toBe('server')
  writeFileSync(path, renewed)
  const endMs = performance.now() + DEADLINE_MS
  while ((await nameOf()) !== 'renewed') expect(performance.now()).toBeLessThan(endMs)
  expect(await zk.exists('/')).not.toBe(null)
  await zk.close()
})

test('a session of TLS that is resumed has its certificate, still', async () => {
  await using server = await serve()
  const first = secure(server.secureClientPort)
  const session = new Promise<Buffer>((resolve) => first.once('session', resolve))
  first.on('secureConnect', () => first.write('ruok'))
  await received(first)
  const again = secure(server.secureClientPort, { session: await session })
  again.on('secureConnect', () => again.write('ruok'))
  expect((await received(again)).text).toBe('imok')
})

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'once its issuer is trusted no more, no resumed session of %s lets a client in (S-4)',
  async (version) => {
    const path = join(folder(), 'trusted.pem')
    copyFileSync(fixture('ca.pem'), path)
    const lines: string[] = []
    const log: Logger = { ...silent, info: (_fields, message) => void lines.push(message) }
    await using server = await serve(serverTls('server.pem', path), {}, log)
    const versions = { minVersion: version, maxVersion: version }
    const first = secure(server.secureClientPort, versions)
    const session = new Promise<Buffer>((resolve) => first.once('session', resolve))
    first.on('secureConnect', () => first.write('ruok'))
    expect((await received(first)).text).toBe('imok')

    copyFileSync(fixture('other-ca.pem'), path)
    await until(() => lines.includes('new certificates, for connections from now on'))
    const again = secure(server.secureClientPort, { ...versions, session: await session })
    again.on('secureConnect', () => again.write('ruok'))
    expect((await received(again)).text).toBe('')
  },
)

test('a client gets one handshake for its connection (S-15)', async () => {
  await using server = await serve()
  const socket = secure(server.secureClientPort, { maxVersion: 'TLSv1.2' })
  const end = received(socket)
  await new Promise<void>((resolve) => socket.once('secureConnect', resolve))
  socket.renegotiate({}, () => {})
  let problem = ''
  socket.on('error', ({ message }) => (problem = message))
  // It begins with what is sent next.
  socket.write('ruok')
  expect((await end).text).toBe('')
  expect(problem).toMatch(/no renegotiation/i)
})

test('connections from one port to two addresses of the server are two (S-4)', async () => {
  await using server = await serve({}, { secureClientPortAddress: '0.0.0.0' })
  const port = server.secureClientPort
  const open = (options: { host: string; localPort?: number }): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = createConnection({ port, localAddress: '127.0.0.1', ...options })
      socket.once('connect', () => resolve(socket)).on('error', reject)
    })
  const one = await open({ host: '127.0.0.1' })
  const two = await open({ host: '127.0.0.2', localPort: one.localPort! })
  await until(() => server.view.connectionCount === 2)
  const answer = word(port, 'ruok', { socket: one })
  expect(await answer).toBe('imok')
  await until(() => server.view.connectionCount === 1)
  two.destroy()
})

test('a large reply comes through whole, and back pressure holds (F-22)', async () => {
  await using server = await serve()
  const zk = await open(server.secureClientPort, own)
  const data = Buffer.alloc(1_000_000, 'x')
  await zk.create('/large', data)
  const replies = await Promise.all(Array.from({ length: 20 }, () => zk.get('/large')))
  expect(replies.every((reply) => reply.data?.equals(data))).toBe(true)
  await zk.close()
})
