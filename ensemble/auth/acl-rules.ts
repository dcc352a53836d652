/**
 * What an ACL sent by a client becomes before it is stored.
 *
 * Source: PrepRequestProcessor#fixupACL, 3.9.5 (client-protocol 5.1, "Processing of the list").
 */
import type { Acl } from '../protocol/acl.ts'
import { Code } from '../protocol/error-codes.ts'
import type { AuthId, AuthScheme } from './schemes.ts'

/**
 * An `auth` entry stands for all ids of its connection: a request of a megabyte would make lists of
 * gigabytes of them, in one create or in the many of a multi. Nothing that a frame of default size can
 * hold comes near.
 */
const OWN_BYTES_MAX = 8 * 1024 * 1024
const ENTRY_BYTES = 12

/** What all lists of one request took so far for ids of its connection. */
export interface OwnIds {
  ownIdBytes: number
}

/** @returns the list to store, or the error code for the client */
export function fixUpAcl(
  acl: readonly Acl[] | null,
  ids: readonly AuthId[],
  schemes: ReadonlyMap<string, AuthScheme>,
  request: OwnIds,
): readonly Acl[] | number {
  if (acl === null || acl.length === 0) return Code.invalidAcl
  if (acl.length === 1 && isOpenToTheWorld(acl[0]!)) return acl
  const stored: Acl[] = []
  for (const entry of withoutDuplicates(acl)) {
    const { scheme, id } = entry.id
    if (scheme === null) return Code.invalidAcl
    if (scheme === 'world' && id === 'anyone') stored.push(entry)
    else if (scheme === 'auth') {
      const own = ids.filter((candidate) => schemes.get(candidate.scheme)?.isAuthenticated === true)
      if (own.length === 0) return Code.invalidAcl
      for (const { scheme: ownScheme, id: ownId } of own) {
        request.ownIdBytes += ENTRY_BYTES + ownScheme.length + ownId.length
        if (request.ownIdBytes > OWN_BYTES_MAX) return Code.invalidAcl
        stored.push({ perms: entry.perms, id: { scheme: ownScheme, id: ownId } })
      }
    } else {
      const known = schemes.get(scheme)
      if (id === null && (known !== undefined || scheme === 'world')) return Code.marshallingError
      if (known === undefined || !known.isValid(id!)) return Code.invalidAcl
      stored.push(entry)
    }
  }
  return stored
}

function isOpenToTheWorld({ id }: Acl): boolean {
  return id.scheme === 'world' && id.id === 'anyone'
}

function withoutDuplicates(acl: readonly Acl[]): Acl[] {
  const seen = new Set<string>()
  return acl.filter(({ perms, id }) => {
    const key = JSON.stringify([perms, id.scheme, id.id])
    return seen.has(key) ? false : seen.add(key) !== undefined
  })
}
