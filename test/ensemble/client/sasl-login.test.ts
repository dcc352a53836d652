/** The client's side of DIGEST-MD5, against a recorded login of Java's client and servers that cheat. */
import { expect, test } from 'vitest'
import { saslCredentials, SaslLogin } from '../../../ensemble/client/sasl-login.ts'
import { GetSaslRequest } from '../../../ensemble/protocol/requests.ts'
import { clientFrames } from '../../support/golden.ts'

const BOB = { user: 'bob', password: 'bobsecret' }
const zeros = { secureBytes: (length: number) => Buffer.alloc(length) }

test('the tokens of a Java client, byte for byte (S-2)', () => {
  const [first, challenge, response, rspauth] = clientFrames('java-sasl-digestmd5.jsonl')
    .filter(({ note }) => /^(reply to )?sasl/.test(note))
    .map(({ bytes, dir }) => GetSaslRequest.decode(bytes.subarray(dir === 'c2s' ? 12 : 20)).token!)
  const cnonce = /cnonce="([^"]+)"/.exec(response!.toString())![1]!
  const login = new SaslLogin(BOB, { secureBytes: () => Buffer.from(cnonce, 'base64') })
  expect(login.first()).toEqual(first)
  expect(login.onToken(challenge!)).toEqual({ kind: 'send', token: response })
  expect(login.onToken(rspauth!)).toEqual({ kind: 'done' })
})

test.each<[string, string | null, string]>([
  ['none', null, 'the server has no SASL'],
  ['an empty one', '', 'the challenge is malformed'],
  ['one without a nonce', 'realm="r",algorithm=md5-sess', 'the challenge is malformed'],
  ['two realms', 'realm="r",realm="s",nonce="n",algorithm=md5-sess', 'the challenge is malformed'],
  ['no algorithm', 'realm="r",nonce="n"', 'the server wants another algorithm'],
  ['signing', 'nonce="n",algorithm=md5-sess,qop="auth-int"', 'the server wants requests signed'],
  ['a huge one', `nonce="${'n'.repeat(3000)}",algorithm=md5-sess`, 'the challenge is too long'],
])('a challenge that is %s ends the login', (_, challenge, why) => {
  const login = new SaslLogin(BOB, zeros)
  const token = challenge === null ? null : Buffer.from(challenge)
  expect(login.onToken(token)).toEqual({ kind: 'failed', why })
})

test.each(['rspauth=00000000000000000000000000000000', '', 'rspauth', 'x=1'])(
  'a server that proves %j does not know the password',
  (token) => {
    const login = new SaslLogin(BOB, zeros)
    login.onToken(Buffer.from('realm="r",nonce="n",qop="auth-int, auth",algorithm=md5-sess'))
    const why = 'the server does not know the password itself'
    expect(login.onToken(Buffer.from(token))).toEqual({ kind: 'failed', why })
  },
)

test('names and passwords may hold what the syntax uses', () => {
  const login = new SaslLogin({ user: 'a"b\\', password: 'p' }, zeros)
  const answer = login.onToken(Buffer.from('realm="r",nonce="n",algorithm=md5-sess'))
  expect(answer.kind === 'send' && answer.token.toString()).toContain('username="a\\"b\\\\"')
})

test('credentials are user:password, with colons in the password', () => {
  expect(saslCredentials(Buffer.from('bob:a:b'))).toEqual({ user: 'bob', password: 'a:b' })
  expect(saslCredentials(Buffer.from('bob:'))).toEqual({ user: 'bob', password: '' })
  expect(saslCredentials(Buffer.from('bob'))).toBeNull()
  expect(saslCredentials(Buffer.from(':b'))).toBeNull()
})
