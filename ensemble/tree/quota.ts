/**
 * Quotas: the text of limits and usage, and which quota covers a path.
 *
 * `count=3,bytes=100=;byteHardLimit=5000;countHardLimit=20`: the first two come first, for readers
 * of old; the lone `=` makes those ignore the rest, whose keys are sorted. -1 means no limit.
 *
 * Source: client-protocol 4.7 (StatsTrack, Quotas, PathTrie, 3.9.5).
 */
export const QUOTA_ROOT = '/zookeeper/quota'
/** Apache reads any length, with each write again; all that a quota can say fits into a tenth of this. */
export const QUOTA_TEXT_BYTES_MAX = 1024
export const LIMITS_NAME = 'zookeeper_limits'
export const STATS_NAME = 'zookeeper_stats'

/** What quota text says: usage has the first two only. -1 where nothing is said. */
export type QuotaNumbers = {
  count: number
  bytes: number
  countHardLimit: number
  byteHardLimit: number
}

/** Reads quota text; what is not a number counts as not said, since clients write the limits. */
export function parseQuota(text: string): QuotaNumbers {
  const numbers: QuotaNumbers = { count: -1, bytes: -1, countHardLimit: -1, byteHardLimit: -1 }
  for (const pair of text.split(/[,;]+/)) {
    const [key, digits] = pair.split('=')
    if (key === undefined || digits === undefined || !/^-?\d+$/.test(digits)) continue
    if (Object.hasOwn(numbers, key)) numbers[key as keyof QuotaNumbers] = Number(digits) // just checked
  }
  return numbers
}

const LONG_MAX = 0x7fff_ffff_ffff_ffffn

/**
 * Reads limits or usage that decide about a write: as strictly as Apache, where text that it cannot
 * read fails the write. Null: it cannot be read.
 */
export function readQuota(data: Buffer | null): QuotaNumbers | null {
  if (data === null) return null
  const numbers: QuotaNumbers = { count: -1, bytes: -1, countHardLimit: -1, byteHardLimit: -1 }
  const pairs = javaSplit(data.toString(), /[,;]+/)
  for (const pair of pairs) {
    const [key, digits] = javaSplit(pair, /=/)
    if (key === undefined || digits === undefined) return null
    // As many zeros as there are, but no more digits than a long has: a megabyte of them takes long.
    const number = /^([+-]?)0*(\d{1,19})$/.exec(digits)
    const value = digits === '' ? -1n : number && BigInt(`${number[1]}${number[2]}`)
    if (value === null || value > LONG_MAX || value < ~LONG_MAX) return null
    if (Object.hasOwn(numbers, key)) numbers[key as keyof QuotaNumbers] = Number(value) // just checked
  }
  return numbers
}

/** Java's `String#split`: what is empty at the end is left out. */
function javaSplit(text: string, separator: RegExp): string[] {
  const parts = text.split(separator)
  if (text === '') return []
  while (parts.at(-1) === '') parts.pop()
  return parts
}

/** The text of zookeeper_stats. */
export function usageText(count: number, bytes: number): string {
  return `count=${count},bytes=${bytes}`
}

/** The text of zookeeper_stats once usage has moved; what else somebody wrote into it stays. */
export function movedUsageText(text: string, count: number, bytes: number): string {
  const usage = parseQuota(text)
  const others: string[] = []
  for (const pair of text.split(/[,;]+/)) {
    const [key, digits] = pair.split('=')
    if (key === 'count' || key === 'bytes' || !/^-?\d+$/.test(digits ?? '')) continue
    others.push(`;${key}=${digits}`)
  }
  const moved = usageText(usage.count + count, usage.bytes + bytes)
  return others.length === 0 ? moved : `${moved}=${others.toSorted().join('')}`
}

export function limitsPath(path: string): string {
  return `${QUOTA_ROOT}${path}/${LIMITS_NAME}`
}

export function statsPath(path: string): string {
  return `${QUOTA_ROOT}${path}/${STATS_NAME}`
}

/** The path that limits or usage at `path` is about; null when it is not below the quota tree. */
export function subjectOf(path: string): string | null {
  if (!path.startsWith(QUOTA_ROOT)) return null
  const slash = path.lastIndexOf('/')
  return slash <= QUOTA_ROOT.length ? null : path.slice(QUOTA_ROOT.length, slash)
}

/** Paths that have limits. */
export class QuotaPaths {
  readonly #paths = new Set<string>()
  /** Characters of the longest there ever was: what is longer need not be looked up. */
  #lengthMax = 0

  add(path: string): void {
    this.#paths.add(path)
    this.#lengthMax = Math.max(this.#lengthMax, path.length)
  }

  delete(path: string): void {
    this.#paths.delete(path)
  }

  get size(): number {
    return this.#paths.size
  }

  /** The longest of them that is `path` or an ancestor of it. */
  covering(path: string): string | null {
    if (this.#paths.size === 0) return null
    const most = this.#lengthMax
    let end = path.length <= most ? path.length : path.lastIndexOf('/', most)
    for (; end > 0; end = path.lastIndexOf('/', end - 1)) {
      const prefix = path.slice(0, end)
      if (this.#paths.has(prefix)) return prefix
    }
    return null
  }

  [Symbol.iterator](): IterableIterator<string> {
    return this.#paths[Symbol.iterator]()
  }
}
