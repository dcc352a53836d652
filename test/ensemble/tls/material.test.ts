/** Key stores and trust stores of openssl and keytool, and what is said of those that cannot be used. */
import { readFileSync } from 'node:fs'
import { X509Certificate } from 'node:crypto'
import { expect, test } from 'vitest'
import { openSslSuite } from '../../../ensemble/tls/cipher-suites.ts'
import {
  clientMaterial,
  expired,
  serverMaterial,
  TlsError,
  tlsFiles,
} from '../../../ensemble/tls/index.ts'
import { clientTls, fixture, serverTls, store } from '../../support/tls-fixtures.ts'

const files = { readFile: (path: string) => Promise.resolve(readFileSync(path)) }
const OWN_KEY = readFileSync(fixture('server-key.pem'), 'utf8').trim()

function subjects(pem: string): string[] {
  return Array.from(
    pem.matchAll(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g),
    ([block]) => new X509Certificate(block).subject.split('\n').at(-1)!,
  )
}

test.each([
  ['server.pem', 'PEM with key and certificate', ['CN=server']],
  ['server.jks', 'JKS of keytool', ['CN=server', 'CN=Test CA']],
  ['server.p12', 'PKCS#12 of keytool', ['CN=server', 'CN=Test CA']],
  ['server-openssl.p12', 'PKCS#12 of openssl, without names', ['CN=server', 'CN=Test CA']],
])('key store %s: %s (S-4)', async (file, _what, chain) => {
  const { identity } = await serverMaterial(serverTls(file), files)
  expect(identity!.key.trim()).toBe(OWN_KEY)
  expect(subjects(identity!.chain)).toEqual(chain)
})

test.each([
  ['ca.pem', ['CN=Test CA']],
  ['trust.jks', ['CN=Test CA']],
  ['trust.p12', ['CN=Other CA', 'CN=Test CA']],
  ['trust-openssl.p12', ['CN=Test CA']],
  ['trust-rc2.p12', ['CN=Test CA']],
])('trust store %s (S-4)', async (file, names) => {
  const { trusted } = await serverMaterial(serverTls('server.pem', file), files)
  expect(subjects(trusted!.join('\n')).toSorted()).toEqual(names)
})

test("the store's own chain is nobody whom it trusts", async () => {
  const settings = serverTls('server.pem', 'server.p12')
  await expect(serverMaterial(settings, files)).rejects.toThrow(/holds no trusted certificate/)
})

test('an encrypted key in PEM, its password in a file, which counts', async () => {
  const password = { location: fixture('client-encrypted.pem'), type: null }
  const keyStore = store('ssl.keyStore', 'client-encrypted.pem', {
    ...password,
    password: 'wrong',
    passwordPath: '/password',
  })
  const withPassword = {
    readFile: (path: string) =>
      path === '/password' ? Promise.resolve(Buffer.from('secret\n')) : files.readFile(path),
  }
  const settings = clientTls(null, 'ca.pem', { keyStore })
  const { identity } = await clientMaterial(settings, withPassword)
  expect(identity!.key).toContain('BEGIN PRIVATE KEY')
  expect(tlsFiles(settings)).toEqual([keyStore.location, '/password', fixture('ca.pem')])
})

test('key and certificate in files of their own', async () => {
  const keyStore = store('tls.cert', 'server-certificate.pem', {
    keyLocation: fixture('server-key.pem'),
  })
  const { identity } = await clientMaterial(clientTls(null, null, { keyStore }), files)
  expect(identity!.key.trim()).toBe(OWN_KEY)
})

const key = (file: string, more = {}) => ({ keyStore: store('ssl.keyStore', file, more) })
const trust = (file: string, more = {}) => ({ trustStore: store('ssl.trustStore', file, more) })

test.each([
  [{ keyStore: null }, 'ssl.keyStore.location: is missing: a server needs a key'],
  [{ trustStore: null }, 'ssl.trustStore.location: is missing: who signs'],
  [key('/none.pem'), 'ssl.keyStore.location: cannot read /none.pem: there is no such file'],
  [key('server.jks', { password: 'x' }), 'ssl.keyStore.password: is wrong for this file (/'],
  [key('server.jks', { password: null }), 'ssl.keyStore.password: is needed for a JKS file (/'],
  [key('server.p12', { password: 'x' }), 'ssl.keyStore.password: is wrong for this file (/'],
  [key('server.p12', { password: null }), 'ssl.keyStore.password: is needed for this file (/'],
  [key('client-encrypted.pem'), 'ssl.keyStore.password: is needed: the private key is encrypted'],
  [
    key('client-encrypted.pem', { password: 'x' }),
    'ssl.keyStore.password: does not open the private key',
  ],
  [
    key('server.pem', { passwordPath: '/none' }),
    'ssl.keyStore.passwordPath: cannot read /none: there is no such file',
  ],
  [key('ca.pem'), `ssl.keyStore.location: ${fixture('ca.pem')} holds no private key`],
  [key('trust.jks'), `ssl.keyStore.location: ${fixture('trust.jks')} holds no private key`],
  [
    key('client.pem', { keyLocation: fixture('server-key.pem') }),
    'the first certificate is not that of the private key',
  ],
  [key('make'), 'ssl.keyStore.type: cannot tell the type of'],
  [key('ca.pem', { type: 'JKS', password: 's' }), 'is neither a JKS nor a PKCS12 file'],
  [trust('make', { type: 'BCFKS' }), 'ssl.trustStore.type: BCFKS is a format of one Java library'],
  [trust('server-key.pem'), 'holds no trusted certificate'],
  [
    { protocols: ['TLSv1', 'TLSv1.1'] },
    'ssl.enabledProtocols: TLSv1,TLSv1.1: none of them is safe',
  ],
  [
    { cipherSuites: ['SSL_RSA_WITH_RC4_128_MD5'] },
    'ssl.ciphersuites: SSL_RSA_WITH_RC4_128_MD5: no',
  ],
])('settings %# are refused with the key, the file and what to do: %j', async (more, message) => {
  const settings = serverTls('server.pem', 'ca.pem', more)
  await expect(serverMaterial(settings, files)).rejects.toThrow(message)
})

test('all that is wrong is said at once, and no password (S-16)', async () => {
  const settings = serverTls('server.pem', 'ca.pem', {
    ...key('server.jks', { password: 'canary' }),
    ...trust('/none.p12', { password: 'canary' }),
    protocols: ['SSLv3'],
  })
  const error = await serverMaterial(settings, files).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(TlsError)
  expect((error as TlsError).problems.map((problem) => problem.key)).toEqual([
    'ssl.enabledProtocols',
    'ssl.keyStore.password',
    'ssl.trustStore.location',
  ])
  expect(String(error)).not.toContain('canary')
})

test('certificates that have ended are named', async () => {
  const material = await serverMaterial(serverTls('expired.pem'), files)
  expect(expired(material, Date.parse('2026-01-01'))).toEqual([
    'the certificate of CN=expired ended on 2020-01-02T00:00:00.000Z',
  ])
})

test('a key store cut anywhere is refused, and nothing else happens', async () => {
  for (const name of ['server.jks', 'server-openssl.p12']) {
    const whole = readFileSync(fixture(name))
    for (let length = 0; length < whole.length; length += 97) {
      const cut = {
        readFile: (path: string) =>
          path.endsWith(name) ? Promise.resolve(whole.subarray(0, length)) : files.readFile(path),
      }
      await expect(serverMaterial(serverTls(name), cut)).rejects.toThrow(TlsError)
    }
  }
})

test.each([
  ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ['TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384', 'ECDHE-RSA-AES256-SHA384'],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA', 'ECDHE-ECDSA-AES128-SHA'],
  ['TLS_RSA_WITH_AES_128_CBC_SHA', 'AES128-SHA'],
  ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ['TLS_AES_256_GCM_SHA384', 'TLS_AES_256_GCM_SHA384'],
  ['TLS_ECDHE_RSA_WITH_RC4_128_SHA', null],
  ['ECDHE-RSA-AES128-GCM-SHA256', null],
])('cipher suite %s is %s to OpenSSL', (name, expected) => {
  expect(openSslSuite(name)).toBe(expected)
})
