/**
 * What the commands print, in zkCli's formats.
 *
 * Source: StatPrinter, java.util.Date#toString, Id#toString (jute's text form), ZKUtil#getPermString,
 * netty's ByteBufUtil#prettyHexDump, WatchedEvent#toString, 3.9.5.
 */
import type { Acl, Stat, WatchEvent } from '../../ensemble/client/index.ts'

export interface Output {
  /** One line on stdout; `line` has no newline at its end. */
  print(line: string): void
  /** One line on stderr. */
  complain(line: string): void
}

export function printStat(output: Output, stat: Stat): void {
  output.print(`cZxid = ${hex(stat.czxid)}
ctime = ${javaDate(stat.ctime)}
mZxid = ${hex(stat.mzxid)}
mtime = ${javaDate(stat.mtime)}
pZxid = ${hex(stat.pzxid)}
cversion = ${stat.cversion}
dataVersion = ${stat.version}
aclVersion = ${stat.aversion}
ephemeralOwner = ${hex(stat.ephemeralOwner)}
dataLength = ${stat.dataLength}
numChildren = ${stat.numChildren}`)
}

function hex(value: bigint): string {
  return `0x${BigInt.asUintN(64, value).toString(16)}`
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')

/** `Sat Nov 21 01:57:18 UTC 2026`, in the zone of this process. */
export function javaDate(ms: number): string {
  const date = new Date(ms)
  const two = (value: number) => String(value).padStart(2, '0')
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')
  const day = `${DAYS[date.getDay()]} ${MONTHS[date.getMonth()]} ${two(date.getDate())}`
  return `${day} ${time} ${zoneName(date)} ${String(date.getFullYear()).padStart(4, '0')}`
}

/** No locale knows the short names of all zones: one of these does, or it stays `GMT+3`. */
const ZONE_LOCALES = ['en-US', 'en-GB', 'en-AU', 'en-IN', 'en-ZA', 'ja-JP', 'ko-KR']
const zoneFormats = new Map<string, Intl.DateTimeFormat>()

function zoneName(date: Date): string {
  let name = 'UTC'
  for (const locale of ZONE_LOCALES) {
    let format = zoneFormats.get(locale)
    if (format === undefined) {
      format = new Intl.DateTimeFormat(locale, { timeZoneName: 'short' })
      zoneFormats.set(locale, format)
    }
    name = format.formatToParts(date).find(({ type }) => type === 'timeZoneName')?.value ?? name
    if (/^[A-Z]+$/.test(name)) return name
  }
  return name
}

const PERMS = [
  ['c', 4],
  ['d', 8],
  ['r', 1],
  ['w', 2],
  ['a', 16],
] as const

export function permsText(perms: number): string {
  return PERMS.map(([letter, bit]) => ((perms & bit) === 0 ? '' : letter)).join('')
}

/** Two lines for each entry. */
export function aclText({ perms, id }: Acl): string {
  return `${juteText(id.scheme)},${juteText(id.id)}\n: ${permsText(perms)}`
}

function juteText(text: string | null): string {
  if (text === null) return ''
  // oxlint-disable-next-line no-control-regex -- the format escapes NUL
  return `'${text.replace(/[\u0000\n\r,}%]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
  })}`
}

const RULER = '+-------------------------------------------------+'

export function hexDump(data: Buffer): string {
  if (data.length === 0) return ''
  const lines = [
    `         ${RULER}`,
    '         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |',
    `+--------${RULER}----------------+`,
  ]
  for (let at = 0; at < data.length; at += 16) {
    const row = Array.from(data.subarray(at, at + 16))
    const bytes = row.map((byte) => ` ${byte.toString(16).padStart(2, '0')}`).join('')
    const text = row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : '.'))
    const offset = at.toString(16).padStart(8, '0')
    lines.push(`|${offset}|${bytes.padEnd(48)} |${text.join('').padEnd(16)}|`)
  }
  lines.push(`+--------${RULER}----------------+`)
  return lines.join('\n')
}

export type EventType =
  | 'None'
  | 'NodeCreated'
  | 'NodeDeleted'
  | 'NodeDataChanged'
  | 'NodeChildrenChanged'
  | 'DataWatchRemoved'
  | 'ChildWatchRemoved'
  | 'PersistentWatchRemoved'

export const EVENT_TYPES: Readonly<Record<WatchEvent['type'], EventType>> = {
  created: 'NodeCreated',
  deleted: 'NodeDeleted',
  dataChanged: 'NodeDataChanged',
  childrenChanged: 'NodeChildrenChanged',
  session: 'None',
}

export interface Happening {
  readonly state: string
  readonly type: EventType
  readonly path: string | null
  /** -1n where the server does not say it. */
  readonly zxid: bigint
}

export function eventText({ state, type, path, zxid }: Happening): string {
  return `\nWATCHER::\n\nWatchedEvent state:${state} type:${type} path:${path ?? 'null'} zxid: ${zxid}`
}
