/**
 * What administration may see of a running server: numbers and names. All it may change are the
 * statistics themselves.
 */
import type { ClientLink } from '../pipeline/client-link.ts'
import type { PipelineCounts } from '../pipeline/pipeline-counts.ts'
import type { ZxidDigest } from '../pipeline/digest-log.ts'
import type { ServerSettings } from '../server/server-settings.ts'
import type { Host } from '../sys/host.ts'
import type { Tree } from '../tree/tree.ts'
import type { Watches } from '../tree/watches.ts'
import type { EdgeCounts, ServerMetrics } from './server-metrics.ts'
import type { Traffic } from './traffic.ts'

export type ServerMode = 'standalone' | 'leader' | 'follower' | 'observer' | 'read-only'

/** Where a connection came in: each port is listed by itself. */
export type ClientPort = 'plain' | 'secure'

export interface ServerView {
  readonly version: string
  /** null while no requests are served. */
  readonly mode: ServerMode | null
  readonly settings: ServerSettings
  /** -1: there is none. */
  readonly clientPort: number
  readonly secureClientPort: number
  readonly lastZxid: bigint
  readonly nodeCount: number
  readonly ephemeralCount: number
  readonly approximateDataBytes: number
  readonly sessionCount: number
  readonly connectionCount: number
  /** TLS handshakes under way. */
  readonly handshakes: number
  readonly outstanding: number
  readonly uptimeMs: number
  /** Of the monotonic clock. */
  readonly nowMs: number
  readonly wallMs: number
  readonly watches: WatchesView
  readonly traffic: Traffic
  readonly counts: PipelineCounts
  readonly edgeCounts: EdgeCounts
  readonly metrics: ServerMetrics
  readonly host: Host | null
  /** The part of connect requests that is refused at random. */
  readonly connectionDropRatio: number
  /** Writes refused for a quota, by top-level node. */
  readonly quotaRefusals: ReadonlyMap<string, number>
  readonly digests: readonly ZxidDigest[]
  readonly lastSnapshot: SnapshotInfo | null
  /** Of `ZooTrace`: nothing is traced by it here, but it can be set and read. */
  traceMask: bigint

  /** @param port of this one alone; all when absent. Handshakes under way are not among them. */
  links(port?: ClientPort): Iterable<ClientLink>
  /** Sessions by when they end, if nothing is heard of them. */
  sessionBuckets(): Iterable<Bucket<bigint>>
  /** Connections by when they are closed, if nothing is heard on them. */
  connectionBuckets(port?: ClientPort): Iterable<Bucket<ClientLink>>
  /** Sessions that own ephemerals, and the paths of each. */
  ephemerals(): Iterable<readonly [sessionId: bigint, paths: Iterable<string>]>
  ephemeralOwnerCount(): number
  /** Limits and usage of every quota. */
  quotaNodes(): ReturnType<Tree['quotaNodes']>
  directorySizes(): Promise<{ readonly data: number; readonly log: number }>
  /** May the bearer of these credentials have all of the data? null: they are not accepted. */
  mayReadAll(scheme: string, auth: string, address: string): boolean | null
  takeSnapshot(): Promise<StoredSnapshot>
  /** Goes back to a snapshot: all sessions end. @throws Error: the state is the one before */
  restore(body: AsyncIterable<Buffer>): Promise<RestoredState>
  resetTraffic(): void
  resetConnections(port?: ClientPort): void
}

export type WatchesView = Pick<
  Watches<ClientLink>,
  | 'count'
  | 'dataCount'
  | 'dataPathCount'
  | 'dataWatcherCount'
  | 'dataWatchesByPath'
  | 'dataWatchesByWatcher'
>

export interface Bucket<Item> {
  /** When its time comes, on the wall clock and as Apache's JSON has it. */
  readonly wallMs: number
  readonly atMs: number
  readonly items: readonly Item[]
}

export interface SnapshotInfo {
  readonly zxid: bigint
  /** Of the wall clock; null when it is not known. */
  readonly takenMs: number | null
}

export interface RestoredState {
  readonly zxid: bigint
}

/** A snapshot that is complete and durable. */
export interface StoredSnapshot extends SnapshotInfo {
  readonly sizeBytes: number
  /** Its bytes, in pieces. @throws the system's error when it cannot be read any more */
  read(): AsyncIterable<Buffer>
}
