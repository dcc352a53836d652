/**
 * The server's side of one DIGEST-MD5 login, as a state machine.
 *
 *     start ──evaluate──▶ challenged ──evaluate──▶ over
 *
 * Invariants (S-2):
 *  1. A nonce is good for one answer, right or wrong: whatever comes after it fails.
 *  2. The name that counts is the one whose password was proven, never the one on whose behalf the
 *     client says it acts (S-6).
 *  3. An unknown user costs the same work as a wrong password, and gets the same answer.
 *
 * Source: DigestMD5Server of JDK 17 under SaslServerCallbackHandler, 3.9.5 (client-protocol 5.7). Other than
 * there: a nonce count that is not 1 is refused (Java looks for it under another name, and so never
 * does), and an unreadable `maxbuf` fails the login instead of ending the connection without a word.
 */
import {
  clientProof,
  NONCE_BYTES,
  NONCE_COUNT,
  parseDirectives,
  quoted,
  RESPONSE_BYTES_MAX,
  serverProof,
  userSecret,
  type DigestService,
} from '../protocol/digest-md5.ts'
import { equalInConstantTime } from '../sys/hash.ts'

/** Where nonces come from. */
export interface NonceSource {
  secureBytes(length: number): Buffer
}

export type LoginStep =
  | { readonly kind: 'challenge'; readonly token: Buffer }
  | { readonly kind: 'done'; readonly token: Buffer; readonly user: string }
  | { readonly kind: 'failed'; readonly why: string }

/** Who may log in, as what their proofs need. */
export type UserSecrets = ReadonlyMap<string, Buffer>

export function userSecrets(
  passwords: ReadonlyMap<string, string>,
  { realm }: DigestService,
): UserSecrets {
  return new Map(
    [...passwords].map(([user, password]) => [user, userSecret(user, realm, password)]),
  )
}

const KNOWN = new Set([
  'username',
  'realm',
  'nonce',
  'cnonce',
  'nc',
  'qop',
  'digest-uri',
  'response',
  'maxbuf',
  'charset',
  'authzid',
])
const NOBODY = Buffer.alloc(16)

export class DigestMd5Server {
  readonly #service: DigestService
  readonly #users: UserSecrets
  readonly #nonce: Buffer
  #state: 'start' | 'challenged' | 'over' = 'start'

  constructor(service: DigestService, users: UserSecrets, nonces: NonceSource) {
    this.#service = service
    this.#users = users
    this.#nonce = Buffer.from(nonces.secureBytes(NONCE_BYTES).toString('base64'))
  }

  evaluate(token: Buffer): LoginStep {
    if (token.length > RESPONSE_BYTES_MAX) return this.#fail(`a token of ${token.length} bytes`)
    switch (this.#state) {
      case 'start':
        // What a client says unasked is passed over: without a nonce it can prove nothing.
        this.#state = 'challenged'
        return { kind: 'challenge', token: this.#challenge() }
      case 'challenged':
        this.#state = 'over'
        return this.#judge(token)
      case 'over':
        return this.#fail('the login is over')
    }
  }

  #challenge(): Buffer {
    const { realm } = this.#service
    const nonce = quoted(this.#nonce)
    return Buffer.from(`realm=${quoted(realm)},nonce=${nonce},charset=utf-8,algorithm=md5-sess`)
  }

  #judge(token: Buffer): LoginStep {
    const directives = parseDirectives(token, KNOWN)
    if (directives === null) return this.#fail('a malformed response')
    const { realm, uri } = this.#service
    const textOf = (key: string): string | undefined => directives.get(key)?.toString()
    const user = textOf('username')
    const cnonce = directives.get('cnonce')
    const response = directives.get('response')
    const count = textOf('nc') ?? NONCE_COUNT
    const saidUri = textOf('digest-uri')
    if ((textOf('charset') ?? 'utf-8') !== 'utf-8') return this.#fail('a charset not offered')
    if (!/^[+-]?\d{1,10}$/.test(textOf('maxbuf') ?? '0')) return this.#fail('no number in maxbuf')
    if (user === undefined) return this.#fail('no user name')
    if ((textOf('realm') ?? '') !== realm) return this.#fail('another realm')
    if (directives.get('nonce')?.equals(this.#nonce) !== true) return this.#fail('another nonce')
    if (cnonce === undefined) return this.#fail('no cnonce')
    if (!/^[0-9a-f]{1,8}$/i.test(count) || parseInt(count, 16) !== 1) {
      return this.#fail('a nonce that was used before')
    }
    if ((textOf('qop') ?? 'auth') !== 'auth') return this.#fail('a protection not offered')
    if (saidUri?.toLowerCase() !== uri) return this.#fail('another service')
    if (response === undefined) return this.#fail('no response')
    const authzid = directives.get('authzid') ?? null
    const secret = this.#users.get(user)
    const exchange = { secret: secret ?? NOBODY, nonce: this.#nonce, cnonce, authzid, uri: saidUri }
    const isProven = equalInConstantTime(clientProof(exchange), response)
    if (!isProven || secret === undefined) return this.#fail('an unknown user or a wrong password')
    const rspauth = serverProof(exchange).toString()
    return { kind: 'done', token: Buffer.from(`rspauth=${rspauth}`), user }
  }

  #fail(why: string): LoginStep {
    this.#state = 'over'
    return { kind: 'failed', why }
  }
}
