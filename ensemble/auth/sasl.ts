/**
 * SASL logins of clients: who may log in, what a login makes of a connection, and the scheme `sasl` of
 * ACLs.
 *
 * The mechanism is not negotiated: it is DIGEST-MD5 wherever users are configured.
 * Source: ZooKeeperServer#processSasl, SaslServerCallbackHandler, SASLAuthenticationProvider, KerberosName,
 * 3.9.5 (client-protocol 5.2, 5.4, 5.7). Other than there: a name that no rule can shorten stays what it
 * is, where Java takes the one that the client asked to act for (S-6).
 */
import { CLIENT_SERVICE } from '../protocol/digest-md5.ts'
import {
  DigestMd5Server,
  userSecrets,
  type NonceSource,
  type UserSecrets,
} from './digest-md5-server.ts'
import type { AuthId, AuthScheme } from './schemes.ts'

export interface SaslUsers {
  /** Passwords by name. */
  readonly users: ReadonlyMap<string, string>
  /** Names that pass every ACL check. */
  readonly superUsers: readonly string[]
  /** Of names such as `service/host@REALM`. */
  readonly removeHost: boolean
  readonly removeRealm: boolean
}

export type SaslStep =
  | { readonly kind: 'challenge'; readonly token: Buffer }
  | { readonly kind: 'done'; readonly token: Buffer; readonly ids: readonly AuthId[] }
  | { readonly kind: 'failed'; readonly why: string }

/** One connection's login; it takes one. */
export interface SaslLogin {
  evaluate(token: Buffer): SaslStep
}

export class SaslAuthenticator {
  readonly #settings: SaslUsers
  readonly #secrets: UserSecrets
  readonly #nonces: NonceSource

  constructor(settings: SaslUsers, nonces: NonceSource) {
    this.#settings = settings
    this.#secrets = userSecrets(settings.users, CLIENT_SERVICE)
    this.#nonces = nonces
  }

  begin(): SaslLogin {
    const server = new DigestMd5Server(CLIENT_SERVICE, this.#secrets, this.#nonces)
    return {
      evaluate: (token) => {
        const step = server.evaluate(token)
        if (step.kind !== 'done') return step
        const id = authorizedName(step.user, this.#settings)
        return id === null
          ? { kind: 'failed', why: 'a malformed name' }
          : { kind: 'done', token: step.token, ids: this.#idsOf(id) }
      },
    }
  }

  #idsOf(id: string): AuthId[] {
    const ids: AuthId[] = [{ scheme: 'sasl', id }]
    if (id !== '' && this.#settings.superUsers.includes(id)) ids.push({ scheme: 'super', id: '' })
    return ids
  }
}

/** @param openName ACLs for this name let every SASL user pass; null for none */
export function saslScheme(openName: string | null): AuthScheme {
  return {
    name: 'sasl',
    isAuthenticated: true,
    // Its ids come from a login, not from an auth packet.
    authenticate: () => null,
    matches: (own, inAcl) => own === 'super' || own === inAcl || inAcl === openName,
    isValid: (id) => parseName(id) !== null,
  }
}

interface KerberosName {
  readonly service: string
  readonly host: string | null
  readonly realm: string | null
}

/** Without `@` any text is a name by itself, slashes included. */
function parseName(text: string): KerberosName | null {
  const match = /^([^/@]*)(?:\/([^/@]*))?@([^/@]*)$/.exec(text)
  if (match !== null) {
    const [, service = '', host, realm = ''] = match
    return { service, host: host ?? null, realm }
  }
  return text.includes('@') ? null : { service: text, host: null, realm: null }
}

/** The name that ACLs know a user by; null for one that is none. */
function authorizedName(user: string, { removeHost, removeRealm }: SaslUsers): string | null {
  const name = parseName(user)
  if (name === null) return null
  const { service, host, realm } = name
  // The rule DEFAULT shortens names of the default realm, which is the empty one without Kerberos.
  if (realm !== null && realm !== '') return user
  const withHost = host === null || removeHost ? service : `${service}/${host}`
  return realm === null || removeRealm ? withHost : `${withHost}@${realm}`
}
