/**
 * Authentication schemes: how a connection gets an id, and how ids match those in ACLs.
 *
 * Source: DigestAuthenticationProvider, IPAuthenticationProvider, 3.9.5 (client-protocol 5.2).
 */
import { equalInConstantTime, sha1 } from '../sys/hash.ts'

/** An identity of a connection: what ACL entries are compared with. */
export interface AuthId {
  readonly scheme: string
  readonly id: string
}

export interface AuthScheme {
  readonly name: string
  /** Whether its ids come from proof: `auth:` entries stand for them. */
  readonly isAuthenticated: boolean
  /** Ids for an auth packet; null when it is refused. */
  authenticate(auth: Buffer | null): AuthId[] | null
  matches(own: string, inAcl: string): boolean
  isValid(id: string): boolean
}

/** `user:base64(sha1("user:password"))`. */
export function digestId(userAndPassword: string | Buffer): string {
  const bytes = Buffer.from(userAndPassword as string)
  const colon = bytes.indexOf(0x3a)
  const user = bytes.subarray(0, colon < 0 ? bytes.length : colon).toString('utf8')
  return `${user}:${sha1(bytes).toString('base64')}`
}

/** @param superDigest `super:<base64>`, whose owner passes every ACL check; null for none */
export function digestScheme(superDigest: string | null): AuthScheme {
  const superBytes = superDigest === null ? null : Buffer.from(superDigest)
  return {
    name: 'digest',
    isAuthenticated: true,
    authenticate(auth) {
      if (auth === null) return null
      const id = digestId(auth)
      const ids: AuthId[] = [{ scheme: 'digest', id }]
      if (superBytes !== null && equalInConstantTime(Buffer.from(id), superBytes)) {
        ids.unshift({ scheme: 'super', id: '' })
      }
      return ids
    },
    matches: (own, inAcl) => own === inAcl,
    isValid: (id) => id.split(':').length === 2,
  }
}

/** Ids are remote addresses, given at accept; entries are addresses or `address/bits`. */
export const ipScheme: AuthScheme = {
  name: 'ip',
  isAuthenticated: false,
  authenticate: () => [],
  matches(own, inAcl) {
    const range = parseRange(inAcl)
    const address = parseAddress(own)
    if (range === null || address === null || range.bytes.length !== address.length) return false
    for (let bit = 0; bit < range.bits; bit += 8) {
      const mask = 0xff & (0xff << Math.max(0, 8 - (range.bits - bit)))
      if (((range.bytes[bit >> 3]! ^ address[bit >> 3]!) & mask) !== 0) return false
    }
    return true
  },
  isValid: (id) => parseRange(id) !== null,
}

function parseRange(text: string): { bytes: number[]; bits: number } | null {
  const [address = '', bitsText, ...rest] = text.split('/')
  const bytes = parseAddress(address)
  if (bytes === null || rest.length > 0) return null
  if (bitsText === undefined) return { bytes, bits: bytes.length * 8 }
  if (!/^\d{1,3}$/.test(bitsText)) return null
  const bits = Number(bitsText)
  return bits > bytes.length * 8 ? null : { bytes, bits }
}

/** The 4 or 16 bytes of an address; null for anything else. */
function parseAddress(text: string): number[] | null {
  if (!text.includes(':')) {
    const parts = text.split('.')
    if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part))) return null
    const bytes = parts.map(Number)
    return bytes.every((byte) => byte <= 255) ? bytes : null
  }
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)
  if (mapped !== null) return parseAddress(mapped[1]!)
  const halves = text.split('%')[0]!.split('::')
  if (halves.length > 2) return null
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')))
  const [head = [], tail = []] = groups
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null
  const all = [...head, ...Array.from({ length: missing }, () => '0'), ...tail]
  if (!all.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null
  return all.flatMap((group) => {
    const value = parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}
