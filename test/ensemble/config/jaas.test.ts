/** Files with SASL users: JAAS as Java reads it, and our own. */
import { describe, expect, test } from 'vitest'
import { parseJaas, usersOf } from '../../../ensemble/config/jaas.ts'
import { parseSaslUsers } from '../../../ensemble/config/sasl-users.ts'

const MODULE = 'org.apache.zookeeper.server.auth.DigestLoginModule'

function users(text: string, section = 'Server'): Record<string, string> {
  const { sections, problems } = parseJaas(text, 'jaas.conf')
  expect(problems).toEqual([])
  return Object.fromEntries(usersOf(sections.get(section) ?? []))
}

describe('a JAAS file', () => {
  test('as documents show it', () => {
    const text = `
/* users */ Server {  // of the server
  ${MODULE} required
  user_super="adminsecret"
  user_bob = 'bob"secret' "user_a/b"=plain;
};
Client { ${MODULE} REQUIRED username="bob" password="bobsecret"; };
`
    expect(users(text)).toEqual({ super: 'adminsecret', bob: 'bob"secret', 'a/b': 'plain' })
    const { sections } = parseJaas(text, 'jaas.conf')
    expect([...sections.keys()]).toEqual(['Server', 'Client'])
    expect(sections.get('Client')).toEqual([
      {
        loginModule: MODULE,
        options: new Map([
          ['username', 'bob'],
          ['password', 'bobsecret'],
        ]),
        line: 7,
      },
    ])
  })

  test('what kazoo writes, and an empty file', () => {
    expect(users('')).toEqual({})
    expect(
      users(`Server {
    ${MODULE} required
    user_super="super_secret"
    user_jaasuser="jaas_password";
};`),
    ).toEqual({ super: 'super_secret', jaasuser: 'jaas_password' })
  })

  test('escapes as in Java', () => {
    const text = String.raw`Server { M required user_a="\"\\\t\101\n"; };`
    expect(users(text)).toEqual({ a: '"\\\tA\n' })
  })

  test.each<[string, number, string]>([
    ['Server {', 1, 'the end where something else was due'],
    ['Server M', 1, 'a word where something else was due'],
    ['Server {\n M required user_a=\n;};', 3, '";" where something else was due'],
    ['Server {\n M sometimes user_a="secret"; };', 2, 'no control flag follows the login module'],
    ['Server { M required user_a="secret" };', 1, '"}" where something else was due'],
    ['Server {\n M required\n user_a="secret; };', 3, 'a quote that is not closed'],
    ['A { M required; };\nA { M required; };', 2, 'the section A is there twice'],
    ['A { M required user_a="${x}"; };', 1, 'the value of user_a names a system property'],
    ['A { M required; }', 1, 'the end where something else was due'],
  ])('%j is a problem, which shows no password (S-16)', (text, line, what) => {
    const { sections, problems } = parseJaas(text, 'jaas.conf')
    expect(sections.size).toBe(0)
    expect(problems).toMatchObject([{ file: 'jaas.conf', line, what }])
    expect(JSON.stringify(problems)).not.toContain('secret')
  })
})

describe('our own file of users', () => {
  test('a line for each, comments and empty lines', () => {
    const { users: found, problems } = parseSaslUsers(
      '\uFEFF# us\n\nbob:se:cret \r\n eve :x',
      'users',
    )
    expect(problems).toEqual([])
    expect([...found]).toEqual([
      ['bob', 'se:cret '],
      ['eve', 'x'],
    ])
  })

  test('a problem shows no password (S-16)', () => {
    const { problems } = parseSaslUsers('secret\nbob:\n:secret\neve:secret\neve:secret', 'users')
    expect(problems.map(({ line }) => line)).toEqual([1, 2, 3, 5])
    expect(JSON.stringify(problems)).not.toContain('secret')
  })
})
