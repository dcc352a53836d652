/**
 * ZooKeeper's metrics by their published names: where each value comes from, and all of them in the
 * order of `mntr`.
 *
 * Counters are plain numbers that the parts of a server keep for themselves and that are read when
 * somebody asks; summaries are told each value. A name without a meaning here stays, at 0, as on a
 * standalone Apache: dashboards and alerts ask for it.
 * Source: ServerMetrics.java, ZooKeeperServer#registerMetrics, 3.9.5 (client-protocol 10.2, 10.6).
 */
import { Decimal } from './json-text.ts'
import { quotaGaugeSets, type GaugeSet } from './quota-metrics.ts'
import type { ServerView } from './server-view.ts'
import type { Summary } from './summary.ts'

type Read = (server: ServerView) => number

const none: Read = () => 0

/** Refused packets and certificates. */
export function authFailures({ counts, edgeCounts }: ServerView): number {
  return counts.authFailures + edgeCounts.handshakesFailed
}

/** Gauges of every server, in the order in which they are printed. */
export const gauges: Readonly<Record<string, (server: ServerView) => number | Decimal>> = {
  avg_latency: ({ traffic }) => new Decimal(traffic.latencyAverage),
  max_latency: ({ traffic }) => traffic.latencyMax,
  min_latency: ({ traffic }) => traffic.latencyMinShown,
  packets_received: ({ traffic }) => traffic.received,
  packets_sent: ({ traffic }) => traffic.sent,
  num_alive_connections: (server) => server.connectionCount,
  outstanding_requests: (server) => server.outstanding,
  uptime: (server) => Math.floor(server.uptimeMs),
  znode_count: (server) => server.nodeCount,
  watch_count: (server) => server.watches.count,
  ephemerals_count: (server) => server.ephemeralCount,
  approximate_data_size: (server) => server.approximateDataBytes,
  global_sessions: (server) => server.sessionCount,
  local_sessions: none,
  open_file_descriptor_count: ({ host }) => host?.descriptors().open ?? -1,
  max_file_descriptor_count: ({ host }) => host?.descriptors().max ?? -1,
  connection_drop_probability: (server) => new Decimal(server.connectionDropRatio),
  last_client_response_size: ({ traffic }) => traffic.responses.last,
  max_client_response_size: ({ traffic }) => traffic.responses.max,
  min_client_response_size: ({ traffic }) => traffic.responses.min,
  outstanding_tls_handshake: (server) => server.handshakes,
  auth_failed_count: authFailures,
  non_mtls_remote_conn_count: ({ edgeCounts }) => edgeCounts.plainFromOthers,
  non_mtls_local_conn_count: ({ edgeCounts }) => edgeCounts.plainFromHere,
}

export const counters: Readonly<Record<string, Read>> = {
  add_dead_watcher_stall_time: none,
  bytes_received_count: ({ edgeCounts }) => edgeCounts.bytesReceived,
  cnxn_closed_without_zk_server_running: none,
  commit_count: none,
  connection_drop_count: ({ edgeCounts }) => edgeCounts.connectionsDropped,
  connection_rejected: ({ edgeCounts }) => edgeCounts.connectionsRejected,
  connection_request_count: ({ counts }) => counts.connectRequests,
  connection_revalidate_count: ({ counts }) => counts.resumes,
  dead_watchers_cleared: none,
  dead_watchers_queued: none,
  diff_count: none,
  digest_mismatches_count: none,
  ensemble_auth_fail: none,
  ensemble_auth_skip: none,
  ensemble_auth_success: none,
  insecure_admin_count: none,
  large_requests_rejected: ({ edgeCounts }) => edgeCounts.largeRequestsRejected,
  learner_commit_received_count: none,
  learner_proposal_received_count: none,
  looking_count: none,
  outstanding_changes_queued: ({ counts }) => counts.changesQueued,
  outstanding_changes_removed: ({ counts }) => counts.changesApplied,
  prep_processor_request_queued: ({ traffic }) => traffic.receivedTotal,
  proposal_count: none,
  quit_leading_due_to_disloyal_voter: none,
  request_commit_queued: none,
  request_throttle_wait_count: ({ edgeCounts }) => edgeCounts.requestsPaused,
  requests_not_forwarded_to_commit_processor: none,
  response_bytes: ({ edgeCounts }) => edgeCounts.bytesSent,
  response_packet_cache_hits: none,
  response_packet_cache_misses: none,
  response_packet_get_children_cache_hits: none,
  response_packet_get_children_cache_misses: none,
  restore_error_count: ({ edgeCounts }) => edgeCounts.restoresFailed,
  restore_rate_limited_count: ({ edgeCounts }) => edgeCounts.restoresLimited,
  revalidate_count: none,
  sessionless_connections_expired: ({ edgeCounts }) => edgeCounts.connectionsIdle,
  skip_learner_request_to_next_processor_count: none,
  snap_count: none,
  snapshot_error_count: ({ edgeCounts }) => edgeCounts.snapshotsFailed,
  snapshot_rate_limited_count: ({ edgeCounts }) => edgeCounts.snapshotsLimited,
  stale_replies: none,
  stale_requests: none,
  stale_requests_dropped: ({ edgeCounts }) => edgeCounts.staleRequestsDropped,
  stale_sessions_expired: ({ counts }) => counts.sessionsExpired,
  sync_processor_request_queued: ({ traffic }) => traffic.receivedTotal,
  throttled_ops: ({ edgeCounts }) => edgeCounts.throttledOps,
  tls_handshake_exceeded: ({ edgeCounts }) => edgeCounts.handshakesExceeded,
  unrecoverable_error_count: none,
  unsuccessful_handshake: ({ edgeCounts }) => edgeCounts.handshakesFailed,
  watch_bytes: ({ counts }) => counts.eventBytes,
}

/** Gauges by a key, in the order in which they are printed: behind the gauges. */
export const gaugeSets: Readonly<Record<string, GaugeSet>> = quotaGaugeSets

/** Counters by a key: printed behind the counters. */
export const counterSets: Readonly<Record<string, GaugeSet>> = {
  quota_exceeded_error_per_namespace: ({ quotaRefusals }) => quotaRefusals,
  // Ours: by limit, such as `watches_client_limit_count`; Apache has no such limits.
  client_limit_count: ({ edgeCounts }) => edgeCounts.limited,
}

const PERCENTILES = { p50: 0.5, p95: 0.95, p99: 0.99, p999: 0.999 } as const

/** Every name of `mntr` with its value, without `zk_`: those of 10.2, in their order. */
export function monitorRows(
  server: ServerView,
): [name: string, value: string | number | Decimal][] {
  const { metrics } = server
  const rows: [string, string | number | Decimal][] = [
    ['version', server.version],
    ['server_state', server.mode ?? 'null'],
  ]
  const keyed = (sets: Readonly<Record<string, GaugeSet>>): void => {
    for (const [name, read] of Object.entries(sets)) {
      for (const [key, value] of read(server)) rows.push([`${key}_${name}`, value])
    }
  }
  if (server.mode !== null) {
    for (const [name, read] of Object.entries(gauges)) rows.push([name, read(server)])
    keyed(gaugeSets)
  }
  for (const [name, read] of Object.entries(counters)) rows.push([name, read(server)])
  keyed(counterSets)
  const summary = (name: string, values: Summary, isAdvanced: boolean): void => {
    rows.push(
      [`avg_${name}`, new Decimal(values.average)],
      [`min_${name}`, values.min],
      [`max_${name}`, values.max],
      [`cnt_${name}`, values.count],
      [`sum_${name}`, values.sum],
    )
    if (!isAdvanced) return
    for (const [prefix, ratio] of Object.entries(PERCENTILES)) {
      rows.push([`${prefix}_${name}`, values.quantile(ratio)])
    }
  }
  for (const [name, values] of Object.entries(metrics.basic)) summary(name, values, false)
  for (const [name, values] of Object.entries(metrics.advanced)) summary(name, values, true)
  for (const [name, set] of Object.entries(metrics.sets)) {
    for (const [key, values] of set.entries()) summary(`${key}_${name}`, values, false)
  }
  return rows
}
