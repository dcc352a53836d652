/**
 * What a server measures beyond plain counts: ZooKeeper's summaries under their published names, and
 * the counts of the edge.
 *
 * Source: ServerMetrics.java, 3.9.5 (client-protocol 10.6).
 */
import { Summary, SummarySet } from './summary.ts'

/** What the edge counts: bytes, connections and what became of them. */
export class EdgeCounts {
  bytesReceived = 0
  bytesSent = 0
  connectionsRejected = 0
  /** Lost without a closeSession. */
  connectionsDropped = 0
  /** Closed because nothing was heard on them for too long. */
  connectionsIdle = 0
  requestsPaused = 0
  largeRequestsRejected = 0
  throttledOps = 0
  staleRequestsDropped = 0
  /** TLS handshakes that came to nothing, and those that were one too many. */
  handshakesFailed = 0
  handshakesExceeded = 0
  /** Connections without TLS, of a server that has it: from other hosts and from this one. */
  plainFromOthers = 0
  plainFromHere = 0
  /** Ours: how often a client was refused something, or cut off, for a limit on what it may hold. */
  readonly limited = new Map<string, number>()

  noteLimited(limit: string): void {
    this.limited.set(limit, (this.limited.get(limit) ?? 0) + 1)
  }
  snapshotsFailed = 0
  snapshotsLimited = 0
  restoresFailed = 0
  /** Writes of the log that took longer than `fsync.warningthresholdms`. */
  syncsSlow = 0
  restoresLimited = 0
}

const basicNames = [
  'commit_commit_proc_req_queued',
  'commit_process_time',
  'concurrent_request_processing_in_commit_processor',
  'connection_token_deficit',
  'dbinittime',
  'election_time',
  'follower_sync_time',
  'fsynctime',
  'inflight_diff_count',
  'inflight_snap_count',
  'leader_unavailable_time',
  'learner_request_processor_queue_size',
  'netty_queued_buffer_capacity',
  'node_changed_watch_count',
  'node_children_watch_count',
  'node_created_watch_count',
  'node_deleted_watch_count',
  'observer_sync_time',
  'pending_session_queue_size',
  'prep_process_time',
  'prep_processor_queue_size',
  'proposal_process_time',
  'read_commit_proc_issued',
  'read_commit_proc_req_queued',
  'reads_after_write_in_session_queue',
  'reads_issued_from_session_queue',
  'requests_in_session_queue',
  'restore_time',
  'session_queues_drained',
  'snapshottime',
  'socket_closing_time',
  'startup_snap_load_time',
  'startup_txns_load_time',
  'startup_txns_loaded',
  'sync_process_time',
  'sync_processor_batch_size',
  'sync_processor_queue_size',
  'time_waiting_empty_pool_in_commit_processor_read_ms',
  'unavailable_time',
  'write_batch_time_in_commit_processor',
  'write_commit_proc_issued',
  'write_commit_proc_req_queued',
] as const

const advancedNames = [
  'close_session_prep_time',
  'commit_propagation_latency',
  'dead_watchers_cleaner_latency',
  'jvm_pause_time_ms',
  'local_write_committed_time_ms',
  'om_commit_process_time_ms',
  'om_proposal_process_time_ms',
  'prep_processor_queue_time_ms',
  'propagation_latency',
  'proposal_ack_creation_latency',
  'proposal_latency',
  'quorum_ack_latency',
  'read_commitproc_time_ms',
  'read_final_proc_time_ms',
  'readlatency',
  'request_throttle_queue_time_ms',
  'server_write_committed_time_ms',
  'sync_processor_queue_and_flush_time_ms',
  'sync_processor_queue_flush_time_ms',
  'sync_processor_queue_time_ms',
  'updatelatency',
  'write_commitproc_time_ms',
  'write_final_proc_time_ms',
] as const

const setNames = ['read_per_namespace', 'write_per_namespace'] as const

type Summaries<Name extends string, Kind> = { readonly [K in Name]: Kind }

export class ServerMetrics {
  readonly basic = byName(basicNames, () => new Summary())
  readonly advanced = byName(advancedNames, () => new Summary())
  readonly sets = byName(setNames, () => new SummarySet())
  readonly #watchers = [
    null,
    this.basic.node_created_watch_count,
    this.basic.node_deleted_watch_count,
    this.basic.node_changed_watch_count,
    this.basic.node_children_watch_count,
  ]

  /** How many watchers an event of this type went to. */
  watchersOf(eventType: number): Summary | null {
    return this.#watchers[eventType] ?? null
  }
}

function byName<Name extends string, Kind>(
  names: readonly Name[],
  make: () => Kind,
): Summaries<Name, Kind> {
  // Object.fromEntries forgets the names in the type.
  return Object.fromEntries(names.map((name) => [name, make()])) as Summaries<Name, Kind>
}
