/** What both sides hand to node:tls. */
import type { SecureContextOptions } from 'node:tls'
import type { TlsMaterial } from './tls.ts'

export function contextOptions(material: TlsMaterial): SecureContextOptions {
  const { identity, trusted, minVersion, maxVersion, ciphers } = material
  return {
    minVersion,
    maxVersion,
    ...(identity === null ? {} : { key: identity.key, cert: identity.chain }),
    ...(trusted === null ? {} : { ca: [...trusted] }),
    ...(ciphers === null ? {} : { ciphers }),
  }
}
