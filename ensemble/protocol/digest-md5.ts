/**
 * DIGEST-MD5: what both sides of ZooKeeper's SASL login write, read and compute.
 *
 *     client                                   server
 *       │ ── empty token ───────────────────────▶ │
 *       │ ◀── challenge: realm, nonce … ───────── │
 *       │ ── response: name, proof … ───────────▶ │  compares the proof
 *       │ ◀── rspauth: the server's own proof ─── │
 *
 * Between clients and servers each token is a SASL request or reply; between servers a packet of its
 * own. Only `qop=auth` is spoken: nothing after the login is signed or encrypted.
 *
 * Source: RFC 2831; com.sun.security.sasl.digest of JDK 17 as Apache's 3.9.5 uses it (client-protocol 5.7).
 */
import { md5 } from '../sys/hash.ts'

/** The names that both sides must agree on; fixed in ZooKeeper, whatever its hosts are called. */
export interface DigestService {
  readonly realm: string
  readonly uri: string
}

export const CLIENT_SERVICE: DigestService = {
  realm: 'zk-sasl-md5',
  uri: 'zookeeper/zk-sasl-md5',
}

/** Bytes behind a nonce, of which both sides send the base64. */
export const NONCE_BYTES = 30
/** The only count there is: every login has a nonce of its own. */
export const NONCE_COUNT = '00000001'
export const CHALLENGE_BYTES_MAX = 2048
export const RESPONSE_BYTES_MAX = 4096

/** `key=value` pairs of a token, by key in lower case. */
export type Directives = ReadonlyMap<string, Buffer>

/** What a proof is made of. */
export interface Exchange {
  /** Of `userSecret`. */
  readonly secret: Buffer
  readonly nonce: Buffer
  readonly cnonce: Buffer
  /** On whose behalf the client wants to act; null when it does not say. */
  readonly authzid: Buffer | null
  readonly uri: string
}

/** What stands for a user's password in every proof: the hash of name, realm and password. */
export function userSecret(user: string, realm: string, password: string): Buffer {
  const colon = Buffer.from(':')
  return md5(Buffer.concat([latin1(user), colon, latin1(realm), colon, latin1(password)]))
}

/** ISO 8859-1 if the text fits, else UTF-8: the RFC's rule for what is hashed. */
function latin1(text: string): Buffer {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0xff) return Buffer.from(text)
  return Buffer.from(text, 'latin1')
}

/** What a client shows to prove that it knows the password. */
export function clientProof(exchange: Exchange): Buffer {
  return proof(exchange, `AUTHENTICATE:${exchange.uri}`)
}

/** What a server shows after it: `rspauth`. */
export function serverProof(exchange: Exchange): Buffer {
  return proof(exchange, `:${exchange.uri}`)
}

function proof({ secret, nonce, cnonce, authzid }: Exchange, purpose: string): Buffer {
  const colon = Buffer.from(':')
  const session = [secret, colon, nonce, colon, cnonce]
  if (authzid !== null) session.push(colon, authzid)
  const parts = [
    hexMd5(Buffer.concat(session)),
    nonce,
    Buffer.from(NONCE_COUNT),
    cnonce,
    Buffer.from('auth'),
    hexMd5(Buffer.from(purpose)),
  ]
  return hexMd5(Buffer.concat(parts.flatMap((part, at) => (at === 0 ? [part] : [colon, part]))))
}

function hexMd5(bytes: Buffer): Buffer {
  return Buffer.from(md5(bytes).toString('hex'))
}

/** A value between quotes. */
export function quoted(value: string | Buffer): string {
  // oxlint-disable-next-line no-control-regex -- control characters but line ends and tabs are escaped
  return `"${value.toString().replace(/["\\\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, '\\$&')}"`
}

const isBlank = (byte: number): boolean =>
  byte === 0x20 || byte === 0x09 || byte === 0x0d || byte === 0x0a
const COMMA = 0x2c
const EQUALS = 0x3d
const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * The directives of a token: pairs between commas or blanks, values perhaps between quotes.
 *
 * @param known those that may be there once at most; others are passed over
 * @returns null for a token that is malformed
 */
export function parseDirectives(token: Buffer, known: ReadonlySet<string>): Directives | null {
  const found = new Map<string, Buffer>()
  let at = 0
  const skipBlanks = (): void => {
    while (at < token.length && isBlank(token[at]!)) at++
  }
  for (;;) {
    while (at < token.length && (isBlank(token[at]!) || token[at] === COMMA)) at++
    if (at === token.length) return found
    const keyStart = at
    while (at < token.length && !isBlank(token[at]!)) {
      if (token[at] === COMMA) return null
      if (token[at] === EQUALS) break
      at++
    }
    const key = token.toString('latin1', keyStart, at).toLowerCase()
    skipBlanks()
    if (key === '' || token[at] !== EQUALS) return null
    at++
    skipBlanks()
    if (at === token.length) return null
    const value: number[] = []
    if (token[at] === QUOTE) {
      for (at++; at < token.length && token[at] !== QUOTE; at++) {
        if (token[at] === BACKSLASH) at++
        if (at < token.length) value.push(token[at]!)
      }
      if (at >= token.length) return null
      at++
      if (at < token.length && token[at] !== COMMA && !isBlank(token[at]!)) return null
    } else {
      while (at < token.length && token[at] !== COMMA && !isBlank(token[at]!)) {
        value.push(token[at]!)
        at++
      }
    }
    if (!known.has(key)) continue
    if (found.has(key)) return null
    found.set(key, Buffer.from(value))
  }
}
