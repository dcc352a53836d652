/**
 * What the schema alone cannot say: relations between values, and what exists so far.
 *
 * Pure: the same set-up gives the same findings. A finding names the path of the value it is about,
 * and gets its line from there, or from the nearest value around it.
 */
import { settingsProblems } from '../../failover/index.ts'
import { groupSettings } from './group-settings.ts'
import { didYouMean, type Problem } from './problem.ts'
import type { Origin } from './read.ts'
import type { GroupSetUp, SetUp } from './schema.ts'
import { groupTimes } from './times.ts'

export interface Finding {
  readonly path: string
  readonly what: string
  readonly got?: string | undefined
  readonly expected?: string | undefined
  readonly suggestion?: string | undefined
}

export interface Findings {
  readonly problems: Finding[]
  /** Allowed, but probably not what one wants. */
  readonly notes: Finding[]
}

export function check(setUp: SetUp): Findings {
  const findings: Findings = { problems: [], notes: [] }
  checkServers(setUp, findings)
  for (const [name, group] of Object.entries(setUp.groups ?? {})) {
    checkGroup({ setUp, name, group }, findings)
  }
  checkListeners(setUp, findings)
  return findings
}

/** Keys of `ensemble.settings` that the YAML gives in its own way. */
const OWN_SETTINGS: Readonly<Record<string, string>> = {
  dataDir: 'servers.SID.dataDir',
  dataLogDir: 'servers.SID.dataLogDir',
  clientPort: 'servers.SID.ports.client',
  clientPortAddress: 'servers.SID.host',
  dynamicConfigFile: 'servers',
  peerType: 'servers.SID.role',
}

function checkServers(setUp: SetUp, { problems, notes }: Findings): void {
  const { servers, settings } = setUp.ensemble
  for (const key of Object.keys(settings ?? {})) {
    const own = /^(server|group|weight)\.\d+$/.test(key) ? 'servers' : OWN_SETTINGS[key]
    if (own === undefined) continue
    problems.push({
      path: `ensemble.settings.${key}`,
      what: `"${key}" does not belong in ensemble.settings`,
      expected: `ensemble.${own}`,
    })
  }
  if (servers === undefined) {
    if (settings !== undefined) {
      notes.push({
        path: 'ensemble.settings',
        what: 'ensemble.settings has no effect on an ensemble that others run',
      })
    }
    return
  }
  const sids = Object.keys(servers)
  if (sids.length > 1) {
    problems.push({
      path: 'ensemble.servers',
      what: 'an ensemble of several servers of our own is not available yet',
      got: `${sids.length} servers`,
      expected: 'one server, or ensemble.connect',
    })
  } else if (!isAllLoopback(setUp)) {
    notes.push({
      path: 'ensemble.servers',
      what: 'an ensemble of one server survives no failure of it',
    })
  }
  const directories = new Map<string, string>()
  for (const [sid, server] of Object.entries(servers)) {
    const path = `ensemble.servers.${sid}`
    if (server.role === 'observer' && sids.length === 1) {
      problems.push({
        path: `${path}.role`,
        what: 'a lone server must be a participant',
        got: 'observer',
      })
    }
    for (const key of ['dataDir', 'dataLogDir'] as const) {
      const directory = server[key]
      if (directory === undefined) continue
      const where = `${server.host} ${directory}`
      const other = directories.get(where)
      if (other !== undefined && other !== sid) {
        problems.push({
          path: `${path}.${key}`,
          what: `servers ${other} and ${sid} share a directory`,
          got: directory,
          expected: 'a directory for each',
        })
      }
      directories.set(where, sid)
    }
  }
}

function checkGroup(
  { setUp, name, group }: { setUp: SetUp; name: string; group: GroupSetUp },
  { problems, notes }: Findings,
): void {
  const path = `groups.${name}`
  const members = Object.entries(group.members)
  const settings = groupSettings({ setUp, directory: '/' }, name, members[0]?.[0] ?? '')
  const before = problems.length
  for (const { key, holds, what, got, expected } of groupTimes(group, settings).rules) {
    if (!holds) problems.push({ path: `${path}.${key}`, what, got, expected })
  }
  checkGrant({ setUp, path, group }, problems)

  if (members.length === 1) {
    notes.push({
      path: `${path}.members`,
      what: `group ${name} has one member: nobody can take over`,
    })
  } else if (group.protection.length === 0 && group.fencing.length === 0) {
    problems.push({
      path,
      what: `group ${name} has neither protection nor fencing, so nobody could ever take over from a crashed active`,
      expected: 'protection: [lease] or [token], or a method under fencing',
    })
  }
  const addresses = new Map<string, string>()
  for (const [member, { host, port }] of members) {
    const address = `${host}:${port}`
    const other = addresses.get(address)
    if (other !== undefined) {
      problems.push({
        path: `${path}.members.${member}`,
        what: `members ${other} and ${member} have one address`,
        got: address,
        expected: 'an address for each',
      })
    }
    addresses.set(address, member)
  }
  for (const [index, method] of group.fencing.entries()) {
    const at = `${path}.fencing[${index}]`
    const isCommand = method.command !== undefined
    if (isCommand && method.verify === undefined && !method.trustExitCode) {
      notes.push({
        path: at,
        what: 'this fencing command can confirm nothing',
        expected: 'verify, or trustExitCode: true',
      })
    }
    if (!isCommand && (method.verify !== undefined || method.timeout !== undefined)) {
      problems.push({
        path: at,
        what: 'verify and timeout beside graceful',
        expected: 'graceful: { timeout: … } alone',
      })
    }
  }
  // The controller's own rules, where none of those above has said it with its place.
  if (problems.length === before) {
    for (const what of settingsProblems(settings)) problems.push({ path, what })
  }
}

/** H-12: a session time-out that the server would not grant as asked for is refused, not rounded. */
function checkGrant(
  { setUp, path, group }: { setUp: SetUp; path: string; group: GroupSetUp },
  problems: Finding[],
): void {
  if (setUp.ensemble.servers === undefined) return
  const settings = setUp.ensemble.settings ?? {}
  const tickMs = numberOf(settings['tickTime'], 3000)
  const leastMs = numberOf(settings['minSessionTimeout'], 2 * tickMs)
  const mostMs = numberOf(settings['maxSessionTimeout'], 20 * tickMs)
  const askedMs = group.sessionTimeout
  if (askedMs >= leastMs && askedMs <= mostMs) return
  problems.push({
    path: `${path}.sessionTimeout`,
    what: 'the servers would not grant this session time-out (2 to 20 × tickTime, or minSessionTimeout and maxSessionTimeout)',
    got: `${askedMs}ms`,
    expected: `${leastMs}ms to ${mostMs}ms`,
  })
}

function numberOf(text: string | undefined, fallback: number): number {
  const value = Number(text)
  return text === undefined || !Number.isFinite(value) || value < 0 ? fallback : value
}

/** No two parts of one host may listen on one port. */
function checkListeners(setUp: SetUp, { problems }: Findings): void {
  const taken = new Map<string, string>()
  const claim = (host: string, port: number, path: string): void => {
    const key = `${isLoopback(host) ? 'loopback' : host}:${port}`
    const other = taken.get(key)
    if (other === undefined) {
      taken.set(key, path)
      return
    }
    problems.push({
      path,
      what: `${path} and ${other} listen on one port`,
      got: String(port),
      expected: 'a port for each',
    })
  }
  const servers = Object.entries(setUp.ensemble.servers ?? {})
  for (const [sid, { host, ports }] of servers) {
    claim(host, ports.client, `ensemble.servers.${sid}.ports.client`)
    if (servers.length === 1) continue
    claim(host, ports.quorum, `ensemble.servers.${sid}.ports.quorum`)
    claim(host, ports.election, `ensemble.servers.${sid}.ports.election`)
  }
  for (const [name, group] of Object.entries(setUp.groups ?? {})) {
    for (const [member, { host, port, http }] of Object.entries(group.members)) {
      const path = `groups.${name}.members.${member}`
      claim(host, port, `${path}.port`)
      const listen = http?.listen ?? group.http?.listen
      if (listen === undefined) continue
      const at = listen.lastIndexOf(':')
      claim(host, Number(listen.slice(at + 1)), http === undefined ? path : `${path}.http.listen`)
    }
  }
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

/** Whether every part of the set-up runs on this machine and talks over loopback only. */
export function isAllLoopback(setUp: SetUp): boolean {
  const { servers, connect } = setUp.ensemble
  const hosts = [
    ...Object.values(servers ?? {}).map((server) => server.host),
    ...Object.values(setUp.groups ?? {}).flatMap((group) =>
      Object.values(group.members).map((member) => member.host),
    ),
  ]
  const connects = (connect?.replace(/\/.*$/, '').split(',') ?? []).map((server) =>
    server.replace(/:\d+$/, '').replace(/^\[|\]$/g, ''),
  )
  return [...hosts, ...connects].every(isLoopback)
}

/** Gives a finding its place: that of its path, or of the nearest value around it. */
export function locate(
  finding: Finding,
  file: string,
  origins: ReadonlyMap<string, Origin>,
): Problem {
  const { path, ...rest } = finding
  let around = path
  while (around !== '' && !origins.has(around)) around = parentOf(around)
  const origin = origins.get(around)
  return { file, line: origin?.line ?? 1, column: origin?.column ?? 1, ...rest }
}

export function parentOf(path: string): string {
  const at = Math.max(path.lastIndexOf('.'), path.lastIndexOf('['))
  return at < 0 ? '' : path.slice(0, at)
}

/** The group and member of `GROUP/MEMBER`, or why there is none. */
export function findMember(
  setUp: SetUp,
  target: string,
): { group: string; member: string } | { what: string; suggestion: string | undefined } {
  const names = Object.entries(setUp.groups ?? {}).flatMap(([group, { members }]) =>
    Object.keys(members).map((member) => `${group}/${member}`),
  )
  if (!names.includes(target)) {
    const what = `there is no member "${target}"; known: ${names.join(', ') || 'none'}`
    return { what, suggestion: didYouMean(target, names) }
  }
  const at = target.indexOf('/')
  return { group: target.slice(0, at), member: target.slice(at + 1) }
}
