/**
 * Authentication schemes: how a connection gets an id, and how ids match those in ACLs.
 *
 * Source: DigestAuthenticationProvider, IPAuthenticationProvider, X509AuthenticationProvider,
 * EnsembleAuthenticationProvider, 3.9.5 (client-protocol 5.2, 5.5). `sasl` is in `sasl.ts`.
 */
import { decodeUtf8 } from '../jute/reader.ts'
import { digestBy, equalInConstantTime } from '../sys/hash.ts'
import { isName, subjectOf } from './x500-name.ts'

/** An identity of a connection: what ACL entries are compared with. */
export interface AuthId {
  readonly scheme: string
  readonly id: string
}

export interface AuthScheme {
  readonly name: string
  /** Whether its ids come from proof: `auth:` entries stand for them. */
  readonly isAuthenticated: boolean
  /**
   * Ids for an auth packet; null when it is refused, `close` when the connection is to end unanswered.
   * @param own what the connection has proven before
   */
  authenticate(auth: Buffer | null, own: readonly AuthId[]): AuthId[] | null | 'close'
  matches(own: string, inAcl: string): boolean
  isValid(id: string): boolean
}

/** `DigestAuthenticationProvider.digestAlg`: Java's names of hashes, and OpenSSL's. */
export const DIGEST_ALGORITHMS = {
  MD5: 'md5',
  SHA: 'sha1',
  SHA1: 'sha1',
  'SHA-1': 'sha1',
  'SHA-224': 'sha224',
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512',
  'SHA-512/224': 'sha512-224',
  'SHA-512/256': 'sha512-256',
  'SHA3-224': 'sha3-224',
  'SHA3-256': 'sha3-256',
  'SHA3-384': 'sha3-384',
  'SHA3-512': 'sha3-512',
} as const
export type DigestAlgorithm = keyof typeof DIGEST_ALGORITHMS

/** `user:base64(sha1("user:password"))`; of bytes that are no UTF-8, what Java makes of them. */
export function digestId(
  userAndPassword: string | Buffer,
  algorithm: DigestAlgorithm = 'SHA1',
): string {
  const text =
    typeof userAndPassword === 'string'
      ? userAndPassword
      : decodeUtf8(userAndPassword, 0, userAndPassword.length)
  const colon = text.indexOf(':')
  const user = colon < 0 ? text : text.slice(0, colon)
  const digest = digestBy(DIGEST_ALGORITHMS[algorithm], Buffer.from(text))
  return `${user}:${digest.toString('base64')}`
}

/** @param superDigest `super:<base64>`, whose owner passes every ACL check; null for none */
export function digestScheme(
  superDigest: string | null,
  algorithm: DigestAlgorithm = 'SHA1',
): AuthScheme {
  const superBytes = superDigest === null ? null : Buffer.from(superDigest)
  return {
    name: 'digest',
    isAuthenticated: true,
    authenticate(auth) {
      if (auth === null) return null
      const id = digestId(auth, algorithm)
      const ids: AuthId[] = [{ scheme: 'digest', id }]
      if (superBytes !== null && equalInConstantTime(Buffer.from(id), superBytes)) {
        ids.unshift({ scheme: 'super', id: '' })
      }
      return ids
    },
    matches: (own, inAcl) => own === inAcl,
    isValid: isDigestId,
  }
}

/**
 * Two parts around a colon, as Java splits: empty parts at the end do not count. By hand: a pattern
 * for the colons at the end tries each colon of the text, and clients choose that text (S-12).
 */
function isDigestId(id: string): boolean {
  let end = id.length
  while (end > 0 && id[end - 1] === ':') end--
  const colon = id.indexOf(':')
  if (colon < 0 || colon >= end) return false
  const next = id.indexOf(':', colon + 1)
  return next < 0 || next >= end
}

/**
 * No identities: a client says which ensemble it means, and one that means another is turned away, to
 * try the next server of its list. An error would make it give up.
 *
 * @param names `ensembleAuthName`; null takes any
 */
export function ensembleScheme(names: readonly string[] | null): AuthScheme {
  return {
    name: 'ensemble',
    isAuthenticated: false,
    authenticate(auth) {
      if (auth === null || auth.length === 0 || names === null) return []
      return names.includes(decodeUtf8(auth, 0, auth.length)) ? [] : 'close'
    },
    matches: () => false,
    isValid: () => false,
  }
}

/** Ids are remote addresses, given at accept; entries are addresses or `address/bits`. */
export const ipScheme: AuthScheme = {
  name: 'ip',
  isAuthenticated: false,
  authenticate: () => [],
  matches(own, inAcl) {
    const range = parseRange(inAcl)
    const address = parseOwnAddress(own)
    if (range === null || address === null || range.bytes.length !== address.length) return false
    for (let bit = 0; bit < range.bits; bit += 8) {
      const mask = 0xff & (0xff << Math.max(0, 8 - (range.bits - bit)))
      if (((range.bytes[bit >> 3]! ^ address[bit >> 3]!) & mask) !== 0) return false
    }
    return true
  },
  isValid: (id) => parseRange(id) !== null,
}

/**
 * Ids are subjects of client certificates, which the handshake has checked; entries are such names.
 *
 * @param superUser the subject whose owner passes every ACL check; null for none
 */
export function x509Scheme(superUser: string | null): AuthScheme {
  return {
    name: 'x509',
    isAuthenticated: true,
    // The certificate has spoken already: a packet proves nothing, and needs no more.
    authenticate: (_auth, own) => (own.some(({ scheme }) => scheme === 'x509') ? [] : null),
    matches: (own, inAcl) => own === inAcl || own === superUser,
    isValid: isName,
  }
}

/** The ids that a client certificate stands for; empty when its subject cannot be read. */
export function idsOfCertificate(certificate: Buffer, superUser: string | null): AuthId[] {
  const id = subjectOf(certificate)
  if (id === null) return []
  const own: AuthId = { scheme: 'x509', id }
  return id === superUser ? [{ scheme: 'super', id }, own] : [own]
}

function parseRange(text: string): { bytes: number[]; bits: number } | null {
  const slash = text.indexOf('/')
  const bytes = parseAddress(slash < 0 ? text : text.slice(0, slash))
  if (bytes === null) return null
  if (slash < 0) return { bytes, bits: bytes.length * 8 }
  const bits = parseInteger(text.slice(slash + 1), 10)
  return bits === null || bits < 0 || bits > bytes.length * 8 ? null : { bytes, bits }
}

/** What the system says about the other end: an IPv4 address may come in IPv6 form, with a zone. */
function parseOwnAddress(text: string): number[] | null {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)
  return parseAddress(mapped?.[1] ?? text.split('%')[0]!)
}

/** The 4 or 16 bytes of an address; null for anything else. */
function parseAddress(text: string): number[] | null {
  if (!text.includes(':')) {
    const parts = text.split('.').map((part) => parseInteger(part, 10))
    const isByte = (part: number | null): part is number =>
      part !== null && part >= 0 && part <= 255
    return parts.length === 4 && parts.every(isByte) ? parts : null
  }
  const halves = text.split('::')
  if (halves.length > 2) return null
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')))
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null
  const bytes: number[] = []
  for (const group of [...head, ...Array.from({ length: missing }, () => '0'), ...tail]) {
    const value = group.length > 4 ? null : parseInteger(group, 16)
    if (value === null) return null
    bytes.push((value >> 8) & 0xff, value & 0xff)
  }
  return bytes
}

/** Integer#parseInt: an optional sign, then digits alone. */
function parseInteger(text: string, radix: 10 | 16): number | null {
  const isNumber = radix === 10 ? /^[+-]?\d+$/.test(text) : /^[+-]?[\da-f]+$/i.test(text)
  return isNumber ? parseInt(text, radix) : null
}
