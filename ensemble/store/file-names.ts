/**
 * Names in a data directory.
 *
 * Invariants:
 * 1. Only `log.<hex>` and `snapshot.<hex>[.gz|.snappy]` are ours to read. Apache splits names at dots
 *    and so reads `log.5.bak` as a log and `snapshot.5.tmp` as a snapshot: whatever we put beside
 *    them starts with neither word.
 * 2. `new.` marks a file being written: whoever finds one at the start removes it.
 * 3. `damaged.` marks an original moved aside; no program reads or removes it.
 *
 * Source: Util.java#getZxidFromName, SnapStream.java#getStreamMode, 3.9.5.
 */
export const VERSION_DIRECTORY = 'version-2'
export const NEW_PREFIX = 'new.'
export const DAMAGED_PREFIX = 'damaged.'
/** In version-2 of directories whose database we created ourselves. */
export const CREATED_MARKER = 'howdah.created'

export type SnapshotStream = 'plain' | 'gz' | 'snappy'

export interface LogName {
  readonly name: string
  readonly zxid: bigint
}

export interface SnapshotName extends LogName {
  readonly stream: SnapshotStream
}

const ZXID_MAX = 0x7fff_ffff_ffff_ffffn

export function logName(zxid: bigint): string {
  return `log.${zxid.toString(16)}`
}

export function snapshotName(zxid: bigint, stream: SnapshotStream = 'plain'): string {
  return `snapshot.${zxid.toString(16)}${stream === 'plain' ? '' : `.${stream}`}`
}

/** null when the name is not that of a log. */
export function parseLogName(name: string): LogName | null {
  const zxid = parseZxid(/^log\.([0-9a-f]{1,16})$/i.exec(name)?.[1])
  return zxid === null ? null : { name, zxid }
}

/** null when the name is not that of a snapshot. */
export function parseSnapshotName(name: string): SnapshotName | null {
  const parts = /^snapshot\.([0-9a-f]{1,16})(?:\.(gz|snappy))?$/i.exec(name)
  const zxid = parseZxid(parts?.[1])
  if (zxid === null) return null
  const suffix = parts?.[2]?.toLowerCase()
  return { name, zxid, stream: suffix === 'gz' || suffix === 'snappy' ? suffix : 'plain' }
}

/** Logs or snapshots, lowest zxid first. */
export function byZxid(left: LogName, right: LogName): number {
  return left.zxid < right.zxid ? -1 : left.zxid > right.zxid ? 1 : 0
}

function parseZxid(hex: string | undefined): bigint | null {
  if (hex === undefined) return null
  const zxid = BigInt(`0x${hex}`)
  return zxid <= ZXID_MAX ? zxid : null
}
