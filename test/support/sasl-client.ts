/** What a DIGEST-MD5 client answers to a challenge, with everything in it to be spoilt. */
import {
  clientProof,
  CLIENT_SERVICE,
  parseDirectives,
  userSecret,
} from '../../ensemble/protocol/digest-md5.ts'

export interface Spoilt {
  readonly user?: string
  readonly password?: string
  /** Directives to set, or to leave out. */
  readonly directives?: Readonly<Record<string, string | undefined>>
  /** What is hashed in place of the user's own name. */
  readonly authzid?: string
  readonly uri?: string
}

export function saslResponse(challenge: Buffer, spoilt: Spoilt = {}): Buffer {
  const { user = 'bob', password = 'secret', uri = CLIENT_SERVICE.uri } = spoilt
  const { realm } = CLIENT_SERVICE
  const nonce = parseDirectives(challenge, new Set(['nonce']))!.get('nonce')!
  const cnonce = Buffer.from('a-nonce-of-the-client')
  const authzid = spoilt.authzid ?? user
  const secret = userSecret(user, realm, password)
  const proof = clientProof({ secret, nonce, cnonce, authzid: Buffer.from(authzid), uri })
  const directives: Record<string, string | undefined> = {
    charset: 'utf-8',
    username: `"${user}"`,
    realm: `"${realm}"`,
    nonce: `"${nonce.toString()}"`,
    nc: '00000001',
    cnonce: `"${cnonce.toString()}"`,
    'digest-uri': `"${uri}"`,
    maxbuf: '65536',
    response: proof.toString(),
    qop: 'auth',
    authzid: `"${authzid}"`,
    ...spoilt.directives,
  }
  const pairs = Object.entries(directives).filter(([, value]) => value !== undefined)
  return Buffer.from(pairs.map(([key, value]) => `${key}=${value}`).join(','))
}
