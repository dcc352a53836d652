/**
 * TLS between Apache 3.9.5 and us, both ways: zkCli with JKS stores and kazoo with PEM at our server,
 * our client and our shell at Apache's `secureClientPort`. Skips aloud what cannot be run.
 */
import { spawn } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { acl, connect, type Client } from '../../ensemble/client/index.ts'
import { apache, apacheCli, apacheMissing } from '../support/apache.ts'
import { kazooPython } from '../support/kazoo.ts'
import { freePort, ours, ServerProcess, type ServerProgram } from '../support/server-process.ts'
import { CLIENT_SUBJECT, fixture } from '../support/tls-fixtures.ts'

const noJava = apacheMissing()
const kazoo = kazooPython()
const noKazoo = 'missing' in kazoo ? kazoo.missing : null
for (const why of [noJava, noKazoo]) {
  if (why !== null) process.stderr.write(`SKIPPED a part of test/interop/tls.test.ts: ${why}\n`)
}

const root = mkdtempSync(join(tmpdir(), 'howdah-tls-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** Of the server, with stores as keytool makes them. */
const STORES = {
  'ssl.keyStore.location': fixture('server.jks'),
  'ssl.keyStore.password': 'secret',
  'ssl.trustStore.location': fixture('trust.jks'),
  'ssl.trustStore.password': 'secret',
  'X509AuthenticationProvider.superUser': 'CN=root',
  serverCnxnFactory: 'org.apache.zookeeper.server.NettyServerCnxnFactory',
}

const CLIENT_FLAGS = [
  '-Dzookeeper.client.secure=true',
  '-Dzookeeper.clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty',
  `-Dzookeeper.ssl.keyStore.location=${fixture('client.jks')}`,
  '-Dzookeeper.ssl.keyStore.password=secret',
  `-Dzookeeper.ssl.trustStore.location=${fixture('trust.jks')}`,
  '-Dzookeeper.ssl.trustStore.password=secret',
]

async function start(
  program: ServerProgram,
  name: string,
  settings: Readonly<Record<string, string | number>> = {},
): Promise<{ server: ServerProcess; port: number }> {
  const port = await freePort()
  const server = await ServerProcess.start(program, {
    folder: join(root, name),
    port: await freePort(),
    settings: { ...STORES, secureClientPort: port, ...settings },
  })
  return { server, port }
}

function run(
  command: readonly string[],
  { input = '', env = {} }: { input?: string; env?: Record<string, string> } = {},
): Promise<{ out: string; err: string; status: number | null }> {
  return new Promise((resolve, reject) => {
    const [program = '', ...words] = command
    const child = spawn(program, words, { stdio: 'pipe', env: { ...process.env, ...env } })
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    child.on('error', reject)
    child.on('close', (status) => resolve({ out, err, status }))
    child.stdin.end(input)
  })
}

/** Apache's zkCli with flags of the JVM. */
function javaCli(flags: readonly string[], port: number, input: string) {
  const [java = '', ...words] = apacheCli()
  return run([java, ...flags, ...words, '-server', `localhost:${port}`, '-timeout', '5000'], {
    input,
  })
}

const SESSION = `create /tls data x509:${CLIENT_SUBJECT.replaceAll('\\', '\\\\')}:cdrwa
create /own data auth::cdrwa
getAcl /own
get /own
whoami
`

/** What both must have said, whatever is around it. */
function expectSession(out: string): void {
  // zkCli writes a comma within an id otherwise.
  expect(out).toContain(`'x509,'${CLIENT_SUBJECT.replaceAll(',', '%2C')}`)
  expect(out).toContain(`x509: ${CLIENT_SUBJECT}`)
  expect(out).toContain('data')
}

async function secure(port: number, cert = 'client.pem'): Promise<Client> {
  const tls = { ca: fixture('ca.pem'), cert: fixture(cert) }
  return connect(`localhost:${port}`, { tls, sessionTimeoutMs: 10_000, connectTimeoutMs: 20_000 })
}

describe.skipIf(noJava !== null)('Java at our server (S-4)', () => {
  let port = 0
  let server: ServerProcess
  beforeAll(async () => void ({ server, port } = await start(ours, 'ours')))
  afterAll(() => server.stop())

  test("zkCli with JKS stores is known by its certificate, in Java's text (S-1)", async () => {
    const { out } = await javaCli(CLIENT_FLAGS, port, SESSION)
    expectSession(out)
    const root = await secure(port, 'root.pem')
    expect((await root.getAcl('/own')).acl).toEqual([
      { perms: 31, id: { scheme: 'x509', id: CLIENT_SUBJECT } },
    ])
    await root.close()
  })

  test('TLS 1.2 with a suite of its own choice does as well', async () => {
    const flags = [
      ...CLIENT_FLAGS,
      '-Dzookeeper.ssl.protocol=TLSv1.2',
      '-Dzookeeper.ssl.ciphersuites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
    ]
    const { out } = await javaCli(flags, port, 'whoami\n')
    expect(out).toContain(`x509: ${CLIENT_SUBJECT}`)
  })

  test('a client of another authority gets no session', async () => {
    const flags = CLIENT_FLAGS.map((flag) =>
      flag.includes('ssl.keyStore.location') ? flag.replace('client.jks', 'stranger.pem') : flag,
    ).filter((flag) => !flag.includes('keyStore.password'))
    const { out, err } = await javaCli(flags, port, 'ls /\n')
    expect(out + err).toMatch(/ConnectionLoss/)
  })

  test('our certificate is renewed under it: the next connection meets the new one', async () => {
    const path = join(root, 'renewed.pem')
    copyFileSync(fixture('elsewhere.pem'), path)
    const other = await start(ours, 'renewed', {
      'ssl.keyStore.location': path,
      'ssl.keyStore.password': '',
    })
    await using _server = other.server
    const refused = await javaCli(CLIENT_FLAGS, other.port, 'ls /\n')
    expect(refused.out + refused.err).toMatch(/ConnectionLoss/)
    copyFileSync(fixture('renewed.pem'), path)
    // Files are looked at once a second: our client tries until it meets the new certificate.
    await (await secure(other.port)).close()
    const { out } = await javaCli(CLIENT_FLAGS, other.port, 'whoami\n')
    expect(out).toContain(`x509: ${CLIENT_SUBJECT}`)
  })
})

describe.skipIf(noKazoo !== null)('kazoo at our server (S-4)', () => {
  const PROGRAM = `
import sys
from kazoo.client import KazooClient
from kazoo.security import make_acl
host, ca, cert, key = sys.argv[1:5]
zk = KazooClient(hosts=host, use_ssl=True, ca=ca, certfile=cert, keyfile=key, timeout=10)
zk.start(timeout=20)
zk.create('/kazoo', b'data', acl=[make_acl('auth', '', all=True)])
print(zk.get('/kazoo')[0].decode(), zk.get_acls('/kazoo')[0][0].id.id)
zk.stop()
zk.close()
`

  test('with PEM, on a port for TLS and on one for both', async () => {
    if ('missing' in kazoo) return
    const both = { 'client.portUnification': 'true', 'ssl.clientAuth': 'want' }
    const { server, port } = await start(ours, 'kazoo', both)
    await using _server = server
    const stores = [fixture('ca.pem'), fixture('client.pem'), fixture('client.pem')]
    const files = ['-c', PROGRAM]
    const { out, err } = await run([kazoo.python, ...files, `127.0.0.1:${port}`, ...stores])
    expect(out, err).toContain(`data ${CLIENT_SUBJECT}`)
    const zk = await secure(port)
    await zk.delete('/kazoo')
    await zk.close()
    const plain = await run([kazoo.python, ...files, `127.0.0.1:${server.port}`, ...stores])
    expect(plain.out, plain.err).toContain(`data ${CLIENT_SUBJECT}`)
  })
})

describe.skipIf(noJava !== null)("ours at Apache's server (S-4)", () => {
  let port = 0
  let server: ServerProcess
  const path = join(root, 'apache.pem')
  beforeAll(async () => {
    copyFileSync(fixture('server.pem'), path)
    const more = { 'ssl.keyStore.location': path, 'ssl.keyStore.password': '' }
    ;({ server, port } = await start(apache(), 'apache', more))
  })
  afterAll(() => server.stop())

  test('our client, and the same subject', async () => {
    const zk = await secure(port)
    await zk.create('/own', 'data', { acl: acl.creatorAll })
    expect((await zk.getAcl('/own')).acl).toEqual([
      { perms: 31, id: { scheme: 'x509', id: CLIENT_SUBJECT } },
    ])
    expect(await zk.whoAmI()).toContainEqual({ scheme: 'x509', id: CLIENT_SUBJECT })
    const root = await secure(port, 'root.pem')
    expect((await root.get('/own')).data?.toString()).toBe('data')
    await root.delete('/own')
    for (const client of [zk, root]) await client.close()
  })

  test("our shell, by the flags of Apache's", async () => {
    const cli = [process.execPath, join(import.meta.dirname, '../../toolkit/main.ts'), 'cli']
    const env = { CLIENT_JVMFLAGS: CLIENT_FLAGS.join(' ') }
    const input = SESSION
    const { out } = await run([...cli, '-server', `localhost:${port}`], { input, env })
    expectSession(out)
  })

  test('a stranger, nobody and a plain client get no session, and are told why', async () => {
    const open = (tls: object) =>
      connect(`localhost:${port}`, { tls, connectTimeoutMs: 3000 }).then(() => 'connected', String)
    const ca = fixture('ca.pem')
    const refused = /TLS: the server (does not accept our certificate|refused|closed)|closed|ended/
    expect(await open({ ca, cert: fixture('stranger.pem') })).toMatch(refused)
    expect(await open({ ca })).toMatch(refused)
    expect(await open({ ca: fixture('other-ca.pem') })).toMatch(/not from an issuer we trust/)
  })

  test('Apache offers TLS 1.3 alone where nothing is said', async () => {
    const options = { host: 'localhost', port, ca: readFileSync(fixture('ca.pem')) }
    const identity = { key: readFileSync(path), cert: readFileSync(path) }
    const outcome = (maxVersion: 'TLSv1.2' | 'TLSv1.3') =>
      new Promise<string>((resolve) => {
        const socket = connectTls({ ...options, ...identity, maxVersion })
        socket.once('secureConnect', () => {
          resolve(socket.getProtocol() ?? '')
          socket.destroy()
        })
        socket.on('error', (error) => resolve(String(error)))
      })
    expect(await outcome('TLSv1.3')).toBe('TLSv1.3')
    expect(await outcome('TLSv1.2')).toMatch(/Error/)
  })

  test('Apache reads its key store again without client.certReload, as ours does', async () => {
    copyFileSync(fixture('elsewhere.pem'), path)
    const zk = connect(`localhost:${port}`, {
      tls: { ca: fixture('ca.pem'), cert: fixture('client.pem') },
      connectTimeoutMs: 3000,
    })
    await expect(zk).rejects.toThrow(/is not for localhost/)
    copyFileSync(fixture('server.pem'), path)
  })
})
