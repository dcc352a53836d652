/**
 * What a fresh connection speaks, from its first bytes: whoever is at the wrong port is told so in
 * their own language, and the log says who it was.
 *
 * ZooKeeper's own start is the length of the connect request. Everything that such a length allows is
 * ZooKeeper's, except what is plainly another protocol that starts with a length, too.
 * Source: client-protocol 1.3 (NIOServerCnxn#readLength, which closes without a word, 3.9.5); RFC 9112,
 * RFC 9113 3.4, RFC 8446 5.1, Kafka's request header, PostgreSQL's SSLRequest, the PROXY protocol.
 */
import { isFourLetterWord } from '../admin/four-letter-words.ts'

export type FirstBytes =
  /** A connect request may follow: its frame decides. */
  | 'zookeeper'
  | 'four-letter-word'
  | 'http'
  /** HTTP/2 without an upgrade: gRPC and its like. */
  | 'http2'
  /** A ClientHello. */
  | 'tls'
  | 'kafka'
  | 'postgresql'
  | 'ssh'
  | 'redis'
  /** The header that a load balancer puts in front. */
  | 'proxy'
  | 'unknown'
  /** More bytes are needed. */
  | 'undecided'

/** Everything is decided with this many bytes, at the latest. */
export const FIRST_BYTES_MAX = 32

const TLS_HANDSHAKE = 0x16
/** `SSLRequest`: the length 8, then this. */
const POSTGRESQL_CODES = new Set([80_877_103, 80_877_104])
/** First of the two starts of the PROXY protocol's version 2, as text. */
const PROXY_V2 = '\r\n\r\n'
const STARTS: ReadonlyMap<string, FirstBytes> = new Map([
  ...['GET ', 'HEAD', 'POST', 'PUT ', 'DELE', 'OPTI', 'PATC', 'CONN', 'TRAC'].map(
    (method) => [method, 'http'] as const,
  ),
  ['PRI ', 'http2'],
  ['SSH-', 'ssh'],
  ['PROX', 'proxy'],
  [PROXY_V2, 'proxy'],
])

/** @param bytes all that has come so far */
export function firstBytesOf(bytes: Buffer, frameBytesMax: number): FirstBytes {
  if (bytes.length < 4) return 'undecided'
  const start = bytes.toString('latin1', 0, 4)
  if (isFourLetterWord(start)) return 'four-letter-word'
  const length = bytes.readInt32BE(0)
  if (length >= 0 && length <= frameBytesMax) return withLength(bytes, length)
  // Versions 3.0 (in the records of every version's first flight: 3.1) to 3.4.
  if (bytes[0] === TLS_HANDSHAKE && bytes[1] === 3 && bytes[2]! <= 4) return 'tls'
  if (/^\*\d/.test(start)) return 'redis'
  return STARTS.get(start) ?? 'unknown'
}

/** ZooKeeper's connect request has the protocol version 0 behind its length; others may not. */
function withLength(bytes: Buffer, length: number): FirstBytes {
  if (length < 8) return 'zookeeper'
  if (bytes.length < 8) return 'undecided'
  const next = bytes.readInt32BE(4)
  if (next === 0) return 'zookeeper'
  if (length === 8 && POSTGRESQL_CODES.has(next)) return 'postgresql'
  if (!mayBeKafka(bytes)) return 'zookeeper'
  if (bytes.length < Math.min(4 + length, FIRST_BYTES_MAX)) return 'undecided'
  return isKafka(bytes, length) ? 'kafka' : 'zookeeper'
}

/** api key int16, api version int16, correlation id int32, client id with its int16 length. */
function mayBeKafka(bytes: Buffer): boolean {
  return bytes.readInt16BE(4) >= 0 && bytes[4] === 0 && bytes.readInt16BE(6) >= 0 && bytes[6] === 0
}

function isKafka(bytes: Buffer, length: number): boolean {
  if (hasPassword(bytes, length)) return false
  if (bytes.length < 15) return false
  const clientIdBytes = bytes.readInt16BE(12)
  const first = bytes[14]!
  return clientIdBytes > 0 && clientIdBytes < 256 && first > 0x20 && first < 0x7f
}

/** Whether there is a session's password where a connect request, of whatever version, has it. */
function hasPassword(bytes: Buffer, length: number): boolean {
  if (bytes.length < FIRST_BYTES_MAX) return false
  const passwordBytes = bytes.readInt32BE(28)
  return passwordBytes >= -1 && 28 + passwordBytes <= length
}
