/** What a controller is told, made from the YAML: templates stay as written, times are milliseconds. */
import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import {
  watchdogArgv,
  type FencingMethod,
  type GroupSettings,
  type Probe,
  type ServiceCommand,
} from '../../failover/index.ts'
import { version } from '../version.ts'
import { withNode } from './plan.ts'
import type {
  FencingSetUp,
  GroupSetUp,
  HttpSetUp,
  ProbeSetUp,
  ServiceCommandSetUp,
  SetUp,
} from './schema.ts'
import { FENCING_COMMAND_TIMEOUT_MS, leaseOf } from './times.ts'

/** Commands of the operator that are only told something may take so long. */
const NOTIFICATION_TIMEOUT_MS = 10_000

/** `host:port,…/chroot` of the ensemble, whoever runs it. */
export function connectStringOf(setUp: SetUp): string {
  const { connect, servers } = setUp.ensemble
  if (connect !== undefined) return connect
  return Object.values(servers ?? {})
    .map(({ host, ports }) => `${host.includes(':') ? `[${host}]` : host}:${ports.client}`)
    .join(',')
}

/** The HTTP interface of a member's controller: its own, else the group's. */
export function memberHttp(group: GroupSetUp, member: string): HttpSetUp | undefined {
  return group.members[member]?.http ?? group.http
}

/** @param directory where relative paths of the set-up start */
export function groupSettings(
  { setUp, directory }: { setUp: SetUp; directory: string },
  name: string,
  member: string,
): GroupSettings {
  const group = setUp.groups?.[name]
  const own = group?.members[member]
  if (group === undefined || own === undefined) throw new RangeError(`no member ${name}/${member}`)
  const sessionTimeoutMs = group.sessionTimeout
  const leaseMs = leaseOf(group)
  const { service, onRoleChange } = group
  const http = memberHttp(group, member)
  const keys = safetyKeys(setUp, group)
  return {
    cluster: setUp.cluster,
    group: name,
    member,
    members: group.members,
    ensembleConnect: connectStringOf(setUp),
    sessionTimeoutMs,
    leaseMs,
    service: {
      ...(service.start === undefined ? {} : { start: withNode(service.start), cwd: directory }),
      health: service.health.map(probeOf),
      activate: commandOf(service.activate),
      deactivate: commandOf(service.deactivate),
    },
    protection: group.protection,
    fencing: group.fencing.map(fencingOf),
    whenEnsembleIsLost: group.whenEnsembleIsLost,
    watchdog: group.watchdog,
    watchdogArgv: watchdogArgv(),
    ...(onRoleChange === undefined
      ? {}
      : {
          onRoleChange: {
            argv: withNode(onRoleChange.command),
            timeoutMs: NOTIFICATION_TIMEOUT_MS,
          },
        }),
    stateDir: resolve(directory, setUp.stateDir),
    address: http?.advertise ?? http?.listen ?? `${own.host}:${own.port}`,
    configDigest: digest(keys),
    configKeys: Object.fromEntries(
      Object.entries(keys).map(([key, value]) => [key, digest(value).slice(0, 8)]),
    ),
    version: version(),
  }
}

function probeOf(probe: ProbeSetUp): Probe {
  const { every: everyMs, timeout: timeoutMs, rise, fall } = probe
  const rhythm = { everyMs, timeoutMs, rise, fall }
  if (probe.http !== undefined) return { kind: 'http', url: probe.http, ...rhythm }
  if (probe.tcp !== undefined) return { kind: 'tcp', address: probe.tcp, ...rhythm }
  return { kind: 'command', argv: withNode(probe.command ?? []), ...rhythm }
}

function commandOf(command: ServiceCommandSetUp): ServiceCommand {
  const timeoutMs = command.timeout
  if (command.http !== undefined) {
    return { kind: 'http', method: command.http.method, url: command.http.url, timeoutMs }
  }
  return { kind: 'command', argv: withNode(command.command ?? []), timeoutMs }
}

function fencingOf(method: FencingSetUp): FencingMethod {
  if (method.graceful !== undefined) {
    return { kind: 'graceful', timeoutMs: method.graceful.timeout }
  }
  const { verify } = method
  return {
    kind: 'command',
    argv: withNode(method.command ?? []),
    timeoutMs: method.timeout ?? FENCING_COMMAND_TIMEOUT_MS,
    trustExitCode: method.trustExitCode,
    ...(verify === undefined
      ? {}
      : { verify: { argv: withNode(verify.command), timeoutMs: verify.timeout } }),
  }
}

/** Keys on which the controllers of a group must agree before one may win (H-17). */
function safetyKeys(setUp: SetUp, group: GroupSetUp): Record<string, unknown> {
  return {
    cluster: setUp.cluster,
    adapter: group.adapter,
    members: Object.fromEntries(
      Object.entries(group.members).map(([name, { host, port }]) => [name, `${host}:${port}`]),
    ),
    sessionTimeout: group.sessionTimeout,
    lease: leaseOf(group),
    activate: group.service.activate,
    deactivate: group.service.deactivate,
    protection: group.protection,
    fencing: group.fencing,
    whenEnsembleIsLost: group.whenEnsembleIsLost,
  }
}

/** The same for equal values, whatever the order of their keys in the file. */
function digest(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex').slice(0, 32)
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}
