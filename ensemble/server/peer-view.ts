/** What administration sees of a peer: see `admin/server-view.ts`. */
import type {
  Bucket,
  RestoredState,
  ClientPort,
  ServerMode,
  ServerView,
  SnapshotInfo,
  StoredSnapshot,
} from '../admin/server-view.ts'
import type { EdgeCounts, ServerMetrics } from '../admin/server-metrics.ts'
import type { Traffic } from '../admin/traffic.ts'
import { isAllowed } from '../auth/permissions.ts'
import type { AuthScheme } from '../auth/schemes.ts'
import type { ClientLink } from '../pipeline/client-link.ts'
import type { ZxidDigest } from '../pipeline/digest-log.ts'
import type { Pipeline } from '../pipeline/pipeline.ts'
import type { PipelineCounts } from '../pipeline/pipeline-counts.ts'
import { Perm } from '../protocol/acl.ts'
import type { ExpiryBuckets } from '../session/expiry-buckets.ts'
import type { SessionTable } from '../session/session-table.ts'
import type { WrittenSnapshot } from '../store/snapshot-writer.ts'
import type { Clock } from '../sys/clock.ts'
import type { FileSystem } from '../sys/file-system.ts'
import type { Host } from '../sys/host.ts'
import { join } from '../sys/paths.ts'
import type { Tree } from '../tree/tree.ts'
import type { Watches } from '../tree/watches.ts'
import type { ClientConnection } from './client-connection.ts'
import type { ServerSettings } from './server-settings.ts'

export interface PeerParts {
  readonly settings: ServerSettings
  readonly version: string
  readonly startedMs: number
  readonly traffic: Traffic
  readonly metrics: ServerMetrics
  readonly edgeCounts: EdgeCounts
  readonly tree: Tree
  readonly sessions: SessionTable
  readonly watches: Watches<ClientLink>
  readonly pipeline: Pipeline
  readonly schemes: ReadonlyMap<string, AuthScheme>
  readonly connections: ReadonlySet<ClientConnection>
  readonly idle: ExpiryBuckets<ClientConnection>
  readonly clock: Clock
  readonly files: FileSystem
  readonly quotaRefusals: ReadonlyMap<string, number>
  readonly host: Host | null
  /** What changes while the peer runs. */
  readonly state: {
    mode(): ServerMode | null
    connectionDropRatio(): number
    queuedRequests(): number
    clientPort(): number
    secureClientPort(): number
    handshakes(): number
    sessionMs(): number
    lastSnapshot(): SnapshotInfo | null
    snapshotNow(): Promise<WrittenSnapshot>
    restore(body: AsyncIterable<Buffer>): Promise<RestoredState>
  }
}

/** All that a client can be given on a node. */
const ALL_PERMISSIONS = [Perm.read, Perm.write, Perm.create, Perm.delete, Perm.admin]
const PIECE_BYTES = 256 * 1024

export class PeerView implements ServerView {
  /** ZooTrace's default: client requests, sessions, client pings and warnings. */
  traceMask = 306n
  #parts: PeerParts

  constructor(parts: PeerParts) {
    this.#parts = parts
  }

  /** From now on this is what there is to see. */
  show(parts: PeerParts): void {
    this.#parts = parts
  }

  get version(): string {
    return this.#parts.version
  }

  get settings(): ServerSettings {
    return this.#parts.settings
  }

  get traffic(): Traffic {
    return this.#parts.traffic
  }

  get metrics(): ServerMetrics {
    return this.#parts.metrics
  }

  get edgeCounts(): EdgeCounts {
    return this.#parts.edgeCounts
  }

  get watches(): Watches<ClientLink> {
    return this.#parts.watches
  }

  get host(): Host | null {
    return this.#parts.host
  }

  get counts(): PipelineCounts {
    return this.#parts.pipeline.counts
  }

  get digests(): readonly ZxidDigest[] {
    return this.#parts.pipeline.digests
  }

  get mode(): ServerMode | null {
    return this.#parts.state.mode()
  }

  get clientPort(): number {
    return this.#parts.state.clientPort()
  }

  get secureClientPort(): number {
    return this.#parts.state.secureClientPort()
  }

  get handshakes(): number {
    return this.#parts.state.handshakes()
  }

  get lastSnapshot(): SnapshotInfo | null {
    return this.#parts.state.lastSnapshot()
  }

  get lastZxid(): bigint {
    return this.#parts.tree.lastZxid
  }

  get nodeCount(): number {
    return this.#parts.tree.nodeCount
  }

  get ephemeralCount(): number {
    return this.#parts.tree.ephemeralCount
  }

  get approximateDataBytes(): number {
    return this.#parts.tree.approximateDataSize
  }

  get sessionCount(): number {
    return this.#parts.sessions.size
  }

  get connectionCount(): number {
    return this.#parts.connections.size
  }

  get outstanding(): number {
    return this.#parts.pipeline.inFlightCount + this.#parts.state.queuedRequests()
  }

  get nowMs(): number {
    return this.#parts.clock.monotonicMs()
  }

  get wallMs(): number {
    return this.#parts.clock.wallMs()
  }

  get uptimeMs(): number {
    return this.nowMs - this.#parts.startedMs
  }

  *links(port?: ClientPort): Iterable<ClientLink> {
    for (const { arrival, link } of this.#parts.connections) {
      if (!arrival.isSecuring && (port === undefined || arrival.port === port)) yield link
    }
  }

  *sessionBuckets(): Iterable<Bucket<bigint>> {
    const { sessions, state } = this.#parts
    const offsetMs = this.wallMs - state.sessionMs()
    for (const [atMs, bucket] of sessions.buckets()) {
      yield { atMs, wallMs: atMs + offsetMs, items: Array.from(bucket, ({ id }) => id) }
    }
  }

  *connectionBuckets(port?: ClientPort): Iterable<Bucket<ClientLink>> {
    const offsetMs = this.wallMs - this.#parts.state.sessionMs()
    for (const [atMs, bucket] of this.#parts.idle.buckets()) {
      const here = [...bucket].filter(({ arrival }) => (port ?? arrival.port) === arrival.port)
      if (here.length === 0) continue
      yield { atMs, wallMs: atMs + offsetMs, items: here.map(({ link }) => link) }
    }
  }

  *ephemerals(): Iterable<readonly [bigint, Iterable<string>]> {
    const { tree } = this.#parts
    for (const id of tree.ephemeralSessions()) yield [id, tree.ephemeralsOf(id)]
  }

  ephemeralOwnerCount(): number {
    let count = 0
    for (const _ of this.#parts.tree.ephemeralSessions()) count++
    return count
  }

  get connectionDropRatio(): number {
    return this.#parts.state.connectionDropRatio()
  }

  get quotaRefusals(): ReadonlyMap<string, number> {
    return this.#parts.quotaRefusals
  }

  quotaNodes(): ReturnType<Tree['quotaNodes']> {
    return this.#parts.tree.quotaNodes()
  }

  async directorySizes(): Promise<{ data: number; log: number }> {
    const { dataDir, dataLogDir } = this.settings
    const data = await this.#sizeOf(join(dataDir, 'version-2'))
    return {
      data,
      log: dataLogDir === dataDir ? data : await this.#sizeOf(join(dataLogDir, 'version-2')),
    }
  }

  mayReadAll(scheme: string, auth: string, address: string): boolean | null {
    const { schemes, tree } = this.#parts
    const found = schemes.get(scheme)
    // No more than a word: enough for those that look at the connection, such as ip.
    if (found === undefined || (auth === '' && scheme === 'digest')) return null
    const proven =
      scheme === 'ip' ? [{ scheme, id: address }] : found.authenticate(Buffer.from(auth), [])
    if (proven === null || proven === 'close' || proven.length === 0) return null
    const acl = tree.acl(tree.find('/'))
    return ALL_PERMISSIONS.every((permission) => isAllowed(acl, permission, proven, schemes))
  }

  async takeSnapshot(): Promise<StoredSnapshot> {
    const { state, files, clock } = this.#parts
    const { name, zxid, sizeBytes } = await state.snapshotNow()
    const path = join(this.settings.dataDir, 'version-2', name)
    return { zxid, sizeBytes, takenMs: clock.wallMs(), read: () => pieces(files, path, sizeBytes) }
  }

  restore(body: AsyncIterable<Buffer>): Promise<RestoredState> {
    return this.#parts.state.restore(body)
  }

  resetTraffic(): void {
    this.traffic.reset()
  }

  resetConnections(port?: ClientPort): void {
    for (const link of this.links(port)) link.resetStatistics()
  }

  /** Files may go while they are counted. */
  async #sizeOf(directory: string): Promise<number> {
    const { files } = this.#parts
    let bytes = 0
    for (const name of await files.list(directory)) {
      bytes += (await files.stat(join(directory, name)))?.sizeBytes ?? 0
    }
    return bytes
  }
}

async function* pieces(files: FileSystem, path: string, sizeBytes: number): AsyncIterable<Buffer> {
  const file = await files.open(path, 'read')
  try {
    for (let position = 0; position < sizeBytes; position += PIECE_BYTES) {
      const length = Math.min(PIECE_BYTES, sizeBytes - position)
      const piece = await file.read(position, length)
      // Whoever keeps it must not take a part for the whole: the transfer breaks off.
      if (piece.length < length) throw new Error(`${path} has become shorter`)
      yield piece
    }
  } finally {
    await file.close()
  }
}
