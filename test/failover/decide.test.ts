/** The decision as a table: one changed fact, one action (reliability reference, section 6). */
import { describe, expect, test } from 'vitest'
import { decide, interrupts, refusalOf, type Action } from '../../failover/decide.ts'
import { timesOf } from '../../failover/settings.ts'
import type { Grant, GroupView, LeaseView, View } from '../../failover/view.ts'
import { settingsFor } from '../support/failover-world.ts'

const NOW = { monotonicMs: 100_000, bootMs: 200_000, wallMs: 1_700_000_000_000 }
const times = timesOf(settingsFor('a', ['a', 'b']))
const MY_SESSION = 0x11n
const TOKEN = 500n

const LEASE_OF_B: LeaseView = {
  kind: 'present',
  version: 7,
  czxid: 90n,
  member: 'b',
  token: 400n,
  leaseMs: 3000,
  isOwnRun: false,
  observedAtMs: NOW.monotonicMs - 500,
}

const GROUP: GroupView = {
  exists: true,
  registered: 'mine',
  lock: { kind: 'absent', sinceMs: NOW.monotonicMs - 10_000 },
  lease: LEASE_OF_B,
  breadcrumb: {
    kind: 'present',
    version: 3,
    member: 'b',
    token: 400n,
    isMine: false,
    isOfThisRun: false,
  },
  paused: null,
  drained: null,
  mismatches: [],
  peers: [{ member: 'b', healthy: true, eligible: true, priority: 50 }],
  confirmedOff: [],
  requests: [],
  isStale: false,
}

/** A healthy standby, connected, with a free lock before it. */
const STANDBY: View = {
  now: NOW,
  self: 'a',
  others: ['b'],
  rules: {
    protection: ['lease'],
    fencing: [
      { kind: 'graceful', timeoutMs: 500 },
      { kind: 'command', argv: ['fence'], timeoutMs: 1000, trustExitCode: true },
    ],
    whenEnsembleIsLost: 'demote',
    noFailover: false,
    watchdogRequired: false,
    priority: 100,
  },
  times,
  stopping: null,
  health: 'healthy',
  service: {
    role: 'standby',
    reported: { role: 'standby', token: 400n },
    contradictions: 0,
    supervised: false,
    running: false,
    retryAtMs: 0,
  },
  session: { state: 'connected', id: MY_SESSION, timeoutMs: 4000, retryAtMs: 0 },
  group: GROUP,
  record: { highestToken: 400n, activeToken: null },
  grant: null,
  backoffUntilMs: 0,
  failoverTimesMs: [],
  tokenAlarm: false,
  adoptUntilMs: 0,
  hasWatchdog: false,
}

const MY_LOCK = { kind: 'held', owner: MY_SESSION, czxid: TOKEN, member: 'a' } as const
const LOCK_OF_B = { kind: 'held', owner: 0x22n, czxid: 400n, member: 'b' } as const
const MY_LEASE = { version: 8, czxid: 90n, sentAt: NOW }
/** Our own lease node as the observer shows it. */
const OWN_LEASE: LeaseView = {
  ...LEASE_OF_B,
  version: 8,
  member: 'a',
  token: TOKEN,
  isOwnRun: true,
}
const FORMER_RUNS = { lease: LEASE_OF_B, endsAtMs: NOW.monotonicMs + 2000 }
const FORMER_OVER = { lease: LEASE_OF_B, endsAtMs: NOW.monotonicMs }

const GRANT: Grant = {
  token: TOKEN,
  startedAt: NOW,
  former: null,
  lease: null,
  proofs: {},
  fencing: [],
  verified: 'never',
  hasBreadcrumb: false,
  commanded: false,
  active: false,
  recorded: false,
  adopting: false,
  allowUnhealthy: false,
  lost: null,
  demoted: null,
}

const ACTIVE_GRANT: Grant = {
  ...GRANT,
  former: FORMER_OVER,
  lease: MY_LEASE,
  verified: 'after-breadcrumb',
  hasBreadcrumb: true,
  commanded: true,
  active: true,
  recorded: true,
}

function group(change: Partial<GroupView>): GroupView {
  return { ...GROUP, ...change }
}

function winner(grant: Partial<Grant>, view: Partial<View> = {}): View {
  const own = group({ lock: MY_LOCK, lease: OWN_LEASE })
  return { ...STANDBY, group: own, grant: { ...GRANT, ...grant }, ...view }
}

const ACTIVE: View = {
  ...STANDBY,
  service: { ...STANDBY.service, role: 'active', reported: { role: 'active', token: TOKEN } },
  group: group({
    lock: MY_LOCK,
    lease: OWN_LEASE,
    breadcrumb: {
      kind: 'present',
      version: 4,
      member: 'a',
      token: TOKEN,
      isMine: true,
      isOfThisRun: true,
    },
  }),
  record: { highestToken: TOKEN, activeToken: TOKEN },
  grant: ACTIVE_GRANT,
}

function kindOf(view: View): string {
  const { action } = decide(view)
  return action.kind === 'wait' ? `wait ${action.state}` : action.kind
}

describe('before the lock', () => {
  const supervised = { ...STANDBY.service, supervised: true, running: false }
  const unknown = { ...STANDBY.service, role: 'unknown', reported: null } as const
  const later = NOW.monotonicMs + 400
  const asked = {
    node: 'r-1',
    id: 'x',
    from: null,
    to: 'a',
    isDue: true,
    allowUnhealthy: false,
    seenAtMs: NOW.monotonicMs,
    by: 'ann',
  }
  test.each<[string, Partial<View>, string]>([
    ['a free lock is taken', {}, 'create-lock'],
    ['a service of unknown role is stopped first (H-6)', { service: unknown }, 'stop-service'],
    [
      'a service that says twice that it is active is stopped (H-6)',
      { service: { ...STANDBY.service, contradictions: 2 } },
      'stop-service',
    ],
    [
      'a service that does not answer stops nobody from registering',
      { service: { ...unknown, retryAtMs: later }, group: group({ registered: 'no' }) },
      'register',
    ],
    [
      'without a confirmed standby nobody competes (H-6)',
      { service: { ...unknown, retryAtMs: later } },
      'wait not-eligible',
    ],
    [
      'a lock of the run before is given back when the service does not answer',
      { service: { ...unknown, retryAtMs: later }, group: group({ lock: MY_LOCK }) },
      'release-lock',
    ],
    ['a service that we supervise is started', { service: supervised }, 'start-service'],
    [
      'and started again only after a while (H-13)',
      { service: { ...supervised, retryAtMs: later } },
      'wait starting',
    ],
    ['without a session one is opened', { session: session('none') }, 'open-session'],
    ['an expired one is replaced (H-9)', { session: session('expired') }, 'open-session'],
    ['while disconnected: neutral (H-8)', { session: session('disconnected') }, 'wait neutral'],
    ['refused credentials end it', { session: session('auth-failed') }, 'wait alarm'],
    ['unknown group: read', { group: null }, 'read-group'],
    ['stale observations: read afresh (H-8)', { group: group({ isStale: true }) }, 'read-group'],
    ['no root: nothing is made silently (H-4)', { group: group({ exists: false }) }, 'wait alarm'],
    ['not registered', { group: group({ registered: 'no' }) }, 'register'],
    [
      'the own node is held by another (H-17)',
      { group: group({ registered: 'held' }) },
      'wait alarm',
    ],
    ['unhealthy: no election (H-6)', { health: 'unhealthy' }, 'wait not-eligible'],
    ['unknown health is not healthy (H-6)', { health: 'initializing' }, 'wait not-eligible'],
    ['a lock at or below the highest token is an alarm (H-2)', { tokenAlarm: true }, 'wait alarm'],
    [
      'other configuration, nobody wins (H-17)',
      { group: group({ mismatches: ['lease of b'] }) },
      'wait alarm',
    ],
    ['paused', { group: group({ paused: 'work' }) }, 'wait not-eligible'],
    ['drained', { group: group({ drained: 'work' }) }, 'wait not-eligible'],
    ['after a failure: back-off (H-13)', { backoffUntilMs: later }, 'wait not-eligible'],
    [
      'a session longer than asked for: a crash would be noticed too late (H-12)',
      { session: { ...session('connected'), timeoutMs: 4001 } },
      'wait alarm',
    ],
    [
      'a session shorter than the lease (H-12)',
      { session: { ...session('connected'), timeoutMs: 2999 } },
      'wait alarm',
    ],
    [
      'one between the two will do',
      { session: { ...session('connected'), timeoutMs: 3000 } },
      'create-lock',
    ],
    ['too many failovers: hold (H-13)', flapping([900, 500, 100]), 'wait alarm'],
    ['until the oldest is long enough ago', flapping([1000, 500, 100]), 'create-lock'],
    [
      'or an operator asks for it',
      { ...flapping([900, 500, 100]), group: group({ requests: [asked] }) },
      'create-lock',
    ],
    ['nofailover', { rules: { ...STANDBY.rules, noFailover: true } }, 'wait not-eligible'],
    [
      'a required watchdog that does not run (H-10)',
      { rules: { ...STANDBY.rules, watchdogRequired: true } },
      'wait alarm',
    ],
    [
      'a higher priority goes first, for a while',
      {
        group: group({
          lock: { kind: 'absent', sinceMs: NOW.monotonicMs },
          peers: [{ member: 'b', healthy: true, eligible: true, priority: 200 }],
        }),
      },
      'wait standby',
    ],
    [
      'a higher priority that did not take it has lost its turn',
      { group: group({ peers: [{ member: 'b', healthy: true, eligible: true, priority: 200 }] }) },
      'create-lock',
    ],
    ['a held lock: standby', { group: group({ lock: LOCK_OF_B }) }, 'wait standby'],
    [
      'a higher token of another is remembered (H-2)',
      { group: group({ lock: { ...LOCK_OF_B, czxid: 401n } }) },
      'record-token',
    ],
    ['the own lock is claimed', { group: group({ lock: MY_LOCK }) }, 'claim'],
    [
      'an own lock below the highest token: the history went back (H-2, T14)',
      { group: group({ lock: { ...MY_LOCK, czxid: 399n } }) },
      'raise-token-alarm',
    ],
    [
      'an own lock of the highest token was used by the run before (H-2, H-14)',
      { group: group({ lock: { ...MY_LOCK, czxid: 400n } }) },
      'release-lock',
    ],
    [
      'an own lock is no use to one that may not compete',
      { group: group({ lock: MY_LOCK }), health: 'unhealthy' },
      'release-lock',
    ],
    ['stopping', { stopping: { keepService: false, giveUpAtMs: later } }, 'finish'],
  ])('%s', (_, change, expected) => {
    expect(kindOf({ ...STANDBY, ...change })).toBe(expected)
  })

  function flapping(agoMs: readonly number[]): Partial<View> {
    const failoverTimesMs = agoMs.map((ms) => NOW.monotonicMs - ms)
    return { failoverTimesMs, times: { ...times, failoversMax: 3, failoversWithinMs: 1000 } }
  }

  function session(state: View['session']['state']): View['session'] {
    return { state, id: MY_SESSION, timeoutMs: 4000, retryAtMs: 0 }
  }
})

describe('with the lock, in the order of H-4', () => {
  const taken = { lease: MY_LEASE, former: FORMER_RUNS }
  const before = { ...taken, verified: 'before-fencing' } as const
  const asked = [{ target: 'b', method: 0, result: 'unknown' }] as const
  const tokenRule = { ...STANDBY.rules, protection: ['token'] as const }
  const noLease = { ...STANDBY.rules, protection: [] }
  test.each<[string, View, string | Action]>([
    ['the lease is taken over first (H-10)', winner({}), 'take-lease'],
    ['then a fresh read, before fencing', winner(taken), 'verify'],
    [
      'then the owner of the breadcrumb is asked (H-1 a)',
      winner(before),
      { kind: 'fence', target: 'b', method: 0 },
    ],
    [
      'one that does not answer proves nothing: wait for its lease (H-1 c, H-7)',
      winner({ ...before, fencing: asked }),
      { kind: 'wait', untilMs: FORMER_RUNS.endsAtMs, state: 'waiting-for-lease' },
    ],
    [
      'where leases are no proof, the next method (H-7)',
      winner({ ...before, fencing: asked }, { rules: noLease }),
      { kind: 'fence', target: 'b', method: 1 },
    ],
    [
      'nothing confirmed: nobody becomes active (H-7)',
      winner(
        { ...before, fencing: [...asked, { target: 'b', method: 1, result: 'failed' }] },
        { rules: noLease },
      ),
      { kind: 'abandon', cause: 'fencing-failed' },
    ],
    [
      'an operator says that it is off (H-7)',
      winner(before, { group: group({ lock: MY_LOCK, lease: OWN_LEASE, confirmedOff: ['b'] }) }),
      { kind: 'verify', stage: 'after-fencing' },
    ],
    [
      'proven: a fresh read, after fencing',
      winner({ ...before, proofs: { b: 'reported-standby' } }),
      { kind: 'verify', stage: 'after-fencing' },
    ],
    [
      'a lease that is over proves it (H-1 c)',
      winner({ ...before, former: FORMER_OVER }),
      { kind: 'verify', stage: 'after-fencing' },
    ],
    [
      'a resource that refuses lower tokens proves it (H-1 d)',
      winner(before, { rules: tokenRule }),
      { kind: 'verify', stage: 'after-fencing' },
    ],
    [
      'then the breadcrumb',
      winner({ ...before, former: FORMER_OVER, verified: 'after-fencing' }),
      'write-breadcrumb',
    ],
    [
      'then a fresh read',
      winner({ ...taken, verified: 'after-fencing', hasBreadcrumb: true }),
      { kind: 'verify', stage: 'after-breadcrumb' },
    ],
    [
      'then the command',
      winner({ ...taken, verified: 'after-breadcrumb', hasBreadcrumb: true }),
      'activate',
    ],
    [
      'but with a lease that has time left (H-10)',
      winner({
        ...taken,
        lease: { ...MY_LEASE, sentAt: { ...NOW, monotonicMs: NOW.monotonicMs - 2500 } },
        verified: 'after-breadcrumb',
        hasBreadcrumb: true,
      }),
      'wait waiting-for-lease',
    ],
    [
      'a lock that was lost meanwhile is given up, not used (H-8)',
      winner(before, { group: group({ lock: LOCK_OF_B }) }),
      { kind: 'abandon', cause: 'lock-lost' },
    ],
    [
      'while disconnected nothing begins (H-8)',
      winner(before, {
        session: { state: 'disconnected', id: MY_SESSION, timeoutMs: 4000, retryAtMs: 0 },
      }),
      'wait neutral',
    ],
  ])('%s', (_, view, expected) => {
    if (typeof expected === 'string') expect(kindOf(view)).toBe(expected)
    else expect(decide(view).action).toEqual(expected)
  })
})

describe('whom a proof is needed for (H-1, H-4)', () => {
  const before = { lease: MY_LEASE, verified: 'before-fencing' } as const
  const absent = { kind: 'absent' } as const
  const released: LeaseView = { ...LEASE_OF_B, leaseMs: 0 }
  const former = (lease: LeaseView) => ({ lease, endsAtMs: NOW.monotonicMs + 2000 })
  const crumb = (member: string | null, token: bigint, isMine = false) =>
    ({ kind: 'present', version: 3, member, token, isMine, isOfThisRun: isMine }) as const
  const three = { others: ['b', 'c'] }
  const lock = MY_LOCK
  test.each<[string, LeaseView, GroupView['breadcrumb'], string]>([
    ['breadcrumb and lease agree: its owner', LEASE_OF_B, crumb('b', 400n), 'b'],
    ['given back in order: nobody (H-5)', released, absent, ''],
    ['no breadcrumb does not mean nothing to fence (H-4, T4)', LEASE_OF_B, absent, 'b c'],
    ['no lease node: everyone (T15)', absent, crumb('b', 400n), 'b c'],
    ['neither: everyone (T15)', absent, absent, 'b c'],
    ['a winner died between lease and breadcrumb: everyone', LEASE_OF_B, crumb('c', 300n), 'b c'],
    ['a breadcrumb beside a lease given back: everyone', released, crumb('c', 300n), 'b c'],
    ['an unreadable breadcrumb: everyone (T4)', LEASE_OF_B, crumb(null, 0n), 'b c'],
    [
      'an unreadable lease: everyone',
      { ...LEASE_OF_B, member: null, token: null },
      crumb('b', 400n),
      'b c',
    ],
    [
      'our own breadcrumb, by bytes and mzxid: nobody (H-4)',
      { ...LEASE_OF_B, member: 'a' },
      crumb('a', 400n, true),
      '',
    ],
  ])('%s', (_, lease, breadcrumb, expected) => {
    const targets: string[] = []
    let proofs: Grant['proofs'] = {}
    for (;;) {
      const own = group({ lock, lease: OWN_LEASE, breadcrumb })
      const grant = { ...GRANT, ...before, former: former(lease), proofs }
      const { action } = decide({ ...STANDBY, ...three, group: own, grant })
      if (action.kind !== 'fence') break
      targets.push(action.target)
      proofs = { ...proofs, [action.target]: 'reported-standby' }
    }
    expect(targets.join(' ')).toBe(expected)
  })

  test('a breadcrumb of our name that we did not write is proven by the lease alone (H-4, T16)', () => {
    const own = group({ lock, lease: OWN_LEASE, breadcrumb: crumb('a', 400n) })
    const grant = { ...GRANT, ...before, former: former({ ...LEASE_OF_B, member: 'a' }) }
    expect(kindOf({ ...STANDBY, group: own, grant })).toBe('wait waiting-for-lease')
    const bare = { ...STANDBY.rules, protection: [] }
    expect(kindOf({ ...STANDBY, others: [], rules: bare, group: own, grant })).toBe('abandon')
  })

  test('the owner of a breadcrumb who is in no file is proven by the lease alone (T4)', () => {
    const own = group({ lock, lease: OWN_LEASE, breadcrumb: crumb('zed', 400n) })
    const grant = { ...GRANT, ...before, former: former({ ...LEASE_OF_B, member: 'zed' }) }
    expect(kindOf({ ...STANDBY, group: own, grant })).toBe('wait waiting-for-lease')
  })
})

describe('while active', () => {
  const passed = (ms: number) => ({ ...NOW, monotonicMs: NOW.monotonicMs + ms })
  const inTime = times.leaseMs - times.stopMs
  const request = {
    node: 'r-1',
    id: 'x',
    from: 'a',
    to: 'b',
    isDue: true,
    allowUnhealthy: false,
    seenAtMs: NOW.monotonicMs,
    by: 'ann',
  }
  const asked = (change: object) =>
    ({ group: { ...ACTIVE.group!, requests: [{ ...request, ...change }] } }) as Partial<View>
  test.each<[string, Partial<View>, string]>([
    ['all is well', {}, 'wait active'],
    [
      'disconnected: neutral, and it goes on (H-8)',
      { session: lost('disconnected') },
      'wait neutral',
    ],
    ['until shortly before the lease ends (H-8)', { now: passed(inTime - 1) }, 'wait active'],
    ['then it stops, time enough to stop (H-10)', { now: passed(inTime) }, 'demote'],
    [
      'by boot time, when the monotonic clock stood still (H-11, T19)',
      { now: { ...NOW, bootMs: NOW.bootMs + inTime } },
      'demote',
    ],
    ['by wall time (H-11)', { now: { ...NOW, wallMs: NOW.wallMs + inTime } }, 'demote'],
    [
      'a wall clock that went back means nothing (T10)',
      { now: { ...NOW, wallMs: 0 } },
      'wait active',
    ],
    ['the session expired', { session: lost('expired') }, 'demote'],
    ['the lock is gone (H-8)', { group: { ...ACTIVE.group!, lock: GROUP.lock } }, 'demote'],
    [
      'the lock is ours with another czxid (H-8)',
      { group: { ...ACTIVE.group!, lock: { ...MY_LOCK, czxid: 501n } } },
      'demote',
    ],
    [
      'what was observed before a reconnection decides nothing (H-8)',
      { group: { ...ACTIVE.group!, lock: GROUP.lock, isStale: true } },
      'read-group',
    ],
    [
      'the lease was taken over (H-10)',
      { group: { ...ACTIVE.group!, lease: { ...LEASE_OF_B, version: 9 } } },
      'demote',
    ],
    [
      'an observation older than our own write is no news',
      { group: { ...ACTIVE.group!, lease: LEASE_OF_B } },
      'wait active',
    ],
    ['unhealthy (H-6)', { health: 'unhealthy' }, 'demote'],
    ['not responding (H-6)', { health: 'not-responding' }, 'demote'],
    [
      'unhealthy while paused: reported, not replaced',
      { health: 'not-responding', group: { ...ACTIVE.group!, paused: 'work' } },
      'wait active',
    ],
    [
      'the lease ends while paused: stops all the same',
      { now: passed(inTime), group: { ...ACTIVE.group!, paused: 'work' } },
      'demote',
    ],
    [
      'the supervised service has exited (H-5)',
      { service: { ...ACTIVE.service, supervised: true, running: false } },
      'demote',
    ],
    [
      'the service says twice that it is not active',
      { service: { ...ACTIVE.service, contradictions: 2 } },
      'demote',
    ],
    ['once may be a race', { service: { ...ACTIVE.service, contradictions: 1 } }, 'wait active'],
    ['the controller stops (H-5)', { stopping: { keepService: false, giveUpAtMs: 1e9 } }, 'demote'],
    ['the service is kept (H-14)', { stopping: { keepService: true, giveUpAtMs: 1e9 } }, 'finish'],
    ['drained', { group: { ...ACTIVE.group!, drained: 'work' } }, 'demote'],
    ['a switchover (H-15)', asked({}), 'demote'],
    ['one that is not due yet', asked({ isDue: false }), 'wait active'],
    ['one from somebody else (H-15)', asked({ from: 'c' }), 'refuse-request'],
    ['one to nobody', asked({ to: 'zed' }), 'refuse-request'],
    ['one to us', asked({ to: 'a' }), 'refuse-request'],
    ['not in the history yet', { grant: { ...ACTIVE_GRANT, recorded: false } }, 'record-history'],
    [
      'keep: the service stays while the ensemble is away',
      {
        now: passed(60_000),
        session: lost('disconnected'),
        rules: { ...STANDBY.rules, whenEnsembleIsLost: 'keep' },
      },
      'wait neutral',
    ],
  ])('%s', (_, change, expected) => {
    expect(kindOf({ ...ACTIVE, ...change })).toBe(expected)
  })

  function lost(state: View['session']['state']): View['session'] {
    return { state, id: MY_SESSION, timeoutMs: 4000, retryAtMs: 0 }
  }
})

describe('after a stop', () => {
  const stopped = (confirmed: boolean, cause: 'health' | 'handover', change: Partial<View> = {}) =>
    decide({ ...ACTIVE, grant: { ...ACTIVE_GRANT, demoted: { confirmed, cause } }, ...change })
      .action
  test('confirmed: breadcrumb, lease and lock are given back (H-5)', () => {
    expect(stopped(true, 'handover')).toEqual({ kind: 'release', clean: true })
  })
  test('unconfirmed: the breadcrumb stays (H-5)', () => {
    expect(stopped(false, 'handover')).toEqual({ kind: 'release', clean: false })
  })
  test('for its health: the breadcrumb stays (H-6)', () => {
    expect(stopped(true, 'health')).toEqual({ kind: 'release', clean: false })
  })
  test('without a session there is nothing to give back (H-9)', () => {
    const session = { state: 'expired', id: MY_SESSION, timeoutMs: 4000, retryAtMs: 0 } as const
    expect(stopped(true, 'handover', { session })).toEqual({ kind: 'forget-grant' })
  })
})

describe('a restarted controller (H-14)', () => {
  const resumed: View = {
    ...ACTIVE,
    grant: null,
    adoptUntilMs: NOW.monotonicMs + 1000,
    service: { ...ACTIVE.service, role: 'unknown' },
    group: { ...ACTIVE.group!, lease: { ...OWN_LEASE, isOwnRun: false } },
  }
  test('adopts when lock, breadcrumb, lease and service still match', () => {
    const { action } = decide(resumed)
    expect(action).toEqual({ kind: 'claim', token: TOKEN, adopting: true, allowUnhealthy: false })
  })
  const other = {
    kind: 'present',
    version: 4,
    member: 'a',
    token: TOKEN,
    isMine: false,
    isOfThisRun: false,
  } as const
  test.each<[string, Partial<View>]>([
    ['lock', { group: { ...resumed.group!, lock: { ...MY_LOCK, owner: 0x99n } } }],
    ['breadcrumb', { group: { ...resumed.group!, breadcrumb: other } }],
    ['lease', { group: { ...resumed.group!, lease: LEASE_OF_B } }],
    [
      'token of the service',
      { service: { ...resumed.service, reported: { role: 'active', token: 1n } } },
    ],
    ['time', { adoptUntilMs: NOW.monotonicMs }],
  ])('stops the service first when the %s does not match', (_, change) => {
    expect(kindOf({ ...resumed, ...change })).toBe('stop-service')
  })
  test('waits for the ensemble meanwhile', () => {
    const session = { state: 'connecting', id: 0n, timeoutMs: 0, retryAtMs: 0 } as const
    expect(kindOf({ ...resumed, session, group: null })).toBe('wait neutral')
  })
})

describe('requests (H-15)', () => {
  const request = {
    node: 'r-1',
    id: 'x',
    from: 'b',
    to: 'a',
    isDue: true,
    allowUnhealthy: false,
    seenAtMs: NOW.monotonicMs,
    by: 'ann',
  }
  test('others hold back for the target, and only for a bounded time', () => {
    const forB = { ...request, from: 'a', to: 'b' }
    expect(kindOf({ ...STANDBY, group: group({ requests: [forB] }) })).toBe('wait standby')
    const old = { ...forB, seenAtMs: NOW.monotonicMs - times.cedeMs }
    expect(kindOf({ ...STANDBY, group: group({ requests: [old] }) })).toBe('create-lock')
  })
  test('by hand also while paused, and when told so without health', () => {
    const paused = group({ paused: 'work', requests: [request] })
    expect(kindOf({ ...STANDBY, group: paused })).toBe('create-lock')
    expect(kindOf({ ...STANDBY, group: paused, health: 'unhealthy' })).toBe('wait not-eligible')
    const forced = group({ requests: [{ ...request, allowUnhealthy: true }] })
    expect(kindOf({ ...STANDBY, group: forced, health: 'unhealthy' })).toBe('create-lock')
  })
  test('a repeated request names the one it moves from, and so does not move it back', () => {
    expect(refusalOf(ACTIVE, ACTIVE.group!, request)).toBe('the active is a, not b')
  })
})

test('only a stop interrupts what is under way, and nothing interrupts a stop', () => {
  const demote = decide({ ...ACTIVE, health: 'unhealthy' })
  expect(interrupts(demote, { kind: 'fence', target: 'b', method: 0 })).toBe(true)
  expect(interrupts(demote, { kind: 'demote', cause: 'health' })).toBe(false)
  expect(interrupts(decide(STANDBY), { kind: 'read-group' })).toBe(false)
})

test('equal views give equal decisions, each with a sentence', () => {
  for (const view of [STANDBY, ACTIVE, winner({})]) {
    expect(decide(view)).toEqual(decide(structuredClone(view)))
    expect(decide(view).sentence).not.toBe('')
  }
})
