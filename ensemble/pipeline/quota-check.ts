/**
 * Quotas: whether a write fits into what its subtree may hold.
 *
 * Limits and usage are those of the tree, so of what has been applied: writes in flight, those of the
 * same multi included, do not count yet, and together may go beyond the limit. As Apache has it:
 *  - of a hard and a soft limit of one kind the hard one counts; the soft one only warns;
 *  - a setData that changes the length is refused above the limit, even one that shrinks the data;
 *  - limits or usage that cannot be read fail the write; usage that is missing lets it pass.
 * Hard limits refuse with `enforceQuota` only. Unlike Apache, which looks at no quota without it,
 * what goes beyond a limit is told all the same.
 * Source: ZooKeeperServer#checkQuota, StatsTrack, 3.9.5, and a live one (client-protocol 4.7).
 */
import { Code } from '../protocol/error-codes.ts'
import type { QuotaNumbers } from '../tree/quota.ts'
import type { Quota } from '../tree/tree.ts'

/** A write that goes beyond a limit. */
export interface QuotaExcess {
  /** Whose quota it is, and what was written. */
  readonly quotaPath: string
  readonly path: string
  readonly kind: 'count' | 'bytes'
  readonly isHard: boolean
  readonly limit: number
  /** What the usage would be. */
  readonly usage: number
  readonly isRefused: boolean
}

/** What is looked at: the tree. */
export interface QuotaSource {
  readonly hasQuotas: boolean
  quotaFor(path: string): Quota | null
}

export class QuotaCheck {
  readonly #source: QuotaSource
  readonly #isEnforced: boolean
  readonly #onExcess: (excess: QuotaExcess) => void

  constructor(
    source: QuotaSource,
    settings: { readonly enforceQuota: boolean },
    onExcess: (excess: QuotaExcess) => void,
  ) {
    this.#source = source
    this.#isEnforced = settings.enforceQuota
    this.#onExcess = onExcess
  }

  /** Whether there is any quota at all; `check` is for that case. */
  get isNeeded(): boolean {
    return this.#source.hasQuotas
  }

  /** `Code.ok`, or why a write of so many more nodes and bytes is refused. */
  check(path: string, count: number, bytes: number): number {
    const quota = this.#source.quotaFor(path)
    if (quota === null) return Code.ok
    const { limits, usage } = quota
    if (limits === null) return this.#unreadable
    const countLimit = count === 0 ? null : limitOf(limits.countHardLimit, limits.count)
    const bytesLimit = bytes === 0 ? null : limitOf(limits.byteHardLimit, limits.bytes)
    if ((countLimit === null && bytesLimit === null) || usage === undefined) return Code.ok
    if (usage === null) return this.#unreadable
    const isRefused =
      this.#isAbove('count', quota, path, countLimit, usage, count) ||
      this.#isAbove('bytes', quota, path, bytesLimit, usage, bytes)
    return isRefused ? Code.quotaExceeded : Code.ok
  }

  get #unreadable(): number {
    return this.#isEnforced ? Code.marshallingError : Code.ok
  }

  /** Tells of an excess, and answers whether it is refused. */
  #isAbove(
    kind: 'count' | 'bytes',
    { path: quotaPath }: Quota,
    path: string,
    limit: Limit | null,
    before: QuotaNumbers,
    more: number,
  ): boolean {
    const usage = before[kind] + more
    if (limit === null || usage <= limit.most) return false
    const isRefused = limit.isHard && this.#isEnforced
    const { isHard, most } = limit
    this.#onExcess({ quotaPath, path, kind, isHard, limit: most, usage, isRefused })
    return isRefused
  }
}

interface Limit {
  readonly most: number
  readonly isHard: boolean
}

/** -1, or less, is no limit. */
function limitOf(hard: number, soft: number): Limit | null {
  if (hard > -1) return { most: hard, isHard: true }
  return soft > -1 ? { most: soft, isHard: false } : null
}
