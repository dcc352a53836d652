/** TLS as zoo.cfg asks for it: what becomes of the keys, and what is said of those in the way. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readServerFile, type ServerFile } from '../../../toolkit/setup/server-file.ts'
import { checkStores, storeProblems } from '../../../toolkit/setup/server-tls.ts'
import { TlsError } from '../../../ensemble/tls/index.ts'
import { fixture } from '../../support/tls-fixtures.ts'

const folder = mkdtempSync(join(tmpdir(), 'howdah-server-tls-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const file = join(folder, 'zoo.cfg')
const KEY = `ssl.keyStore.location=${fixture('server.pem')}`
const TRUST = `ssl.trustStore.location=${fixture('ca.pem')}`

function read(lines: readonly string[], flags = ''): ServerFile {
  writeFileSync(file, ['dataDir=/none', ...lines, ''].join('\n'))
  const env = { SERVER_JVMFLAGS: flags }
  return readServerFile([file], { sid: null, env, properties: new Map() })
}

test("Apache's keys, from the file and from flags (S-4)", () => {
  const flags = '-Dzookeeper.ssl.trustStore.type=pkcs12 -Dzookeeper.ssl.trustStore.location=/t'
  const { settings, notes } = read(
    [
      'secureClientPort=2281',
      KEY,
      'ssl.keyStore.passwordPath=/p',
      'ssl.clientAuth=WANT',
      'ssl.protocol=TLSv1.2',
      'netty.server.outstandingHandshake.limit=7',
      'X509AuthenticationProvider.superUser=CN=root',
    ],
    flags,
  )
  expect(settings).toMatchObject({
    secureClientPort: 2281,
    secureClientPortAddress: '0.0.0.0',
    clientPort: null,
    auth: { hasX509Scheme: true, x509SuperUser: 'CN=root' },
  })
  expect(settings.tls).toEqual({
    name: 'ssl.',
    keyStore: {
      name: 'ssl.keyStore',
      location: fixture('server.pem'),
      type: null,
      password: null,
      passwordPath: '/p',
    },
    trustStore: {
      name: 'ssl.trustStore',
      location: '/t',
      type: 'PKCS12',
      password: null,
      passwordPath: null,
    },
    protocols: ['TLSv1.2'],
    cipherSuites: null,
    hostnameVerification: true,
    clientAuth: 'want',
    clientHostnameVerification: false,
    portUnification: false,
    handshakesMax: 7,
  })
  expect(notes.filter(({ what }) => what.includes('ssl'))).toEqual([])
})

test('without a port for it there is no TLS; client.portUnification is one', () => {
  expect(read(['clientPort=1', KEY]).settings.tls).toBe(null)
  const { settings } = read(['clientPort=1', 'client.portUnification=true', KEY])
  expect(settings.tls?.portUnification).toBe(true)
  expect(settings.auth?.hasX509Scheme).toBe(true)
})

test.each([
  ['ssl.crl=true', `${file}:3:1: certificates are not looked up for revocation here`],
  ['ssl.ocsp=true', `${file}:3:1: certificates are not looked up for revocation here`],
  ['ssl.authProvider=own', `${file}:3:1: there is no provider own for certificates`],
])('%s is refused, rather than left out of account (S-4)', (line, message) => {
  expect(() => read(['secureClientPort=1', line])).toThrow(message)
})

test('stores are checked with the places of their keys, and no password is shown (S-16)', async () => {
  const lines = ['secureClientPort=1', KEY, 'ssl.trustStore.location=/none.pem']
  const wrong = read([...lines, 'ssl.keyStore.type=JKS', 'ssl.keyStore.password=canary'])
  const error = await checkStores(wrong).then(String, String)
  expect(error).toContain(`${file}:3:1: ssl.keyStore.location ${fixture('server.pem')} is neither`)
  expect(error).toContain(`${file}:4:1: ssl.trustStore.location cannot read /none.pem`)
  expect(error).not.toContain('canary')
  expect(await checkStores(read(['secureClientPort=1', KEY, TRUST]))).toEqual([])
  expect(await checkStores(read(['clientPort=1']))).toEqual([])
})

test('a certificate that has ended is a note, and a missing store has no place', async () => {
  const ended = KEY.replace('server.pem', 'expired.pem')
  const [note] = await checkStores(read(['secureClientPort=1', ended, TRUST]))
  expect(note).toMatchObject({ file, line: 3, what: expect.stringMatching(/CN=expired ended on/) })
  await expect(checkStores(read(['secureClientPort=1', KEY]))).rejects.toThrow(
    `${file}: ssl.trustStore.location is missing`,
  )
})

test('what the start says of a flag is placed there; other errors stay what they are', () => {
  const { placeOf } = read(['secureClientPort=1'], '-Dzookeeper.ssl.keyStore.location=/none')
  const error = new TlsError([{ key: 'ssl.keyStore.location', what: 'cannot be read' }])
  expect(String(storeProblems(error, placeOf))).toContain(
    '-D: ssl.keyStore.location cannot be read',
  )
  const other = new Error('other')
  expect(storeProblems(other, placeOf)).toBe(other)
})
