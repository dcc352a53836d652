/**
 * The part of the ZooKeeper client that failover uses: `Client` satisfies it, and so does the one
 * in memory that the unit tests use (test/support/fake-zookeeper.ts).
 *
 * Invariants relied on: an operation that fails with `connectionLoss` may or may not have happened;
 * one that succeeds was committed while the session lived; after `expired` no operation succeeds.
 */

export interface Coordination {
  readonly state: SessionState
  readonly sessionId: bigint
  readonly sessionPassword: Buffer
  /** As granted by the ensemble. */
  readonly sessionTimeoutMs: number
  start(): unknown
  onState(listener: (state: SessionState) => void): () => void
  create(
    path: string,
    data: Buffer | string | null,
    options?: CreateOptions,
  ): Promise<{ path: string }>
  get(path: string, options?: WatchOption): Promise<{ data: Buffer | null; stat: NodeStat }>
  set(path: string, data: Buffer | string | null, version?: number): Promise<NodeStat>
  delete(path: string, version?: number): Promise<void>
  exists(path: string, options?: WatchOption): Promise<NodeStat | null>
  getChildren(path: string, options?: WatchOption): Promise<{ children: string[] }>
  sync(path: string): Promise<unknown>
  /** Closes the session: its ephemerals vanish. */
  close(): Promise<void>
  /** Drops the connection and leaves the session to be resumed, where the client can. */
  detach?(): Promise<void> | void
}

export type SessionState =
  | 'connecting'
  | 'connected'
  | 'disconnected'
  | 'expired'
  | 'auth-failed'
  | 'closed'

export interface CreateOptions {
  mode?: 'persistent' | 'ephemeral' | 'persistent-sequential'
  acl?: readonly AclEntry[]
}

export interface AclEntry {
  readonly perms: number
  readonly id: { readonly scheme: string | null; readonly id: string | null }
}

export interface WatchOption {
  watch?: (event: { readonly type: string }) => void
}

export interface NodeStat {
  readonly czxid: bigint
  readonly mzxid: bigint
  readonly version: number
  readonly ephemeralOwner: bigint
}

export interface SessionOptions {
  readonly servers: string
  readonly sessionTimeoutMs: number
  readonly auth: readonly { readonly scheme: string; readonly auth: string }[]
  /** A session to resume; the ensemble answers `expired` when it is gone. */
  readonly session: { readonly id: bigint; readonly password: Buffer } | null
}

export type OpenSession = (options: SessionOptions) => Coordination

/** The protocol's name of an error, or null for anything else. */
export function codeOf(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('code' in error)) return null
  return typeof error.code === 'string' ? error.code : null
}
