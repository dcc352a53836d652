/**
 * Every key of zoo.cfg and every system property of Apache's server, declared once: parser, default,
 * help, types, `conf` and `howdah check --explain` all come from these tables.
 *
 * `fileKeys` are read from the file only. `propertyKeys` are the system property `zookeeper.KEY`:
 * from the file by KEY, else from `-Dzookeeper.KEY=…`; those with a `flag` are that property, and
 * reach a server by `-D` alone.
 * Source: QuorumPeerConfig#parseProperties, ZooKeeperServer and the classes that read them, 3.9.5.
 */
import {
  choice,
  cron,
  decimal,
  flag,
  host,
  int,
  intOrNone,
  long,
  natural,
  portOrNone,
  portOrOff,
  positive,
  text,
  words,
  yesNo,
  type Parse,
} from './values.ts'

export interface Setting<T> {
  readonly parse: Parse<T>
  /** The value when nothing is said; null: none, or derived from others. */
  readonly fallback: T
  readonly help: string
  /** System property that is read instead of the file: the key cannot be set in zoo.cfg, … */
  readonly flag?: string
  /** … unless this says so. */
  readonly isInFile?: boolean
  /** Takes effect in Apache's JVM or thread pools; here there is nothing for it to set. */
  readonly isUnused?: boolean
  /** Matters between servers only; a server on its own has nothing to do with it, Apache's neither. */
  readonly isForEnsembles?: boolean
  /** Never shown: not in problems, not by `conf`. */
  readonly isSecret?: boolean
}

type Options = Pick<
  Setting<unknown>,
  'flag' | 'isInFile' | 'isUnused' | 'isForEnsembles' | 'isSecret'
>

function setting<T, F extends T | null>(
  parse: Parse<T>,
  fallback: F,
  help: string,
  options: Options = {},
): Setting<T | F> {
  return { parse, fallback, help, ...options }
}

/** Java's names of hashes. */
export const DIGEST_ALGORITHMS = [
  'MD5',
  'SHA',
  'SHA1',
  'SHA-1',
  'SHA-224',
  'SHA-256',
  'SHA-384',
  'SHA-512',
  'SHA-512/224',
  'SHA-512/256',
  'SHA3-224',
  'SHA3-256',
  'SHA3-384',
  'SHA3-512',
] as const

/** Apache accepts it and we do too, but there is nothing behind it. */
const unused = { isUnused: true } as const
const ensemble = { isForEnsembles: true } as const
const secret = { isSecret: true } as const
/** A key without a counterpart at Apache's, in the file or by `-D` under the same name. */
const ours = (flag: string) => ({ flag, isInFile: true }) as const

export const fileKeys = {
  dataDir: setting(text, null, 'Directory of snapshots, myid and epoch files. Required.'),
  dataLogDir: setting(text, null, 'Directory of the transaction log; dataDir when absent.'),
  clientPort: setting(portOrNone, null, 'Port for clients; without one, no clients are served.'),
  clientPortAddress: setting(host, null, 'Address that clientPort binds to; all when absent.'),
  secureClientPort: setting(portOrNone, null, 'Port for clients over TLS.'),
  secureClientPortAddress: setting(host, null, 'Address that secureClientPort binds to.'),
  observerMasterPort: setting(
    portOrOff,
    0,
    'Port where followers take observers; 0 is off.',
    ensemble,
  ),
  clientPortListenBacklog: setting(
    intOrNone(1),
    -1,
    'Backlog of the client port; -1: the system’s.',
  ),
  tickTime: setting(positive, 3000, 'One tick, in milliseconds: the unit of limits and time-outs.'),
  minSessionTimeout: setting(intOrNone(0), -1, 'Least session time-out granted, ms; -1: 2 ticks.'),
  maxSessionTimeout: setting(intOrNone(0), -1, 'Most session time-out granted, ms; -1: 20 ticks.'),
  maxClientCnxns: setting(natural, 60, 'Connections of one client address; 0 is no limit.'),
  initLimit: setting(
    positive,
    null,
    'Ticks that a follower may take to connect and to sync.',
    ensemble,
  ),
  syncLimit: setting(positive, null, 'Ticks that a follower may be out of touch.', ensemble),
  connectToLearnerMasterLimit: setting(
    natural,
    0,
    'Ticks to connect to a leader; 0: initLimit.',
    ensemble,
  ),
  localSessionsEnabled: setting(flag, false, 'Sessions that only their server knows.', ensemble),
  localSessionsUpgradingEnabled: setting(
    flag,
    false,
    'Local sessions become global on need.',
    ensemble,
  ),
  electionAlg: setting(int(3, 3), 3, 'Election algorithm; 3 is the only one left.', ensemble),
  quorumListenOnAllIPs: setting(
    flag,
    false,
    'Bind the ports between servers to all addresses.',
    ensemble,
  ),
  peerType: setting(
    choice('participant', 'observer'),
    'participant',
    'Role; the server list wins.',
    ensemble,
  ),
  syncEnabled: setting(flag, true, 'Observers write a log and snapshots.', ensemble),
  dynamicConfigFile: setting(text, null, 'File with the server list that reconfig changes.'),
  'autopurge.snapRetainCount': setting(int(0), 3, 'Snapshots kept by the purge; at least 3.'),
  'autopurge.purgeInterval': setting(
    natural,
    0,
    'Hours between purges; 0 is off. Not given: after each snapshot, in directories that we created.',
  ),
  'autopurge.schedule': setting(
    cron,
    null,
    'Ours: when to purge, as cron text such as 30 3 * * *; purgeInterval does not count then.',
  ),
  standaloneEnabled: setting(flag, true, 'One server line means a server on its own.'),
  reconfigEnabled: setting(flag, false, 'Members may be changed at run time.'),
  sslQuorum: setting(flag, false, 'TLS between servers.', ensemble),
  portUnification: setting(
    flag,
    false,
    'Ports between servers take TLS and plain connections.',
    ensemble,
  ),
  sslQuorumReloadCertFiles: setting(
    flag,
    false,
    'Read key stores between servers again.',
    ensemble,
  ),
  'quorum.auth.enableSasl': setting(flag, false, 'SASL between servers.', ensemble),
  'quorum.auth.serverRequireSasl': setting(
    flag,
    false,
    'A server requires it of learners.',
    ensemble,
  ),
  'quorum.auth.learnerRequireSasl': setting(
    flag,
    false,
    'A learner requires it of servers.',
    ensemble,
  ),
  'quorum.auth.learner.saslLoginContext': setting(
    text,
    'QuorumLearner',
    'JAAS section of learners.',
    ensemble,
  ),
  'quorum.auth.server.saslLoginContext': setting(
    text,
    'QuorumServer',
    'JAAS section of servers.',
    ensemble,
  ),
  'quorum.auth.kerberos.servicePrincipal': setting(
    text,
    'zkquorum/localhost',
    'Kerberos name.',
    ensemble,
  ),
  'quorum.cnxn.threads.size': setting(positive, 20, 'Threads for election connections.', unused),
  'jvm.pause.monitor': setting(flag, false, 'Report pauses of the process.'),
  'jvm.pause.info-threshold.ms': setting(long(0), 1000, 'Pauses reported at info from here.'),
  'jvm.pause.warn-threshold.ms': setting(long(0), 10_000, 'Pauses reported at warn from here.'),
  'jvm.pause.sleep.time.ms': setting(long(1), 500, 'How often pauses are looked for.'),
  'metricsProvider.className': setting(
    text,
    'org.apache.zookeeper.metrics.impl.DefaultMetricsProvider',
    'Java class whose way of showing metrics is used; Prometheus’ and the default are known.',
  ),
  'multiAddress.enabled': setting(flag, false, 'Several addresses for one server.', ensemble),
  'multiAddress.reachabilityCheckEnabled': setting(
    flag,
    true,
    'Try addresses before using them.',
    ensemble,
  ),
  'multiAddress.reachabilityCheckTimeoutMs': setting(
    positive,
    1000,
    'Time for that, in ms.',
    ensemble,
  ),
  'howdah.saslUsersFile': setting(
    text,
    null,
    'File of SASL users, a line NAME:PASSWORD each, readable by its owner only; ours, beside JAAS.',
  ),
  oraclePath: setting(
    text,
    null,
    'File that a two-server ensemble asks who may go on alone.',
    ensemble,
  ),
} satisfies Record<string, Setting<unknown>>

export const propertyKeys = {
  'jute.maxbuffer': setting(int(1), 1_048_575, 'Most bytes of a request or a buffer.', {
    flag: 'jute.maxbuffer',
  }),
  'jute.maxbuffer.extrasize': setting(
    natural,
    null,
    'More for records on disk; jute.maxbuffer.',
    ensemble,
  ),
  'readonlymode.enabled': setting(flag, false, 'Serve reads without a quorum.', {
    isForEnsembles: true,
    flag: 'readonlymode.enabled',
  }),
  'znode.container.checkIntervalMs': setting(positive, 60_000, 'How often containers are swept.', {
    flag: 'znode.container.checkIntervalMs',
  }),
  'znode.container.maxPerMinute': setting(positive, 10_000, 'Containers removed in a minute.', {
    flag: 'znode.container.maxPerMinute',
  }),
  'znode.container.maxNeverUsedIntervalMs': setting(
    long(0),
    0,
    'Age for those never used; 0: off.',
    {
      flag: 'znode.container.maxNeverUsedIntervalMs',
    },
  ),
  'java.security.auth.login.config': setting(text, null, 'JAAS file with the SASL sections.', {
    flag: 'java.security.auth.login.config',
  }),
  'follower.nodelay': setting(flag, true, 'TCP_NODELAY at followers.', {
    isForEnsembles: true,
    flag: 'follower.nodelay',
  }),
  'leader.nodelay': setting(flag, true, 'TCP_NODELAY at leaders.', {
    isForEnsembles: true,
    flag: 'leader.nodelay',
  }),
  extendedTypesEnabled: setting(flag, false, 'TTL nodes.'),
  emulate353TTLNodes: setting(flag, false, 'TTL nodes as 3.5.3 marked them.'),
  globalOutstandingLimit: setting(positive, 1000, 'Requests in the pipeline before reads stop.'),
  maxCnxns: setting(natural, 0, 'Connections of all clients; 0 is no limit.'),
  connection_throttle_tokens: setting(natural, 0, 'Connections that may come at once; 0: off.'),
  connection_throttle_fill_time: setting(positive, 1, 'Milliseconds between refills.'),
  connection_throttle_fill_count: setting(positive, 1, 'Tokens of a refill.'),
  connection_throttle_freeze_time: setting(int(-1), -1, 'Ms between changes of the drop rate.'),
  connection_throttle_drop_increase: setting(decimal, 0.02, 'Step up of the drop rate.'),
  connection_throttle_drop_decrease: setting(decimal, 0.002, 'Step down of the drop rate.'),
  connection_throttle_decrease_ratio: setting(decimal, 0, 'Load at which it goes down.'),
  connection_throttle_weight_enabled: setting(flag, false, 'Weigh sessions by their kind.'),
  connection_throttle_global_session_weight: setting(positive, 3, 'Tokens of a new session.'),
  connection_throttle_renew_session_weight: setting(positive, 2, 'Tokens of a resumed one.'),
  connection_throttle_local_session_weight: setting(positive, 1, 'Tokens of a local one.'),
  request_throttle_max_requests: setting(natural, 0, 'Requests in work; 0 is no limit.'),
  request_throttle_stall_time: setting(positive, 100, 'Ms to wait for room.', unused),
  request_throttle_drop_stale: setting(flag, true, 'Drop requests of connections that are gone.'),
  request_stale_connection_check: setting(flag, true, 'A request is stale with its connection.'),
  request_stale_latency_check: setting(flag, false, 'A request is stale by its age.'),
  'request_throttler.shutdownTimeout': setting(natural, 10_000, 'Ms to finish at a stop.', unused),
  throttled_op_wait_time: setting(int(-1), 0, 'Ms after which a request is refused; 0: off.'),
  largeRequestThreshold: setting(int(-1), -1, 'Bytes that make a request large; -1: off.'),
  largeRequestMaxBytes: setting(int(1), 104_857_600, 'Bytes of large requests in work.'),
  enableEagerACLCheck: setting(
    flag,
    false,
    'Followers check ACLs before they pass a write on.',
    ensemble,
  ),
  enforceQuota: setting(flag, false, 'Hard quotas refuse writes.'),
  skipACL: setting(yesNo, false, 'yes turns all ACL checks off.'),
  snapCount: setting(int(2), 100_000, 'Transactions in a log before a snapshot.'),
  snapSizeLimitInKb: setting(long(-1), 4_194_304, 'The same by size of the log; ≤ 0 is off.'),
  txnLogSizeLimitInKb: setting(long(-1), -1, 'Size at which the log rolls; -1 is off.'),
  preAllocSize: setting(long(0), 65_536, 'KiB by which a log file grows ahead.'),
  commitLogCount: setting(
    natural,
    500,
    'Transactions kept in memory for followers; ≥ 500.',
    ensemble,
  ),
  snapshotSizeFactor: setting(
    decimal,
    0.33,
    'Part of a snapshot up to which the log is sent.',
    ensemble,
  ),
  'snapshot.compression.method': setting(choice('', 'gz', 'snappy'), '', 'Compress snapshots.'),
  'snapshot.trust.empty': setting(flag, false, 'Start though there is no snapshot.'),
  forceSync: setting(yesNo, true, 'no: writes are acknowledged before they are on disk.'),
  'fsync.warningthresholdms': setting(natural, 1000, 'A slower fsync is reported, ms.'),
  'digest.enabled': setting(flag, true, 'Digests of the tree in log and snapshots.'),
  'closeSessionTxn.enabled': setting(
    flag,
    true,
    'closeSession lists the nodes it removes.',
    unused,
  ),
  'serializeLastProcessedZxid.enabled': setting(flag, true, 'Snapshots end with their zxid.'),
  'datadir.autocreate': setting(flag, true, 'Make directories that are missing.'),
  'db.autocreate': setting(flag, true, 'Start empty when there is no data.'),
  flushDelay: setting(natural, 0, 'Ms that an fsync waits for company.', unused),
  maxWriteQueuePollTime: setting(natural, null, 'Ms to wait for more; flushDelay / 3.', unused),
  maxBatchSize: setting(positive, 1000, 'Writes under one fsync.', unused),
  maxResponseCacheSize: setting(natural, 400, 'Cached replies of getData.', unused),
  maxGetChildrenResponseCacheSize: setting(natural, 400, 'And of getChildren.', unused),
  intBufferStartingSizeBytes: setting(natural, 1024, 'First size of a buffer.', unused),
  serverCnxnFactory: setting(
    text,
    'org.apache.zookeeper.server.NIOServerCnxnFactory',
    'Java class of the connections; TLS needs the Netty one there, none here.',
    unused,
  ),
  'nio.numSelectorThreads': setting(positive, null, 'Threads.', unused),
  'nio.numWorkerThreads': setting(natural, null, 'Threads.', unused),
  'nio.directBufferBytes': setting(natural, 65_536, 'Bytes of direct buffers.', unused),
  'nio.shutdownTimeout': setting(natural, 5000, 'Ms for threads to end.', unused),
  'nio.sessionlessCnxnTimeout': setting(positive, 10_000, 'Ms for a connection to say who it is.'),
  'netty.advancedFlowControl.enabled': setting(flag, false, 'Flow control.', unused),
  'netty.server.outstandingHandshake.limit': setting(int(-1), -1, 'TLS handshakes at once.'),
  'netty.server.earlyDropSecureConnectionHandshakes': setting(
    flag,
    false,
    'Handshakes beyond the limit are always refused as they come.',
    unused,
  ),
  clientTcpKeepAlive: setting(flag, false, 'TCP keep-alive for clients.'),
  tcpKeepAlive: setting(flag, false, 'TCP keep-alive between servers.', ensemble),
  'client.portUnification': setting(flag, false, 'clientPort takes TLS clients, too.'),
  'client.certReload': setting(flag, false, 'Key stores are always read again.', unused),
  'commitProcessor.numWorkerThreads': setting(natural, null, 'Threads.', unused),
  'commitProcessor.maxReadBatchSize': setting(int(-1), -1, 'Reads in a row.', unused),
  'commitProcessor.maxCommitBatchSize': setting(positive, 1, 'Commits in a row.', unused),
  'commitProcessor.shutdownTimeout': setting(natural, 5000, 'Ms for threads to end.', unused),
  watchManagerName: setting(
    text,
    'org.apache.zookeeper.server.watch.WatchManager',
    'Java class of the watches.',
    unused,
  ),
  watcherCleanThreadsNum: setting(positive, 2, 'Threads.', unused),
  watcherCleanThreshold: setting(positive, 1000, 'Dead watches before a sweep.', unused),
  watcherCleanIntervalInSeconds: setting(positive, 600, 'Or this time.', unused),
  maxInProcessingDeadWatchers: setting(int(-1), -1, 'Dead watches at once.', unused),
  bitHashCacheSize: setting(positive, 10, 'Cache of the optimized watches.', unused),
  leaderServes: setting(yesNo, true, 'no: the leader takes no clients.', ensemble),
  cnxTimeout: setting(positive, 5000, 'Ms to connect to an election port.', ensemble),
  quorumCnxnTimeoutMs: setting(int(-1), -1, 'Read time-out there; -1: none.', ensemble),
  electionPortBindRetry: setting(
    natural,
    3,
    'Tries to bind the election port; 0: for ever.',
    ensemble,
  ),
  'fastleader.minNotificationInterval': setting(
    positive,
    200,
    'First pause of the election, ms.',
    ensemble,
  ),
  'fastleader.maxNotificationInterval': setting(
    positive,
    60_000,
    'Longest pause of it, ms.',
    ensemble,
  ),
  'leader.maxTimeToWaitForEpoch': setting(int(-1), -1, 'Ms a leader waits for an epoch.', ensemble),
  'leader.maxConcurrentSnapSyncs': setting(
    natural,
    10,
    'Followers sent a snapshot at once.',
    ensemble,
  ),
  'leader.maxConcurrentDiffSyncs': setting(
    natural,
    100,
    'Followers sent the log at once.',
    ensemble,
  ),
  'leader.ackLoggingFrequency': setting(natural, 1000, 'Of how many acks one is logged.', unused),
  leaderConnectDelayDuringRetryMs: setting(
    natural,
    100,
    'Ms between tries to reach a leader.',
    ensemble,
  ),
  'observer.reconnectDelayMs': setting(
    natural,
    0,
    'Ms before an observer connects again.',
    ensemble,
  ),
  'observer.election.DelayMs': setting(
    natural,
    200,
    'Ms before an observer asks for a leader.',
    ensemble,
  ),
  'observer.syncEnabled': setting(flag, true, 'Observers write a log and snapshots.', ensemble),
  'observerMaster.sizeLimit': setting(positive, 33_554_432, 'Bytes kept for observers.', ensemble),
  'learner.asyncSending': setting(flag, false, 'A thread for what a learner sends.', unused),
  'learner.closeSocketAsync': setting(flag, false, 'A thread that closes.', unused),
  'leader.closeSocketAsync': setting(flag, false, 'A thread that closes.', unused),
  forward_learner_requests_to_commit_processor_disabled: setting(flag, false, 'Queues.', unused),
  'follower.skipLearnerRequestToNextProcessor': setting(flag, false, 'Queues.', unused),
  forceSnapshotSync: setting(flag, false, 'Learners always get a snapshot.', ensemble),
  'DigestAuthenticationProvider.enabled': setting(flag, true, 'The scheme digest.'),
  'DigestAuthenticationProvider.superDigest': setting(text, null, 'user:digest of super.', secret),
  'DigestAuthenticationProvider.digestAlg': setting(
    choice(...DIGEST_ALGORITHMS),
    'SHA1',
    'Hash of the scheme digest.',
  ),
  'IPAuthenticationProvider.usexforwardedfor': setting(flag, false, 'Trust X-Forwarded-For.'),
  'X509AuthenticationProvider.superUser': setting(text, null, 'Subject that is super.'),
  'SASLAuthenticationProvider.superPassword': setting(text, null, 'Password of super.', secret),
  superUser: setting(text, null, 'SASL user that is super.'),
  letAnySaslUserDoX: setting(text, null, 'Any SASL user passes for sasl ACLs.'),
  ensembleAuthName: setting(words, null, 'Names that the scheme ensemble accepts.'),
  sessionRequireClientSASLAuth: setting(flag, false, 'Sessions must use SASL.'),
  'enforce.auth.enabled': setting(flag, false, 'Sessions must use one of enforce.auth.schemes.'),
  'enforce.auth.schemes': setting(words, null, 'Those schemes.'),
  allowSaslFailedClients: setting(flag, false, 'Clients stay when their SASL fails.'),
  'sasl.serverconfig': setting(text, 'Server', 'JAAS section of the server.'),
  'sasl.clientconfig': setting(text, 'Client', 'JAAS section of clients.', unused),
  'sasl.client': setting(flag, true, 'Clients try SASL.', unused),
  'sasl.client.username': setting(text, 'zookeeper', 'Service name that clients ask for.', unused),
  'sasl.client.canonicalize.hostname': setting(flag, true, 'Clients resolve names for it.', unused),
  'server.principal': setting(text, null, 'Principal of the server, for clients.', unused),
  'server.realm': setting(text, null, 'Realm of the server, for clients.', unused),
  'kerberos.removeHostFromPrincipal': setting(flag, false, 'Names without host.'),
  'kerberos.removeRealmFromPrincipal': setting(flag, false, 'Names without realm.'),
  'kerberos.canonicalizeHostNames': setting(flag, false, 'Resolve names.', unused),
  'security.auth_to_local': setting(text, 'DEFAULT', 'Rules for Kerberos names.', unused),
  '4lw.commands.whitelist': setting(words, ['srvr'], 'Four-letter words that are answered; *.'),
  'admin.enableServer': setting(flag, true, 'The HTTP admin server.'),
  'admin.serverAddress': setting(host, '0.0.0.0', 'Address of it.'),
  'admin.serverPort': setting(portOrOff, 8080, 'Port of it.'),
  'admin.idleTimeout': setting(natural, 30_000, 'Ms after which idle connections of it close.'),
  'admin.commandURL': setting(text, '/commands', 'Path of its commands.'),
  'admin.httpVersion': setting(int(10, 11), 11, '11 is HTTP/1.1.', unused),
  'admin.portUnification': setting(flag, false, 'It takes plain connections only.', unused),
  'admin.forceHttps': setting(flag, false, 'It takes TLS only.'),
  'admin.needClientAuth': setting(flag, false, 'It asks for a client certificate.'),
  'admin.snapshot.enabled': setting(flag, true, 'Its command snapshot.'),
  'admin.restore.enabled': setting(flag, true, 'Its command restore.'),
  'admin.rateLimiterIntervalInMS': setting(natural, 300_000, 'Ms between either of them.'),
  'audit.enable': setting(flag, false, 'The audit log.', unused),
  'audit.impl.class': setting(text, 'org.apache.zookeeper.audit.Slf4jAuditLogger', 'Java.', unused),
  'messageTracker.Enabled': setting(flag, false, 'Keep the last packets of a learner.', ensemble),
  'messageTracker.BufferSize': setting(positive, 10, 'How many of them.', ensemble),
  'pathStats.enabled': setting(flag, false, 'Statistics of paths.', unused),
  'pathStats.slotCapacity': setting(positive, 60, 'Slots.', unused),
  'pathStats.slotDuration': setting(positive, 15, 'Seconds of a slot.', unused),
  'pathStats.maxDepth': setting(positive, 6, 'Depth of paths.', unused),
  'pathStats.initialDelay': setting(natural, 5, 'Seconds until the first report.', unused),
  'pathStats.delay': setting(positive, 5, 'Seconds between reports.', unused),
  'pathStats.topPathMax': setting(positive, 20, 'Paths of a report.', unused),
  'pathStats.sampleRate': setting(decimal, 0.1, 'Part of requests that is looked at.', unused),
  'jmx.log4j.disable': setting(flag, false, 'Java.', unused),
  'fips-mode': setting(flag, true, 'TLS is by OpenSSL’s own means.', unused),
  'howdah.acceptDamagedLog': setting(
    flag,
    false,
    'Ours: start on a damaged log, and give up what follows the damage; for one start.',
    { flag: 'howdah.acceptDamagedLog' },
  ),
  'howdah.sessionPasswords': setting(
    choice('secret', 'apache'),
    'secret',
    'Ours: apache makes session passwords as Apache does, from the id alone.',
    ours('howdah.sessionPasswords'),
  ),
  'howdah.maxAuthIds': setting(
    natural,
    null,
    'Ours: ids that one connection may have proven; 128.',
    ours('howdah.maxAuthIds'),
  ),
  'howdah.maxWatches': setting(
    natural,
    null,
    'Ours: paths that one connection may watch; 0 and unset: as many as it likes.',
    ours('howdah.maxWatches'),
  ),
  'howdah.maxEphemerals': setting(
    natural,
    null,
    'Ours: ephemerals that one session may have; 0 and unset: as many as it likes.',
    ours('howdah.maxEphemerals'),
  ),
} satisfies Record<string, Setting<unknown>>

const tlsKeys = {
  protocol: setting(text, null, 'TLS version.'),
  enabledProtocols: setting(words, null, 'TLS versions; protocol when absent.'),
  ciphersuites: setting(words, null, 'Cipher suites.'),
  'keyStore.location': setting(text, null, 'Key store.'),
  'keyStore.password': setting(text, null, 'Its password.', secret),
  'keyStore.passwordPath': setting(text, null, 'File with its password.'),
  'keyStore.type': setting(choice('JKS', 'PEM', 'PKCS12', 'BCFKS'), null, 'Its type; by ending.'),
  'trustStore.location': setting(text, null, 'Trust store.'),
  'trustStore.password': setting(text, null, 'Its password.', secret),
  'trustStore.passwordPath': setting(text, null, 'File with its password.'),
  'trustStore.type': setting(choice('JKS', 'PEM', 'PKCS12', 'BCFKS'), null, 'Its type; by ending.'),
  'context.supplier.class': setting(text, null, 'Java class.', unused),
  sslProvider: setting(text, 'JDK', 'Java.', unused),
  hostnameVerification: setting(flag, true, 'The other side’s name must fit.'),
  crl: setting(flag, false, 'Check revocation lists.'),
  ocsp: setting(flag, false, 'Ask for revocation.'),
  clientAuth: setting(choice('need', 'want', 'none'), 'need', 'Client certificates.'),
  handshakeDetectionTimeoutMillis: setting(positive, 5000, 'Ms to tell TLS from plain.', unused),
}

/** `zookeeper.ssl.KEY`: connections of clients. */
export const clientTlsKeys = {
  ...tlsKeys,
  authProvider: setting(text, 'x509', 'Scheme that a client certificate stands for.'),
  clientHostnameVerification: setting(flag, false, 'The name of a client must fit.'),
  allowReverseDnsLookup: setting(flag, false, 'Names of addresses may be looked up.'),
} satisfies Record<string, Setting<unknown>>

/** `zookeeper.ssl.quorum.KEY`: connections between servers. */
export const quorumTlsKeys = {
  ...tlsKeys,
  clientHostnameVerification: setting(flag, true, 'The name of a learner must fit.'),
  allowReverseDnsLookup: setting(flag, true, 'Names of addresses may be looked up.'),
} satisfies Record<string, Setting<unknown>>

/** Keys with a name of the user's own in them; each is a map from that name. */
export const families = {
  authProvider: { prefix: 'authProvider.', help: 'Java classes of more authentication schemes.' },
  metricsProvider: { prefix: 'metricsProvider.', help: 'Handed to the metrics provider.' },
  superUsers: { prefix: 'superUser.', help: 'More SASL users that are super.' },
} as const

type Values<Table> = {
  readonly [K in keyof Table]: Table[K] extends Setting<infer T> ? T : never
}

export type FileSettings = Values<typeof fileKeys>
export type PropertySettings = Values<typeof propertyKeys>
export type ClientTlsSettings = Values<typeof clientTlsKeys>
export type QuorumTlsSettings = Values<typeof quorumTlsKeys>
export type FamilySettings = {
  readonly [K in keyof typeof families]: Readonly<Record<string, string>>
}
