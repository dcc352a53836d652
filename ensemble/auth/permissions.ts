/**
 * Who may do what: the check of one permission against an ACL.
 *
 * Source: ZooKeeperServer#checkACL, 3.9.5 (client-protocol 5.1).
 */
import type { Acl } from '../protocol/acl.ts'
import type { AuthId, AuthScheme } from './schemes.ts'

/** Comparisons above which the outcome is remembered: one request may ask for it fifty thousand times. */
const LONG = 256

/**
 * What long lists grant to ids, for as long as both are in use: comparing twenty thousand entries
 * with each request would hold up everybody. Neither lists nor ids change in place.
 */
const remembered = new WeakMap<readonly AuthId[], WeakMap<readonly Acl[], number>>()

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
  const isLong = acl.length > LONG || acl.length * ids.length > LONG
  if (!isLong) {
    for (const entry of acl) if ((entry.perms & permission) !== 0 && isWorld(entry)) return true
  }
  for (const own of ids) if (own.scheme === 'super') return true
  if (isLong) return (grantedTo(ids, acl, schemes) & permission) !== 0
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

function isWorld({ id }: Acl): boolean {
  return id.scheme === 'world' && id.id === 'anyone'
}

/** All bits that the entries for everybody, and those matching one of `ids`, have. */
function grantedTo(
  ids: readonly AuthId[],
  acl: readonly Acl[],
  schemes: ReadonlyMap<string, AuthScheme>,
): number {
  let ofIds = remembered.get(ids)
  if (ofIds === undefined) remembered.set(ids, (ofIds = new WeakMap()))
  let granted = ofIds.get(acl)
  if (granted !== undefined) return granted
  granted = 0
  for (const entry of acl) {
    const { perms, id } = entry
    if ((perms & ~granted) === 0) continue
    const scheme = schemes.get(id.scheme ?? '')
    const isMatch =
      isWorld(entry) ||
      (scheme !== undefined &&
        ids.some((own) => own.scheme === id.scheme && scheme.matches(own.id, id.id ?? '')))
    if (isMatch) granted |= perms
  }
  ofIds.set(acl, granted)
  return granted
}
