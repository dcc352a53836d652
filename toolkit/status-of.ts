/** The state of a set-up as `howdah status` prints it: servers by `srvr`, groups from the ensemble. */
import { connect as connectSocket } from 'node:net'
import { parseConnectString, type Client } from '../ensemble/client/index.ts'
import { nodeHttp } from '../ensemble/sys/node-http.ts'
import { readGroupStatus, type GroupStatus, type OwnWord, type Problem } from '../failover/index.ts'
import type { SetUp } from './setup/schema.ts'

const ASK_TIMEOUT_MS = 1000
const ANSWER_BYTES_MAX = 64 * 1024

export interface ServerState {
  readonly sid: number | null
  readonly address: string
  /** `leader`, `follower`, `standalone` …; null when the server does not answer. */
  readonly mode: string | null
  readonly zxid: string | null
  readonly version: string | null
}

/** Printed by `howdah status -o json`; field names are published (toolkit.md 4). */
export interface StatusReport {
  readonly apiVersion: 1
  readonly cluster: string | null
  readonly observedAt: string
  readonly ensemble: readonly ServerState[]
  readonly groups: Readonly<Record<string, GroupState>>
  readonly registrations: Readonly<Record<string, never>>
}

export type GroupState = Omit<GroupStatus, 'exists'>

export async function ensembleState(
  servers: readonly { sid: number | null; address: string }[],
): Promise<ServerState[]> {
  return Promise.all(
    servers.map(async ({ sid, address }) => {
      const answer = await fourLetterWord('srvr', address)
      const field = (pattern: RegExp): string | null => pattern.exec(answer)?.[1]?.trim() ?? null
      return {
        sid,
        address,
        mode: field(/^Mode: (.*)$/m),
        zxid: field(/^Zxid: (.*)$/m),
        version: field(/^Zookeeper version: ([^,\n]*)/m),
      }
    }),
  )
}

/** The servers that a connect string names, with numbers where a set-up gives them. */
export function serversOf(
  setUp: SetUp | null,
  connectString: string,
): { sid: number | null; address: string }[] {
  const own = setUp?.ensemble.servers
  if (own !== undefined) {
    return Object.entries(own).map(([sid, { host, ports }]) => ({
      sid: Number(sid),
      address: addressText(host, ports.client),
    }))
  }
  return parseConnectString(connectString).servers.map(({ host, port }) => ({
    sid: null,
    address: addressText(host, port),
  }))
}

function addressText(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

export async function groupState(
  client: Client,
  { cluster, group, setUp }: { cluster: string; group: string; setUp: SetUp | null },
): Promise<GroupState> {
  const members = setUp?.groups?.[group]?.members ?? {}
  const { exists: _, ...state } = await readGroupStatus(client, {
    cluster,
    group,
    members: Object.keys(members),
    ask: (_member, { address }) => askController(address, group),
  })
  // A member is known by the address of its service; its node holds that of its controller.
  const shown = Object.entries(state.members).map(([name, member]) => {
    const own = members[name]
    const address = own === undefined ? member.address : addressText(own.host, own.port)
    return [name, { ...member, address }] as const
  })
  return { ...state, members: Object.fromEntries(shown) }
}

/** What a controller says of itself now; null when it does not answer, or another one does. */
async function askController(address: string, group: string): Promise<OwnWord | null> {
  if (!/^[\w.:[\]-]+:\d{1,5}$/.test(address)) return null
  try {
    const answer = await nodeHttp.request({
      method: 'GET',
      url: `http://${address}/status`,
      timeoutMs: ASK_TIMEOUT_MS,
    })
    const fields = JSON.parse(answer.body) as Record<string, unknown> // checked field by field
    if (fields['group'] !== group) return null
    const { role, reportedRole, health, leaseLeftMs, pid } = fields
    if (typeof role !== 'string' || typeof reportedRole !== 'string') return null
    return {
      role,
      reportedRole,
      health: typeof health === 'string' ? health : 'initializing',
      leaseMs: typeof leaseLeftMs === 'number' ? leaseLeftMs : null,
      pid: typeof pid === 'number' ? pid : null,
    }
  } catch {
    return null
  }
}

/** Clusters and groups that an ensemble knows, for a status without a set-up. */
export async function discoverGroups(
  client: Client,
): Promise<{ cluster: string; group: string }[]> {
  const found: { cluster: string; group: string }[] = []
  for (const cluster of await childrenOf(client, '/howdah')) {
    for (const group of await childrenOf(client, `/howdah/${cluster}/groups`)) {
      found.push({ cluster, group })
    }
  }
  return found
}

async function childrenOf(client: Client, path: string): Promise<string[]> {
  if ((await client.exists(path)) === null) return []
  return (await client.getChildren(path)).children.toSorted()
}

/** Everything that is not as it should be. */
export function problemsOf(report: StatusReport): Problem[] {
  const problems: Problem[] = []
  const since = report.observedAt
  for (const { address, mode } of report.ensemble) {
    if (mode === null)
      problems.push({ code: 'no-answer', message: `server ${address} does not answer`, since })
  }
  for (const [name, group] of Object.entries(report.groups)) {
    if (group.active === null) {
      problems.push({ code: 'no-active', message: `group ${name} has no active member`, since })
    }
    for (const problem of group.problems) {
      problems.push({ ...problem, message: `group ${name}: ${problem.message}` })
    }
  }
  return problems
}

function fourLetterWord(word: string, address: string): Promise<string> {
  const at = address.lastIndexOf(':')
  const host = address.slice(0, at).replace(/^\[|\]$/g, '')
  return new Promise((resolve) => {
    let answer = ''
    const socket = connectSocket({ host, port: Number(address.slice(at + 1)) })
    const finish = (): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(ASK_TIMEOUT_MS, finish)
    socket.on('connect', () => socket.write(word))
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1')
      if (answer.length > ANSWER_BYTES_MAX) finish()
    })
    socket.on('end', finish)
    socket.on('error', finish)
  })
}
