/**
 * Who may do what: the check of one permission against an ACL.
 *
 * Source: ZooKeeperServer#checkACL, 3.9.5 (client-protocol 5.1).
 */
import type { Acl } from '../protocol/acl.ts'
import type { AuthId, AuthScheme } from './schemes.ts'

/**
 * Whether one of `ids` has one of the bits of `permission` in `acl`.
 * An empty list allows everybody, as does the super user's id.
 */
export function isAllowed(
  acl: readonly Acl[],
  permission: number,
  ids: readonly AuthId[],
  schemes: ReadonlyMap<string, AuthScheme>,
): boolean {
  if (acl.length === 0) return true
  for (const entry of acl) {
    if (
      (entry.perms & permission) !== 0 &&
      entry.id.scheme === 'world' &&
      entry.id.id === 'anyone'
    ) {
      return true
    }
  }
  for (const own of ids) if (own.scheme === 'super') return true
  for (const entry of acl) {
    if ((entry.perms & permission) === 0) continue
    const scheme = schemes.get(entry.id.scheme ?? '')
    if (scheme === undefined) continue
    for (const own of ids) {
      if (own.scheme === entry.id.scheme && scheme.matches(own.id, entry.id.id ?? '')) return true
    }
  }
  return false
}
