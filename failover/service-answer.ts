/**
 * What a service says about itself: the JSON of its answers to `activate` and `deactivate`, and of
 * its health probe where that carries it: `{ role, token, clock?, reason? }`.
 */
import { tokenOf } from './group-nodes.ts'

export interface ServiceAnswer {
  readonly role: 'active' | 'standby' | null
  readonly token: bigint | null
  /** A reading of the service's clock, to be sent back; see service.ts. */
  readonly clock: string | null
  readonly reason: string | null
  /** The guard took the token, and wants the command again with its clock reading. */
  readonly wantsClock: boolean
}

/** The reason with which a guard asks for its clock reading. */
export const CLOCK_WANTED = 'send again with Howdah-Lease-Clock'

const NOTHING: ServiceAnswer = {
  role: null,
  token: null,
  clock: null,
  reason: null,
  wantsClock: false,
}

/** Reads an answer of any origin; what is not there or not well-formed is null. */
export function decodeServiceAnswer(body: string): ServiceAnswer {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return NOTHING
  }
  if (typeof value !== 'object' || value === null) return NOTHING
  const { role, token, clock, reason } = value as Record<string, unknown> // checked field by field
  const text = typeof token === 'number' && Number.isSafeInteger(token) ? String(token) : token
  return {
    role: role === 'active' || role === 'standby' ? role : null,
    token: tokenOf(text),
    clock: typeof clock === 'string' && /^[\x21-\x7e]{1,100}$/.test(clock) ? clock : null,
    reason: typeof reason === 'string' ? reason.slice(0, 200) : null,
    wantsClock: reason === CLOCK_WANTED,
  }
}
