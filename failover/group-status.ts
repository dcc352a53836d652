/**
 * One group as the ensemble knows it, in the shape of `howdah status -o json` (toolkit.md 4).
 *
 * What only a controller knows (the rest of its lease, the role at this very moment) comes from the
 * controllers themselves: `ask` fetches a member's own status, or null when it does not answer.
 */
import { codeOf, type Coordination } from './coordination.ts'
import {
  decodeBreadcrumb,
  decodeConfig,
  decodeLock,
  decodeMember,
  groupPaths,
  type FencingStatus,
  type MemberValue,
  type Problem,
} from './group-nodes.ts'

export interface GroupStatus {
  readonly exists: boolean
  readonly active: string | null
  readonly lockHolder: string | null
  readonly breadcrumb: string | null
  readonly token: string | null
  readonly tokenHex: string | null
  readonly paused: boolean
  readonly fencing: FencingStatus | null
  readonly problems: readonly Problem[]
  readonly members: Readonly<Record<string, MemberStatus>>
}

export interface MemberStatus {
  readonly role: string
  readonly reportedRole: string
  readonly health: string
  readonly address: string
  readonly leaseMs: number | null
  readonly eligible: boolean
  readonly configDigest: string
  readonly version: string
  readonly pid: number | null
  readonly controllerPid: number | null
}

/** What a controller says about itself, as far as this needs it. */
export interface OwnWord {
  readonly role: string
  readonly reportedRole: string
  readonly health: string
  readonly leaseMs: number | null
  readonly pid: number | null
}

const ABSENT: MemberStatus = {
  role: 'unknown',
  reportedRole: 'unknown',
  health: 'not-responding',
  address: '',
  leaseMs: null,
  eligible: false,
  configDigest: '',
  version: '',
  pid: null,
  controllerPid: null,
}

export async function readGroupStatus(
  session: Pick<Coordination, 'get' | 'getChildren' | 'exists' | 'sync'>,
  options: {
    cluster: string
    group: string
    /** Configured members: they appear even when nobody is registered. */
    members: readonly string[]
    ask?: (member: string, value: MemberValue) => Promise<OwnWord | null>
  },
): Promise<GroupStatus> {
  const paths = groupPaths(options.cluster, options.group)
  await session.sync(paths.root)
  const exists = (await session.exists(paths.root)) !== null
  const lock = await read(session, paths.lock)
  const lockValue = decodeLock(lock?.data ?? null)
  const crumb = await read(session, paths.breadcrumb)
  const config = decodeConfig((await read(session, paths.config))?.data ?? null)
  const registered = new Map<string, MemberValue>()
  for (const member of await childrenOf(session, paths.members)) {
    const value = decodeMember((await read(session, `${paths.members}/${member}`))?.data ?? null)
    if (value !== null) registered.set(member, value)
  }

  const members: Record<string, MemberStatus> = {}
  for (const member of new Set([...options.members, ...registered.keys()])) {
    const value = registered.get(member)
    const word = value === undefined ? null : ((await options.ask?.(member, value)) ?? null)
    members[member] = value === undefined ? ABSENT : memberStatus(value, word)
  }
  const holder = lock === null ? null : (lockValue?.member ?? '(unreadable)')
  const saysActive = Object.keys(members).filter((name) => members[name]?.reportedRole === 'active')
  const holderStatus = holder === null ? undefined : members[holder]
  const agree = holderStatus?.role === 'active' && holderStatus.reportedRole === 'active'
  const token = lock === null ? null : lock.stat.czxid
  const values = [...registered.values()]
  return {
    exists,
    active: agree ? holder : null,
    lockHolder: holder,
    breadcrumb: crumb === null ? null : (decodeBreadcrumb(crumb.data)?.member ?? '(unreadable)'),
    token: token === null ? null : token.toString(),
    tokenHex: token === null ? null : `0x${token.toString(16)}`,
    paused: config.paused !== null,
    fencing: values.find((value) => value.fencing !== null)?.fencing ?? null,
    problems: [...(exists ? [] : [NOT_INITIALIZED]), ...dual(saysActive), ...distinct(values)],
    members,
  }
}

const NOT_INITIALIZED: Problem = {
  code: 'not-initialized',
  message: 'the group does not exist: run howdah init',
  since: '',
}

function dual(active: readonly string[]): Problem[] {
  if (active.length < 2) return []
  const message = `${active.join(' and ')} both report that they are active`
  return [{ code: 'two-active', message, since: '' }]
}

function distinct(values: readonly MemberValue[]): Problem[] {
  const found = new Map<string, Problem>()
  for (const value of values) {
    for (const problem of value.problems) found.set(`${problem.code} ${problem.message}`, problem)
  }
  return [...found.values()]
}

function memberStatus(value: MemberValue, word: OwnWord | null): MemberStatus {
  return {
    role: word?.role ?? value.role,
    reportedRole: word?.reportedRole ?? value.reportedRole,
    health: word?.health ?? value.health,
    address: value.address,
    leaseMs: word?.leaseMs ?? null,
    eligible: value.eligible,
    configDigest: value.configDigest,
    version: value.version,
    pid: word?.pid ?? value.pid,
    controllerPid: value.controllerPid,
  }
}

async function read(session: Pick<Coordination, 'get'>, path: string) {
  try {
    return await session.get(path)
  } catch (error) {
    if (codeOf(error) === 'noNode') return null
    throw error
  }
}

async function childrenOf(
  session: Pick<Coordination, 'getChildren'>,
  path: string,
): Promise<readonly string[]> {
  try {
    return (await session.getChildren(path)).children.toSorted()
  } catch (error) {
    if (codeOf(error) === 'noNode') return []
    throw error
  }
}
