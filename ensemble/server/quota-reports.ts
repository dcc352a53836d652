/**
 * What is told of writes beyond a quota: a line in the log per quota and kind of limit in a while, and
 * for refused ones a count by top-level node.
 *
 * Source: ZooKeeperServer#checkQuota (RATE_LOGGER, QUOTA_EXCEEDED_ERROR_PER_NAMESPACE), 3.9.5.
 */
import { namespaceOf } from '../admin/quota-metrics.ts'
import type { QuotaExcess } from '../pipeline/quota-check.ts'
import type { Logger } from '../sys/logger.ts'
import { LogLimiter } from './log-limiter.ts'

/** Names are of the clients' making: beyond so many, all others count as one. */
const NAMESPACES_MAX = 1000
const OTHERS = 'others'

export class QuotaReports {
  /** Refused writes by top-level node. */
  readonly refused = new Map<string, number>()
  readonly #log: Logger
  readonly #lines = new LogLimiter()

  constructor(log: Logger) {
    this.#log = log
  }

  note(excess: QuotaExcess, nowMs: number): void {
    const { quotaPath, path, kind, isHard, limit, usage, isRefused } = excess
    if (isRefused) this.#count(namespaceOf(path))
    const leftOut = this.#lines.leftOutBefore(`${kind} ${quotaPath}`, nowMs)
    if (leftOut === null) return
    const fields = { quota: quotaPath, path, kind, limit, usage, ...(leftOut > 0 && { leftOut }) }
    this.#log.warn(fields, messageOf(isHard, isRefused))
  }

  #count(namespace: string | null): void {
    if (namespace === null) return
    const isKnown = this.refused.has(namespace) || this.refused.size < NAMESPACES_MAX
    const key = isKnown ? namespace : OTHERS
    this.refused.set(key, (this.refused.get(key) ?? 0) + 1)
  }
}

function messageOf(isHard: boolean, isRefused: boolean): string {
  if (isRefused) return 'a write is beyond its hard quota, and refused'
  if (isHard) return 'a write is beyond its hard quota, which enforceQuota=true would refuse'
  return 'a write is beyond its soft quota'
}
