/** Who a connection is, through the pipeline: SASL tokens, auth packets, enforcement. */
import { describe, expect, test } from 'vitest'
import { SaslAuthenticator } from '../../../ensemble/auth/sasl.ts'
import { Code } from '../../../ensemble/protocol/error-codes.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import { opTable } from '../../../ensemble/protocol/op-table.ts'
import {
  AuthPacket,
  ExistsRequest,
  GetSaslRequest,
  SetDataRequest,
} from '../../../ensemble/protocol/requests.ts'
import type { PipelineSettings } from '../../../ensemble/pipeline/pipeline.ts'
import { ensembleScheme, digestScheme, ipScheme } from '../../../ensemble/auth/schemes.ts'
import { PipelineBench, type BenchClient, type Reply } from '../../support/pipeline-bench.ts'
import { saslResponse, type Spoilt } from '../../support/sasl-client.ts'

function sasl(): SaslAuthenticator {
  const users = new Map([['bob', 'secret']])
  const settings = { users, superUsers: [], removeHost: false, removeRealm: false }
  return new SaslAuthenticator(settings, { secureBytes: (length) => Buffer.alloc(length, 7) })
}

function token(reply: Reply | undefined): Buffer | null {
  return GetSaslRequest.decode(reply!.body).token
}

function sendToken(client: BenchClient, bytes: Buffer | null): Reply | undefined {
  client.send(Op.sasl, GetSaslRequest.encode({ token: bytes }))
  return client.replies().at(-1)
}

function login(client: BenchClient, spoilt: Spoilt = {}): Reply | undefined {
  const challenge = token(sendToken(client, Buffer.alloc(0)))!
  return sendToken(client, saslResponse(challenge, spoilt))
}

function addDigest(client: BenchClient): Reply | undefined {
  const packet = { type: 0, scheme: 'digest', auth: Buffer.from('a:b') }
  client.send(Op.auth, AuthPacket.encode(packet), -4)
  return client.replies().at(-1)
}

const exists = ExistsRequest.encode({ path: '/', watch: false })

describe('SASL', () => {
  test('a login gives the connection an id (S-1, S-2)', () => {
    const client = new PipelineBench({ sasl: sasl() }).client()
    expect(login(client)).toMatchObject({ xid: 2, zxid: 0n, err: Code.ok })
    expect(client.link.authIds).toContainEqual({ scheme: 'sasl', id: 'bob' })
  })

  test('ids are of the connection: another one of the session has to log in itself (S-6)', () => {
    const bench = new PipelineBench({ sasl: sasl(), enforcedSchemes: ['sasl'] })
    const client = bench.client()
    login(client)
    const { sessionId, passwd } = client.welcomed!
    const again = bench.connection()
    again.connect({ sessionId, passwd: passwd! })
    again.welcome()
    expect(again.link.authIds).toEqual([{ scheme: 'ip', id: '127.0.0.1' }])
    again.send(Op.exists, exists)
    expect(again.replies()).toMatchObject([{ err: Code.sessionClosedRequireSaslAuth }])
  })

  test('a server without SASL says so: no error, no token', () => {
    const bench = new PipelineBench()
    const client = bench.client()
    const reply = sendToken(client, Buffer.alloc(0))
    expect(reply).toMatchObject({ xid: 1, zxid: 0n, err: Code.ok })
    expect(token(reply)).toBeNull()
    expect(bench.closed).toEqual([])
  })

  test.each<[string, Partial<PipelineSettings>, number, boolean]>([
    ['ends the connection', {}, Code.authFailed, true],
    ['leaves it where failed clients may stay', { allowSaslFailedClients: true }, Code.ok, false],
    [
      'ends it with another code where SASL is enforced, whoever may stay (S-5)',
      { enforcedSchemes: ['digest', 'sasl'], allowSaslFailedClients: true },
      Code.sessionClosedRequireSaslAuth,
      true,
    ],
  ])('a failed login %s', (_, settings, err, isClosed) => {
    const bench = new PipelineBench({ sasl: sasl(), ...settings })
    const client = bench.client()
    const reply = login(client, { password: 'x' })
    expect(reply).toMatchObject({ xid: 2, zxid: 0n, err })
    expect(token(reply)).toBeNull()
    expect(bench.closed.length).toBe(isClosed ? 1 : 0)
    expect(client.link.authIds).toEqual([{ scheme: 'ip', id: '127.0.0.1' }])
    expect(bench.sessions.get(client.welcomed!.sessionId)?.isClosing).toBe(false)
  })

  test('a null token or half of one ends the connection without an answer', () => {
    const bench = new PipelineBench({ sasl: sasl() })
    const client = bench.client()
    expect(sendToken(client, null)).toBeUndefined()
    const other = bench.client()
    other.send(Op.sasl, Buffer.from([0, 0]))
    expect(other.replies()).toEqual([])
    expect(bench.closed.map(({ why }) => why)).toEqual(['no SASL token', 'no SASL token'])
  })

  test('tokens are answered before writes that wait for the disk', () => {
    const bench = new PipelineBench({ sasl: sasl() })
    const client = bench.client()
    const write = SetDataRequest.encode({ path: '/none', data: null, version: -1 })
    client.send(Op.setData, write)
    expect(sendToken(client, Buffer.alloc(0))).toMatchObject({ xid: 2 })
    bench.durable()
    expect(client.replies()).toMatchObject([{ xid: 1, err: Code.noNode }])
  })
})

describe('enforced authentication (S-5)', () => {
  const ops = Object.entries(opTable)
    .map(([name, { code }]) => [name, code as number] as const)
    .filter(([, code]) => code !== Op.auth && code !== Op.sasl)

  test.each([...ops, ['no op at all', 77] as const])('%s is refused', (_, code) => {
    const bench = new PipelineBench({ enforcedSchemes: ['digest'] })
    const client = bench.client()
    const before = bench.txns.length
    // Whatever the body says: it is not looked at.
    client.send(code, Buffer.from([1, 2, 3]), code === Op.ping ? -2 : 5)
    const xid = code === Op.ping ? -2 : 5
    expect(client.replies()).toEqual([
      { xid, zxid: 0n, err: Code.sessionClosedRequireSaslAuth, body: Buffer.alloc(0) },
    ])
    expect(bench.closed.map(({ link }) => link)).toEqual([client.link])
    expect(bench.txns.length).toBe(before)
  })

  test('any one of the schemes will do, and then everything is as without', () => {
    const bench = new PipelineBench({ sasl: sasl(), enforcedSchemes: ['sasl', 'digest'] })
    const byDigest = bench.client()
    expect(addDigest(byDigest)).toMatchObject({ xid: -4, err: Code.ok })
    const bySasl = bench.client()
    login(bySasl)
    for (const client of [byDigest, bySasl]) {
      client.send(Op.exists, exists)
      expect(client.replies()).toMatchObject([{ err: Code.ok }])
    }
  })

  test('an address is an id too, where ip is enforced', () => {
    const client = new PipelineBench({ enforcedSchemes: ['ip'] }).client()
    client.send(Op.exists, exists)
    expect(client.replies()).toMatchObject([{ err: Code.ok }])
  })
})

describe('the scheme ensemble (S-1)', () => {
  const schemes = new Map(
    [digestScheme(null), ipScheme, ensembleScheme(['east', 'west'])].map((s) => [s.name, s]),
  )
  test.each<[string | null, boolean]>([
    ['east', true],
    ['', true],
    [null, true],
    ['north', false],
  ])('%j stays: %s', (name, stays) => {
    const bench = new PipelineBench({ schemes })
    const client = bench.client()
    const auth = name === null ? null : Buffer.from(name)
    client.send(Op.auth, AuthPacket.encode({ type: 0, scheme: 'ensemble', auth }), -4)
    expect(client.replies()).toMatchObject(stays ? [{ xid: -4, err: Code.ok }] : [])
    expect(bench.closed.length).toBe(stays ? 0 : 1)
    expect(client.link.authIds).toEqual([{ scheme: 'ip', id: '127.0.0.1' }])
  })
})
