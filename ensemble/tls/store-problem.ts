/** What is read from a key store, and why one cannot be used. */

export interface Identity {
  /** PEM, without a password. */
  readonly key: string
  /** PEM: the certificate of the key, then its issuers. */
  readonly chain: string
}

/** Why a store cannot be used, in words for the one who named it. */
export class StoreProblem extends Error {
  override readonly name = 'StoreProblem'
  /** Which of the store's settings is at fault. */
  readonly part: 'location' | 'password' | 'type'

  constructor(part: 'location' | 'password' | 'type', what: string, options?: ErrorOptions) {
    super(what, options)
    this.part = part
  }
}
