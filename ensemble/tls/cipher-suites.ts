/** Names of cipher suites and protocols: Java's (IANA's) in settings, OpenSSL's in node:tls. */
import type { TlsVersion } from '../sys/tls.ts'

const CIPHERS: Readonly<Record<string, string>> = {
  AES_128_GCM: 'AES128-GCM',
  AES_256_GCM: 'AES256-GCM',
  AES_128_CBC: 'AES128',
  AES_256_CBC: 'AES256',
  CHACHA20_POLY1305: 'CHACHA20-POLY1305',
}

/** OpenSSL's name for `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`; null for a suite that is not offered. */
export function openSslSuite(name: string): string | null {
  // Those of TLS 1.3 are called the same.
  if (/^TLS_(AES_(128|256)_GCM|CHACHA20_POLY1305)_SHA(256|384)$/.test(name)) return name
  const match = /^TLS_(?:(ECDHE|DHE)_)?(RSA|ECDSA)_WITH_(\w+?)_(SHA|SHA256|SHA384)$/.exec(name)
  const cipher = CIPHERS[match?.[3] ?? '']
  if (match === null || cipher === undefined) return null
  const [, exchange, signature = '', , hash = ''] = match
  if (exchange === undefined && signature !== 'RSA') return null
  const start = exchange === undefined ? '' : `${exchange}-${signature}-`
  return cipher.startsWith('CHACHA20') ? start + cipher : `${start}${cipher}-${hash}`
}

/** Those of a list that are offered: nothing below TLS 1.2 is. */
export function offeredVersions(protocols: readonly string[] | null): readonly TlsVersion[] {
  const all: readonly TlsVersion[] = ['TLSv1.2', 'TLSv1.3']
  // Names that stand for "all that the platform has".
  if (protocols === null || protocols.some((name) => name === 'TLS' || name === 'SSL')) return all
  return all.filter((version) => protocols.includes(version))
}
