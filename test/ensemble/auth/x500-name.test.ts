/**
 * Names of certificates against OpenJDK 17: `new X500Principal(der).getName()`, and whether `new
 * X500Principal(text)` takes a text. The first rows are of random names with odd characters and types.
 */
import { expect, test } from 'vitest'
import { isName, nameText, subjectOf } from '../../../ensemble/auth/x500-name.ts'

test.each([
  ['3000', ''],
  ['30133111300f06092b06010401823702010c020d61', '1.3.6.1.4.1.311.2.1=#0c020d61'],
  ['30123110300e06035504040c070a0d61613c2b42', '2.5.4.4=#0c070a0d61613c2b42'],
  ['30153113301106035504060c0a203c23f09f9880200a2e', 'C=\\ \\<\\#😀 \n.'],
  [
    '301d310f300d06092b06010401823702011300310a300806035504090c0120',
    'STREET=\\ ,1.3.6.1.4.1.311.2.1=#1300',
  ],
  [
    '3021311f300d060355040813060d2a5c223100300e06035504090c073b610d00223c5c',
    'ST=\\\r*\\\\\\"1\\00+STREET=\\;a\r\\00\\"\\<\\\\',
  ],
  ['300f310d300b06035504030c0422007f7f', 'CN=\\"\\00\x7f\x7f'],
  ['30123110300e06035504060c072f61c3a9203c0d', 'C=/aé \\<\\\r'],
  [
    '3023310d300b06035504050c042e20202e31123010060a0992268993f22c64010113020d3e',
    'UID=\\\r\\>,2.5.4.5=#0c042e20202e',
  ],
  ['3010310e300c060355040813052b3c233c5c', 'ST=\\+\\<\\#\\<\\\\'],
  ['30183116301406035504060c0df09f98803e2b31422af09f9880', 'C=😀\\>\\+1B*😀'],
  ['301e3111300f060a0992268993f22c64010114015c3109300706035504070c00', 'L=,UID=\\\\'],
  [
    '3025311430120603550407130b42c3a92ef09f9880616161310d300b060355040a0c04422a3b5c',
    'O=B*\\;\\\\,L=Bé.😀aaa',
  ],
  ['301b3119300706035504610c00300e060355040b0c0731e697a50a2c23', '2.5.4.97=#0c00+OU=1日\n\\,\\#'],
  [
    '30273110300e060355040313076161f09f98803d3113301106035504030c0ae697a5f09f9880e697a5',
    'CN=日😀日,CN=aa😀\\=',
  ],
  [
    '30243122300f06092b060104018237020113022c7f300f060355040813082c2e5c5cc3a9223b',
    '1.3.6.1.4.1.311.2.1=#13022c7f+ST=\\,.\\\\\\\\é\\"\\;',
  ],
  [
    '302a310c300a060355040a0c0342000d31093007060355040a0c00310f300d06035504030c067f222e3dc3a9',
    'CN=\x7f\\".\\=é,O=,O=B\\00\\\r',
  ],
  ['3019310a30080603550406020146310b300906035504090c026122', 'STREET=a\\",C=#020146'],
  [
    '301d311b300e06035504050c07f09f9880e697a5300906035504070c02225c',
    '2.5.4.5=#0c07f09f9880e697a5+L=\\"\\\\',
  ],
  ['301931173015060a0992268993f22c6401190c072e3e3c3c3e5c3b', 'DC=.\\>\\<\\<\\>\\\\\\;'],
  [
    '301e3110300e06035504060c072f2b233b5c423b310a3008060355040802012d',
    'ST=#02012d,C=/\\+\\#\\;\\\\B\\;',
  ],
  ['3017310a3008060355040913010031093007060355040b0c00', 'OU=,STREET=\\00'],
  ['30123110300e06035504090c07232e003bc3a92a', 'STREET=\\#.\\00\\;é*'],
  ['301c311a3018060a0992268993f22c640119130a31f09f98803e2031c3a9', 'DC=1😀\\> 1é'],
  ['301a31183016060a0992268993f22c6401190308002e20422b31007f', 'DC=#0308002e20422b31007f'],
  ['30133111300f060a0992268993f22c640101020170', 'UID=#020170'],
  ['30123110300e060a0992268993f22c6401010c00', 'UID='],
  [
    '302a310c300a060355040713032b3e00311a3018060a0992268993f22c6401010c0ac3a9f09f9880e697a500',
    'UID=é😀日\\00,L=\\+\\>\\00',
  ],
  [
    '30213111300f06035504030c082f0a2b2ef09f9880310c300a06035504080c032c2242',
    'ST=\\,\\"B,CN=/\n\\+.😀',
  ],
])('the name %s is %j, as Java writes it (S-4)', (der, text) => {
  expect(nameText(Buffer.from(der, 'hex'))).toBe(text)
})

test.each([
  '',
  'CN=a',
  'cn=a',
  ' CN = a ',
  'CN=a,O=b',
  'CN=a, O=b',
  'CN=a;O=b',
  'CN=a+O=b',
  'CN=',
  'CN=,O=b',
  '1.2.3=a',
  'OID.1.2.3=a',
  'oid.1.2.3=a',
  '1.2.3=#0c0161',
  'CN=#0c0161',
  'CN=a\\,b',
  'CN=a\\2c',
  'CN=a\\C3\\A9',
  'CN="a,b"',
  'CN="a" ,O=b',
  'CN=a=b',
  'CN=a#b',
  'CN=a\\<b',
  'CN=é',
  'EMAILADDRESS=a@b',
  'EMAIL=a@b',
  'C=DE,ST=x,L=y,O=z,OU=w,CN=v,UID=u,DC=t,STREET=s,T=r,SURNAME=q,GIVENNAME=p,SERIALNUMBER=1,S=k,DNQ=l,DNQUALIFIER=m,INITIALS=n,GENERATION=o,IP=h',
  'C=GERMANY',
  'DC=é',
  'EMAILADDRESS=é',
  'CN= a',
  'CN=a b ',
  'CN=\\ a\\ ',
  'CN=\\#a',
  'CN=a\nb',
  '1.2=a',
  'CN=a OU=b',
  'CN=\\=a',
  'CN=a\\=b',
  'CN=a\\#b',
  'CN=a\\ b',
  'CN=a\\61',
  'CN=" a"',
  'CN=a  +  O=b',
  ' CN=a , O=b ',
  'CN=a\\\\',
  'CN=a\\"b',
  'CN="a\\"b"',
  'CN="a\\\\"',
  'CN="a+b",O="c;d"',
  'CN= #0c0161',
  '2.999.1=a',
  '2.5.4.3=a',
  'CN==a',
  'CN=""',
  'CN=日本',
  'C=#13024445',
  "CN='a'",
])('%j is a name in an ACL (S-1)', (text) => expect(isName(text)).toBe(true))

test.each([
  'CN=a,',
  ',CN=a',
  'CN=a,,O=b',
  'CN',
  '=a',
  'foo',
  'foo=bar',
  'CN=#0c016',
  'CN=#zz',
  'CN=#',
  'CN=a\\zb',
  'CN=a\\',
  'CN="a,b',
  'CN="a"b',
  'CN=a"b',
  'CN=a<b',
  'CN=a>b',
  'CN=a;b',
  'CN=a+b',
  'E=a@b',
  'C=DE,USERID=a',
  'anyone',
  'a/b',
  'a:b',
  'user@host',
  'CN=a+',
  '+CN=a',
  'CN=a,O',
  '1=a',
  '3.2=a',
  '1.2.=a',
  '.1.2=a',
  '1..2=a',
  'SN=x',
  'GN=x',
  'PSEUDONYM=x',
  'TITLE=x',
  'CN=#0C0161 ',
  'CN=#0c01 61',
  'OID. 1.2=a',
  'cn\\=a',
  'CN=\\zz',
  'CN=a\\4',
  'CN=a\\4g',
  'CN="a\\4g"',
  'CN="a\\zb"',
  'CN=a;',
  ';',
  '+',
  ',',
  'CN=a,  ',
  '  ',
  'OU=x\\',
])('%j is no name in an ACL (S-1)', (text) => expect(isName(text)).toBe(false))

test('bytes that are no name have no text, wherever they are cut', () => {
  const name = Buffer.from('3018310a3008060355040a130162310a30080603550403130161', 'hex')
  expect(nameText(name)).toBe('CN=a,O=b')
  for (let length = 0; length < name.length; length++) {
    expect(nameText(name.subarray(0, length))).toBe(null)
  }
  expect(subjectOf(Buffer.from('no certificate'))).toBe(null)
})

test.each([
  ['attributes', 'CN=a,'.repeat(100_000) + 'CN=b', true],
  ['values', 'CN=a+'.repeat(100_000) + 'CN=b', true],
  ['one value', `CN=${'\\\\,'.repeat(200_000)}`, false],
  ['blanks', `CN="a"${' '.repeat(500_000)}x`, false],
  ['a quote that is not closed', `CN="${'a'.repeat(500_000)}`, false],
])('a name of half a megabyte is judged at once: %s (S-12)', (_what, text, isOne) => {
  const before = process.cpuUsage()
  expect(isName(text)).toBe(isOne)
  const { user, system } = process.cpuUsage(before)
  expect(user + system).toBeLessThan(1_000_000)
})
