/**
 * The order of a connection's ids: that in which Apache's server walks them. `whoami` and the entries
 * that replace `auth:` in an ACL show it; nobody may rely on it, yet people compare output.
 *
 * Invariant: an order of buckets, and of arrival within one.
 * Source: ServerCnxn#authInfo, a set over a ConcurrentHashMap, with Id#hashCode, 3.9.5.
 */
import type { AuthId } from './schemes.ts'

const BUCKETS_MIN = 16

/** @param ids in order of arrival */
export function inMapOrder(ids: readonly AuthId[]): AuthId[] {
  let buckets = BUCKETS_MIN
  while (ids.length >= buckets * 0.75) buckets *= 2
  const bucketOf = (id: AuthId): number => {
    const hash = hashOf(id)
    return (hash ^ (hash >>> 16)) & (buckets - 1)
  }
  return ids.toSorted((one, other) => bucketOf(one) - bucketOf(other))
}

function hashOf({ scheme, id }: AuthId): number {
  const hash = (Math.imul(37, 17) + javaHash(scheme)) | 0
  return (Math.imul(37, hash) + javaHash(id)) | 0
}

/** String#hashCode. */
function javaHash(text: string): number {
  let hash = 0
  for (let at = 0; at < text.length; at++) hash = (Math.imul(31, hash) + text.charCodeAt(at)) | 0
  return hash
}
