/**
 * Where a live server answers otherwise than the recordings of 3.8.0, line by line with the answer in
 * place of the recorded one, and why. Proven against our server by test/ensemble/server/recordings.test.ts
 * and against Apache 3.9.5 by test/interop/recordings.test.ts; docs/compatibility.md shows what is ours.
 */
import type { DeviationName } from '../compatibility/deviations.ts'
import type { Expectations } from './replay.ts'

export type Who = 'ours' | 'apache'

interface Answers {
  readonly file: string
  /** By line of the recording. */
  readonly lines?: Readonly<Record<number, readonly string[]>>
  /** Transactions of the recording that are not made. */
  readonly onlyRecordedZxids?: readonly bigint[]
}

/** 3.9.5 is otherwise than 3.8.0, and so are we; or one of the two alone, by a declared deviation. */
export type ReplayDifference = Answers &
  (
    | { readonly by: 'both'; readonly reason: string }
    | { readonly by: Who; readonly deviation: DeviationName }
  )

/** The answer to a request for the root's Stat. */
function rootStat(head: string, numbers: object, data?: string): string {
  const stat = {
    czxid: '0',
    mzxid: '0',
    ctime: 'never',
    mtime: 'never',
    version: 0,
    cversion: 0,
    aversion: 0,
    ephemeralOwner: 'none',
    dataLength: 0,
    numChildren: 0,
    pzxid: 'before',
    ...numbers,
  }
  return `${head} ok ${JSON.stringify(data === undefined ? { stat } : { data, stat })}`
}

const DELETED = { cversion: 23, numChildren: 9, pzxid: '+19' }

export const differences: readonly ReplayDifference[] = [
  {
    file: 'java-acl-auth',
    by: 'both',
    reason: 'exists needs READ since 3.8.4 and 3.9.2',
    lines: { 21: ['9 exists: zxid +5 noAuth'] },
  },
  {
    file: 'raw-watch-acl',
    by: 'both',
    reason: 'exists needs READ since 3.8.4 and 3.9.2',
    lines: { 15: ['4 exists: zxid +1 noAuth'] },
  },
  {
    file: 'raw-connect',
    by: 'ours',
    deviation: 'wrongPassword',
    lines: {
      48: [rootStat('1 exists: zxid +15', { cversion: 17, numChildren: 9 })],
    },
  },
  {
    file: 'raw-create',
    by: 'both',
    reason: 'ip takes IPv6 addresses since 3.9.4',
    lines: { 129: ['63 create: zxid +59 ok {"path":"/p/aclip6"}'] },
  },
  {
    file: 'raw-multi',
    by: 'both',
    reason: 'a bad create flag refuses the whole multi since 3.8.2',
    lines: { 29: ['13 multi: zxid +10 marshallingError'] },
  },
  {
    file: 'raw-multi',
    by: 'both',
    reason: 'create2 inside a multi is answered as create2 since 3.8.2',
    lines: {
      65: [
        '31 multi: zxid +23 ok [{"type":15,"path":"/m/c2","stat":{"czxid":"+23","mzxid":"+23","ctime":"then","mtime":"then","version":0,"cversion":0,"aversion":0,"ephemeralOwner":"none","dataLength":1,"numChildren":0,"pzxid":"+23"}},{"type":1,"path":"/m/after"}]',
      ],
    },
  },
  {
    file: 'raw-watch-matrix',
    by: 'both',
    reason: 'watches of several modes live side by side, and types 4 and 5 are known, since 3.9.0',
    lines: {
      107: ['14 checkWatches: zxid +26 noWatcher'],
      113: ['17 removeWatches: zxid +26 noWatcher'],
      115: ['18 removeWatches: zxid +26 noWatcher'],
      117: ['19 removeWatches: zxid +26 ok'],
    },
  },
  {
    file: 'raw-opcodes',
    by: 'both',
    reason: 'check outside a multi is unknown since 3.8.5 and 3.9.3, and costs the connection',
    lines: { 22: ['7 check: zxid -1 unimplemented', 'closed'], 24: [], 26: [], 27: [] },
    onlyRecordedZxids: [0x119n, 0x11an],
  },
  {
    file: 'raw-opcodes',
    by: 'apache',
    deviation: 'deleteContainer',
    lines: {
      58: ['7 deleteContainer: zxid +12 noNode'],
      69: ['2 deleteContainer: zxid +16 ok'],
      71: ['3 exists: zxid +16 noNode'],
      75: ['5 deleteContainer: zxid +18 badVersion'],
      86: [rootStat('0 exists: zxid +20', DELETED)],
      88: [rootStat('-1 exists: zxid +20', DELETED)],
      90: [rootStat('-77 exists: zxid +20', DELETED)],
      92: [rootStat('2147483647 exists: zxid +20', DELETED)],
      94: [rootStat('9 exists: zxid +20', DELETED)],
      108: [rootStat('16 exists: zxid +21', DELETED)],
      148: [
        '36 getChildren: zxid +22 ok {"children":["a","aa","c","g","m","r","r2","w","zookeeper"]}',
      ],
      150: [rootStat('37 getData: zxid +22', DELETED, '')],
      152: [rootStat('38 exists: zxid +22', DELETED)],
    },
  },
  {
    file: 'raw-opcodes',
    by: 'apache',
    deviation: 'undecodableWrite',
    onlyRecordedZxids: [0x12bn, 0x12dn],
  },
  {
    file: 'raw-opcodes',
    by: 'ours',
    deviation: 'createSession',
    lines: { 49: ['7 createSession: zxid -1 unimplemented', 'closed'], 51: [], 53: [], 54: [] },
    onlyRecordedZxids: [0x11fn, 0x120n],
  },
]

export function expectationsOf(file: string, who: Who): Expectations {
  const known = differences.filter(
    (one) => one.file === file && (one.by === who || one.by === 'both'),
  )
  return {
    lines: new Map(
      known.flatMap(({ lines }) =>
        Object.entries(lines ?? {}).map(([line, answers]) => [Number(line), answers] as const),
      ),
    ),
    onlyRecordedZxids: known.flatMap(({ onlyRecordedZxids }) => onlyRecordedZxids ?? []),
  }
}
