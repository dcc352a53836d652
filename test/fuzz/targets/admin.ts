/** X-10: requests to the admin server with lines, headers and bodies changed, over real sockets. */
import { connect as connectSocket } from 'node:net'
import { AdminWorld } from '../../support/admin-world.ts'
import { mutateBytes, mutateText } from '../mutate.ts'
import { must, randomOf, shown, type Target } from '../target.ts'

const INPUTS = 40
/** What has not been answered by then stays open: more than the server's own limits. */
const PATIENCE_MS = 15_000
/** A client that hears nothing for so long says that it has sent all. */
const QUIET_MS = 60
const SUPER = 'super:xQJmxLMiHGwaqBvst5y6rkB6HQs='
const RIGHT = 'digest super:admin'
const ADMIN = {
  address: '127.0.0.1',
  port: 0,
  commandUrl: '/commands',
  idleTimeoutMs: 2000,
  snapshotEnabled: true,
  snapshotIntervalMs: 0,
  restoreEnabled: true,
  restoreIntervalMs: 0,
}
const NAMES = [
  'configuration', 'cons', 'connection_stat_reset', 'dirs', 'dump', 'environment', 'get_trace_mask', 'hash',
  'initial_configuration', 'is_read_only', 'last_snapshot', 'leader', 'monitor', 'observers', 'ruok', 'stmk',
  'set_trace_mask', 'server_stats', 'stats', 'stat_reset', 'system_properties', 'voting_view', 'watches',
  'watches_by_path', 'watch_summary', 'zabstate', 'snapshot', 'restore', 'rest', 'nothing', '', '..', '%2e%2e',
] // prettier-ignore
const QUERIES = [
  '',
  '?',
  '?traceMask=1',
  '?traceMask=x',
  '?a=1&a=2',
  '?streaming=true',
  '?%00=%ff',
  '?=&&=',
]
const HEADERS = [
  'Host: 127.0.0.1',
  'Host: evil.example',
  'Host: localhost:1\r\nHost: evil.example',
  'X-Forwarded-For: 127.0.0.1',
  'X-Forwarded-Host: localhost',
  'Authorization: digest super:wrong',
  'Authorization: digest',
  'Authorization: ip 127.0.0.1',
  'Authorization:  ',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: chunked, identity',
  'Content-Length: 5',
  'Content-Length: -1',
  'Content-Length: 99999999999',
  'Expect: 100-continue',
  'Connection: Upgrade\r\nUpgrade: websocket',
  `X-Long: ${'x'.repeat(20_000)}`,
]

export const admin: Target = {
  name: 'admin',
  about: 'requests to the admin server: an answer without a stack, or the end; nothing changes',
  seeds: 1,
  async run(seed) {
    const random = randomOf(seed)
    await using world = await AdminWorld.start({ admin: ADMIN, superDigest: SUPER })
    const port = world.server.adminPort!
    const { tree } = world.server
    await world.first.create('/bystander', '0')
    const whole = `GET /commands/snapshot?streaming=true HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: ${RIGHT}\r\n\r\n`
    const snapshot = await send(port, Buffer.from(whole), PATIENCE_MS)
    const packed = snapshot.subarray(snapshot.indexOf('ZKSN'))
    must(packed.length > 100, 'a snapshot to change')
    for (let at = 0; at < INPUTS; at++) {
      const bytes = random.below(6) === 0 ? restoreOf(random, packed) : requestOf(random)
      let events = 0
      const watch = (): void => void events++
      const { data } = await world.second.get('/bystander', { watch })
      must(data?.toString() === String(at), () => `the bystander reads ${data?.toString()}`)
      const before = { digest: tree.treeDigest, zxid: tree.lastZxid, count: tree.nodeCount }
      const answer = (await send(port, bytes)).toString('latin1')
      const say = (what: string) => (): string =>
        `${what}: ${answer.slice(0, 300)} to ${shown(bytes)}`
      must(answer === '' || /^HTTP\/1\.1 \d{3} /.test(answer), say('no answer of HTTP'))
      must(!/\n +at .*:\d+:\d+\)?\n/.test(answer), say('a stack'))
      must(!answer.includes(SUPER), say('a secret'))
      const after = world.server.tree
      const isSame =
        after.treeDigest === before.digest &&
        after.lastZxid === before.zxid &&
        after.nodeCount === before.count
      must(isSame, say('the tree has changed'))
      await world.first.set('/bystander', String(at + 1))
      await world.second.sync('/')
      must(events === 1, say("the bystander's watch did not fire"))
    }
    return INPUTS
  },
}

type Random = ReturnType<typeof randomOf>

function requestOf(random: Random): Buffer {
  const method = random.pick([
    'GET',
    'GET',
    'GET',
    'HEAD',
    'POST',
    'PUT',
    'TRACE',
    'CONNECT',
    'get',
    '',
  ])
  const path = `/commands/${random.pick(NAMES)}${random.pick(QUERIES)}`
  const lines = [`${method} ${random.below(8) === 0 ? `http://evil${path}` : path} HTTP/1.1`]
  if (random.below(4) !== 0) lines.push('Host: 127.0.0.1')
  for (let left = random.below(3); left > 0; left--) lines.push(random.pick(HEADERS))
  const body = random.pick([
    '',
    '5\r\nhello\r\n0\r\n\r\n',
    'ffffffffffffffff\r\nx',
    'hello',
    '{"a":1}',
  ])
  const text = `${lines.join('\r\n')}\r\n\r\n${body}`
  const kind = random.below(5)
  if (kind < 2) return Buffer.from(text)
  if (kind === 2) return Buffer.from(mutateBytes(random, Buffer.from(text)))
  if (kind === 3) return Buffer.from(`${text}${text}`)
  return Buffer.from(mutateText(random, text), 'utf8')
}

/** With the right credentials, and a body that is no snapshot any more. */
function restoreOf(random: Random, snapshot: Buffer): Buffer {
  let body = mutateBytes(random, snapshot)
  if (body.equals(snapshot)) body = snapshot.subarray(0, snapshot.length - 1)
  const length = random.below(4) === 0 ? body.length + random.below(99) : body.length
  const head = `POST /commands/restore HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: ${RIGHT}\r\nContent-Type: application/octet-stream\r\nContent-Length: ${length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), body])
}

/** Sends all of it, and says that this was all once nothing comes any more; collects what came. */
function send(port: number, bytes: Buffer, quietMs = QUIET_MS): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connectSocket({ port, host: '127.0.0.1', allowHalfOpen: true }, () => {
      socket.write(bytes)
    })
    // An answer that is under way when its client ends is not sent: so that comes later.
    const isQuiet = (): void => void socket.end()
    let quiet = setTimeout(isQuiet, quietMs)
    socket.setTimeout(PATIENCE_MS, () => {
      reject(new Error(`the admin server does not end: ${shown(bytes)}`))
      socket.destroy()
    })
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      clearTimeout(quiet)
      quiet = setTimeout(isQuiet, quietMs)
    })
    socket.on('end', () => socket.end())
    // A refused request may end with a reset.
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(quiet)
      resolve(Buffer.concat(chunks))
    })
  })
}
