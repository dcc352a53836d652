/** What a fresh connection speaks, told from its first bytes, and what strangers are answered. */
import { expect, test } from 'vitest'
import { ConnectRequest } from '../../../ensemble/protocol/connect.ts'
import { FIRST_BYTES_MAX, firstBytesOf } from '../../../ensemble/server/first-bytes.ts'
import { LogLimiter } from '../../../ensemble/server/log-limiter.ts'
import { strayAnswer } from '../../../ensemble/server/stray-answer.ts'

const FRAME_BYTES_MAX = 0xfffff
const NO_BYTES = Buffer.alloc(0)

function framed(body: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length)
  return Buffer.concat([length, body])
}

function connectRequest(
  protocolVersion: number,
  lastZxidSeen = 0n,
  passwd: Buffer | null = Buffer.alloc(16),
): Buffer {
  const fields = { protocolVersion, lastZxidSeen, timeOut: 4000, sessionId: 0n }
  return framed(ConnectRequest.encode({ ...fields, passwd, readOnly: false }))
}

/** ApiVersions, version 3, of a client with a name. */
function kafkaRequest(clientId: string): Buffer {
  const body = Buffer.from(
    `\0\x12\0\x03\0\0\0\x01\0${String.fromCharCode(clientId.length)}${clientId}\0`,
  )
  return framed(Buffer.concat([body, Buffer.from('\x12apache-kafka-java\x063.9.0\0')]))
}

test.each([
  ['a connect request', connectRequest(0), 'zookeeper'],
  ['one of an odd protocol version', connectRequest(0x00120003, 0x30041n), 'zookeeper'],
  ['one whose zxid looks like a client id', connectRequest(1, 0x1214fn), 'zookeeper'],
  ['the same with a long password', connectRequest(1, 0x1214fn, Buffer.alloc(40)), 'zookeeper'],
  ['the same without a password', connectRequest(1, 0x1214fn, null), 'zookeeper'],
  ['a length of 0', Buffer.alloc(4), 'zookeeper'],
  ['a short frame', framed(Buffer.from('abc')), 'zookeeper'],
  ['the word ruok', Buffer.from('ruok'), 'four-letter-word'],
  ['the word stat with a newline', Buffer.from('stat\n'), 'four-letter-word'],
  ['an unknown word', Buffer.from('foo\n'), 'unknown'],
  ['GET', Buffer.from('GET / HTTP/1.1\r\n'), 'http'],
  ['POST', Buffer.from('POST /commands HTTP/1.1\r\n'), 'http'],
  ['OPTIONS', Buffer.from('OPTIONS * HTTP/1.1\r\n'), 'http'],
  ['the preface of HTTP/2', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), 'http2'],
  ['a ClientHello', Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]), 'tls'],
  ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'), 'ssh'],
  ['Redis', Buffer.from('*1\r\n$4\r\nPING\r\n'), 'redis'],
  ['PROXY, version 1', Buffer.from('PROXY TCP4 10.0.0.1 10.0.0.2 5 2181\r\n'), 'proxy'],
  ['PROXY, version 2', Buffer.from('\r\n\r\n\0\r\nQUIT\n'), 'proxy'],
  ['PostgreSQL', Buffer.from([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]), 'postgresql'],
  ['Kafka', kafkaRequest('adminclient-1'), 'kafka'],
  ['Kafka, with the length of a connect request', kafkaRequest('ab').subarray(0, 49), 'kafka'],
  ['a negative length', Buffer.from([0xff, 0xff, 0xff, 0xfe]), 'unknown'],
  ['a length above the limit', Buffer.from([0, 0x10, 0, 0]), 'unknown'],
])('%s is told from its first bytes, in whatever pieces they come (S-13)', (_what, bytes, kind) => {
  expect(firstBytesOf(bytes, FRAME_BYTES_MAX)).toBe(kind)
  let decided = 'undecided'
  for (let end = 0; end <= bytes.length && decided === 'undecided'; end++) {
    decided = firstBytesOf(bytes.subarray(0, end), FRAME_BYTES_MAX)
  }
  expect(decided).toBe(kind)
})

test('every start is decided with a few bytes at the latest', () => {
  for (let first = 0; first < 256; first++) {
    const bytes = Buffer.alloc(FIRST_BYTES_MAX, first)
    expect(firstBytesOf(bytes, FRAME_BYTES_MAX)).not.toBe('undecided')
    bytes.writeInt32BE(1000)
    expect(firstBytesOf(bytes, FRAME_BYTES_MAX)).not.toBe('undecided')
  }
})

test('a browser is told what the port is, and where it may go', () => {
  const adminUrl = 'http://127.0.0.1:8080/commands'
  const answer = String(strayAnswer('http', NO_BYTES, { port: 2181, adminUrl }))
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  expect(head).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
  expect(head).toContain(`content-length: ${Buffer.byteLength(body)}`)
  expect(body).toContain('Port 2181 is for clients of ZooKeeper')
  expect(body).toContain(adminUrl)
  expect(String(strayAnswer('http', NO_BYTES, { port: 2181, adminUrl: null }))).toContain('is off')
  expect(strayAnswer('ssh', NO_BYTES, { port: 2181, adminUrl })).toBe(null)
})

test('the log has one line for an address in a while, and bounded memory (S-15)', () => {
  const limiter = new LogLimiter({ intervalMs: 1000, keysMax: 2 })
  expect(limiter.leftOutBefore('a', 0)).toBe(0)
  expect(limiter.leftOutBefore('a', 10)).toBe(null)
  expect(limiter.leftOutBefore('a', 999)).toBe(null)
  expect(limiter.leftOutBefore('b', 999)).toBe(0)
  expect(limiter.leftOutBefore('a', 1000)).toBe(2)
  expect(limiter.leftOutBefore('c', 1000)).toBe(0) // `b`, the oldest, is forgotten
  expect(limiter.leftOutBefore('b', 1001)).toBe(0)
})
