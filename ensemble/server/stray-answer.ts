/**
 * What is said to a client at the wrong port, in its own protocol, before its connection ends.
 *
 * Source: RFC 9112 (HTTP/1.1), RFC 9113 6.5 and 6.8 (SETTINGS, GOAWAY), RFC 8446 6 (alerts); Kafka's
 * protocol guide (ApiVersions, with which its clients begin).
 */
import type { FirstBytes } from './first-bytes.ts'

/** TLS alert: fatal, handshake_failure. Its version is that of the first flight of every client. */
const HANDSHAKE_FAILURE = Buffer.from([0x15, 3, 1, 0, 2, 2, 40])
const HTTP2_SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])
const HTTP2_GOAWAY = 7
const PROTOCOL_ERROR = 1
const KAFKA_API_VERSIONS = 18
const KAFKA_INVALID_REQUEST = 42

/** Names for the log. */
const NAMES: Partial<Record<FirstBytes, string>> = {
  http: 'HTTP',
  http2: 'HTTP/2',
  tls: 'TLS',
  kafka: 'a request of Kafka’s protocol',
  postgresql: 'PostgreSQL’s protocol',
  ssh: 'SSH',
  redis: 'Redis’ protocol',
  proxy: 'the header of the PROXY protocol (is it on in a load balancer?)',
}

/** What the log calls it. */
export function strayName(kind: FirstBytes): string {
  return NAMES[kind] ?? 'bytes of no protocol that is known here'
}

/**
 * The answer to give, or null when the connection is just closed.
 *
 * @param bytes what has come so far, the first request of a Kafka client in it
 */
export function strayAnswer(
  kind: FirstBytes,
  bytes: Buffer,
  server: { readonly port: number; readonly adminUrl: string | null },
): Buffer | null {
  switch (kind) {
    case 'http':
      return httpAnswer(explanation(server))
    case 'http2':
      return http2Answer(explanation(server))
    case 'tls':
      return HANDSHAKE_FAILURE
    case 'kafka':
      return kafkaAnswer(bytes)
    default:
      return null
  }
}

function explanation({ port, adminUrl }: { port: number; adminUrl: string | null }): string {
  const what = `Port ${port} is for clients of ZooKeeper: it speaks ZooKeeper's own protocol, not HTTP.`
  return adminUrl === null
    ? `${what}\nThis server's AdminServer, which would speak HTTP, is off.\n`
    : `${what}\nThis server's AdminServer speaks HTTP: ${adminUrl}\n`
}

function httpAnswer(text: string): Buffer {
  const body = Buffer.from(text)
  const head = [
    'HTTP/1.1 400 Bad Request',
    'content-type: text/plain; charset=utf-8',
    `content-length: ${body.length}`,
    'connection: close',
  ]
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body])
}

/**
 * INVALID_REQUEST to ApiVersions, which clients report by that name and end with; other requests have no
 * error that all of them would understand. Its layout is that of the version that was asked for.
 */
function kafkaAnswer(bytes: Buffer): Buffer | null {
  const [apiKey, apiVersion] = [bytes.readInt16BE(4), bytes.readInt16BE(6)]
  if (apiKey !== KAFKA_API_VERSIONS) return null
  // An error code and no keys; from version 1 on a throttle time, from 3 on a short list and no tags.
  const body = apiVersion === 0 ? 6 : apiVersion < 3 ? 10 : 8
  const answer = Buffer.alloc(8 + body)
  answer.writeInt32BE(4 + body, 0)
  bytes.copy(answer, 4, 8, 12)
  answer.writeInt16BE(KAFKA_INVALID_REQUEST, 8)
  if (apiVersion >= 3) answer[10] = 1
  return answer
}

/** The server's preface, then GOAWAY with the text as its debug data. */
function http2Answer(text: string): Buffer {
  const debugData = Buffer.from(text)
  const frame = Buffer.alloc(17)
  frame.writeUIntBE(8 + debugData.length, 0, 3)
  frame[3] = HTTP2_GOAWAY
  frame.writeUInt32BE(PROTOCOL_ERROR, 13)
  return Buffer.concat([HTTP2_SETTINGS, frame, debugData])
}
