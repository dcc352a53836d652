/** How clients authenticate, from Apache's keys and the files that they name. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { defaultAuth, type AuthSettings } from '../../../ensemble/server/index.ts'
import { formatProblem } from '../../../toolkit/setup/problem.ts'
import { readServerFile, type ServerFile } from '../../../toolkit/setup/server-file.ts'
import { readYamlServerFile } from '../../../toolkit/setup/server-yaml.ts'

const directory = mkdtempSync(join(tmpdir(), 'howdah-auth-'))
afterAll(() => rmSync(directory, { recursive: true }))

const PACKAGE = 'org.apache.zookeeper.server.auth'
const SASL = `authProvider.1=${PACKAGE}.SASLAuthenticationProvider\n`
const JAAS = `Server {
  ${PACKAGE}.DigestLoginModule required
  user_super="old" user_bob="bobsecret";
};`

function file(name: string, text: string, mode = 0o600): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

function read(lines: string, flags = ''): ServerFile {
  const cfg = file('zoo.cfg', `dataDir=/data\nclientPort=2181\n${lines}`)
  return readServerFile([cfg], {
    sid: null,
    env: { SERVER_JVMFLAGS: flags },
    properties: new Map(),
  })
}

function authOf(lines: string, flags = ''): AuthSettings | undefined {
  return read(lines, flags).settings.auth
}

function notesOf(lines: string, flags = ''): string[] {
  return read(lines, flags).notes.map(formatProblem)
}

function jaasFlag(text: string, mode?: number): string {
  return `-Djava.security.auth.login.config=${file('jaas.conf', text, mode)}`
}

test('nothing said is Apache’s defaults', () => {
  expect(authOf('')).toEqual(defaultAuth)
})

describe('users of SASL (S-2)', () => {
  test('those of the JAAS file', () => {
    expect(authOf(SASL, jaasFlag(JAAS))).toMatchObject({
      hasSaslScheme: true,
      sasl: {
        users: new Map([
          ['super', 'old'],
          ['bob', 'bobsecret'],
        ]),
        superUsers: [],
      },
    })
  })

  test('of another section, super users and their password', () => {
    const flags = `${jaasFlag(JAAS.replace('Server', 'Mine'))} -Dzookeeper.sasl.serverconfig=Mine`
    const lines = `superUser=a\nsuperUser.2=b\nSASLAuthenticationProvider.superPassword=new\n`
    const sasl = authOf(SASL + lines, flags)?.sasl
    expect(sasl?.users.get('super')).toBe('new')
    expect(sasl?.superUsers).toEqual(['a', 'b'])
  })

  test('the super password makes no user, as with Apache', () => {
    const jaas = JAAS.replace('user_super="old"', '')
    const users = authOf('SASLAuthenticationProvider.superPassword=new\n', jaasFlag(jaas))?.sasl
      ?.users
    expect([...(users?.keys() ?? [])]).toEqual(['bob'])
  })

  test('a file without a section for the server, even an empty one, means no SASL', () => {
    expect(authOf(SASL, jaasFlag(''))?.sasl).toBeNull()
    expect(authOf('', jaasFlag(JAAS.replace('Server', 'Other')))?.sasl).toBeNull()
  })

  test('our own file, alone and beside a JAAS file', () => {
    const lines = `howdah.saslUsersFile=${file('users', 'eve:e\n')}\n`
    expect(authOf(lines)?.sasl?.users).toEqual(new Map([['eve', 'e']]))
    expect([...(authOf(lines, jaasFlag(JAAS))?.sasl?.users.keys() ?? [])]).toEqual([
      'super',
      'bob',
      'eve',
    ])
    file('users', 'bob:b\n')
    expect(() => authOf(lines, jaasFlag(JAAS))).toThrow(/the SASL user bob is in the JAAS file too/)
  })

  test('our own file beside a YAML, with its problems', () => {
    const yaml = file(
      'howdah.yaml',
      `howdah: 1
cluster: c
ensemble:
  servers: { 1: { host: 127.0.0.1, dataDir: data } }
  settings: { howdah.saslUsersFile: users }
`,
    )
    const options = { sid: null, env: {}, properties: new Map() }
    file('users', 'eve:e\n')
    expect(readYamlServerFile(yaml, options).settings.auth?.sasl?.users).toEqual(
      new Map([['eve', 'e']]),
    )
    file('users', 'eve\n')
    expect(() => readYamlServerFile(yaml, options)).toThrow(/users:1:1: no SASL user/)
  })

  test.each<[string, string, RegExp]>([
    [
      'Kerberos',
      JAAS.replace(/\S+DigestLoginModule/, 'com.sun.security.auth.module.Krb5LoginModule'),
      /jaas.conf:2:1: the section Server asks for Kerberos \(GSSAPI\), which is not available/,
    ],
    [
      'another module',
      JAAS.replace(/\S+DigestLoginModule/, 'org.example.Login'),
      /names a login module that cannot be loaded here: got org.example.Login/,
    ],
    [
      'a file that cannot be read as JAAS',
      'Server {',
      /jaas.conf:1:1: the end where something else was due/,
    ],
  ])('%s is refused at the start (S-3)', (_, text, message) => {
    expect(() => authOf('', jaasFlag(text))).toThrow(message)
  })

  test('a file that is not there is refused', () => {
    expect(() => authOf('', '-Djava.security.auth.login.config=/none')).toThrow(
      '/none: cannot be read (ENOENT)',
    )
  })

  test('files that others may read: ours is refused, a JAAS file noted (S-16)', () => {
    expect(notesOf('', jaasFlag(JAAS, 0o644))).toEqual([
      `${directory}/jaas.conf: a file with passwords that others than its owner may read: expected mode 0600`,
    ])
    const lines = `howdah.saslUsersFile=${file('users', 'eve:e\n', 0o640)}\n`
    expect(() => authOf(lines)).toThrow(/users: a file with passwords that others/)
  })
})

describe('schemes (S-1)', () => {
  test('digest without the scheme, and with another hash', () => {
    expect(authOf('DigestAuthenticationProvider.enabled=false\n')?.digestAlgorithm).toBeNull()
    const lines = 'DigestAuthenticationProvider.digestAlg=SHA3-256\n'
    expect(authOf(lines)?.digestAlgorithm).toBe('SHA3-256')
    expect(() => authOf('DigestAuthenticationProvider.digestAlg=SHA256\n')).toThrow(/SHA-256/)
  })

  test('ensemble, with names and without', () => {
    const lines = `authProvider.e=${PACKAGE}.EnsembleAuthenticationProvider\n`
    expect(authOf(lines)?.ensembleNames).toBe('any')
    expect(authOf(`${lines}ensembleAuthName=a, b\n`)?.ensembleNames).toEqual(['a', 'b'])
    expect(authOf('ensembleAuthName=a\n')?.ensembleNames).toBeNull()
  })

  test('a class of one’s own is refused', () => {
    expect(() => authOf('authProvider.1=org.example.Mine\n')).toThrow(
      /zoo.cfg:3:1: a Java class that cannot be loaded here: got org.example.Mine/,
    )
  })
})

describe('enforced authentication (S-5)', () => {
  test('sessionRequireClientSASLAuth stands for the scheme sasl alone', () => {
    const lines = 'sessionRequireClientSASLAuth=true\nenforce.auth.schemes=digest\n'
    expect(authOf(`${SASL}${lines}`, jaasFlag(JAAS))?.enforcedSchemes).toEqual(['sasl'])
  })

  test('several schemes', () => {
    const lines = 'enforce.auth.enabled=true\nenforce.auth.schemes=digest, ip\n'
    expect(authOf(lines)?.enforcedSchemes).toEqual(['digest', 'ip'])
    expect(authOf('enforce.auth.schemes=digest\n')?.enforcedSchemes).toBeNull()
  })

  test.each<[string, RegExp]>([
    [
      'sessionRequireClientSASLAuth=true\n',
      /zoo.cfg:3:1: the scheme sasl is not there: expected authProvider.sasl=org.apache/,
    ],
    ['enforce.auth.enabled=true\n', /enforce.auth.enabled without enforce.auth.schemes/],
    [
      'enforce.auth.enabled=true\nenforce.auth.schemes=digst\n',
      /the scheme digst is not there: expected ip, digest/,
    ],
    [
      'enforce.auth.enabled=true\nenforce.auth.schemes=digest\nDigestAuthenticationProvider.enabled=false\n',
      /the scheme digest is not there/,
    ],
  ])('%j is refused', (lines, message) => {
    expect(() => authOf(lines)).toThrow(message)
  })

  test('a note says that nobody can log in', () => {
    expect(notesOf(`${SASL}sessionRequireClientSASLAuth=true\n`)).toEqual([
      'SASL: the scheme sasl without users: java.security.auth.login.config and howdah.saslUsersFile name none',
    ])
  })
})
