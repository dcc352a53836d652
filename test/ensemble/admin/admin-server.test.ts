/** The HTTP admin server of a standalone server, held to the recordings of Apache's (golden/admin). */
import { request } from 'node:http'
import { connect as connectSocket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { goldenText } from '../../support/golden.ts'
import { AdminWorld, shape } from '../../support/admin-world.ts'

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

const ADMIN = {
  address: '127.0.0.1',
  port: 0,
  commandUrl: '/commands',
  idleTimeoutMs: 30_000,
  snapshotEnabled: true,
  snapshotIntervalMs: 0,
  restoreEnabled: true,
  restoreIntervalMs: 0,
}
/** `super:admin`, whose digest this is. */
const SUPER = 'super:xQJmxLMiHGwaqBvst5y6rkB6HQs='
const CONFIGURATION = 'tickTime=2000\nssl.keyStore.password=canary\n'

let world: AdminWorld
beforeAll(async () => {
  world = await AdminWorld.start({
    admin: ADMIN,
    superDigest: SUPER,
    initialConfiguration: CONFIGURATION,
    systemProperties: [
      ['zookeeper.extendedTypesEnabled', 'true'],
      ['zookeeper.DigestAuthenticationProvider.superDigest', SUPER],
      ['zookeeper.ssl.keyStore.password', 'canary'],
    ],
  })
})
afterAll(() => world[Symbol.asyncDispose]())

describe('commands', () => {
  test.each([
    'connection_stat_reset',
    'connections',
    'dirs',
    'environment',
    'get_trace_mask',
    'is_read_only',
    'leader',
    'observer_connection_stat_reset',
    'observers',
    'ruok',
    'server_stats',
    'stat_reset',
    'stats',
    'voting_view',
    'watch_summary',
    'zabstate',
  ])('%s answers as recorded', async (name) => {
    await world.askSomething()
    const recorded = recording(`${name}-standalone`)
    const answer = await get(`/commands/${name}`)
    expect(answer.status).toBe(recorded.status)
    expect(answer.headers['content-type']).toBe(recorded.contentType)
    expect(form(answer.body)).toBe(form(recorded.body))
  })

  test('configuration answers as recorded', async () => {
    const recorded = recording('configuration-standalone')
    const paths = (body: string): string => form(body).replace(/"\/[^"]*"/g, 'PATH')
    expect(paths((await get('/commands/configuration')).body)).toBe(paths(recorded.body))
  })

  test('dump lists sessions by when they end, and ephemerals by session', async () => {
    const { body } = await get('/commands/dump')
    const parsed = JSON.parse(body.replace(/\d{16,}/g, '"$&"').replaceAll('""', '"')) as {
      expiry_time_to_session_ids: Record<string, string[]>
      session_id_to_ephemeral_paths: Record<string, string[]>
    }
    const ids = [world.first.sessionId, world.second.sessionId].map(String).sort()
    expect(Object.values(parsed.expiry_time_to_session_ids).flat().sort()).toEqual(ids)
    expect(Object.keys(parsed.session_id_to_ephemeral_paths).sort()).toEqual(ids)
    expect(body).toMatch(/\{\n {2}"expiry_time_to_session_ids" : \{\n {4}"\d+" : \[ \d+/)
    expect(body).toMatch(/" : \[ "\/app\/eph-\d+" \]/)
  })

  test.each(['watches', 'watches_by_path'])('%s shows ids as whole numbers', async (name) => {
    const recorded = recording(`${name}-standalone`)
    const { body } = await get(`/commands/${name}`)
    const lines = (text: string): string[] =>
      [
        ...new Set(
          form(text)
            .replace(/\[ [^\]]* \]/g, 'LIST')
            .replace(/,$/gm, '')
            .split('\n'),
        ),
      ].sort()
    expect(lines(body)).toEqual(lines(recorded.body))
    expect(body).toContain(String(world.first.sessionId))
  })

  test('monitor has every name recorded, and the numbers of mntr', async () => {
    const names = (body: string): string[] =>
      body
        .split('\n')
        .map((line) => /^ {2}"([^"]+)" : /.exec(line)?.[1] ?? '')
        .filter((name) => name !== '' && !name.endsWith('_per_namespace'))
    const ours = names((await get('/commands/monitor')).body)
    expect(ours).toEqual(expect.arrayContaining(names(recording('monitor-standalone').body)))
    const mntr = (await world.send('mntr')).match(/^zk_\S+(?=\t)/gm)!.map((name) => name.slice(3))
    expect(ours.slice(0, -2)).toEqual(mntr.filter((name) => !name.endsWith('_per_namespace')))
  })

  test('the aliases answer with the name of the command', async () => {
    expect((await get('/commands/mntr')).body).toContain('"command" : "monitor"')
    expect((await get('/commands/srvr')).body).toContain('"command" : "server_stats"')
  })

  test('set_trace_mask takes its argument, and says what is missing as recorded', async () => {
    expect((await get('/commands/set_trace_mask')).body).toBe(
      recording('set_trace_mask-missing-arg').body,
    )
    expect((await get('/commands/stmk?traceMask=306')).body).toBe(
      recording('set_trace_mask-standalone').body,
    )
  })

  test('last_snapshot and hash have the fields recorded', async () => {
    const keys = (body: string): string[] => Object.keys(JSON.parse(body) as object)
    for (const name of ['last_snapshot', 'hash', 'initial_configuration']) {
      const { body } = await get(`/commands/${name}`)
      expect(keys(body)).toEqual(keys(recording(`${name}-standalone`).body))
    }
    expect((await get('/commands/icfg')).body).toContain(
      JSON.stringify('tickTime=2000\nssl.keyStore.password=[redacted]\n'),
    )
  })

  test('an unknown command is named, under status 200 as recorded', async () => {
    const answer = await get('/commands/nosuch')
    expect(answer.status).toBe(200)
    expect(answer.body).toBe(recording('unknown-command').body)
  })

  test('the index lists every command, with those of 3.9', async () => {
    const links = (body: string): string[] => body.match(/<a .*<\/a>/g) ?? []
    const { body } = await get('/commands')
    const since39 = ['restore', 'snapshot'].map((name) => `<a href="/commands/${name}">${name}</a>`)
    expect(links(body)).toEqual([...links(recording('index-standalone').body), ...since39].sort())
    expect(body.startsWith(recording('index-standalone').body.slice(0, 60))).toBe(true)
    expect((await get('/commands/')).body).toBe(body)
    expect(recording('index-slash').body).toBe(recording('index-standalone').body)
  })

  test('system_properties are sorted, and every one of ours is one of Apache’s by name', async () => {
    const names = (body: string): string[] => Object.keys(JSON.parse(body) as object)
    const ours = names((await get('/commands/system_properties')).body).slice(0, -2)
    expect(ours).toEqual([...ours].sort())
    const theirs = names(recording('system_properties-standalone').body)
    expect(ours.filter((name) => theirs.includes(name))).toContain('zookeeper.extendedTypesEnabled')
  })

  test('what is no command is refused under the statuses recorded', async () => {
    expect((await get('/')).status).toBe(recording('root').status)
    expect((await get('/commands/ruok', { method: 'POST' })).status).toBe(
      recording('post-ruok').status,
    )
  })

  test('HEAD answers without a body', async () => {
    const recorded = recording('head-ruok')
    const answer = await get('/commands/ruok', { method: 'HEAD' })
    expect(answer).toMatchObject({ status: recorded.status, body: '' })
    const length = /^Content-Length: (\d+)/m.exec(goldenText('admin/admin-head-ruok.txt'))?.[1]
    expect(answer.headers['content-length']).toBe(length)
    expect(answer.headers['content-type']).toBe(recorded.contentType)
  })

  test('secrets are not shown (S-16)', async () => {
    const { body } = await get('/commands/system_properties')
    expect(body).toContain('"zookeeper.extendedTypesEnabled" : "true"')
    expect(body).toContain('"zookeeper.ssl.keyStore.password" : "[redacted]"')
    expect(body).not.toMatch(/canary|xQJm/)
  })
})

describe('snapshot', () => {
  const authorization = 'digest super:admin'

  test.each([
    ['without credentials', {}, 401, 'Auth info is missing for the command'],
    ['with a scheme that nobody has', { authorization: 'kerberos x' }, 401, 'Not authenticated'],
    ['with one word too many', { authorization: 'digest a b' }, 401, 'Not authenticated'],
  ])('%s: refused', async (_name, headers, status, error) => {
    const answer = await get('/commands/snapshot', { headers })
    expect(answer.status).toBe(status)
    expect(answer.body).toBe(`{\n  "command" : "snapshot",\n  "error" : "${error}"\n}`)
  })

  test('one who may not do everything on / is refused', async () => {
    await world.first.addAuth('digest', 'owner:secret')
    const { acl } = await import('../../../ensemble/client/index.ts')
    const before = await world.first.getAcl('/')
    await world.first.setAcl('/', acl.creatorAll, before.stat.aversion)
    const answer = await get('/commands/snapshot', {
      headers: { authorization: 'digest who:ever' },
    })
    expect(answer.status).toBe(403)
    expect(answer.body).toContain('Not authorized')
    await world.first.setAcl('/', before.acl, -1)
  })

  test('streams the file, with its zxid and size', async () => {
    await world.first.set('/app', Buffer.alloc(300_000, 7))
    const answer = await get('/commands/snapshot', { headers: { authorization } })
    expect(answer.status).toBe(200)
    expect(answer.headers['content-type']).toBe('application/octet-stream')
    expect(answer.headers['last_zxid']).toBe(`0x${world.server.lastZxid.toString(16)}`)
    const bytes = Buffer.from(answer.body, 'latin1')
    expect(answer.headers['snapshot_size']).toBe(String(bytes.length))
    expect(bytes.toString('latin1', 0, 4)).toBe('ZKSN')
    expect(bytes.length).toBeGreaterThan(300_000)
  })

  test('streaming=false leaves it on the server and says which it is', async () => {
    const answer = await get('/commands/snap?streaming=false', { headers: { authorization } })
    expect(answer.body).toBe('{\n  "command" : "snapshot",\n  "error" : null\n}')
    expect(answer.headers['last_zxid']).toMatch(/^0x/)
    const last = JSON.parse((await get('/commands/lsnp')).body) as { zxid: string }
    expect(`0x${last.zxid}`).toBe(answer.headers['last_zxid'])
  })

  test('is limited in its rate, and can be switched off', async () => {
    await using limited = await AdminWorld.start({
      admin: { ...ADMIN, snapshotIntervalMs: 60_000 },
      superDigest: SUPER,
    })
    await using off = await AdminWorld.start({
      admin: { ...ADMIN, snapshotEnabled: false },
      superDigest: SUPER,
    })
    const ask = (other: AdminWorld): Promise<Answer> =>
      get('/commands/snapshot', { headers: { authorization }, port: other.server.adminPort! })
    expect((await ask(limited)).status).toBe(200)
    expect((await ask(limited)).status).toBe(429)
    expect((await ask(off)).status).toBe(503)
    expect(await limited.send('mntr')).toContain('zk_snapshot_rate_limited_count\t1\n')
  })
})

describe('bad input changes nothing and gets a short answer (X-10)', () => {
  test.each([
    ['another path', '/', {}, 404],
    ['a path above the commands', '/commands/../etc/passwd', {}, 404],
    ['a deeper path', '/commands/ruok/more', {}, 404],
    ['POST of a command', '/commands/ruok', { method: 'POST' }, 405],
    ['DELETE of a command', '/commands/ruok', { method: 'DELETE' }, 405],
    ['restore by POST', '/commands/restore', { method: 'POST', body: 'ZKSN' }, 401],
    [
      'restore by POST with a bomb',
      '/commands/restore',
      { method: 'POST', body: 'x'.repeat(1e6) },
      401,
    ],
    ['restore by GET', '/commands/restore', {}, 401],
    [
      'restore by GET with credentials',
      '/commands/restore',
      { headers: { authorization: 'digest a:b' } },
      500,
    ],
    ['a parameter twice', '/commands/stmk?traceMask=1&traceMask=2', {}, 400],
    ['broken escapes', '/commands/%zz', {}, 400],
    ['a forged Host', '/commands/ruok', { headers: { host: 'evil.example:8080' } }, 403],
    ['a header that is too large', '/commands/ruok', { headers: { x: 'x'.repeat(20_000) } }, 431],
  ] as const)('%s', async (_name, path, options, status) => {
    const answer = await get(path, options)
    expect(answer.status).toBe(status)
    expect(answer.body).not.toMatch(/node_modules|\.ts:|Error:/)
    if (status !== 431) expect(() => JSON.parse(answer.body) as unknown).not.toThrow()
    expect(answer.headers['access-control-allow-origin']).toBeUndefined()
  })

  test('TRACE is refused as recorded', async () => {
    const answer = await get('/commands/ruok', { method: 'TRACE' })
    expect(answer).toMatchObject({ status: recording('trace').status, body: '' })
  })

  test('forged addresses do not authenticate', async () => {
    await world.first.addAuth('digest', 'super:admin')
    const headers = { authorization: 'ip', 'x-forwarded-for': '10.0.0.1' }
    await world.first.setAcl('/', [{ perms: 31, id: { scheme: 'ip', id: '10.0.0.1' } }], -1)
    expect((await get('/commands/snapshot', { headers })).status).toBe(403)
    await world.first.setAcl('/', [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }], -1)
  })

  test('addresses named by a proxy count where the operator says so', async () => {
    const address = '10.0.0.1'
    await using own = await AdminWorld.start({ admin: { ...ADMIN, trustsForwardedFor: true } })
    const port = own.server.adminPort!
    await own.first.setAcl('/', [{ perms: 31, id: { scheme: 'ip', id: address } }], -1)
    const ask = async (forwarded: string) => {
      const headers = { authorization: 'ip', 'x-forwarded-for': forwarded }
      return (await get('/commands/snapshot', { port, headers })).status
    }
    expect(await ask(`${address} , 10.0.0.2`)).toBe(200)
    expect(await ask(`10.0.0.2, ${address}`)).toBe(403)
    expect(await ask('')).toBe(403)
  })

  test('bytes that are no HTTP end in 400 or a close', async () => {
    const text = await new Promise<string>((resolve) => {
      let received = ''
      const socket = connectSocket(world.server.adminPort!, '127.0.0.1', () => {
        socket.write(Buffer.from([0, 0, 0, 45, 0, 0, 0, 0]))
      })
      socket.on('data', (chunk) => (received += chunk.toString()))
      socket.on('error', () => {})
      socket.on('close', () => resolve(received))
    })
    expect(text).toMatch(/^(HTTP\/1\.1 400|$)/)
    expect((await get('/commands/ruok')).status).toBe(200)
  })
})

test('a server that has closed leaves no port behind, and one without settings opens none', async () => {
  const closed = await AdminWorld.start({ admin: ADMIN })
  const port = closed.server.adminPort!
  await closed[Symbol.asyncDispose]()
  await expect(get('/commands/ruok', { port })).rejects.toThrow('ECONNREFUSED')
  await using without = await AdminWorld.start()
  expect(without.server.adminPort).toBeNull()
})

test('a port that is taken costs the admin server, not the server', async () => {
  await using other = await AdminWorld.start({ admin: { ...ADMIN, port: world.server.adminPort! } })
  expect(other.server.adminPort).toBeNull()
  expect(await other.send('ruok')).toBe('imok')
})

function get(
  path: string,
  options: {
    method?: string
    headers?: Readonly<Record<string, string>>
    body?: string
    port?: number
  } = {},
): Promise<Answer> {
  const { method = 'GET', headers = {}, body, port = world.server.adminPort! } = options
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port, path, method, headers: { ...headers }, agent: false },
      (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('error', reject)
        incoming.on('end', () =>
          resolve({
            status: incoming.statusCode!,
            headers: incoming.headers,
            body: Buffer.concat(chunks).toString('latin1'),
          }),
        )
      },
    )
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

function recording(name: string): {
  status: number
  contentType: string | undefined
  body: string
} {
  const text = goldenText(`admin/admin-${name}.txt`)
  const [head = '', ...rest] = text.split(/\r?\n\r?\n/)
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]),
    contentType: /^Content-Type: (.*?)\r?$/m.exec(head)?.[1],
    body: rest.join('\n\n'),
  }
}

/** A body without what changes from run to run; connections once, however many there are. */
function form(body: string): string {
  return shape(
    body
      .replace(
        /("(?:version|zookeeper\.version|[a-z]+\.[a-z.]+|last_operation)") : ".*"/g,
        '$1 : TEXT',
      )
      .replace(/ -1\b/g, ' 1'),
  ).replace(/(\{\n {4}"remote_socket_address"[^}]*\})(, \{\n {4}"remote[^}]*\})+/g, '$1')
}
