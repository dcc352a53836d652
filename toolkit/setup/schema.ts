/**
 * The YAML of a set-up, declared once: the checks, the types, `howdah.schema.json`, the page
 * docs/configuration.md and `howdah check --explain` are all made from this file.
 *
 * Keys that belong to the format and have nothing behind them yet are declared with `later`, so that
 * they are told apart from typing errors.
 */
import { fallback, later, list, map, object, optional, required, type ValueOf } from './shape.ts'
import {
  choice,
  connectString,
  duration,
  flag,
  host,
  integer,
  listenAddress,
  name,
  port,
  propertyName,
  sid,
  template,
  text,
  urlTemplate,
} from './scalars.ts'

const memberArgv = list(template('member'), 1)
const fencingArgv = list(template('fencing'), 1)

const server = object({
  host: required(host, 'Where the server runs and clients reach it.'),
  dataDir: required(text, 'Directory of snapshots, log and epoch files; relative to this file.'),
  dataLogDir: optional(text, 'Directory of the transaction log alone.', 'dataDir'),
  role: fallback(
    choice(['participant', 'observer']),
    'participant',
    'participant',
    'An observer serves clients without a vote.',
  ),
  ports: fallback(
    object({
      client: fallback(port, 2181, '2181', 'For clients.'),
      quorum: fallback(port, 2888, '2888', 'Between servers: the leader listens here.'),
      election: fallback(port, 3888, '3888', 'Between servers: votes.'),
    }),
    { client: 2181, quorum: 2888, election: 3888 },
    '{ client: 2181, quorum: 2888, election: 3888 }',
    'The ports of the server.',
  ),
})

const ensemble = object(
  {
    connect: optional(connectString, 'An ensemble that runs already, ours or Apache ZooKeeper.'),
    servers: optional(map('SID', sid, server, 1), 'The servers that we run, by number.'),
    settings: optional(
      map('KEY', propertyName, text),
      'Keys of zoo.cfg with their own names and defaults, for all servers.',
    ),
    tls: later('TLS to the ensemble.'),
    auth: later('How the controllers and commands authenticate.'),
  },
  ['connect', 'servers'],
)

const probe = object(
  {
    http: optional(urlTemplate('member'), 'GET must answer with a status from 200 to 299.'),
    tcp: optional(template('member'), 'HOST:PORT must accept a connection.'),
    command: optional(memberArgv, 'A command that must end with status 0; no shell.'),
    every: fallback(duration, 1000, '1s', 'Time between two probes.'),
    timeout: fallback(duration, 1000, '1s', 'A probe that takes longer has failed.'),
    rise: fallback(integer(1, 100), 1, '1', 'Successes in a row until it counts as passing.'),
    fall: fallback(integer(1, 100), 3, '3', 'Failures in a row until it counts as failing.'),
  },
  ['http', 'tcp', 'command'],
)

const serviceCommand = object(
  {
    http: optional(
      object({
        method: fallback(choice(['POST', 'GET']), 'POST', 'POST', 'Method of the request.'),
        url: required(urlTemplate('member'), 'Where to; a status from 200 to 299 is success.'),
      }),
      'A request; token and lease travel in the headers Howdah-Fencing-Token and Howdah-Lease-Ms.',
    ),
    command: optional(
      memberArgv,
      'A command; token and lease travel as HOWDAH_FENCING_TOKEN and HOWDAH_LEASE_MS.',
    ),
    timeout: required(duration, 'Not done by then: failed.'),
  },
  ['http', 'command'],
)

const http = object({
  listen: required(listenAddress, 'Where the controller listens for HTTP.'),
  advertise: optional(text, 'Address told to others.', 'the address of listen'),
  tls: later('HTTPS.'),
  credentials: later('Who may change something.'),
})

const member = object({
  host: required(host, 'Where the service runs.'),
  port: required(port, 'Port of the service.'),
  priority: fallback(integer(0, 1_000_000), 0, '0', 'Higher is preferred where there is a choice.'),
  tags: optional(
    object({ nofailover: fallback(flag, false, 'false', 'Never becomes active by itself.') }),
    'Marks that decisions look at.',
  ),
  http: optional(http, 'HTTP of this member’s controller, where the group’s does not fit.'),
})

const fencingMethod = object(
  {
    graceful: optional(
      object({ timeout: required(duration, 'How long the peer may take to answer.') }),
      'Asks the peer to become standby; confirmed only by “standby at a token >= ours”.',
    ),
    command: optional(fencingArgv, 'A command that turns the target off; no shell.'),
    agent: later('A fence agent of ClusterLabs.'),
    options: later('Options of the fence agent.'),
    timeout: optional(duration, 'The command and its children are killed after it.', '20s'),
    verify: optional(
      object({
        command: required(fencingArgv, 'Ends with status 0 only if the target is seen to be off.'),
        timeout: fallback(duration, 5000, '5s', 'Not done by then: not confirmed.'),
      }),
      'Looks at the target after the command; without it the command confirms nothing.',
    ),
    trustExitCode: fallback(
      flag,
      false,
      'false',
      'The operator states that status 0 of the command means “off”; the status shows it.',
    ),
  },
  ['graceful', 'command', 'agent'],
)

const group = object({
  adapter: fallback(
    choice(['generic'], ['hdfs', 'yarn', 'spark', 'hbase-master']),
    'generic',
    'generic',
    'Layout in the ensemble and the way to talk to the service.',
  ),
  acl: later('Access to the znodes of the group.'),
  hadoopConf: later('Directory with Hadoop’s own files.'),
  sessionTimeout: fallback(
    duration,
    10_000,
    '10s',
    'A controller that is silent for so long loses its lock.',
  ),
  recoveryTime: later('The time that a failover may take, from which all others are derived.'),
  lease: optional(
    duration,
    'The active may act for so long after the last renewal that was sent and confirmed.',
    '3/4 of sessionTimeout',
  ),
  members: required(map('MEMBER', name, member, 1), 'The copies of the service, by name.'),
  service: required(
    object({
      start: optional(memberArgv, 'The controller starts and supervises this program; no shell.'),
      health: required(list(probe, 1), 'All must pass.'),
      activate: required(serviceCommand, 'Makes the service active.'),
      deactivate: required(serviceCommand, 'Makes the service standby.'),
    }),
    'How to run, probe and command the service.',
  ),
  protection: fallback(
    list(choice(['lease', 'token'])),
    [],
    '[]',
    'Proofs that a former active cannot act, besides its own word and fencing: lease (the service uses ' +
      'our guard or runs under the watchdog), token (each resource refuses lower tokens).',
  ),
  fencing: fallback(list(fencingMethod), [], '[]', 'Tried in order until one confirms.'),
  watchdog: fallback(
    choice(['off', 'automatic', 'required']),
    'automatic',
    'automatic',
    'The process beside the controller that stops the service when the controller dies or hangs.',
  ),
  whenEnsembleIsLost: fallback(
    choice(['demote'], ['failsafe', 'keep']),
    'demote',
    'demote',
    'demote: the active stops before its lease ends.',
  ),
  onRoleChange: optional(
    object({ command: required(memberArgv, 'No shell; its outcome changes nothing.') }),
    'Told about every change of role.',
  ),
  http: optional(
    http,
    'HTTP of the controllers: health checks of load balancers, status, metrics.',
  ),
})

export const schema = object({
  howdah: required(choice(['1']), 'Format of this file.'),
  cluster: required(name, 'Root of what has no published layout: /howdah/CLUSTER.'),
  stateDir: fallback(
    text,
    '/var/lib/howdah',
    '/var/lib/howdah',
    'Session credentials, highest token seen, adoption records; relative to this file.',
  ),
  ensemble: required(ensemble, 'The ensemble: one that runs already, or the servers that we run.'),
  groups: optional(map('GROUP', name, group), 'Services of which one copy is active.'),
  registrations: later('Services announced with ephemeral nodes.'),
  processes: optional(
    map('NAME', name, object({ start: required(list(text, 1), 'The program; no shell.') })),
    'Other programs that an all-loopback `howdah up` supervises.',
  ),
})

export type SetUp = ValueOf<typeof schema>
export type GroupSetUp = ValueOf<typeof group>
export type HttpSetUp = ValueOf<typeof http>
export type MemberSetUp = ValueOf<typeof member>
export type ServerSetUp = ValueOf<typeof server>
export type ProbeSetUp = ValueOf<typeof probe>
export type ServiceCommandSetUp = ValueOf<typeof serviceCommand>
export type FencingSetUp = ValueOf<typeof fencingMethod>
