/** How a program says what its client brings to TLS: files, PEM unless their names end otherwise. */
import type { StoreSettings, StoreType, TlsSettings } from './tls-settings.ts'

export interface TlsOptions {
  /** File with the certificates to trust; the system's own when absent. */
  ca?: string
  /** File with our certificate, its issuers behind it, and perhaps the key. */
  cert?: string
  /** File with the private key, where it is not in `cert`. */
  key?: string
  /** Opens the key, or the stores where they are JKS or PKCS#12. */
  password?: string
  /** Whether the server's certificate must name the host; it must, when absent. */
  hostnameVerification?: boolean
}

const TYPES: Readonly<Record<string, StoreType>> = { jks: 'JKS', p12: 'PKCS12', pfx: 'PKCS12' }

export function tlsSettingsFor(options: TlsOptions): TlsSettings {
  const { ca, cert, key, password = null } = options
  const store = (name: string, location: string): StoreSettings => ({
    name: `tls.${name}`,
    location,
    type: TYPES[/\.(\w+)$/.exec(location)?.[1]?.toLowerCase() ?? ''] ?? 'PEM',
    password,
    passwordPath: null,
  })
  return {
    name: 'tls.',
    keyStore:
      cert === undefined
        ? null
        : { ...store('cert', cert), ...(key === undefined ? {} : { keyLocation: key }) },
    trustStore: ca === undefined ? null : store('ca', ca),
    protocols: null,
    cipherSuites: null,
    hostnameVerification: options.hostnameVerification ?? true,
  }
}
