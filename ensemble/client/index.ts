/**
 * The client's public entry: `connect()`, the client, its errors, and helpers for ACLs, paths and values.
 * Everything else in this folder is private to it.
 */
export { connect, tlsNetwork, type ConnectOptions } from './connect.ts'
export type { TlsOptions } from '../tls/client-options.ts'
export { TlsError, type TlsSettings } from '../tls/tls-settings.ts'
export {
  Client,
  type ClientOptions,
  type ClientSys,
  type ReadOptions,
  type ReadResult,
  type SignalOption,
} from './client.ts'
export type { Watcher } from './call.ts'
export type { SessionEvent as WatchEvent, SessionState as ClientState } from './session-machine.ts'
export type { WatcherType } from './watch-registry.ts'
export type { CreateMode, CreateOptions, Data } from './create.ts'
export { Transaction, type Created, type CreatedInTransaction } from './transaction.ts'
export { Election, Lock, type ElectionOptions } from './election.ts'
export type { Grant, GrantOptions } from './grant.ts'
export type { ChildrenChange, IterateOptions } from './iterables.ts'
export { ZkError, type Outcome, type ZkErrorContext } from './errors.ts'
export { acl, digestId, Perms } from './acl.ts'
export * as codecs from './codecs.ts'
export { bytes, json, number, string, type Codec, type StandardSchema } from './codecs.ts'
export { parseConnectString, type ConnectString, type ServerAddress } from './connect-string.ts'
export { Code, codeMessage, type CodeName } from '../protocol/error-codes.ts'
export { join, nameOf, parentOf, validatePath } from '../protocol/paths.ts'
export type { Acl } from '../protocol/acl.ts'
export type { Stat } from '../protocol/stat.ts'
/** The real clock, network, disk and processes: what `Guard` and `Controller` of `howdah/failover` are given. */
export { nodeSys } from '../sys/node-sys.ts'
export { silent, type Logger } from '../sys/logger.ts'
export type { Sys } from '../sys/sys.ts'
