/**
 * What an operator says of TLS: stores and rules, under Apache's names or ours.
 *
 * Source: X509Util, ClientX509Util, KeyStoreFileType, 3.9.5 (client-protocol 9.3).
 */

export type StoreType = 'JKS' | 'PEM' | 'PKCS12' | 'BCFKS'

export interface StoreSettings {
  /** What the operator calls it, such as `ssl.keyStore`: problems name it. */
  readonly name: string
  readonly location: string
  /** PEM with the private key, where that is not in `location` as well. */
  readonly keyLocation?: string
  /** null: by the ending of the name. */
  readonly type: StoreType | null
  /** null: none. */
  readonly password: string | null
  /** File that holds the password, and counts before `password`. */
  readonly passwordPath: string | null
}

export interface TlsSettings {
  /** The prefix of the keys: `ssl.`. */
  readonly name: string
  readonly keyStore: StoreSettings | null
  readonly trustStore: StoreSettings | null
  /** `TLSv1.3` alone, say; null for all that are safe. */
  readonly protocols: readonly string[] | null
  /** Java's names; null for the usual ones. */
  readonly cipherSuites: readonly string[] | null
  readonly hostnameVerification: boolean
}

export interface TlsServerSettings extends TlsSettings {
  readonly clientAuth: 'none' | 'want' | 'need'
  readonly clientHostnameVerification: boolean
}

export interface TlsProblem {
  /** Key of the setting at fault, such as `ssl.keyStore.location`. */
  readonly key: string
  readonly what: string
}

/** Stores or rules that cannot be used; the message has every problem. */
export class TlsError extends Error {
  override readonly name = 'TlsError'
  readonly problems: readonly TlsProblem[]

  constructor(problems: readonly TlsProblem[], options?: ErrorOptions) {
    super(problems.map(({ key, what }) => `${key}: ${what}`).join('\n'), options)
    this.problems = problems
  }
}
