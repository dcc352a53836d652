/** Who `howdah cli` logs in as, from the flags that zkCli.sh takes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { clientLogin } from '../../../toolkit/setup/client-login.ts'

const directory = mkdtempSync(join(tmpdir(), 'howdah-login-'))
afterAll(() => rmSync(directory, { recursive: true }))

const MODULE = 'org.apache.zookeeper.server.auth.DigestLoginModule'

function flags(text: string): string {
  const path = join(directory, 'jaas.conf')
  writeFileSync(path, text)
  return `-Xmx1m -Djava.security.auth.login.config=${path}`
}

test('the section Client, or another by name', () => {
  const text = `Client { ${MODULE} required username="bob" password="a:b"; };
    Other { ${MODULE} required username=eve password=x; };`
  expect(clientLogin(flags(text))).toBe('bob:a:b')
  expect(clientLogin(`${flags(text)} -Dzookeeper.sasl.clientconfig=Other`)).toBe('eve:x')
})

test('a client configuration counts before the flags', () => {
  const configuration = join(directory, 'client.properties')
  const text = `Client { ${MODULE} required username="bob" password="a"; };
    Other { ${MODULE} required username=eve password=x; };`
  const given = `${flags(text)} -Dzookeeper.sasl.client=true`
  writeFileSync(configuration, 'zookeeper.sasl.clientconfig=Other\nother=1\n')
  expect(clientLogin(given, configuration)).toBe('eve:x')
  writeFileSync(configuration, 'zookeeper.sasl.client=false\n')
  expect(clientLogin(given, configuration)).toBeNull()
})

test('without a JAAS file, or with SASL turned off, nobody', () => {
  expect(clientLogin('')).toBeNull()
  expect(clientLogin(`${flags('')} -Dzookeeper.sasl.client=false`)).toBeNull()
})

test.each<[string, string, RegExp]>([
  ['a file without the section', '', /jaas.conf: no section Client/],
  ['a section without a user', `Client { ${MODULE} required; };`, /no user in the section Client/],
  [
    'Kerberos (S-3)',
    'Client { com.sun.security.auth.module.Krb5LoginModule required; };',
    /asks for Kerberos \(GSSAPI\), which is not available/,
  ],
  ['nonsense', 'Client', /jaas.conf:1:1: the end where something else was due/],
])('%s is refused', (_, text, message) => {
  expect(() => clientLogin(flags(text))).toThrow(message)
})
