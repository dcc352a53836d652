/** `howdah cli` over TLS, by the properties of Apache's client. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { defaultAuth, startServer, type Peer } from '../../../ensemble/server/index.ts'
import { silent } from '../../../ensemble/sys/logger.ts'
import { runCli } from '../../../toolkit/commands/cli.ts'
import { CLIENT_SUBJECT, fixture, serverTls } from '../../support/tls-fixtures.ts'

let folder = ''
let server: Peer
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'howdah-cli-tls-'))
  server = await startServer(
    {
      dataDir: folder,
      secureClientPort: 0,
      secureClientPortAddress: '127.0.0.1',
      tls: { ...serverTls(), portUnification: false, handshakesMax: 0 },
      auth: { ...defaultAuth, hasX509Scheme: true },
      preallocBytes: 65_536,
    },
    silent,
  )
})
afterAll(async () => {
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

async function cli(flags: readonly string[], ...words: readonly string[]) {
  const ran = { out: '', err: '', status: 0 }
  ran.status = await runCli(
    ['-server', `localhost:${server.secureClientPort}`, ...words],
    {
      out: (text: string) => void (ran.out += text),
      err: (text: string) => void (ran.err += text),
      env: { CLIENT_JVMFLAGS: flags.map((flag) => `-Dzookeeper.${flag}`).join(' ') },
      isTerminal: false,
      signal: new AbortController().signal,
    },
    { input: Readable.from([]), terminal: null },
  )
  return ran
}

const SECURE = ['client.secure=true', 'clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty']
const STORES = [
  `ssl.keyStore.location=${fixture('client.jks')}`,
  'ssl.keyStore.password=secret',
  `ssl.trustStore.location=${fixture('trust.jks')}`,
  'ssl.trustStore.password=secret',
]

test("zkCli's flags make it speak TLS, with JKS stores (S-4)", async () => {
  const ran = await cli([...SECURE, ...STORES], 'whoami')
  expect(ran.out).toContain(`x509: ${CLIENT_SUBJECT}`)
  expect(ran.status).toBe(0)
})

test('so does a file of -client-configuration', async () => {
  const path = join(folder, 'client.cfg')
  const lines = ['client.secure=true', ...STORES].map((line) => `zookeeper.${line}\n`)
  writeFileSync(path, lines.join(''))
  const ran = await cli([], '-client-configuration', path, 'whoami')
  expect(ran.out).toContain(`x509: ${CLIENT_SUBJECT}`)
})

test.each([
  [
    [...SECURE, 'ssl.trustStore.location=/none.jks', 'ssl.trustStore.password=canary'],
    'Error: ssl.trustStore.location: cannot read /none.jks: there is no such file\n',
    2,
  ],
  [[...SECURE, 'ssl.hostnameVerification=maybe'], 'ssl.hostnameVerification: got maybe', 2],
  [
    [...SECURE, ...STORES.slice(0, 2), `ssl.trustStore.location=${fixture('other-ca.pem')}`],
    'TLS: the certificate of the server is not from an issuer we trust',
    1,
  ],
])('what is wrong is said in a line: %j', async (flags, message, status) => {
  const ran = await cli(flags, 'ls', '/')
  expect(ran.err).toContain(message)
  expect(ran.err).not.toContain('canary')
  expect(ran.status).toBe(status)
})
