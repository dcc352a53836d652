/**
 * Who a connection is: auth packets, SASL tokens, and the refusal of those who have not said it.
 *
 * Both are answered as they are read, before requests that wait: they apply to everything read after
 * them, and their replies may overtake those of earlier requests (client-protocol 5.3).
 *
 * Invariants:
 *  1. Ids belong to a connection, and come from its own proofs or its address (S-6).
 *  2. Where authentication is enforced, a connection without an id of one of the schemes is answered
 *     nothing but -124, whatever it asks, and closed (S-5).
 *  3. A connection has a bounded number of ids: one more is refused, and ends it.
 *
 * Source: ZooKeeperServer#processPacket, #processSasl, AuthenticationHelper, 3.9.5.
 */
import { inMapOrder } from '../auth/id-order.ts'
import type { SaslAuthenticator } from '../auth/sasl.ts'
import type { AuthId, AuthScheme } from '../auth/schemes.ts'
import type { Reader } from '../jute/reader.ts'
import { WireError } from '../jute/wire-error.ts'
import { Code } from '../protocol/error-codes.ts'
import { AuthPacket, GetSaslRequest } from '../protocol/requests.ts'
import type { ClientLink } from './client-link.ts'
import { sessionIdOf, type ClientLimits, type OnLimited } from './client-limits.ts'
import type { PipelineCounts } from './pipeline-counts.ts'

/** Ids of one connection, its address included, unless a setting says another number. */
export const IDS_MAX = 128
/** All of them together, in characters. */
const IDS_LENGTH_MAX = 1_048_576

export interface AuthenticationSettings {
  readonly schemes: ReadonlyMap<string, AuthScheme>
  /** null: no users are configured, and clients are told to go on without. */
  readonly sasl: SaslAuthenticator | null
  /** Of these schemes a connection must have an id; null: none is asked for. */
  readonly enforcedSchemes: readonly string[] | null
  /** A client whose login has failed may go on without. */
  readonly allowSaslFailedClients: boolean
  readonly limits: ClientLimits
}

export interface AuthenticationEdge {
  close(link: ClientLink, why: string): void
  /** A client has not shown who it says it is. */
  denied(link: ClientLink, why: string): void
  limited: OnLimited
}

export class Authentication {
  readonly #settings: AuthenticationSettings
  readonly #counts: PipelineCounts
  readonly #edge: AuthenticationEdge

  constructor(settings: AuthenticationSettings, counts: PipelineCounts, edge: AuthenticationEdge) {
    this.#settings = settings
    this.#counts = counts
    this.#edge = edge
  }

  /** Whether requests of this connection are refused as it is. */
  isStranger(link: ClientLink): boolean {
    const { enforcedSchemes } = this.#settings
    return (
      enforcedSchemes !== null &&
      !link.authIds.some(({ scheme }) => enforcedSchemes.includes(scheme))
    )
  }

  refuse(link: ClientLink, xid: number): void {
    link.beginReply(xid, 0n, Code.sessionClosedRequireSaslAuth)
    link.endFrame()
    this.#edge.close(link, 'it has not authenticated')
  }

  onAuthPacket(link: ClientLink, xid: number, reader: Reader): void {
    const { scheme, auth } = AuthPacket.read(reader)
    const ids = this.#settings.schemes.get(scheme ?? '')?.authenticate(auth, link.authIds) ?? null
    if (ids === 'close') {
      this.#denied(link, `scheme ${scheme}`)
      return this.#edge.close(link, `scheme ${scheme} wants it to try another server`)
    }
    if (ids === null) {
      this.#denied(link, `scheme ${scheme}`)
      link.beginReply(xid, 0n, Code.authFailed)
      link.endFrame()
      return this.#edge.close(link, 'authentication failed')
    }
    const { authIdsMax } = this.#settings.limits
    if (isTooMuch(link.authIds, notIn(link.authIds, ids), authIdsMax)) {
      this.#counts.authFailures++
      this.#edge.limited(sessionIdOf(link), 'auth_ids', authIdsMax)
      link.beginReply(xid, 0n, Code.authFailed)
      link.endFrame()
      return this.#edge.close(link, `more than ${authIdsMax} ids`)
    }
    link.beginReply(xid, 0n, Code.ok)
    link.endFrame()
    this.#add(link, ids)
  }

  onSaslToken(link: ClientLink, xid: number, reader: Reader): void {
    const token = readToken(reader)
    if (token === null) return this.#edge.close(link, 'no SASL token')
    const { sasl, allowSaslFailedClients } = this.#settings
    if (sasl === null) return answerToken(link, xid, Code.ok, null)
    link.saslLogin ??= sasl.begin()
    const step = link.saslLogin.evaluate(token)
    if (step.kind !== 'failed') {
      answerToken(link, xid, Code.ok, step.token)
      if (step.kind === 'done') this.#add(link, step.ids)
      return
    }
    const isRequired = this.#settings.enforcedSchemes?.includes('sasl') === true
    if (allowSaslFailedClients && !isRequired) return answerToken(link, xid, Code.ok, null)
    const code = isRequired ? Code.sessionClosedRequireSaslAuth : Code.authFailed
    const why = `SASL login failed: ${step.why}`
    this.#denied(link, why)
    answerToken(link, xid, code, null)
    this.#edge.close(link, why)
  }

  #denied(link: ClientLink, why: string): void {
    this.#counts.authFailures++
    this.#edge.denied(link, why)
  }

  #add(link: ClientLink, ids: readonly AuthId[]): void {
    const added = notIn(link.authIds, ids)
    if (added.length === 0) return
    link.authIds = inMapOrder([...link.authIds, ...added])
    link.isStranger = this.isStranger(link)
  }
}

/**
 * Every check of a list goes through all ids, and all of them are kept as long as the connection:
 * ten thousand in a segment would hold up everybody. Apache has no limit.
 */
function isTooMuch(known: readonly AuthId[], added: readonly AuthId[], most: number): boolean {
  if (known.length + added.length > most) return true
  let length = 0
  for (const { id } of known) length += id.length
  for (const { id } of added) length += id.length
  return length > IDS_LENGTH_MAX
}

/** Those of `ids` that are not known. */
function notIn(known: readonly AuthId[], ids: readonly AuthId[]): AuthId[] {
  return ids.filter(
    ({ scheme, id }) => !known.some((own) => own.scheme === scheme && own.id === id),
  )
}

/** null for a token that is absent or cut off: the connection then ends without an answer. */
function readToken(reader: Reader): Buffer | null {
  try {
    return GetSaslRequest.read(reader).token
  } catch (problem) {
    if (!(problem instanceof WireError)) throw problem
    return null
  }
}

/** Other than elsewhere an error has a body: the token, null. */
function answerToken(link: ClientLink, xid: number, code: number, token: Buffer | null): void {
  link.beginReply(xid, 0n, code).buffer(token)
  link.endFrame()
}
