/**
 * What is said to a client at the wrong port, in its own protocol, before its connection ends.
 *
 * Source: RFC 9112 (HTTP/1.1), RFC 9113 6.5 and 6.8 (SETTINGS, GOAWAY), RFC 8446 6 (alerts).
 */
import type { FirstBytes } from './first-bytes.ts'

/** TLS alert: fatal, handshake_failure. Its version is that of the first flight of every client. */
const HANDSHAKE_FAILURE = Buffer.from([0x15, 3, 1, 0, 2, 2, 40])
const HTTP2_SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])
const HTTP2_GOAWAY = 7
const PROTOCOL_ERROR = 1

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

/** The answer to give, or null when the connection is just closed. */
export function strayAnswer(
  kind: FirstBytes,
  server: { readonly port: number; readonly adminUrl: string | null },
): Buffer | null {
  switch (kind) {
    case 'http':
      return httpAnswer(explanation(server))
    case 'http2':
      return http2Answer(explanation(server))
    case 'tls':
      return HANDSHAKE_FAILURE
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

/** The server's preface, then GOAWAY with the text as its debug data. */
function http2Answer(text: string): Buffer {
  const debugData = Buffer.from(text)
  const frame = Buffer.alloc(17)
  frame.writeUIntBE(8 + debugData.length, 0, 3)
  frame[3] = HTTP2_GOAWAY
  frame.writeUInt32BE(PROTOCOL_ERROR, 13)
  return Buffer.concat([HTTP2_SETTINGS, frame, debugData])
}
