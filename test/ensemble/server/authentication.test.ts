/** Who may do what on a real server: our client logs in, is turned away, and comes back after a restart. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { acl, connect, ZkError, type ConnectOptions } from '../../../ensemble/client/index.ts'
import { defaultAuth, startServer, type AuthSettings } from '../../../ensemble/server/index.ts'
import { silent, type Fields, type Logger } from '../../../ensemble/sys/logger.ts'
import { until } from '../../support/client-scenario.ts'
import { stablePort } from '../../support/stable-port.ts'

const auth: AuthSettings = {
  ...defaultAuth,
  digestAlgorithm: 'SHA-256',
  hasSaslScheme: true,
  sasl: {
    users: new Map([
      ['bob', 'secret'],
      ['root', 'r'],
    ]),
    superUsers: ['root'],
    removeHost: false,
    removeRealm: false,
  },
  enforcedSchemes: ['sasl', 'digest'],
}
const dataDir = mkdtempSync(join(tmpdir(), 'howdah-authentication-'))
const settings = { dataDir, clientPortAddress: '127.0.0.1', tickTimeMs: 500, auth }
const warnings: { fields: Fields; message: string }[] = []
const log: Logger = {
  ...silent,
  warn: (fields, message) => void warnings.push({ fields, message }),
  child: () => log,
}
let server: Awaited<ReturnType<typeof startServer>>

beforeAll(async () => {
  server = await startServer({ ...settings, clientPort: await stablePort() }, log)
})
afterAll(async () => {
  await server.close()
  rmSync(dataDir, { recursive: true, force: true })
})

function open(options: ConnectOptions = {}) {
  return connect(`127.0.0.1:${server.clientPort}`, { sessionTimeoutMs: 10_000, ...options })
}

function as(user: string) {
  return open({ auth: [{ scheme: 'sasl', auth: user }] })
}

function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'ok',
    (error: unknown) => (error instanceof ZkError ? error.code : String(error)),
  )
}

describe('SASL', () => {
  test('nodes of a SASL user are its own, and a super user’s (S-1, S-2)', async () => {
    await using bob = await as('bob:secret')
    await using root = await as('root:r')
    await using digest = await open({ auth: [{ scheme: 'digest', auth: 'ann:x' }] })
    await bob.create('/bob', 'x', { acl: acl.creatorAll })
    expect((await bob.getAcl('/bob')).acl).toEqual([
      { perms: 31, id: { scheme: 'sasl', id: 'bob' } },
    ])
    expect(await codeOf(digest.get('/bob'))).toBe('noAuth')
    expect((await root.get('/bob')).data?.toString()).toBe('x')
  })

  test('a wrong password is final, for this client alone, and logged once (S-2, S-15)', async () => {
    expect(await codeOf(as('bob:hunter2'))).toBe('authFailed')
    expect(await codeOf(as('eve:secret'))).toBe('authFailed')
    const refusals = warnings.filter(({ message }) => message === 'authentication was refused')
    expect(refusals).toEqual([
      {
        message: 'authentication was refused',
        fields: { address: '127.0.0.1', why: expect.stringMatching(/^SASL login failed: /) },
      },
    ])
    expect(JSON.stringify(refusals)).not.toContain('hunter2')
    await using bob = await as('bob:secret')
    expect(await codeOf(bob.exists('/'))).toBe('ok')
  })

  test('after a restart the client logs in again, before its watches (S-5, S-6, I-42)', async () => {
    await using bob = await as('bob:secret')
    await bob.create('/watched', 'x')
    const events: string[] = []
    await bob.get('/watched', { watch: ({ type }) => void events.push(type) })
    const states: string[] = []
    bob.onState((state) => void states.push(state))
    const { clientPort } = server
    await server.close()
    server = await startServer({ ...settings, clientPort }, silent)
    await until('connected again', () => states.at(-1) === 'connected')
    expect((await bob.whoAmI()).map(({ scheme }) => scheme)).toContain('sasl')
    await using other = await as('bob:secret')
    await other.set('/watched', 'y')
    await until('the event', () => events.includes('dataChanged'))
  })

  test('credentials that are none, or come too late, are bad arguments', async () => {
    expect(await codeOf(as('bob'))).toBe('badArguments')
    await using bob = await as('bob:secret')
    expect(await codeOf(bob.addAuth('sasl', 'bob:secret'))).toBe('badArguments')
  })
})

test('a client that has proven nothing is refused, and says why (S-5)', async () => {
  await using stranger = await open()
  expect(await codeOf(stranger.exists('/'))).toBe('sessionClosedRequireSaslAuth')
  expect(stranger.state).toBe('auth-failed')
})

test('digest by another hash (S-1)', async () => {
  await using ann = await open({ auth: [{ scheme: 'digest', auth: 'ann:x' }] })
  await ann.create('/ann', null, { acl: acl.creatorAll })
  const [entry] = (await ann.getAcl('/ann')).acl
  expect(entry?.id.id).toMatch(/^ann:.{44}$/)
})
