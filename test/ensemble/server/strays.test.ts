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

test.each([
  ['SSH', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ['Redis', '*1\r\n$4\r\nPING\r\n'],
  ['an unknown word', 'foo\n'],
])('%s is closed without an answer', async (_what, bytes) => {
  expect((await answerTo(bytes)).length).toBe(0)
})
