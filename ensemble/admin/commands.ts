/**
 * The commands of the HTTP admin server: names, aliases, and the fields each answers with, in the
 * spelling and order that tools of Apache's server know.
 *
 * Invariant: the work for an answer is bounded, whatever the server holds (B-76): a list above
 * `LISTED_MAX` entries is cut, and `error` says so.
 * Source: server/admin/Commands.java, 3.9.5 (client-protocol 10.3); golden/admin.
 */
import type { ClientLink } from '../pipeline/client-link.ts'
import { environment } from './environment.ts'
import { Decimal, JsonObject, type JsonValue } from './json-text.ts'
import { interestOps, LISTED_MAX, wallOf } from './listings.ts'
import { authFailures, monitorRows } from './metric-values.ts'
import { redactedConfiguration, systemProperties } from './redaction.ts'
import type { ServerView } from './server-view.ts'

export type Query = Readonly<Record<string, string>>
type Field = readonly [key: string, value: JsonValue]

export interface Command {
  readonly name: string
  readonly aliases: readonly string[]
  /** Answers also while no requests are served. */
  readonly always?: true
  readonly run: (server: ServerView, query: Query) => readonly Field[] | Promise<readonly Field[]>
}

/** What a command refuses with: its `error`, under status 200 as Apache has it. */
export class CommandRefusal extends Error {
  override readonly name = 'CommandRefusal'
}

export const NOT_SERVING = 'This ZooKeeper instance is not currently serving requests'

/** Those that answer with JSON alone; snapshot and restore have statuses of their own. */
export const commands: readonly Command[] = [
  command('configuration', ['conf', 'config'], configuration),
  command('connection_stat_reset', ['crst'], (server) => {
    server.resetConnections()
    return []
  }),
  command('connections', ['cons'], (server) => {
    const links = listed(server.links('plain'))
    const secure = listed(server.links('secure'))
    return [
      ['connections', links.items.map((link) => connectionFields(link, server))],
      ['secure_connections', secure.items.map((link) => connectionFields(link, server))],
      ...(links.cut.length > 0 ? links.cut : secure.cut),
    ]
  }),
  command('dirs', [], async (server) => {
    const sizes = await server.directorySizes()
    return [
      ['datadir_size', sizes.data],
      ['logdir_size', sizes.log],
    ]
  }),
  command('dump', [], dump),
  command('environment', ['env', 'envi'], environment, { always: true }),
  command('get_trace_mask', ['gtmk'], ({ traceMask }) => [['tracemask', traceMask]], {
    always: true,
  }),
  command('hash', [], ({ digests }) => [
    [
      'digests',
      digests.map(
        ({ zxid, digest }) =>
          new JsonObject([
            ['zxid', zxid],
            ['digest', digest],
            ['digest_version', 2],
          ]),
      ),
    ],
  ]),
  command('initial_configuration', ['icfg'], ({ settings }) => [
    ['initial_configuration', redactedConfiguration(settings.initialConfiguration)],
  ]),
  command('is_read_only', ['isro'], ({ mode }) => [['read_only', mode === 'read-only']]),
  command('last_snapshot', ['lsnp'], ({ lastSnapshot }) => {
    const { zxid = -1n, takenMs = null } = lastSnapshot ?? {}
    return [
      ['zxid', BigInt.asUintN(64, zxid).toString(16)],
      ['timestamp', takenMs === null ? -1 : Math.floor(takenMs / 1000)],
    ]
  }),
  command('leader', ['lead'], () => {
    throw new CommandRefusal('server is not initialized')
  }),
  command('monitor', ['mntr'], monitorRows, { always: true }),
  command('observer_connection_stat_reset', ['orst'], () => []),
  command('observers', ['obsr'], () => [
    ['synced_observers', 0],
    ['observers', []],
  ]),
  command('ruok', [], () => []),
  command('server_stats', ['srvr'], serverStats),
  command('set_trace_mask', ['stmk'], setTraceMask, { always: true }),
  command('stat_reset', ['srst'], (server) => {
    server.resetTraffic()
    return []
  }),
  command('stats', ['stat'], async (server) => {
    const links = listed(server.links('plain'))
    const secure = listed(server.links('secure'))
    return [
      ...(await serverStats(server)),
      ['connections', links.items.map((link) => new JsonObject(briefFields(link)))],
      ['secure_connections', secure.items.map((link) => new JsonObject(briefFields(link)))],
      ...(links.cut.length > 0 ? links.cut : secure.cut),
    ]
  }),
  command('system_properties', ['sysp'], (server) => systemProperties(server), { always: true }),
  command('voting_view', [], () => [['current_config', new JsonObject([])]]),
  command('watch_summary', ['wchs'], ({ watches }) => [
    ['num_connections', watches.dataWatcherCount],
    ['num_paths', watches.dataPathCount],
    ['num_total_watches', watches.dataCount],
  ]),
  command('watches', ['wchc'], ({ watches }) => {
    const watchers = listed(watches.dataWatchesByWatcher(), ([, paths]) => paths.length)
    const paths = watchers.items.map(
      ([link, own]) => [String(link.session?.id ?? 0n), own] as const,
    )
    return [['session_id_to_watched_paths', new JsonObject(paths)], ...watchers.cut]
  }),
  command('watches_by_path', ['wchp'], ({ watches }) => {
    const paths = listed(watches.dataWatchesByPath(), ([, links]) => links.length)
    const ids = paths.items.map(
      ([path, links]) => [path, links.map((link) => link.session?.id ?? 0n)] as const,
    )
    return [['path_to_session_ids', new JsonObject(ids)], ...paths.cut]
  }),
  command(
    'zabstate',
    [],
    () => [
      ['voting', false],
      ['zabstate', ''],
    ],
    { always: true },
  ),
]

function command(
  name: string,
  aliases: readonly string[],
  run: Command['run'],
  options: { always?: true } = {},
): Command {
  return { name, aliases, run, ...options }
}

function configuration({ settings, clientPort }: ServerView): Field[] {
  return [
    ['client_port', clientPort],
    ['data_dir', `${settings.dataDir}/version-2`],
    ['data_log_dir', `${settings.dataLogDir}/version-2`],
    ['tick_time', settings.tickTimeMs],
    ['max_client_cnxns', settings.maxClientCnxns],
    ['min_session_timeout', settings.minSessionTimeoutMs],
    ['max_session_timeout', settings.maxSessionTimeoutMs],
    ['server_id', 0],
    ['client_port_listen_backlog', settings.clientPortListenBacklog],
  ]
}

function briefFields(link: ClientLink): Field[] {
  return [
    ['remote_socket_address', `${link.remoteAddress}:${link.remotePort}`],
    ['interest_ops', interestOps(link)],
    ['outstanding_requests', link.outstanding],
    ['packets_received', link.received],
    ['packets_sent', link.sent],
  ]
}

function connectionFields(link: ClientLink, server: ServerView): JsonObject {
  const { traffic, session, latency } = link
  return new JsonObject([
    ...briefFields(link),
    ['session_id', session?.id ?? 0n],
    ['last_operation', traffic.lastOp],
    ['established', wallOf(link.establishedMs, server)],
    ['session_timeout', session?.timeoutMs ?? 0],
    ['last_cxid', traffic.lastCxid],
    ['last_zxid', traffic.lastZxid],
    ['last_response_time', Math.floor(traffic.lastResponseMs)],
    ['last_latency', latency.last],
    ['min_latency', link.latencyMin],
    ['avg_latency', link.latencyAverage],
    ['max_latency', latency.max],
  ])
}

function dump(server: ServerView): Field[] {
  const expiry = listed(server.sessionBuckets(), ({ items }) => items.length)
  const owners = listed(
    Array.from(server.ephemerals(), ([id, paths]) => [String(id), [...paths]] as const),
    ([, paths]) => paths.length,
  )
  return [
    [
      'expiry_time_to_session_ids',
      new JsonObject(expiry.items.map(({ atMs, items }) => [String(atMs), items])),
    ],
    ['session_id_to_ephemeral_paths', new JsonObject(owners.items)],
    ...(expiry.cut.length > 0 ? expiry.cut : owners.cut),
  ]
}

async function serverStats(server: ServerView): Promise<Field[]> {
  const { traffic } = server
  const { last, min, max } = traffic.responses
  const sizes = await server.directorySizes()
  const buffers = new JsonObject([
    ['last_buffer_size', last],
    ['min_buffer_size', min],
    ['max_buffer_size', max],
  ])
  return [
    ['version', server.version],
    ['read_only', server.mode === 'read-only'],
    [
      'server_stats',
      new JsonObject([
        ['packets_sent', traffic.sent],
        ['packets_received', traffic.received],
        ['fsync_threshold_exceed_count', server.edgeCounts.syncsSlow],
        ['client_response_stats', buffers],
        ['data_dir_size', sizes.data],
        ['log_dir_size', sizes.log],
        ['provider_null', false],
        ['server_state', server.mode],
        ['last_processed_zxid', server.lastZxid],
        ['outstanding_requests', server.outstanding],
        ['avg_latency', new Decimal(traffic.latencyAverage)],
        ['max_latency', traffic.latencyMax],
        ['min_latency', traffic.latencyMinShown],
        ['num_alive_client_connections', server.connectionCount],
        ['auth_failed_count', authFailures(server)],
        ['non_mtlsremote_conn_count', server.edgeCounts.plainFromOthers],
        ['non_mtlslocal_conn_count', server.edgeCounts.plainFromHere],
        ['uptime', Math.floor(server.uptimeMs)],
      ]),
    ],
    ['client_response', buffers],
    ['node_count', server.nodeCount],
  ]
}

function setTraceMask(server: ServerView, query: Query): Field[] {
  const { traceMask } = query
  if (traceMask === undefined || !/^-?\d{1,19}$/.test(traceMask)) {
    throw new CommandRefusal('setTraceMask requires long traceMask argument')
  }
  server.traceMask = BigInt.asIntN(64, BigInt(traceMask))
  return [['tracemask', server.traceMask]]
}

/** At most `LISTED_MAX` entries of a list, each with so many of its own, and whether some are left. */
function listed<Item>(
  list: Iterable<Item>,
  sizeOf: (item: Item) => number = () => 0,
): { items: Item[]; cut: Field[] } {
  const items: Item[] = []
  let size = 0
  for (const item of list) {
    size += 1 + sizeOf(item)
    if (size > LISTED_MAX) {
      return { items, cut: [['error', `more than ${LISTED_MAX} entries, the rest is not shown`]] }
    }
    items.push(item)
  }
  return { items, cut: [] }
}
