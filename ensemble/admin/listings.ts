/**
 * The four-letter words that list things: connections, sessions, ephemerals, watches.
 *
 * Invariant: the work for an answer is bounded, whatever the server holds (B-76): above `LISTED_MAX`
 * entries a last line says that there is more.
 * Source: server/command/{Cons,Dump,Watch}Command, ServerCnxn#dumpConnectionInfo, 3.9.5.
 */
import type { ClientLink } from '../pipeline/client-link.ts'
import type { Bucket, ClientPort, ServerView } from './server-view.ts'

/** Sessions, connections, paths or watches in one answer. */
export const LISTED_MAX = 50_000

/** One connection for `stat` (brief) or `cons`. */
export function connectionLine(link: ClientLink, server: ServerView, isBrief: boolean): string {
  const { traffic, session, latency } = link
  const address = `/${link.remoteAddress}:${link.remotePort}`
  let fields = `queued=${link.outstanding},recved=${link.received},sent=${link.sent}`
  if (!isBrief && session !== null) {
    fields +=
      `,sid=${hexId(session.id)},lop=${traffic.lastOp}` +
      `,est=${wallOf(link.establishedMs, server)},to=${session.timeoutMs}` +
      (traffic.lastCxid >= 0 ? `,lcxid=${hexId(BigInt(traffic.lastCxid))}` : '') +
      `,lzxid=${hexId(traffic.lastZxid)},lresp=${Math.floor(traffic.lastResponseMs)}` +
      `,llat=${latency.last},minlat=${link.latencyMin}` +
      `,avglat=${link.latencyAverage},maxlat=${latency.max}`
  }
  return ` ${address}[${interestOps(link)}](${fields})\n`
}

/** 1: reads its requests. Connections that send no session's requests wait for nothing. */
export function interestOps(link: ClientLink): number {
  return link.session === null ? 0 : 1
}

/** Those of the port that is asked, as with Apache. */
export function connections(server: ServerView, port: ClientPort, isBrief: boolean): string {
  const lines = new Listing()
  for (const link of server.links(port))
    if (!lines.add(connectionLine(link, server, isBrief))) break
  return lines.text
}

export function dump(server: ServerView, port: ClientPort): string {
  const parts = ['SessionTracker dump:\n']
  parts.push(
    buckets('Session Sets', server.sessionBuckets(), server.sessionCount, (id) => hexId(id)),
    'ephemeral nodes dump:\n',
    `Sessions with Ephemerals (${server.ephemeralOwnerCount()}):\n`,
  )
  const owners = new Listing()
  for (const [id, paths] of server.ephemerals()) {
    if (!owners.add(`${hexId(id)}:\n`)) break
    for (const path of paths) if (!owners.add(`\t${path}\n`)) break
  }
  parts.push(owners.text, 'Connections dump:\n')
  const idle = [...server.connectionBuckets(port)]
  const count = idle.reduce((sum, { items }) => sum + items.length, 0)
  parts.push(
    buckets(
      'Connections Sets',
      idle,
      count,
      (link) =>
        `ip: /${link.remoteAddress}:${link.remotePort} sessionId: ${hexId(link.session?.id ?? 0n)}`,
    ),
  )
  return parts.join('')
}

/** By session: `0x<id>`, then its paths. */
export function watchesBySession(server: ServerView): string {
  const lines = new Listing()
  for (const [link, paths] of server.watches.dataWatchesByWatcher()) {
    if (!lines.add(`${hexId(link.session?.id ?? 0n)}\n`)) break
    for (const path of paths) if (!lines.add(`\t${path}\n`)) break
  }
  return `${lines.text}\n`
}

export function watchesByPath(server: ServerView): string {
  const lines = new Listing()
  for (const [path, links] of server.watches.dataWatchesByPath()) {
    if (!lines.add(`${path}\n`)) break
    for (const link of links) if (!lines.add(`\t${hexId(link.session?.id ?? 0n)}\n`)) break
  }
  return `${lines.text}\n`
}

/** Java's unsigned hex of a long. */
export function hexId(id: bigint): string {
  return `0x${BigInt.asUintN(64, id).toString(16)}`
}

/** A time of the monotonic clock on the wall clock. */
export function wallOf(monotonicMs: number, { wallMs, nowMs }: ServerView): number {
  return Math.round(wallMs - (nowMs - monotonicMs))
}

class Listing {
  #parts: string[] = []
  #isFull = false

  /** @returns false when nothing more is taken */
  add(line: string): boolean {
    if (this.#parts.length < LISTED_MAX) {
      this.#parts.push(line)
      return true
    }
    this.#isFull = true
    return false
  }

  get text(): string {
    return this.#parts.join('') + (this.#isFull ? '... more are not shown\n' : '')
  }
}

function buckets<Item>(
  title: string,
  list: Iterable<Bucket<Item>>,
  itemCount: number,
  line: (item: Item) => string,
): string {
  const all = [...list]
  const lines = new Listing()
  outer: for (const { wallMs, items } of all) {
    if (!lines.add(`${items.length} expire at ${javaDate(wallMs)}:\n`)) break
    for (const item of items) if (!lines.add(`\t${line(item)}\n`)) break outer
  }
  return `${title} (${all.length})/(${itemCount}):\n${lines.text}`
}

const DATE_PARTS = {
  weekday: 'short',
  month: 'short',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
  timeZoneName: 'short',
  year: 'numeric',
} as const

let dateFormat: Intl.DateTimeFormat | null = null

/** `EEE MMM dd HH:mm:ss zzz yyyy`, as java.util.Date prints itself. */
export function javaDate(wallMs: number): string {
  // Made when first needed: its data takes milliseconds to load.
  dateFormat ??= new Intl.DateTimeFormat('en-US', DATE_PARTS)
  const part = new Map(dateFormat.formatToParts(wallMs).map(({ type, value }) => [type, value]))
  const of = (type: Intl.DateTimeFormatPartTypes): string => part.get(type) ?? ''
  const time = `${of('hour')}:${of('minute')}:${of('second')}`
  return `${of('weekday')} ${of('month')} ${of('day')} ${time} ${of('timeZoneName')} ${of('year')}`
}
