/**
 * Quotas as metrics: limits and usage of all quotas below each top-level node, added up.
 *
 * As Apache adds them: the hard limit where there is one, else the soft one, and -1 for none counts
 * as -1. Unlike there, a quota that cannot be read is left out and does not cost the others.
 * Source: QuotaMetricsUtils, 3.9.5.
 */
import type { QuotaNumbers } from '../tree/quota.ts'
import type { ServerView } from './server-view.ts'

/** Values by top-level node. */
export type GaugeSet = (server: ServerView) => ReadonlyMap<string, number>

export const quotaGaugeSets: Readonly<Record<string, GaugeSet>> = {
  quota_count_limit_per_namespace: (server) =>
    sums(server, true, (limits) => hardFirst(limits.countHardLimit, limits.count)),
  quota_bytes_limit_per_namespace: (server) =>
    sums(server, true, (limits) => hardFirst(limits.byteHardLimit, limits.bytes)),
  quota_count_usage_per_namespace: (server) => sums(server, false, (usage) => usage.count),
  quota_bytes_usage_per_namespace: (server) => sums(server, false, (usage) => usage.bytes),
}

function sums(
  server: ServerView,
  ofLimits: boolean,
  read: (numbers: QuotaNumbers) => number,
): Map<string, number> {
  const totals = new Map<string, number>()
  for (const { path, isLimits, numbers } of server.quotaNodes()) {
    const namespace = namespaceOf(path)
    if (isLimits !== ofLimits || namespace === null) continue
    totals.set(namespace, (totals.get(namespace) ?? 0) + read(numbers))
  }
  return totals
}

/** The name of the top-level node that a path is in; null for the root. */
export function namespaceOf(path: string): string | null {
  const slash = path.indexOf('/', 1)
  const namespace = path.slice(1, slash < 0 ? path.length : slash)
  return namespace === '' ? null : namespace
}

function hardFirst(hard: number, soft: number): number {
  return hard > -1 ? hard : soft
}
