/**
 * Bounds on what clients may ask of one server: those of Apache under its defaults, and ours.
 *
 * Source: RequestThrottler, BlueThrottle, ZooKeeperServer, 3.9.5 (client-protocol 8.3, 8.4); S-15.
 */

import { IDS_MAX } from '../pipeline/authentication.ts'

/** A token bucket for connect requests, with random refusals as it runs dry. */
export interface ConnectionThrottleSettings {
  /** What the bucket holds. */
  readonly tokens: number
  readonly fillTimeMs: number
  readonly fillCount: number
  /** Time between two changes of the part that is refused at random; null: nothing is. */
  readonly freezeTimeMs: number | null
  readonly dropIncrease: number
  readonly dropDecrease: number
  readonly decreaseRatio: number
  /** Tokens of a new session and of one that is resumed; null: one each. */
  readonly weights: { readonly create: number; readonly resume: number } | null
}

export interface LimitSettings {
  readonly connectionThrottle: ConnectionThrottleSettings | null
  /** Writes in work beyond which requests wait; 0: they do not. */
  readonly requestsMax: number
  /** Requests whose time has gone while they waited are dropped: with their connection, … */
  readonly dropStale: boolean
  /** … if that has ended meanwhile, or … */
  readonly staleConnectionCheck: boolean
  /** … if they have waited for longer than their session's timeout. */
  readonly staleLatencyCheck: boolean
  /** A request that has waited for longer is answered with throttledOp; 0: it is not. */
  readonly throttledOpWaitMs: number
  /** Requests above so many bytes are large; -1: none is. */
  readonly largeRequestBytes: number
  /** Bytes of all large requests in work, beyond which the connection of the next one ends. */
  readonly largeRequestsBytesMax: number
  /** Ours: ids that one connection may have proven; an auth packet beyond them is refused. */
  readonly authIdsMax: number
  /** Ours: paths that one connection may watch; 0: as many as it likes. */
  readonly watchesMax: number
  /** Ours: ephemerals that one session may have; 0: as many as it likes. */
  readonly ephemeralsMax: number
}

export const defaultLimits: LimitSettings = {
  connectionThrottle: null,
  requestsMax: 0,
  dropStale: true,
  staleConnectionCheck: true,
  staleLatencyCheck: false,
  throttledOpWaitMs: 0,
  largeRequestBytes: -1,
  largeRequestsBytesMax: 100 * 1024 * 1024,
  authIdsMax: IDS_MAX,
  watchesMax: 0,
  ephemeralsMax: 0,
}
