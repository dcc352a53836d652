/**
 * SASL and enforced authentication against Apache ZooKeeper 3.9.5: the same tokens to its server and to
 * ours, our client on its server, its client and zkCli on ours.
 *
 * Skips aloud where there is no Java or no Maven.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect, ZkError, type Client } from '../../ensemble/client/index.ts'
import { ConnectRequest } from '../../ensemble/protocol/connect.ts'
import { Op } from '../../ensemble/protocol/op-codes.ts'
import { AuthPacket, GetSaslRequest } from '../../ensemble/protocol/requests.ts'
import { apache, apacheCli, apacheMissing } from '../support/apache.ts'
import { saslResponse, type Spoilt } from '../support/sasl-client.ts'
import { freePort, ours, ServerProcess, type ServerProgram } from '../support/server-process.ts'
import { Link } from '../support/replay/link.ts'

const missing = apacheMissing()
if (missing !== null) process.stderr.write(`SKIPPED test/interop/sasl.test.ts: ${missing}\n`)

const root = mkdtempSync(join(tmpdir(), 'howdah-sasl-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const PACKAGE = 'org.apache.zookeeper.server.auth'
const MODULE = `${PACKAGE}.DigestLoginModule`
const SASL = { 'authProvider.sasl': `${PACKAGE}.SASLAuthenticationProvider` }
const ENSEMBLE = { 'authProvider.ens': `${PACKAGE}.EnsembleAuthenticationProvider` }

function jaas(name: string, text: string): string {
  const path = join(root, name)
  writeFileSync(path, text, { mode: 0o600 })
  return `-Djava.security.auth.login.config=${path}`
}

function serverFlags(): string[] {
  const users = `user_bob="secret" user_super="old" user_root="r" "user_a/b"="x" "user_k@"="x"`
  const odd = '"user_k@R"="x" user_hörn="pä"'
  const text = `Server { ${MODULE} required ${users} ${odd}; };`
  return [jaas('server.conf', text), '-Dfile.encoding=UTF-8']
}

function clientFlags(password = 'secret'): string[] {
  const text = `Client { ${MODULE} required username="bob" password="${password}"; };`
  return [jaas(`client-${password}.conf`, text), '-Dzookeeper.fips-mode=false']
}

async function start(
  kind: 'ours' | 'apache',
  settings: Readonly<Record<string, string>>,
  flags: readonly string[],
): Promise<ServerProcess> {
  const program: ServerProgram =
    kind === 'apache' ? apache(flags) : { ...ours, env: { SERVER_JVMFLAGS: flags.join(' ') } }
  const port = await freePort()
  return ServerProcess.start(program, { folder: join(root, `${kind}-${port}`), port, settings })
}

/** The exit code of a server that does not want to serve; -1 when it does not end. */
async function codeInTime(server: ServerProcess): Promise<number> {
  const isLate = delay(30_000, null, { ref: false })
  const ended = await Promise.race([server.ended, isLate])
  return ended?.code ?? -1
}

// the same bytes to both -----------------------------------------------------------------------------

/** One answer, or why there is none. */
type Answer = string

class RawSession {
  readonly #link: Link
  #xid = 0

  private constructor(port: number) {
    this.#link = new Link(port, false)
  }

  static async open(port: number): Promise<RawSession> {
    const session = new RawSession(port)
    const passwd = Buffer.alloc(16)
    const hello = { lastZxidSeen: 0n, timeOut: 10_000, sessionId: 0n, passwd, readOnly: false }
    session.#send(ConnectRequest.encode({ protocolVersion: 0, ...hello }))
    await session.#frame()
    return session
  }

  #send(body: Buffer): void {
    const length = Buffer.alloc(4)
    length.writeInt32BE(body.length)
    this.#link.write(Buffer.concat([length, body]))
  }

  async #frame(): Promise<Buffer | null> {
    let frames: Buffer[] = []
    await this.#link.until(() => {
      if (frames.length === 0) frames = this.#link.take()
      return frames.length > 0 || this.#link.isClosed
    }, 10_000)
    return frames[0] ?? null
  }

  async ask(op: number, body: Buffer = Buffer.alloc(0), xid = ++this.#xid): Promise<Buffer | null> {
    const header = Buffer.alloc(8)
    header.writeInt32BE(xid)
    header.writeInt32BE(op, 4)
    this.#send(Buffer.concat([header, body]))
    return this.#frame()
  }

  token(token: Buffer | null): Promise<Buffer | null> {
    return this.ask(Op.sasl, GetSaslRequest.encode({ token }))
  }

  auth(scheme: string, data: string): Promise<Buffer | null> {
    return this.ask(Op.auth, AuthPacket.encode({ type: 0, scheme, auth: Buffer.from(data) }), -4)
  }

  whoAmI(): Promise<Buffer | null> {
    return this.ask(Op.whoAmI)
  }

  close(): void {
    this.#link.destroy()
  }
}

/** Without the zxid, and without proofs that are made from a nonce. */
function shown(frame: Buffer | null): Answer {
  if (frame === null) return 'closed'
  const body = frame.toString('latin1', 16)
  const text = body.replace(/(rspauth=|nonce=")[\w+/]+/g, '$1…')
  return `xid ${frame.readInt32BE(0)} err ${frame.readInt32BE(12)} ${JSON.stringify(text)}`
}

const EMPTY = Buffer.alloc(0)

async function login(session: RawSession, spoilt: Spoilt): Promise<Answer[]> {
  const challenge = await session.token(EMPTY)
  const answers = [shown(challenge)]
  if (challenge === null || challenge.readInt32BE(16) < 0) return answers
  answers.push(shown(await session.token(saslResponse(challenge.subarray(20), spoilt))))
  return answers
}

const logins: Readonly<Record<string, Spoilt>> = {
  right: {},
  'a wrong password': { password: 'x' },
  'an unknown user': { user: 'eve' },
  'another name to act for': { authzid: 'super' },
  'the super password': { user: 'super', password: 'new' },
  'the former password of super': { user: 'super', password: 'old' },
  'a super user': { user: 'root', password: 'r' },
  'a slash': { user: 'a/b', password: 'x' },
  'a realm': { user: 'k@R', password: 'x' },
  'an empty realm': { user: 'k@', password: 'x' },
  'letters beyond ASCII': { user: 'hörn', password: 'pä' },
  'a service in other letters': { uri: 'ZooKeeper/zk-sasl-md5' },
  'another service': { uri: 'zookeeper/h' },
  signing: { directives: { qop: 'auth-int' } },
  'another charset': { directives: { charset: 'latin1' } },
  'another realm': { directives: { realm: '"x"' } },
  'another nonce': { directives: { nonce: '"x"' } },
  'an unknown directive': { directives: { foo: '"b\\"ar"' } },
  ...Object.fromEntries(
    ['charset', 'username', 'realm', 'nonce', 'nc', 'cnonce', 'digest-uri', 'maxbuf', 'response']
      .concat('qop', 'authzid')
      .filter((key) => key !== 'authzid')
      .map((key) => [`without ${key}`, { directives: { [key]: undefined } }]),
  ),
}

const talks: Readonly<Record<string, (session: RawSession) => Promise<(Buffer | null)[]>>> = {
  'a token that is null': async (s) => [await s.token(null)],
  'half a token': async (s) => [await s.ask(Op.sasl, Buffer.from([0, 0]))],
  'a huge first token': async (s) => [await s.token(Buffer.alloc(5000, 'x'))],
  'a first token that is not empty': async (s) => [await s.token(Buffer.from('hello'))],
  'an empty answer': async (s) => [await s.token(EMPTY), await s.token(EMPTY), await s.whoAmI()],
  'nonsense for an answer': async (s) => [await s.token(EMPTY), await s.token(Buffer.from('x'))],
  'an answer twice': async (s) => {
    const challenge = await s.token(EMPTY)
    if (challenge === null || challenge.readInt32BE(16) < 0) return [challenge]
    const response = saslResponse(challenge.subarray(20))
    return [await s.token(response), await s.token(response), await s.whoAmI()]
  },
  'a ping': async (s) => [await s.ask(Op.ping, EMPTY, -2)],
  closeSession: async (s) => [await s.ask(Op.closeSession)],
  'an unknown operation': async (s) => [await s.ask(77)],
  'the scheme digest': async (s) => [await s.auth('digest', 'a:b'), await s.whoAmI()],
  'the scheme sasl by an auth packet': async (s) => [await s.auth('sasl', 'bob:secret')],
  'the scheme ensemble': async (s) => [await s.auth('ensemble', 'east'), await s.whoAmI()],
  'another ensemble': async (s) => [await s.auth('ensemble', 'north'), await s.whoAmI()],
  'no ensemble in particular': async (s) => [await s.auth('ensemble', ''), await s.whoAmI()],
  'nothing proven': async (s) => [await s.whoAmI()],
}

/** Everything that a server answers to all of it. */
async function answersOf(port: number): Promise<Record<string, Answer[]>> {
  const answers: Record<string, Answer[]> = {}
  for (const [name, spoilt] of Object.entries(logins)) {
    const session = await RawSession.open(port)
    const found = await login(session, spoilt)
    answers[`login: ${name}`] = [...found, shown(await session.whoAmI())]
    session.close()
  }
  for (const [name, talk] of Object.entries(talks)) {
    const session = await RawSession.open(port)
    answers[name] = (await talk(session)).map(shown)
    session.close()
  }
  return answers
}

const configurations: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'SASL, super users, ensemble names': {
    ...SASL,
    ...ENSEMBLE,
    ensembleAuthName: 'east,west',
    'superUser.1': 'root',
    'SASLAuthenticationProvider.superPassword': 'new',
  },
  'SASL required': {
    ...SASL,
    sessionRequireClientSASLAuth: 'true',
    allowSaslFailedClients: 'true',
  },
  'clients stay whose login fails': { ...SASL, allowSaslFailedClients: 'true' },
  'digest required, by SHA-256': {
    ...SASL,
    ...ENSEMBLE,
    'enforce.auth.enabled': 'true',
    'enforce.auth.schemes': 'digest',
    'DigestAuthenticationProvider.digestAlg': 'SHA-256',
  },
  'no digest': { 'DigestAuthenticationProvider.enabled': 'false' },
  'the scheme ip is enough': { 'enforce.auth.enabled': 'true', 'enforce.auth.schemes': 'x,ip' },
}

describe.skipIf(missing !== null)('the same bytes to Apache and to ours', () => {
  for (const [name, settings] of Object.entries(configurations)) {
    if (settings['enforce.auth.schemes'] === 'x,ip') continue
    test(`${name}: the same answers (S-1, S-2, S-5, X-5)`, async () => {
      const flags = serverFlags()
      await using theirs = await start('apache', settings, flags)
      await using own = await start('ours', settings, flags)
      const expected = await answersOf(theirs.port)
      expect(Object.keys(expected).length).toBeGreaterThan(40)
      expect(await answersOf(own.port)).toEqual(expected)
    })
  }

  test.each<[string, Readonly<Record<string, string>>]>([
    ['SASL required without the provider', { sessionRequireClientSASLAuth: 'true' }],
    ['no schemes named', { 'enforce.auth.enabled': 'true' }],
    ['a scheme that is not there', configurations['the scheme ip is enough']!],
  ])('%s: neither starts (S-5)', async (_, settings) => {
    for (const program of [apache(), ours]) {
      const port = await freePort()
      const folder = join(root, `refused-${port}`)
      await using server = ServerProcess.spawn(program, { folder, port, settings })
      expect(await codeInTime(server), `${program.name}: ${server.output}`).toBeGreaterThan(0)
    }
  })

  test('a JAAS file that is not there: neither starts', async () => {
    const flags = '-Djava.security.auth.login.config=/none'
    for (const program of [apache([flags]), { ...ours, env: { SERVER_JVMFLAGS: flags } }]) {
      const port = await freePort()
      const folder = join(root, `refused-${port}`)
      await using server = ServerProcess.spawn(program, { folder, port })
      expect(await codeInTime(server), server.output).toBeGreaterThan(0)
    }
  })
})

// clients ----------------------------------------------------------------------------------------------

function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'ok',
    (error: unknown) => (error instanceof ZkError ? error.code : String(error)),
  )
}

function open(server: ServerProcess, password: string): Promise<Client> {
  return connect(server.connectString, { auth: [{ scheme: 'sasl', auth: `bob:${password}` }] })
}

describe.skipIf(missing !== null).each(['apache', 'ours'] as const)('our client on %s', (kind) => {
  let server: ServerProcess
  beforeAll(async () => {
    server = await start(kind, { ...SASL, sessionRequireClientSASLAuth: 'true' }, serverFlags())
  })
  afterAll(() => server.kill())

  test('logs in before its requests', async () => {
    await using zk = await open(server, 'secret')
    expect((await zk.whoAmI()).map(({ scheme, id }) => `${scheme}:${id}`).toSorted()).toEqual([
      'ip:127.0.0.1',
      'sasl:bob',
    ])
    const acl = [{ perms: 31, id: { scheme: 'sasl', id: 'bob' } }]
    await zk.create('/own', 'x', { acl })
    expect((await zk.getAcl('/own')).acl).toEqual(acl)
  })

  test('a wrong password, or none where one is required, ends it', async () => {
    expect(await codeOf(open(server, 'wrong'))).toBe('authFailed')
    await using stranger = await connect(server.connectString)
    expect(await codeOf(stranger.get('/'))).toBe('sessionClosedRequireSaslAuth')
    expect(stranger.state).toBe('auth-failed')
  })

  test('a server without SASL ends it', async () => {
    await using other = await start(kind, {}, [])
    await expect(open(other, 'secret')).rejects.toThrow(/auth-failed/)
  })
})

/** Java prints events by a thread of its own: their place among the lines says nothing. */
interface Ran {
  readonly lines: readonly string[]
  readonly events: readonly string[]
  readonly status: number | null
}

function run(command: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const [program = '', ...words] = command
    const child = spawn(program, words, { env: { ...process.env, ...env } })
    let out = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.on('error', reject)
    child.on('close', (status) => {
      const lines = out.split('\n').filter((line) => !['', 'WATCHER::'].includes(line))
      const isEvent = (line: string) => line.startsWith('WatchedEvent ')
      const events = lines.filter(isEvent)
      resolve({ lines: lines.filter((line) => !isEvent(line)), events, status })
    })
  })
}

/** Apache's own shell, with flags of its JVM. */
function theirCli(flags: readonly string[], words: readonly string[]): Promise<Ran> {
  const [java = '', ...rest] = apacheCli()
  return run([java, ...flags, ...rest, ...words])
}

const OUR_CLI = [process.execPath, join(import.meta.dirname, '../../toolkit/main.ts'), 'cli']

describe.skipIf(missing !== null).each(['apache', 'ours'] as const)('shells on %s', (kind) => {
  test('zkCli and ours log in by the same JAAS file, and print the same', async () => {
    await using server = await start(
      kind,
      { ...SASL, sessionRequireClientSASLAuth: 'true' },
      serverFlags(),
    )
    const words = (...more: string[]) => ['-server', server.connectString, ...more]
    const flags = clientFlags()
    const env = { CLIENT_JVMFLAGS: flags.join(' ') }
    const created = await theirCli(flags, words('create', '/by-java', 'x', 'auth::cdrwa'))
    expect(created.status, created.lines.join('\n')).toBe(0)
    for (const command of [['whoami'], ['getAcl', '/by-java'], ['get', '/by-java']]) {
      const theirs = await theirCli(flags, words(...command))
      expect(theirs.events).toContain(
        'WatchedEvent state:SaslAuthenticated type:None path:null zxid: -1',
      )
      expect(await run([...OUR_CLI, ...words(...command)], env)).toEqual(theirs)
    }
    const wrong = { CLIENT_JVMFLAGS: clientFlags('wrong').join(' ') }
    const refused = await run([...OUR_CLI, ...words('get', '/by-java')], wrong)
    expect(refused.events).toContain('WatchedEvent state:AuthFailed type:None path:null zxid: -1')
    expect(refused.status).toBe(1)
  })
})
