/**
 * Members of an ensemble, as zoo.cfg, the dynamic file and /zookeeper/config name them:
 *
 *   server.SID=HOST:QUORUM:ELECTION[:ROLE][|HOST:QUORUM:ELECTION[:ROLE]…][;[CLIENTHOST:]CLIENTPORT]
 *   group.GID=SID:SID…      weight.SID=N      version=HEX (dynamic text only)
 *
 * Source: QuorumPeer.QuorumServer#initializeWithAddressString, QuorumPeerConfig#parseDynamicConfig,
 * 3.9.5. Unlike Apache, which lets the last of two lines win, a sid that is named twice is an error.
 */
import type { Problem } from './problem.ts'
import type { Property } from './properties.ts'
import { isHost } from './values.ts'

export type ServerRole = 'participant' | 'observer'

export interface ServerAddress {
  readonly host: string
  readonly quorumPort: number
  readonly electionPort: number
}

export interface ServerLine {
  readonly sid: number
  readonly addresses: readonly ServerAddress[]
  readonly role: ServerRole
  /** Whether the line itself said the role. */
  readonly isRoleSaid: boolean
  /** `0.0.0.0` when the line gives a port alone; null when it gives neither. */
  readonly clientHost: string | null
  readonly clientPort: number | null
  readonly line: number
  readonly column: number
}

export interface Members {
  /** In the order of the text. */
  readonly servers: readonly ServerLine[]
  readonly groups: ReadonlyMap<number, readonly number[]>
  readonly weights: ReadonlyMap<number, number>
}

export const noMembers: Members = { servers: [], groups: new Map(), weights: new Map() }

/** Whether a key belongs to the members: QuorumPeerConfig#isDynamicKey but for `version`. */
export function isMemberKey(key: string): boolean {
  return /^(server\.|group|weight)/.test(key)
}

/** Reads the lines of members, of which each is at most one in `entries` that `isMemberKey`. */
export function parseMembers(
  entries: readonly Property[],
  file: string,
  problems: Problem[],
): Members {
  const servers = new Map<number, ServerLine>()
  const groups = new Map<number, readonly number[]>()
  const weights = new Map<number, number>()
  for (const entry of entries) {
    const complain = (problem: Partial<Problem> & { what: string }) =>
      void problems.push({ file, line: entry.line, column: entry.column, ...problem })
    const match = /^(server|group|weight)\.(.*)$/.exec(entry.key)
    const id = parseId(match?.[2] ?? '')
    if (match === null || id === null) {
      const expected = 'server.N, group.N or weight.N with a number N'
      complain({ what: 'a key without a number', got: entry.key, expected })
    } else if (match[1] === 'server') {
      const line = parseServer(id, entry, file, problems)
      if (servers.has(id)) {
        const first = servers.get(id)!
        complain({
          what: `server ${id} is named twice, first in line ${first.line}`,
          got: entry.key,
        })
      } else if (line !== null) servers.set(id, line)
    } else if (match[1] === 'group') {
      const members = entry.value.split(':').map((part) => parseId(part.trim()))
      if (groups.has(id)) complain({ what: `group ${id} is named twice`, got: entry.key })
      else if (members.includes(null)) {
        complain({ ...valueOf(entry), what: entry.key, expected: 'server numbers between colons' })
      } else groups.set(id, members as number[]) // none is null, as just checked
    } else {
      const weight = parseId(entry.value)
      if (weight === null) {
        complain({ ...valueOf(entry), what: entry.key, expected: 'a whole number from 0' })
      } else weights.set(id, weight)
    }
  }
  return { servers: [...servers.values()], groups, weights }
}

/** Relations between members; each once it is known who they are. */
export function checkMembers(members: Members, file: string, problems: Problem[]): void {
  const { servers, groups, weights } = members
  const sids = new Set(servers.map(({ sid }) => sid))
  const taken = new Map<string, string>()
  for (const { sid, addresses, clientHost, clientPort, line, column } of servers) {
    const used = addresses.flatMap(({ host, quorumPort, electionPort }) => [
      [`${host}:${quorumPort}`, 'quorum port'],
      [`${host}:${electionPort}`, 'election port'],
    ])
    if (clientPort !== null && clientHost !== '0.0.0.0' && clientHost !== '::') {
      used.push([`${clientHost}:${clientPort}`, 'client port'])
    }
    for (const [address = '', use] of used) {
      const other = taken.get(address)
      const what = `the ${use} of server ${sid} is the ${other}`
      if (other !== undefined) problems.push({ file, line, column, what, got: address })
      taken.set(address, `${use} of server ${sid}`)
    }
  }
  const grouped = new Map<number, number>()
  for (const [group, of] of groups) {
    for (const sid of of) {
      const missing = `group ${group} contains a server that is not there`
      if (!sids.has(sid))
        problems.push({ file, line: 0, column: 0, what: missing, got: String(sid) })
      const twice = `server ${sid} is in two groups: ${grouped.get(sid)} and ${group}`
      if (grouped.has(sid)) problems.push({ file, line: 0, column: 0, what: twice })
      grouped.set(sid, group)
    }
  }
  for (const sid of weights.keys()) {
    const what = 'a weight of a server that is not there'
    if (!sids.has(sid)) problems.push({ file, line: 0, column: 0, what, got: `weight.${sid}` })
  }
  if (groups.size === 0) return
  for (const { sid, role, line, column } of servers) {
    if (role === 'observer' || grouped.has(sid)) continue
    problems.push({ file, line, column, what: `server ${sid} is in no group, but others are` })
  }
}

function parseServer(
  sid: number,
  entry: Property,
  file: string,
  problems: Problem[],
): ServerLine | null {
  const refuse = (what: string, expected?: string) => {
    problems.push({ file, ...valueOf(entry), what: `${entry.key}: ${what}`, expected })
    return null
  }
  const [addressPart = '', clientPart, ...more] = entry.value.split(';')
  if (more.length > 0) return refuse('more than one client address', 'one ;[host:]port at the end')

  const addresses: ServerAddress[] = []
  const roles = new Set<ServerRole>()
  for (const text of addressPart.split('|')) {
    const parts = /^\s*(\[[^\]]*\]|[^:[\]]*):([^:]*)(?::([^:]*))?(?::([^:]*))?\s*$/.exec(text)
    if (parts === null) return refuse('an address that cannot be read', 'host:port:port[:role]')
    const [, written = '', quorum = '', election, role] = parts
    const host = written.replace(/^\[(.*)\]$/, '$1')
    if (!isHost(host) || (host.includes(':') && host === written)) {
      return refuse('no host name', 'a name, an IPv4 address or an IPv6 address in brackets')
    }
    if (election === undefined) return refuse('the election port is missing', 'host:port:port')
    const quorumPort = parsePort(quorum)
    const electionPort = parsePort(election)
    if (quorumPort === null || electionPort === null) {
      return refuse('a port that is none', 'ports from 1 to 65535')
    }
    if (quorumPort === electionPort) return refuse('quorum and election port are the same')
    if (role !== undefined) {
      const known = role.trim().toLowerCase()
      if (known !== 'participant' && known !== 'observer') {
        return refuse('a role that is none', 'participant or observer')
      }
      roles.add(known)
    }
    addresses.push({ host, quorumPort, electionPort })
  }
  if (roles.size > 1) return refuse('addresses of one server with different roles')

  let clientHost: string | null = null
  let clientPort: number | null = null
  if (clientPart !== undefined) {
    const client = /^\s*(?:(\[[^\]]*\]|[^:[\]]*):)?([^:]*)\s*$/.exec(clientPart)
    clientHost = (client?.[1] ?? '0.0.0.0').replace(/^\[(.*)\]$/, '$1')
    clientPort = parsePort(client?.[2] ?? '')
    if (clientPort === null || !isHost(clientHost)) {
      return refuse('a client address that cannot be read', ';[host:]port')
    }
  }
  const [role = 'participant'] = roles
  const { line, column } = entry
  return Object.freeze({
    sid,
    addresses: Object.freeze(addresses),
    role,
    isRoleSaid: roles.size > 0,
    clientHost,
    clientPort,
    line,
    column,
  })
}

/** Java has 64 bits for it; sids that a number cannot hold exactly are refused. */
function parseId(text: string): number | null {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(value) ? value : null
}

function parsePort(text: string): number | null {
  const value = /^\s*\d{1,5}\s*$/.test(text) ? Number(text) : 0
  return value >= 1 && value <= 65535 ? value : null
}

function valueOf(entry: Property): { line: number; column: number; got: string } {
  return { line: entry.valueLine, column: entry.valueColumn, got: entry.value }
}
