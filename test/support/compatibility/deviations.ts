/**
 * Every way in which our server is known to differ from Apache ZooKeeper 3.9.5, and why: the one list.
 * The differential run and the replay of recordings accept these and no others, and docs/compatibility.md
 * is made from it.
 *
 * `better`: who switches gains by it, and no client that works with Apache's server can tell.
 * `different`: a choice, or something that a tool could notice.
 */

export interface Deviation {
  readonly verdict: 'better' | 'different'
  /** What we do. */
  readonly ours: string
  /** What 3.9.5 does, and what is wrong with that. */
  readonly apache: string
  /** Names of operations (op-table.ts), four-letter words or admin commands that it shows in. */
  readonly ops?: readonly string[]
  readonly words?: readonly string[]
  readonly commands?: readonly string[]
  /** The test that shows it. */
  readonly proof: string
}

const DIFFERENTIAL = 'test/interop/differential.test.ts'
const RECORDINGS = 'test/ensemble/server/recordings.test.ts'

export const deviations = {
  wrongPassword: {
    verdict: 'better',
    ours: 'A wrong password leaves the owner of the session connected.',
    apache: 'Cuts the owner off before it looks at the password: anybody can throw anybody out.',
    proof: DIFFERENTIAL,
  },
  sessionPasswords: {
    verdict: 'better',
    ours: 'Session passwords are made with a secret of the server; `howdah.sessionPasswords=apache` makes them as Apache does.',
    apache:
      'Makes them from the session id alone: whoever sees an id, by `cons` say, can take the session over.',
    proof: 'test/ensemble/session/sessions.test.ts',
  },
  undecodableWrite: {
    verdict: 'better',
    ours: 'A write that cannot be read uses a zxid of its own.',
    apache:
      'Logs its error under the zxid of the write before it, and an ensemble can stop over that.',
    ops: [
      'create',
      'create2',
      'createContainer',
      'createTtl',
      'delete',
      'setData',
      'setAcl',
      'multi',
    ],
    proof: DIFFERENTIAL,
  },
  poison: {
    verdict: 'better',
    ours: 'createTTL with the flag of a node without TTL and a ttl below zero is refused with BADARGUMENTS.',
    apache: 'Logs it, dies of it, and dies of it again at every start.',
    ops: ['createTtl'],
    proof: 'test/ensemble/pipeline/pipeline.test.ts',
  },
  deleteContainer: {
    verdict: 'better',
    ours: 'deleteContainer from a client is refused with BADARGUMENTS, as up to 3.8.',
    apache: 'Any client can delete any node without children by it, whatever its ACL.',
    ops: ['deleteContainer'],
    proof: DIFFERENTIAL,
  },
  createSession: {
    verdict: 'different',
    ours: 'createSession from a client is an unknown request, which costs it the connection.',
    apache: 'Answers with a second welcome. No client sends it.',
    ops: ['createSession'],
    proof: RECORDINGS,
  },
  behindClose: {
    verdict: 'different',
    ours: 'What a client sends behind closeSession is not answered.',
    apache: 'Answers it with SESSIONEXPIRED, with UNKNOWNSESSION or not at all, as timing has it.',
    ops: ['closeSession'],
    proof: 'test/interop/edges.test.ts',
  },
  hiddenNodes: {
    verdict: 'better',
    ours: 'setWatches does not tell of changes to nodes that its client may not read.',
    apache:
      'Looks at the ACL when a watch fires, not when setWatches reports a change: the hole of CVE-2024-23944, half open.',
    ops: ['setWatches', 'setWatches2'],
    proof: 'test/ensemble/pipeline/pipeline.test.ts',
  },
  watchWithoutPath: {
    verdict: 'different',
    ours: 'A watch whose path is null is refused with MARSHALLINGERROR, as reads without a path are.',
    apache: 'Registers a watch that nothing can ever fire.',
    ops: ['addWatch', 'checkWatches', 'removeWatches'],
    proof: DIFFERENTIAL,
  },
  quotaStatsLength: {
    verdict: 'different',
    ours: 'The answer to the creation of `zookeeper_stats` shows the length of its data as counted.',
    apache: 'Shows the length of what was sent, although something else has been stored.',
    ops: ['create2', 'createContainer', 'createTtl', 'multi'],
    proof: DIFFERENTIAL,
  },
  slowClient: {
    verdict: 'better',
    ours: 'A client that does not read its answers is cut off once 64 MiB wait for it.',
    apache: 'Keeps what it does not read in memory, without a bound.',
    proof: 'test/interop/garbage.test.ts',
  },
  tornLog: {
    verdict: 'better',
    ours: 'A log that a crash has cut within its last record starts without that record, which nobody was told of.',
    apache: 'Does not start when the cut record has its whole length.',
    proof: 'test/interop/corrupt.test.ts',
  },
  damagedLog: {
    verdict: 'better',
    ours: 'A damaged log or snapshot stops the start, with file and offset and what can be done.',
    apache:
      'Takes zeros in the middle of a log for its end, and goes on with the next file without a word.',
    proof: 'test/interop/corrupt.test.ts',
  },
  restore: {
    verdict: 'better',
    ours: 'A restore over HTTP is on disk before it is answered, as a new history above every zxid given so far.',
    apache: 'Swaps the tree in memory alone: the next start undoes it.',
    commands: ['restore'],
    proof: 'test/ensemble/admin/restore.test.ts',
  },
  aclInOrder: {
    verdict: 'better',
    ours: 'Requests sent behind a setACL are checked by the new list, always.',
    apache: 'Checks them by the old list or by the new one, as timing has it.',
    ops: ['setAcl'],
    proof: 'test/ensemble/pipeline/pipeline.test.ts',
  },
  sessionIds: {
    verdict: 'better',
    ours: 'No session id is given twice, whatever the clocks of the machine do.',
    apache: 'Starts from the uptime of the machine, so that a reboot can repeat ids.',
    proof: 'test/ensemble/server/session-id-floor.test.ts',
  },
  strictConfiguration: {
    verdict: 'better',
    ours: 'Misspelt keys and flags that are neither `true` nor `false` are errors, with file, line and what was probably meant.',
    apache: 'Takes an unknown key for a system property, and a misspelt flag for `false`.',
    proof: 'test/ensemble/config/zoo-cfg.test.ts',
  },
  adminOff: {
    verdict: 'different',
    ours: 'The admin server is off unless an `admin.*` key asks for it, and then on loopback unless one names an address.',
    apache: 'Is on at port 8080 of all addresses, without credentials.',
    proof: 'test/toolkit/setup/server-http.test.ts',
  },
  adminPortTaken: {
    verdict: 'different',
    ours: 'A port that is taken costs the admin server or the metrics, with an error in the log; clients are served.',
    apache: 'Ends with status 4 where the port of the admin server is taken.',
    proof: 'test/ensemble/admin/admin-server.test.ts',
  },
  retention: {
    verdict: 'better',
    ours: 'In directories that we created, snapshots and logs that nobody needs go after each new snapshot, when `autopurge.*` says nothing; never in one that Apache left.',
    apache: 'Keeps all of them until the disk is full, unless told to purge.',
    proof: 'test/ensemble/server/retention.test.ts',
  },
  exactSnapshots: {
    verdict: 'better',
    ours: 'A snapshot is the tree at one zxid, whatever is written meanwhile.',
    apache: 'Writes what it finds as it goes, and relies on the log to mend it.',
    proof: 'test/ensemble/store/snapshots.test.ts',
  },
  descriptors: {
    verdict: 'better',
    ours: 'Connections that would take the last of the open files allowed (`ulimit -n`) are refused.',
    apache: 'Takes them, and ends when it cannot start its next log.',
    proof: 'test/interop/descriptors.test.ts',
  },
  pauses: {
    verdict: 'better',
    ours: 'After a pause of the server no session ends whose pings could not be read meanwhile.',
    apache: 'Counts its own pauses against its clients.',
    proof: 'test/ensemble/session/sessions.test.ts',
  },
  oldTtlNodes: {
    verdict: 'different',
    ours: 'A server with `emulate353TTLNodes=true` does not start.',
    apache: 'Takes the marks that 3.5.3 gave to TTL nodes for such.',
    proof: 'test/toolkit/server-command.test.ts',
  },
  ownMetrics: {
    verdict: 'different',
    ours: 'A metrics provider of your own is left out, with a warning.',
    apache: 'Loads the class, and does not start without it.',
    proof: 'test/toolkit/server-command.test.ts',
  },
  noSecrets: {
    verdict: 'better',
    ours: 'Of the system properties only those of ZooKeeper are shown, without secrets.',
    apache: 'Shows all of them, passwords of key stores included.',
    commands: ['environment', 'system_properties', 'configuration'],
    proof: 'test/ensemble/admin/redaction.test.ts',
  },
  boundedLists: {
    verdict: 'better',
    ours: 'Lists end after 50,000 entries, and say so.',
    apache: 'Builds them whole, whatever the server holds.',
    words: ['cons', 'dump', 'stat', 'wchc', 'wchp'],
    commands: ['connections', 'dump', 'watches', 'watches_by_path'],
    proof: 'test/ensemble/admin/listings.test.ts',
  },
  boundedIds: {
    verdict: 'better',
    ours: 'A connection has at most 128 ids, unless a setting says another number: more are answered AUTHFAILED, and it ends.',
    apache: 'Takes any number, and looks through all of them for each ACL.',
    ops: ['auth'],
    proof: 'test/ensemble/server/limits.test.ts',
  },
  softQuotas: {
    verdict: 'better',
    ours: 'What goes beyond a quota is reported in the log also without `enforceQuota`.',
    apache: 'Looks at no quota without it.',
    proof: 'test/ensemble/pipeline/quota.test.ts',
  },
  longQuotas: {
    verdict: 'better',
    ours: 'Limits or usage of more than 1,024 bytes are text that is no quota.',
    apache: 'Reads them with each write below, however long they are.',
    proof: 'test/ensemble/pipeline/quota.test.ts',
  },
  saslNames: {
    verdict: 'better',
    ours: 'A SASL user is known by the name whose password it has shown.',
    apache:
      'Gives a user whose name has a realm, of which no rule knows, the name that it asks to act for: it may call itself anybody.',
    ops: ['sasl'],
    proof: 'test/ensemble/auth/sasl.test.ts',
  },
  saslStrict: {
    verdict: 'better',
    ours: 'A SASL answer with a nonce count other than 1 is refused, as is one with a `maxbuf` that is no number.',
    apache: 'Never looks at the count; dies of such a `maxbuf`, and closes without an answer.',
    ops: ['sasl'],
    proof: 'test/ensemble/auth/sasl.test.ts',
  },
  ownProviders: {
    verdict: 'different',
    ours: 'An `authProvider.<x>` with a class of your own stops the start, as do Kerberos in the JAAS file and an unknown `digestAlg`.',
    apache:
      'Loads the class; goes on without it when that fails. Has Kerberos. Starts with an unknown hash, and fails at each use of it.',
    proof: 'test/toolkit/setup/server-auth.test.ts',
  },
  noAudit: {
    verdict: 'different',
    ours: 'There is no audit log and there are no statistics of paths: `audit.enable` and `pathStats.enabled` change nothing, as a warning at the start says.',
    apache: 'Writes a line for every change, with who asked for it, when told to.',
    proof: 'test/toolkit/setup/server-http.test.ts',
  },
  plainAdmin: {
    verdict: 'different',
    ours: 'The admin server speaks HTTP only: a server whose `admin.*` keys ask for TLS does not start.',
    apache: 'Takes TLS there, with the key store of the ports between servers.',
    proof: 'test/toolkit/setup/server-http.test.ts',
  },
  clientFips: {
    verdict: 'different',
    ours: '`howdah cli` logs in by DIGEST-MD5 whatever `fips-mode` says, and ends where it cannot log in.',
    apache:
      'zkCli needs `-Dzookeeper.fips-mode=false` for it since 3.9.4, and may go on as nobody.',
    proof: 'test/interop/sasl.test.ts',
  },
  strangers: {
    verdict: 'better',
    ours: 'HTTP, HTTP/2, TLS and Kafka at the plain client port are answered in their own language that this is no port for them; one line in the log says who it was.',
    apache: 'Closes the connection without a word.',
    proof: 'test/ensemble/server/strays.test.ts',
  },
  throttledSessions: {
    verdict: 'better',
    ours: 'With `request_throttle_max_requests` writes in work count, reads are answered as they come, and requests that wait keep their session alive.',
    apache:
      'Counts reads and new sessions, too; sessions can expire while their pings wait in the queue.',
    proof: 'test/ensemble/server/limits.test.ts',
  },
  longCloses: {
    verdict: 'better',
    ours: 'The end of a session whose list of ephemerals would not fit `jute.maxbuffer` is logged without the list, as up to 3.5: the tree has it.',
    apache: 'Logs the list, and no server can read that log at its next start.',
    proof: 'test/interop/store-apache.test.ts',
  },
  tlsVersions: {
    verdict: 'different',
    ours: 'TLS 1.2 and 1.3 are offered where nothing is said.',
    apache: 'Offers the version of `ssl.protocol` alone, which is TLS 1.3 on a JVM that has it.',
    proof: 'test/interop/tls.test.ts',
  },
  tlsRevocation: {
    verdict: 'different',
    ours: 'A server with `ssl.crl` or `ssl.ocsp` does not start; names of addresses are never looked up, whatever `ssl.allowReverseDnsLookup` says.',
    apache: 'Asks for revocation lists and by OCSP, and looks names up if told to.',
    proof: 'test/toolkit/setup/server-tls.test.ts',
  },
  tlsTrust: {
    verdict: 'different',
    ours: 'Every certificate of a PKCS#12 trust store that belongs to no private key is trusted; a server that needs client certificates and has no trust store does not start.',
    apache:
      'Trusts those that keytool has marked, and so none of a file of openssl; without a trust store it starts, and refuses every client.',
    proof: 'test/ensemble/tls/material.test.ts',
  },
} as const satisfies Record<string, Deviation>

export type DeviationName = keyof typeof deviations
