/**
 * The client's side of one SASL login by DIGEST-MD5, as a state machine.
 *
 *     start ──first──▶ asked ──onToken──▶ proven ──onToken──▶ over
 *
 * Invariants: the password never leaves the process, and the server proves that it knows it too before
 * a request is sent.
 *
 * Source: RFC 2831; DigestMD5Client of JDK 17 under ZooKeeperSaslClient, 3.9.5 (client-protocol 5.7). Other than
 * there: a server that has no SASL ends the login, where Java's client may go on as nobody.
 */
import {
  CHALLENGE_BYTES_MAX,
  clientProof,
  CLIENT_SERVICE,
  NONCE_BYTES,
  NONCE_COUNT,
  parseDirectives,
  quoted,
  serverProof,
  userSecret,
  type Exchange,
} from '../protocol/digest-md5.ts'
import { equalInConstantTime } from '../sys/hash.ts'
import type { Random } from '../sys/random.ts'

export interface SaslCredentials {
  readonly user: string
  readonly password: string
}

export type SaslAnswer =
  | { readonly kind: 'send'; readonly token: Buffer }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly why: string }

/** @param auth `user:password`, as the other schemes have it; null when it is not */
export function saslCredentials(auth: Buffer): SaslCredentials | null {
  const text = auth.toString()
  const colon = text.indexOf(':')
  if (colon < 1) return null
  return { user: text.slice(0, colon), password: text.slice(colon + 1) }
}

const OF_CHALLENGE = new Set(['realm', 'nonce', 'qop', 'maxbuf', 'charset', 'algorithm', 'cipher'])
const OF_RSPAUTH = new Set(['rspauth'])

export class SaslLogin {
  readonly #credentials: SaslCredentials
  readonly #cnonce: Buffer
  #exchange: Exchange | null = null

  constructor(credentials: SaslCredentials, random: Pick<Random, 'secureBytes'>) {
    this.#credentials = credentials
    this.#cnonce = Buffer.from(random.secureBytes(NONCE_BYTES).toString('base64'))
  }

  /** The mechanism is not named, and the server speaks first. */
  first(): Buffer {
    return Buffer.alloc(0)
  }

  /** @param token null where the server has nothing to say */
  onToken(token: Buffer | null): SaslAnswer {
    if (token === null) return failed('the server has no SASL')
    return this.#exchange === null ? this.#answer(token) : checked(this.#exchange, token)
  }

  #answer(challenge: Buffer): SaslAnswer {
    if (challenge.length > CHALLENGE_BYTES_MAX) return failed('the challenge is too long')
    const directives = parseDirectives(challenge, OF_CHALLENGE)
    const nonce = directives?.get('nonce')
    if (directives === null || nonce === undefined) return failed('the challenge is malformed')
    const textOf = (key: string): string | undefined => directives.get(key)?.toString()
    if (textOf('algorithm') !== 'md5-sess') return failed('the server wants another algorithm')
    const offers = (textOf('qop') ?? 'auth').split(',').map((word) => word.trim())
    if (!offers.includes('auth')) return failed('the server wants requests signed')
    const { user, password } = this.#credentials
    const realm = textOf('realm') ?? ''
    const { uri } = CLIENT_SERVICE
    const secret = userSecret(user, realm, password)
    this.#exchange = { secret, nonce, cnonce: this.#cnonce, authzid: Buffer.from(user), uri }
    const pairs = [
      ...(textOf('charset') === 'utf-8' ? ['charset=utf-8'] : []),
      `username=${quoted(user)}`,
      ...(directives.has('realm') ? [`realm=${quoted(realm)}`] : []),
      `nonce=${quoted(nonce)}`,
      `nc=${NONCE_COUNT}`,
      `cnonce=${quoted(this.#cnonce)}`,
      `digest-uri=${quoted(uri)}`,
      'maxbuf=65536',
      `response=${clientProof(this.#exchange).toString()}`,
      'qop=auth',
      `authzid=${quoted(user)}`,
    ]
    return { kind: 'send', token: Buffer.from(pairs.join(',')) }
  }
}

function checked(exchange: Exchange, token: Buffer): SaslAnswer {
  const proof = parseDirectives(token, OF_RSPAUTH)?.get('rspauth')
  const isProven = proof !== undefined && equalInConstantTime(proof, serverProof(exchange))
  return isProven ? { kind: 'done' } : failed('the server does not know the password itself')
}

function failed(why: string): SaslAnswer {
  return { kind: 'failed', why }
}
