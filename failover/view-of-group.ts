/** The group part of a view, from what the observer saw: which of it is ours is decided here. */
import type { GroupObserver, Seen } from './group-observer.ts'
import type { LeaseValue, RequestValue } from './group-nodes.ts'
import { decodeBreadcrumb } from './group-nodes.ts'
import { parseIsoTime } from './iso-time.ts'
import type { ClockReading } from './lease.ts'
import type { GroupSettings } from './settings.ts'
import type {
  BreadcrumbView,
  GroupView,
  LeaseView,
  LockView,
  PeerView,
  RequestView,
} from './view.ts'

export interface Identity {
  readonly settings: GroupSettings
  readonly sessionId: bigint
  /** Sessions of ours that ended or will end. */
  readonly formerSessions: ReadonlySet<bigint>
  readonly incarnation: string
  /** What our durable record says of the breadcrumb that we wrote last. */
  readonly breadcrumb: { readonly mzxid: bigint; readonly data: string } | null
  readonly now: ClockReading
}

export function viewOfGroup(observer: GroupObserver, identity: Identity): GroupView {
  const { settings } = identity
  const config = observer.config?.value
  return {
    exists: observer.exists,
    isStale: observer.isStale,
    registered: registrationOf(observer, identity),
    lock: lockOf(observer),
    lease: leaseOf(observer.lease, identity.incarnation),
    breadcrumb: breadcrumbOf(observer.breadcrumb, identity),
    paused: pausedOf(observer),
    drained: config?.drained[settings.member] ?? null,
    mismatches: mismatchesOf(observer, settings),
    peers: peersOf(observer, settings),
    confirmedOff: confirmedOffOf(observer),
    requests: requestsOf(observer, identity.now),
  }
}

/**
 * An operator's word counts for the breadcrumb that it names, at its version: a later
 * grant writes the breadcrumb and makes it void. Without a breadcrumb there is nothing to bind it to.
 */
function confirmedOffOf({ config, breadcrumb }: GroupObserver): string[] {
  const crumb = breadcrumb === null ? null : decodeBreadcrumb(breadcrumb.data)
  return (config?.value.confirmedOff ?? [])
    .filter(({ breadcrumbVersion, token }) => {
      if (breadcrumb === null) return false
      return breadcrumbVersion === breadcrumb.stat.version && token === (crumb?.token ?? 0n)
    })
    .map(({ member }) => member)
}

function pausedOf({ config }: GroupObserver): string | null {
  const paused = config?.value.paused ?? null
  if (paused === null) return null
  return paused.reason === '' ? 'no reason given' : paused.reason
}

function registrationOf(observer: GroupObserver, identity: Identity): 'no' | 'mine' | 'held' {
  const own = observer.members.get(identity.settings.member)
  if (own === undefined) return 'no'
  if (own.stat.ephemeralOwner === identity.sessionId) return 'mine'
  return identity.formerSessions.has(own.stat.ephemeralOwner) ? 'no' : 'held'
}

function lockOf({ lock, lockAbsentSinceMs }: GroupObserver): LockView {
  if (lock === null) return { kind: 'absent', sinceMs: lockAbsentSinceMs }
  return {
    kind: 'held',
    owner: lock.stat.ephemeralOwner,
    czxid: lock.stat.czxid,
    member: lock.value?.member ?? null,
  }
}

export function leaseOf(lease: Seen<LeaseValue | null> | null, incarnation: string): LeaseView {
  if (lease === null) return { kind: 'absent' }
  const { value, stat, observedAtMs } = lease
  return {
    kind: 'present',
    version: stat.version,
    czxid: stat.czxid,
    member: value?.member ?? null,
    token: value?.token ?? null,
    // A value that cannot be read promises nothing; the caller takes our own lease as the least.
    leaseMs: value?.leaseMs ?? -1,
    isOwnRun: value !== null && value.incarnation === incarnation,
    observedAtMs,
  }
}

function breadcrumbOf(seen: Seen<null> | null, identity: Identity): BreadcrumbView {
  if (seen === null) return { kind: 'absent' }
  const value = decodeBreadcrumb(seen.data)
  const record = identity.breadcrumb
  const sameAsRecord =
    record !== null &&
    record.mzxid === seen.stat.mzxid &&
    record.data === seen.data?.toString('utf8')
  const isOfThisRun = value !== null && value.incarnation === identity.incarnation
  return {
    kind: 'present',
    version: seen.stat.version,
    member: value?.member ?? null,
    token: value?.token ?? null,
    // Or this very run wrote it and did not hear of it: no other run has its incarnation.
    isMine: sameAsRecord || isOfThisRun,
    isOfThisRun,
  }
}

function mismatchesOf(observer: GroupObserver, settings: GroupSettings): string[] {
  const found: string[] = []
  for (const [member, { value }] of observer.members) {
    if (member === settings.member || value === null) continue
    if (value.configDigest === settings.configDigest) continue
    const keys = differingKeys(settings.configKeys ?? {}, value.configKeys)
    const which = keys.length === 0 ? 'configuration' : keys.join(', ')
    found.push(`${which} of ${member} (${value.address})`)
  }
  return found
}

function differingKeys(
  ours: Readonly<Record<string, string>>,
  theirs: Readonly<Record<string, string>>,
): string[] {
  const names = new Set([...Object.keys(ours), ...Object.keys(theirs)])
  return [...names].filter((name) => ours[name] !== theirs[name]).toSorted()
}

function peersOf(observer: GroupObserver, settings: GroupSettings): PeerView[] {
  const peers: PeerView[] = []
  for (const [member, { value }] of observer.members) {
    if (member === settings.member || value === null) continue
    if (settings.members[member] === undefined) continue
    const drained = observer.config?.value.drained[member] !== undefined
    peers.push({
      member,
      healthy: value.health === 'healthy',
      eligible: value.eligible && !drained,
      priority: settings.members[member].priority ?? 0,
    })
  }
  return peers
}

function requestsOf(observer: GroupObserver, now: ClockReading): RequestView[] {
  const requests: RequestView[] = []
  for (const [node, seen] of observer.requests) {
    if (seen.value !== null) requests.push(requestOf(node, seen.value, seen.observedAtMs, now))
  }
  return requests
}

function requestOf(
  node: string,
  value: RequestValue,
  observedAtMs: number,
  now: ClockReading,
): RequestView {
  const at = value.at === null ? null : parseIsoTime(value.at)
  // When it became due, on the monotonic clock; for one without a time, when we saw it.
  const dueForMs = at === null ? Infinity : now.wallMs - at
  return {
    node,
    id: value.id,
    from: value.from,
    to: value.to,
    by: value.by,
    allowUnhealthy: value.allowUnhealthy,
    isDue: dueForMs >= 0,
    seenAtMs: Math.max(observedAtMs, now.monotonicMs - Math.max(0, dueForMs)),
  }
}
