/**
 * What one server needs to know to run, in the units the code uses.
 *
 * `zoo.cfg` and the YAML both end here. Defaults are Apache's (client-protocol 9.2, 9.3).
 */
import type { SaslUsers } from '../auth/sasl.ts'
import type { DigestAlgorithm } from '../auth/schemes.ts'
import type { PauseSettings } from './pause-monitor.ts'
import type { RetentionSettings } from './retention.ts'
import type { TlsServerSettings } from '../tls/index.ts'

import { defaultLimits, type LimitSettings } from './limit-settings.ts'

/** The HTTP admin server. */
export interface AdminSettings {
  readonly address: string
  /** 0: any free port. */
  readonly port: number
  /** Path above the commands, such as `/commands`. */
  readonly commandUrl: string
  readonly idleTimeoutMs: number
  /** `X-Forwarded-For` says who asks (`IPAuthenticationProvider.usexforwardedfor`); off when absent. */
  readonly trustsForwardedFor?: boolean
  readonly snapshotEnabled: boolean
  /** At least so long between two snapshots that are handed out. */
  readonly snapshotIntervalMs: number
  readonly restoreEnabled: boolean
  /** At least so long between two tries to restore. */
  readonly restoreIntervalMs: number
}

/** The endpoint for Prometheus. */
export interface MetricsSettings {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** Also what the runtime itself measures. */
  readonly exportRuntimeInfo: boolean
}

/** How clients say who they are. */
export interface AuthSettings {
  /** The scheme `digest`; null: there is none. */
  readonly digestAlgorithm: DigestAlgorithm | null
  /** The scheme `sasl` in ACLs. */
  readonly hasSaslScheme: boolean
  /** Who may log in through SASL; null: clients are told that there is no SASL. */
  readonly sasl: SaslUsers | null
  /** ACLs for this name let every SASL user pass. */
  readonly openSaslName: string | null
  readonly allowSaslFailedClients: boolean
  /** A connection must have an id of one of these schemes; null: none is asked for. */
  readonly enforcedSchemes: readonly string[] | null
  /** The scheme `ensemble`: the names that clients may say, or any; null: there is no such scheme. */
  readonly ensembleNames: readonly string[] | 'any' | null
  /** The scheme `x509`, which client certificates give their ids. */
  readonly hasX509Scheme: boolean
  /** Subject of the certificate whose owner is super; null: nobody. */
  readonly x509SuperUser: string | null
}

/** TLS of clients, on `secureClientPort` or beside plain connections on `clientPort`. */
export interface ClientTls extends TlsServerSettings {
  /** Both kinds on `clientPort`. */
  readonly portUnification: boolean
  /** Handshakes at once; 0: any number. */
  readonly handshakesMax: number
}

export interface ServerSettings {
  readonly dataDir: string
  readonly dataLogDir: string
  /** null: no client service; 0: any free port. */
  readonly clientPort: number | null
  readonly clientPortAddress: string
  readonly clientPortListenBacklog: number
  /** For TLS alone; null: there is none; 0: any free port. */
  readonly secureClientPort: number | null
  readonly secureClientPortAddress: string
  /** null: nobody speaks TLS. */
  readonly tls: ClientTls | null
  readonly tickTimeMs: number
  readonly minSessionTimeoutMs: number
  readonly maxSessionTimeoutMs: number
  /** Connections per remote address; 0 = unlimited. */
  readonly maxClientCnxns: number
  /** All connections; 0 = unlimited. */
  readonly maxCnxns: number
  /** `jute.maxbuffer`: the largest frame a client may send. */
  readonly frameBytesMax: number
  readonly globalOutstandingLimit: number
  readonly sessionlessCnxnTimeoutMs: number
  readonly snapCount: number
  readonly snapSizeLimitBytes: number
  /** How snapshots are packed. */
  readonly snapshotStream: 'plain' | 'gz' | 'snappy'
  readonly preallocBytes: number
  readonly forceSync: boolean
  readonly digestEnabled: boolean
  readonly extendedTypesEnabled: boolean
  readonly trustEmptySnapshot: boolean
  /** Start on a damaged log by giving up what follows the damage. Asks for a person's decision. */
  readonly acceptDamagedLog: boolean
  /** `*` or words that clients may send; `srvr` always. */
  readonly fourLetterWords: readonly string[]
  readonly superDigest: string | null
  readonly auth: AuthSettings
  readonly skipAcl: boolean
  readonly reconfigEnabled: boolean
  readonly limits: LimitSettings
  /** Hard quotas refuse writes; without, what is beyond a quota is only reported. */
  readonly enforceQuota: boolean
  /** How session passwords are made: by our secret (S-20), or as Apache does, from the id alone. */
  readonly sessionPasswords: 'secret' | 'apache'
  /** Bytes that may wait for a client that does not read, before its connection is closed (F-22). */
  readonly unsentBytesMax: number
  /** Milliseconds between two looks for container and TTL nodes that can go. */
  readonly containerCheckIntervalMs: number
  /** How many of them go in a minute. */
  readonly containersPerMinute: number
  /** Containers that never had a child go at this age; 0: they stay. */
  readonly containerNeverUsedMs: number
  /** A log above this size is rolled; 0 or less: no such limit. */
  readonly logSizeLimitBytes: number
  /** A write of the log that takes longer is told. */
  readonly slowSyncMs: number
  /** Make directories that are missing. */
  readonly autocreateDirectories: boolean
  /** Begin empty where there is no data. */
  readonly autocreate: boolean
  /** Snapshots end with their zxid; what administration hands out and takes in needs it. */
  readonly serializeLastZxid: boolean
  /** null: pauses of the process are not looked for. */
  readonly pauses: PauseSettings | null
  /** TCP keep-alive on connections of clients. */
  readonly clientKeepAlive: boolean
  /** When old snapshots and logs go. */
  readonly retention: RetentionSettings
  /** null: no HTTP administration. */
  readonly admin: AdminSettings | null
  /** null: metrics are shown by administration only. */
  readonly metrics: MetricsSettings | null
  /** Text of the configuration file at the start; null without a file. Shown without secrets. */
  readonly initialConfiguration: string | null
  /** ZooKeeper's system properties that were given, by their full names. Shown without secrets. */
  readonly systemProperties: readonly (readonly [name: string, value: string])[]
}

export const defaultAuth: AuthSettings = {
  digestAlgorithm: 'SHA1',
  hasSaslScheme: false,
  sasl: null,
  openSaslName: null,
  allowSaslFailedClients: false,
  enforcedSchemes: null,
  ensembleNames: null,
  hasX509Scheme: false,
  x509SuperUser: null,
}

/** Settings as far as somebody has given them. */
export type GivenSettings = Partial<Omit<ServerSettings, 'limits'>> &
  Pick<ServerSettings, 'dataDir'> & { readonly limits?: Partial<LimitSettings> }

/** Fills in Apache's defaults. */
export function serverSettings(given: GivenSettings): ServerSettings {
  const tickTimeMs = given.tickTimeMs ?? 3000
  return {
    dataLogDir: given.dataDir,
    clientPort: null,
    clientPortAddress: '0.0.0.0',
    clientPortListenBacklog: -1,
    secureClientPort: null,
    secureClientPortAddress: '0.0.0.0',
    tls: null,
    tickTimeMs,
    minSessionTimeoutMs: 2 * tickTimeMs,
    maxSessionTimeoutMs: 20 * tickTimeMs,
    maxClientCnxns: 60,
    maxCnxns: 0,
    frameBytesMax: 0xfffff,
    globalOutstandingLimit: 1000,
    sessionlessCnxnTimeoutMs: 10_000,
    snapCount: 100_000,
    snapSizeLimitBytes: 4_294_967_296,
    snapshotStream: 'plain',
    preallocBytes: 64 * 1024 * 1024,
    forceSync: true,
    digestEnabled: true,
    extendedTypesEnabled: false,
    trustEmptySnapshot: false,
    acceptDamagedLog: false,
    fourLetterWords: [],
    superDigest: null,
    auth: defaultAuth,
    skipAcl: false,
    reconfigEnabled: false,
    enforceQuota: false,
    sessionPasswords: 'secret',
    unsentBytesMax: 64 * 1024 * 1024,
    containerCheckIntervalMs: 60_000,
    containersPerMinute: 10_000,
    containerNeverUsedMs: 0,
    logSizeLimitBytes: 0,
    slowSyncMs: 1000,
    autocreateDirectories: true,
    autocreate: true,
    serializeLastZxid: true,
    pauses: null,
    clientKeepAlive: false,
    retention: { kind: 'own-directory', snapshots: 3 },
    admin: null,
    metrics: null,
    initialConfiguration: null,
    systemProperties: [],
    ...given,
    limits: { ...defaultLimits, ...given.limits },
  }
}
