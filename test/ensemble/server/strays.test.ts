/** Clients of other protocols at the client port of a real server: answered in their own language. */
import { mkdtempSync, rmSync } from 'node:fs'
import { get } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type Peer } from '../../../ensemble/server/index.ts'
import { silent, type Fields, type Logger } from '../../../ensemble/sys/logger.ts'

const warnings: { fields: Fields; message: string }[] = []
const log: Logger = {
  ...silent,
  warn: (fields, message) => void warnings.push({ fields, message }),
  child: () => log,
}
const folder = mkdtempSync(join(tmpdir(), 'howdah-strays-'))
let server: Peer

beforeAll(async () => {
  const settings = { dataDir: folder, clientPort: 0, clientPortAddress: '127.0.0.1' }
  server = await startServer({ ...settings, preallocBytes: 65_536 }, log)
})

afterAll(async () => {
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Everything that a connection is sent until its end, after it has sent `bytes`. */
function answerTo(bytes: Buffer | string): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    const socket = createConnection({ port: server.clientPort, host: '127.0.0.1' }, () =>
      socket.write(bytes),
    )
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('error', () => {})
    socket.on('close', () => resolve(Buffer.concat(chunks)))
  })
}

test('HTTP is answered with 400 and a sentence, and the log has one line for all of them', async () => {
  for (let i = 0; i < 3; i++) {
    const [status, body] = await new Promise<[number | undefined, string]>((resolve, reject) => {
      get({ host: '127.0.0.1', port: server.clientPort, path: '/' }, (response) => {
        let text = ''
        response.on('data', (chunk) => (text += String(chunk)))
        response.on('end', () => resolve([response.statusCode, text]))
      }).on('error', reject)
    })
    expect(status).toBe(400)
    expect(body).toContain(`Port ${server.clientPort} is for clients of ZooKeeper`)
  }
  // Bytes behind the request are taken too, or the answer would be lost with a reset.
  const upload = `POST / HTTP/1.1\r\ncontent-length: 200000\r\n\r\n${'x'.repeat(200_000)}`
  expect(String(await answerTo(upload))).toMatch(/^HTTP\/1\.1 400/)
  expect(warnings).toHaveLength(1)
  expect(warnings[0]?.fields).toMatchObject({ address: '127.0.0.1', what: 'HTTP' })
})

test('a client of HTTP/2 reads the same sentence', async () => {
  const text = await new Promise<string>((resolve) => {
    const session = connectHttp2(`http://127.0.0.1:${server.clientPort}`)
    session.on('error', () => {})
    session.on('goaway', (_code, _last, data) => resolve(String(data)))
  })
  expect(text).toContain('speaks ZooKeeper')
})

test('a client of TLS gets an alert', async () => {
  const error = await new Promise<Error>((resolve) => {
    connectTls({ port: server.clientPort, host: '127.0.0.1', rejectUnauthorized: false }).on(
      'error',
      resolve,
    )
  })
  expect(error.message).toMatch(/alert handshake failure/)
})

/** ApiVersions of a client named `adminclient-1`, as Kafka's own client sends it first. */
function apiVersions(version: number): Buffer {
  const tail = version < 3 ? '' : '0012 6170616368652d6b61666b612d6a617661 06 332e392e32 00'
  const clientId = Buffer.from('adminclient-1').toString('hex')
  const version16 = version.toString(16).padStart(4, '0')
  const hex = `0012 ${version16} 00000007 000d ${clientId} ${version < 3 ? '' : '00'} ${tail}`
  const body = Buffer.from(hex.replaceAll(' ', ''), 'hex')
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length)
  return Buffer.concat([length, body])
}

test.each([
  [0, '0000000a 00000007 002a 00000000'],
  [2, '0000000e 00000007 002a 00000000 00000000'],
  [3, '0000000c 00000007 002a 01 00000000 00'],
])('a client of Kafka that asks for versions (%d) reads INVALID_REQUEST', async (version, hex) => {
  expect((await answerTo(apiVersions(version))).toString('hex')).toBe(hex.replaceAll(' ', ''))
})

test('another request of Kafka is closed without an answer', async () => {
  const metadata = apiVersions(0)
  metadata.writeInt16BE(3, 4)
  expect((await answerTo(metadata)).length).toBe(0)
})

test.each([
  ['SSH', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ['Redis', '*1\r\n$4\r\nPING\r\n'],
  ['an unknown word', 'foo\n'],
])('%s is closed without an answer', async (_what, bytes) => {
  expect((await answerTo(bytes)).length).toBe(0)
})
