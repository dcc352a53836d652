/**
 * Bounds of our own on what one client may hold: ids, watches, ephemerals (S-15). Apache has none of
 * them, so they are off, or far above what any recipe needs, unless somebody sets them.
 *
 * What happens at each: an auth packet with more ids is answered AUTHFAILED and the connection ends;
 * a request that would add a watch, and a create of an ephemeral, is answered QUOTAEXCEEDED.
 */
import type { ClientLink } from './client-link.ts'

export interface ClientLimits {
  readonly authIdsMax: number
  /** 0: none. */
  readonly watchesMax: number
  /** 0: none. */
  readonly ephemeralsMax: number
}

export type ClientLimit = 'auth_ids' | 'watches' | 'ephemerals'

/** Told that a client was refused something. */
export type OnLimited = (sessionId: bigint, limit: ClientLimit, most: number) => void

export const noLimits: ClientLimits = { authIdsMax: 128, watchesMax: 0, ephemeralsMax: 0 }

export function sessionIdOf(link: ClientLink): bigint {
  return link.session?.id ?? 0n
}
