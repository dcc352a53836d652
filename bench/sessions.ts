/**
 * Many clients at once: sessions that only live, and watches that all fire. What counts is that no
 * client misses a ping meanwhile: one that does gives up its server and comes back, and then all do.
 */
import { execFileSync } from 'node:child_process'
import { start, stop, type Contestant } from './contestants.ts'

export const SESSIONS = 10_000
const WATCHES = 100_000
const WATCHED_NODES = 10_000
/** Of the sessions that watch: short, so that many pings are due while events are sent. */
const WATCHING_TIMEOUT_MS = 10_000
/** An idle session pings every 10 s: long enough for all to have done so. */
const IDLE_SECONDS = 12
const AFTER_EVENTS_SECONDS = 4

interface LiveResult {
  readonly events_ms: number
  readonly idle_cpu_percent: number
  readonly rss_kb: number
  readonly missed: number
  readonly lost: number
}

export interface SessionsBench {
  readonly port: number
  load(args: readonly string[]): Promise<unknown>
  note(name: string, value: number, unit: string, isBetter: 'higher' | 'lower'): void
}

/** What says that a process here may not open enough files; null when it may. */
export function tooFewFiles(): string | null {
  const limit = execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim()
  const needed = SESSIONS + 500
  if (limit === 'unlimited' || Number(limit) >= needed) return null
  return `ulimit -Hn is ${limit}, ${SESSIONS} sessions need ${needed}`
}

export async function measureSessions(
  contestant: Contestant,
  { port, load, note }: SessionsBench,
): Promise<void> {
  const server = await start(contestant, { port })
  const live = async (args: readonly string[]): Promise<LiveResult> =>
    (await load(['-P', String(server.child.pid), ...args])) as LiveResult
  try {
    const idle = await live(['-o', 'idle', '-c', String(SESSIONS), '-t', String(IDLE_SECONDS)])
    note('resident, 10,000 idle sessions', idle.rss_kb / 1024, 'MiB', 'lower')
    note('processor, 10,000 idle sessions', idle.idle_cpu_percent, '%', 'lower')
    note('pings missed, sessions idle', idle.missed, '', 'lower')
    note('sessions lost, idle', idle.lost, '', 'lower')

    await load(['-c', '20', '-d', '50', '-o', 'mix50', '-t', '3', '-w', '0'])
    const watching = ['-o', 'watch', '-S', String(WATCHING_TIMEOUT_MS), '-t']
    watching.push(String(AFTER_EVENTS_SECONDS))
    const herd = await live([...watching, '-c', String(SESSIONS), '-k', '1', '-n', `${SESSIONS}`])
    note('10,000 sessions watch one node', herd.events_ms, 'ms', 'lower')
    note('pings missed, one node watched', herd.missed + herd.lost, '', 'lower')

    const nodes = ['-k', String(WATCHED_NODES), '-n', String(WATCHES)]
    const many = await live([...watching, '-c', '100', ...nodes])
    note('100,000 watches on 10,000 nodes', many.events_ms, 'ms', 'lower')
    note('pings missed, many nodes watched', many.missed + many.lost, '', 'lower')
  } finally {
    await stop(server)
  }
}
