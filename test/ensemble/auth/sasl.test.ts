/** SASL logins: the mechanism, the ids that come of it, and the scheme in ACLs. */
import { describe, expect, test } from 'vitest'
import { SaslAuthenticator, saslScheme, type SaslUsers } from '../../../ensemble/auth/sasl.ts'
import { GetSaslRequest } from '../../../ensemble/protocol/requests.ts'
import { clientFrames } from '../../support/golden.ts'
import { saslResponse, type Spoilt } from '../../support/sasl-client.ts'

let nonceCount = 0
const nonces = { secureBytes: (length: number) => Buffer.alloc(length, ++nonceCount) }

function authenticator(given: Partial<SaslUsers> = {}): SaslAuthenticator {
  const users = new Map([
    ['bob', 'secret'],
    ['root', 'r'],
    ['hörn', 'pä'],
    ['a/b', 'x'],
    ['k@R', 'x'],
    ['k@', 'x'],
    ['s/h@', 'x'],
    ['a@b@c', 'x'],
  ])
  const settings = { superUsers: ['root'], removeHost: false, removeRealm: false }
  return new SaslAuthenticator({ users, ...settings, ...given }, nonces)
}

const EMPTY = Buffer.alloc(0)

function login(spoilt: Spoilt = {}, given: Partial<SaslUsers> = {}) {
  const exchange = authenticator(given).begin()
  const challenge = exchange.evaluate(EMPTY)
  if (challenge.kind !== 'challenge') throw new Error(challenge.kind)
  return exchange.evaluate(saslResponse(challenge.token, spoilt))
}

describe('DIGEST-MD5 (S-2)', () => {
  test('the recorded login of a Java client: our answers are the recorded ones, byte for byte', () => {
    const frames = clientFrames('java-sasl-digestmd5.jsonl').filter(({ note }) =>
      /^(reply to )?sasl/.test(note),
    )
    const [asked, challenge, response, rspauth] = frames.map(
      ({ bytes, dir }) => GetSaslRequest.decode(bytes.subarray(dir === 'c2s' ? 12 : 20)).token!,
    )
    const nonce = /nonce="([^"]+)"/.exec(challenge!.toString())![1]!
    const recorded = { secureBytes: () => Buffer.from(nonce, 'base64') }
    const users = new Map([['bob', 'bobsecret']])
    const settings = { superUsers: [], removeHost: false, removeRealm: false }
    const exchange = new SaslAuthenticator({ users, ...settings }, recorded).begin()
    expect(exchange.evaluate(asked!)).toEqual({ kind: 'challenge', token: challenge })
    const ids = [{ scheme: 'sasl', id: 'bob' }]
    expect(exchange.evaluate(response!)).toEqual({ kind: 'done', token: rspauth, ids })
  })

  test.each<[string, Spoilt]>([
    ['without a nonce count', { directives: { nc: undefined } }],
    [
      'without maxbuf, charset and qop',
      { directives: { maxbuf: undefined, charset: undefined, qop: undefined } },
    ],
    ['a service in other letters', { uri: 'ZooKeeper/zk-sasl-md5' }],
  ])('%s a login succeeds, as with Apache', (_, spoilt) => {
    expect(login(spoilt)).toMatchObject({ kind: 'done', ids: [{ scheme: 'sasl', id: 'bob' }] })
  })

  const wrong = 'an unknown user or a wrong password'
  test.each<[string, Spoilt, string]>([
    ['a wrong password', { password: 'x' }, wrong],
    ['an unknown user', { user: 'eve' }, wrong],
    ['a user without a name', { directives: { username: undefined } }, 'no user name'],
    ['another realm', { directives: { realm: '"other"' } }, 'another realm'],
    ['no realm', { directives: { realm: undefined } }, 'another realm'],
    ['another nonce', { directives: { nonce: '"AAAA"' } }, 'another nonce'],
    ['no nonce', { directives: { nonce: undefined } }, 'another nonce'],
    ['no cnonce', { directives: { cnonce: undefined } }, 'no cnonce'],
    ['a count of two', { directives: { nc: '00000002' } }, 'a nonce that was used before'],
    ['a count that is none', { directives: { nc: 'zz' } }, 'a nonce that was used before'],
    ['signing', { directives: { qop: 'auth-int' } }, 'a protection not offered'],
    ['another charset', { directives: { charset: 'latin1' } }, 'a charset not offered'],
    ['a size that is none', { directives: { maxbuf: 'zz' } }, 'no number in maxbuf'],
    ['another service', { uri: 'zookeeper/h' }, 'another service'],
    ['no service', { directives: { 'digest-uri': undefined } }, 'another service'],
    ['no response', { directives: { response: undefined } }, 'no response'],
    ['an empty response', { directives: { response: '""' } }, wrong],
    ['a directive twice', { directives: { NC: '00000001' } }, 'a malformed response'],
  ])('%s fails', (_, spoilt, why) => {
    expect(login(spoilt)).toEqual({ kind: 'failed', why })
  })

  test('tokens empty, huge, replayed, out of order, after completion (X-5)', () => {
    const exchange = authenticator().begin()
    const other = authenticator().begin()
    const challenge = exchange.evaluate(Buffer.from('unasked'))
    if (challenge.kind !== 'challenge') throw new Error(challenge.kind)
    const response = saslResponse(challenge.token)
    expect(other.evaluate(EMPTY).kind).toBe('challenge')
    expect(other.evaluate(response)).toEqual({ kind: 'failed', why: 'another nonce' })
    expect(exchange.evaluate(response).kind).toBe('done')
    expect(exchange.evaluate(response)).toEqual({ kind: 'failed', why: 'the login is over' })
    expect(authenticator().begin().evaluate(Buffer.alloc(4097)).kind).toBe('failed')
    const empty = authenticator().begin()
    empty.evaluate(EMPTY)
    expect(empty.evaluate(EMPTY)).toEqual({ kind: 'failed', why: 'no user name' })
    expect(empty.evaluate(EMPTY)).toEqual({ kind: 'failed', why: 'the login is over' })
  })

  test('a response cut short or changed anywhere lets nobody else in (X-5, S-12)', () => {
    const challenged = () => {
      const exchange = authenticator().begin()
      const challenge = exchange.evaluate(EMPTY)
      if (challenge.kind !== 'challenge') throw new Error(challenge.kind)
      return { exchange, response: saslResponse(challenge.token) }
    }
    const { length } = challenged().response
    let doneCount = 0
    for (let at = 0; at < length; at++) {
      for (const byte of [0, 0x22, 0x2c, 0x3d, 0x5c, 0x61, 0xff]) {
        const { exchange, response } = challenged()
        response[at] = byte
        const step = exchange.evaluate(response)
        if (step.kind !== 'done') continue
        doneCount++
        expect(step.ids).toEqual([{ scheme: 'sasl', id: 'bob' }])
      }
      const { exchange, response } = challenged()
      expect(exchange.evaluate(response.subarray(0, at)).kind === 'done').toBe(at >= length)
    }
    // Keys and values that may be left out, or hold anything.
    expect(doneCount).toBeLessThan(length)
  })

  test('every login has a nonce of its own', () => {
    const users = authenticator()
    const challenges = [1, 2, 3].map(() => JSON.stringify(users.begin().evaluate(EMPTY)))
    expect(new Set(challenges).size).toBe(3)
  })
})

describe('ids of a login (S-6)', () => {
  test.each<[string, Spoilt, Partial<SaslUsers>, unknown]>([
    ['a user', {}, {}, [{ scheme: 'sasl', id: 'bob' }]],
    [
      'a super user',
      { user: 'root', password: 'r' },
      {},
      [
        { scheme: 'sasl', id: 'root' },
        { scheme: 'super', id: '' },
      ],
    ],
    [
      'letters beyond ASCII',
      { user: 'hörn', password: 'pä' },
      {},
      [{ scheme: 'sasl', id: 'hörn' }],
    ],
    [
      'a slash without a realm',
      { user: 'a/b', password: 'x' },
      {},
      [{ scheme: 'sasl', id: 'a/b' }],
    ],
    ['a realm', { user: 'k@R', password: 'x' }, {}, [{ scheme: 'sasl', id: 'k@R' }]],
    ['no realm', { user: 'k@', password: 'x' }, {}, [{ scheme: 'sasl', id: 'k@' }]],
    [
      'no realm, removed',
      { user: 'k@', password: 'x' },
      { removeRealm: true },
      [{ scheme: 'sasl', id: 'k' }],
    ],
    [
      'a host, removed',
      { user: 's/h@', password: 'x' },
      { removeHost: true },
      [{ scheme: 'sasl', id: 's@' }],
    ],
  ])('%s', (_, spoilt, given, ids) => {
    expect(login(spoilt, given)).toMatchObject({ kind: 'done', ids })
  })

  test('the name that a client wants to act for counts for nothing', () => {
    expect(login({ authzid: 'root' })).toMatchObject({ ids: [{ scheme: 'sasl', id: 'bob' }] })
    // Java falls back to that name where its rules find none for the user.
    expect(login({ user: 'k@R', password: 'x', authzid: 'root' })).toMatchObject({
      ids: [{ scheme: 'sasl', id: 'k@R' }],
    })
  })

  test('a name that is none fails', () => {
    expect(login({ user: 'a@b@c', password: 'x' }).kind).toBe('failed')
  })
})

describe('the scheme sasl in ACLs (S-1)', () => {
  const scheme = saslScheme('any')

  test.each<[string, boolean]>([
    ['a', true],
    ['a/b', true],
    ['a@R', true],
    ['a/b@R', true],
    ['a/b/c', true],
    ['a/b/c@R', false],
    ['a@b@c', false],
    ['', true],
  ])('%j is a name: %s', (id, isValid) => {
    expect(scheme.isValid(id)).toBe(isValid)
  })

  test('matches its own name, a super user and the name that lets everybody pass', () => {
    expect(scheme.matches('bob', 'bob')).toBe(true)
    expect(scheme.matches('bob', 'eve')).toBe(false)
    expect(scheme.matches('super', 'eve')).toBe(true)
    expect(scheme.matches('bob', 'any')).toBe(true)
    expect(saslScheme(null).matches('bob', 'any')).toBe(false)
  })

  test('is not reached by auth packets', () => {
    expect(scheme.authenticate(Buffer.from('bob:secret'), [])).toBeNull()
  })
})
