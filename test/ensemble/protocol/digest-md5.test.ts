/** DIGEST-MD5: proofs and the syntax of its tokens. */
import { describe, expect, test } from 'vitest'
import {
  clientProof,
  parseDirectives,
  quoted,
  serverProof,
  userSecret,
} from '../../../ensemble/protocol/digest-md5.ts'

const known = new Set(['realm', 'nonce', 'qop'])

function parsed(token: string): Record<string, string> | null {
  const directives = parseDirectives(Buffer.from(token), known)
  return (
    directives && Object.fromEntries([...directives].map(([key, value]) => [key, value.toString()]))
  )
}

test('the proofs of the example in RFC 2831, section 4 (S-2)', () => {
  const exchange = {
    secret: userSecret('chris', 'elwood.innosoft.com', 'secret'),
    nonce: Buffer.from('OA6MG9tEQGm2hh'),
    cnonce: Buffer.from('OA6MHXh6VqTrRk'),
    authzid: null,
    uri: 'imap/elwood.innosoft.com',
  }
  expect(clientProof(exchange).toString()).toBe('d388dad90d4bbd760a152321f2143af7')
  expect(serverProof(exchange).toString()).toBe('ea40f60335c427b5527b84dbabcdfffd')
})

test('names and passwords are hashed as ISO 8859-1 where they fit, else as UTF-8', () => {
  // md5 of the bytes `h\xf6rn:r:p\xe4`, and of `\xc5\x91:r:p` with the UTF-8 of ő
  expect(userSecret('hörn', 'r', 'pä').toString('hex')).toBe('173c99608adcc3a16bedc1b160d6cc08')
  expect(userSecret('ő', 'r', 'p').toString('hex')).toBe('efee9eb18d8ce7f83f24b1a75b7ecd33')
})

describe('directives', () => {
  test.each<[string, Record<string, string> | null]>([
    ['', {}],
    ['realm="a",nonce=b', { realm: 'a', nonce: 'b' }],
    [' , ,REALM = "a" nonce=b ,', { realm: 'a', nonce: 'b' }],
    [String.raw`realm="a\"b\\c,d"`, { realm: String.raw`a"b\c,d` }],
    ['realm=""', { realm: '' }],
    ['other=1,other=2,realm=a', { realm: 'a' }],
    ['realm=a,realm=b', null],
    ['realm', null],
    ['realm a', null],
    ['=a', null],
    ['realm=', null],
    ['realm="a', null],
    ['realm="a"b', null],
    [String.raw`realm="a\ `.trim(), null],
    ['a,realm=b', null],
  ])('%j', (token, expected) => {
    expect(parsed(token)).toEqual(expected)
  })

  test('a quoted value is read back', () => {
    const value = 'a"b\\c\u0001 ü'
    expect(parsed(`realm=${quoted(value)}`)).toEqual({ realm: value })
  })
})
