/** Schemes and ACL rules. Vectors: client-protocol 5.1, 5.2. */
import { expect, test } from 'vitest'
import { fixUpAcl } from '../../../ensemble/auth/acl-rules.ts'
import { isAllowed } from '../../../ensemble/auth/permissions.ts'
import {
  digestId,
  digestScheme,
  ipScheme,
  x509Scheme,
  type DigestAlgorithm,
} from '../../../ensemble/auth/schemes.ts'
import { Perm } from '../../../ensemble/protocol/acl.ts'
import { Code } from '../../../ensemble/protocol/error-codes.ts'

const schemes = new Map([digestScheme(null), ipScheme].map((scheme) => [scheme.name, scheme]))
const entry = (perms: number, scheme: string | null, id: string | null) => ({
  perms,
  id: { scheme, id },
})

test.each([
  ['super:admin', 'super:xQJmxLMiHGwaqBvst5y6rkB6HQs='],
  ['alice:pw', 'alice:V55/p2T0OpjQ+low3NVAH4aLvm0='],
  ['bob:pw', 'bob:ikIaKsbtGweaHnb/jKn7OHqbunM='],
])('digest id of %s (S-1)', (auth, id) => expect(digestId(auth)).toBe(id))

// `printf super:admin | openssl dgst -sha256 -binary | base64`
test.each<[DigestAlgorithm, string]>([
  ['MD5', 'vmvqb9Jqk1r+pQsU7OKtLQ=='],
  ['SHA-256', 'wtZw1Um4mq1rRKbXqxHs8ueodBP35/JhtBP/nwJ62WY='],
  [
    'SHA-512',
    'ICbpgQLY7IUUeqcBGefDeb/WOl1Du5KoY5RX0+hDpW6UmhIeG6yfXhhCfQJHZChZeBdvUBXNvoumekY+NNKIPg==',
  ],
  ['SHA3-256', 'n/RvsobH/8zZOcOjetd7nUc1fh+dZeopA1uboPolGDE='],
])('digest id by %s (S-1)', (algorithm, hash) => {
  expect(digestId('super:admin', algorithm)).toBe(`super:${hash}`)
  const id = { scheme: 'digest', id: `super:${hash}` }
  expect(
    digestScheme(`super:${hash}`, algorithm).authenticate(Buffer.from('super:admin'), []),
  ).toEqual([{ scheme: 'super', id: '' }, id])
})

test('auth data without a colon is all user name', () => {
  expect(digestId('solo')).toMatch(/^solo:.{28}$/)
})

test.each([
  ['127.0.0.1', '127.0.0.1', true],
  ['127.0.0.1', '127.0.0.2', false],
  ['10.1.2.3', '10.1.0.0/16', true],
  ['10.2.2.3', '10.1.0.0/16', false],
  ['10.1.2.3', '10.1.2.2/31', true],
  ['10.1.2.3', '0.0.0.0/0', true],
  ['2001:db8::1', '2001:db8::/32', true],
  ['2001:db9::1', '2001:db8::/32', false],
  ['::ffff:10.1.2.3', '10.1.0.0/16', true],
  ['10.1.2.3', '2001:db8::/32', false],
])('address %s against %s: %s', (own, inAcl, isMatch) => {
  expect(ipScheme.matches(own, inAcl)).toBe(isMatch)
})

test.each(['127.0.0.01', '10.0.0.0/08', '10.0.0.0/+8', '::', '1::/64'])(
  'ip id "%s" is valid, as Java reads numbers',
  (id) => expect(ipScheme.isValid(id)).toBe(true),
)

test.each([
  ['a:b', true],
  [':b', true],
  ['a:b:', true],
  ['a:', false],
  [':', false],
  ['', false],
  ['a:b:c', false],
])('digest id "%s" is valid: %s, as Java splits it', (id, isValid) => {
  expect(digestScheme(null).isValid(id)).toBe(isValid)
})

test.each([
  ['colons before the end', `${':'.repeat(500_000)}x`],
  ['colons at the end', `a${':'.repeat(500_000)}`],
  ['plain text', 'a'.repeat(500_000)],
])('a digest id of half a megabyte is judged at once: %s (S-12)', (_what, id) => {
  // Each entry of a request may be such an id, from anybody: 80,000 colons once took five seconds.
  const before = process.cpuUsage()
  expect(digestScheme(null).isValid(id)).toBe(false)
  const { user, system } = process.cpuUsage(before)
  expect(user + system).toBeLessThan(1_000_000)
})

test('a password that is no UTF-8 is hashed as what Java makes of it', () => {
  expect(digestId(Buffer.from([0x61, 0x3a, 0xff]))).toBe(digestId('a:\ufffd'))
})

test.each([
  '1.2.3.4/33',
  '::ffff:1.2.3.4',
  '1:2:3:4:5:6:7:',
  '12345::',
  '1.2.3.4/8/8',
  ' 1.2.3.4',
  '::/129',
  '1.2.3',
  '1.2.3.4.5',
  '',
  'a.b.c.d',
  '1.2.3.4/',
  '1:2:3',
  '::1::2',
])('ip id "%s" is not valid (X-5)', (id) => expect(ipScheme.isValid(id)).toBe(false))

test.each([
  ['null', null, Code.invalidAcl],
  ['an empty list', [], Code.invalidAcl],
  ['no scheme', [entry(31, null, 'x')], Code.invalidAcl],
  ['an unknown scheme', [entry(31, 'nonsense', 'x')], Code.invalidAcl],
  ['another id of world', [entry(31, 'world', 'everyone')], Code.invalidAcl],
  ['auth without an authenticated id', [entry(31, 'auth', '')], Code.invalidAcl],
  ['a digest without a colon', [entry(31, 'digest', 'bob')], Code.invalidAcl],
  ['a null id', [entry(31, 'digest', null)], Code.marshallingError],
  ['a null id of world', [entry(31, 'world', null)], Code.marshallingError],
  ['a null id of an unknown scheme', [entry(31, 'nonsense', null)], Code.invalidAcl],
  ['a null id of auth', [entry(31, 'auth', null)], Code.invalidAcl],
])('%s is refused (X-5)', (_, acl, err) => {
  expect(fixUpAcl(acl, [{ scheme: 'ip', id: '127.0.0.1' }], schemes, { ownIdBytes: 0 })).toBe(err)
})

test('auth stands for the authenticated ids, duplicates go, order stays', () => {
  const ids = [
    { scheme: 'digest', id: 'u:h' },
    { scheme: 'ip', id: '127.0.0.1' },
  ]
  const acl = [entry(1, 'ip', '127.0.0.1'), entry(31, 'auth', ''), entry(1, 'ip', '127.0.0.1')]
  expect(fixUpAcl(acl, ids, schemes, { ownIdBytes: 0 })).toEqual([
    entry(1, 'ip', '127.0.0.1'),
    entry(31, 'digest', 'u:h'),
  ])
})

test('a permission of two bits is satisfied by either; super passes; no list allows', () => {
  const alice = [{ scheme: 'digest', id: 'alice:x' }]
  const acl = [entry(Perm.admin, 'digest', 'alice:x')]
  expect(isAllowed(acl, Perm.read | Perm.admin, alice, schemes)).toBe(true)
  expect(isAllowed(acl, Perm.read, alice, schemes)).toBe(false)
  expect(isAllowed(acl, Perm.read, [{ scheme: 'super', id: '' }], schemes)).toBe(true)
  expect(isAllowed([], Perm.read, [], schemes)).toBe(true)
})

test('certificates: the own subject matches, and the super user matches everything (S-1)', () => {
  const scheme = x509Scheme('CN=root')
  expect(scheme.matches('CN=a', 'CN=a')).toBe(true)
  expect(scheme.matches('CN=a', 'CN=b')).toBe(false)
  expect(scheme.matches('CN=root', 'CN=b')).toBe(true)
  expect(scheme.authenticate(Buffer.from('CN=root'), [{ scheme: 'ip', id: '::1' }])).toBe(null)
  expect(scheme.authenticate(null, [{ scheme: 'x509', id: 'CN=a' }])).toEqual([])
})

test('a list of forty thousand entries is gone through once, not with each read of a request (X-5)', () => {
  const id = (name: string) => `${name}:${'b'.repeat(10)}`
  const long = Array.from({ length: 40_000 }, (_, at) => entry(Perm.read, 'digest', id(`u${at}`)))
  const mine = [
    { scheme: 'ip', id: '10.0.0.1' },
    { scheme: 'digest', id: id('u39999') },
  ]
  const stranger = [{ scheme: 'ip', id: '10.0.0.1' }]
  const open = [...long, entry(Perm.write, 'world', 'anyone')]
  const before = process.cpuUsage()
  // As many as one multiRead of a megabyte has.
  for (let count = 0; count < 50_000; count++) {
    const answers = [
      isAllowed(long, Perm.read, stranger, schemes),
      isAllowed(long, Perm.read, mine, schemes),
      isAllowed(open, Perm.read, stranger, schemes),
      isAllowed(open, Perm.write, stranger, schemes),
    ]
    if (count === 0) expect(answers).toEqual([false, true, false, true])
  }
  const { user, system } = process.cpuUsage(before)
  expect(user + system).toBeLessThan(2_000_000)
})
