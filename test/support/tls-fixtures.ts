/** Stores of test/golden/tls, made by `make` there, as settings name them; the password is `secret`. */
import { join } from 'node:path'
import type { StoreSettings, TlsServerSettings, TlsSettings } from '../../ensemble/tls/index.ts'

const FOLDER = join(import.meta.dirname, '../golden/tls')

/** The subject of `client.pem`, as OpenJDK 17 writes it. */
export const CLIENT_SUBJECT =
  '1.2.840.113549.1.9.1=#1611616c696365406578616d706c652e636f6d,CN=alice,OU=Ops+UID=7,O=Howdah\\, Inc.,C=DE'

export function fixture(name: string): string {
  return join(FOLDER, name)
}

export function store(
  name: string,
  file: string,
  more: Partial<StoreSettings> = {},
): StoreSettings {
  return {
    name,
    location: file.startsWith('/') ? file : fixture(file),
    type: null,
    password: file.endsWith('.pem') ? null : 'secret',
    passwordPath: null,
    ...more,
  }
}

export function clientTls(
  keyStore: string | null,
  trustStore: string | null = 'ca.pem',
  more: Partial<TlsSettings> = {},
): TlsSettings {
  return {
    name: 'ssl.',
    keyStore: keyStore === null ? null : store('ssl.keyStore', keyStore),
    trustStore: trustStore === null ? null : store('ssl.trustStore', trustStore),
    protocols: null,
    cipherSuites: null,
    hostnameVerification: true,
    ...more,
  }
}

export function serverTls(
  keyStore: string | null = 'server.pem',
  trustStore: string | null = 'ca.pem',
  more: Partial<TlsServerSettings> = {},
): TlsServerSettings {
  const common = clientTls(keyStore, trustStore)
  return { ...common, clientAuth: 'need', clientHostnameVerification: false, ...more }
}
