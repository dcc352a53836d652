/**
 * The watchdog's logic: pure. A process beside the controller and outside its event loop is fed
 * deadlines; when they pass, or when the controller dies, it stops the service (H-10, H-14).
 *
 * States: disarmed -> armed (a service may be active until `stopAt`) -> stopping -> disarmed.
 * Deadlines are moments on the host's boot and wall clocks, which both processes read: a line that
 * was delayed in the pipe carries the deadline that it always had.
 */
import type { ClockReading } from './lease.ts'

/** A line on the watchdog's stdin. */
export type Feed =
  | {
      readonly kind: 'arm'
      readonly token: string
      /** Boot and wall time, in milliseconds, at which the stop must begin. */
      readonly stopAtBootMs: number
      readonly stopAtWallMs: number
      readonly servicePid: number | null
    }
  | { readonly kind: 'disarm' }
  /** The service's pid has changed; nothing is active. */
  | { readonly kind: 'service'; readonly servicePid: number | null }
  /** The session to close once the service of a dead controller is stopped (H-14). */
  | { readonly kind: 'session'; readonly session: WatchedSession }
  /** The controller ends in order: leave everything as it is. */
  | { readonly kind: 'part' }

export interface WatchedSession {
  readonly servers: string
  readonly id: string
  /** Hexadecimal. */
  readonly password: string
  readonly timeoutMs: number
}

export interface Watchdog {
  readonly armed: Extract<Feed, { kind: 'arm' }> | null
  readonly servicePid: number | null
  readonly session: WatchedSession | null
  readonly isOver: boolean
}

export type WatchdogInput =
  | { readonly kind: 'feed'; readonly feed: Feed }
  | { readonly kind: 'controller-died' }
  | { readonly kind: 'tick' }

export type WatchdogEffect =
  /** Deactivate by HTTP, then end the process group; each for a bounded time. */
  | {
      readonly kind: 'stop-service'
      readonly token: string
      readonly servicePid: number | null
      readonly why: string
    }
  | { readonly kind: 'end-process'; readonly servicePid: number; readonly why: string }
  /** Nobody then waits for the expiry; skipped when a stop before it was not confirmed. */
  | { readonly kind: 'close-session'; readonly session: WatchedSession }
  | { readonly kind: 'exit' }

export const NEW_WATCHDOG: Watchdog = {
  armed: null,
  servicePid: null,
  session: null,
  isOver: false,
}

/** Handles one input at `now`; effects are in order. */
export function watchdogStep(
  watchdog: Watchdog,
  input: WatchdogInput,
  now: ClockReading,
): { readonly watchdog: Watchdog; readonly effects: readonly WatchdogEffect[] } {
  if (watchdog.isOver) return { watchdog, effects: [] }
  // Time before input: after a pause, a queued line must not save a deadline that has passed (H-11).
  if (watchdog.armed !== null && isPast(watchdog.armed, now)) {
    const stopped = { ...watchdog, armed: null }
    const effects = [stopOf(watchdog.armed, 'the controller did not renew in time')]
    if (input.kind === 'tick') return { watchdog: stopped, effects }
    const rest = watchdogStep(stopped, input, now)
    return { watchdog: rest.watchdog, effects: [...effects, ...rest.effects] }
  }
  switch (input.kind) {
    case 'tick':
      return { watchdog, effects: [] }
    case 'controller-died': {
      const over = { ...watchdog, armed: null, isOver: true }
      const effects: WatchdogEffect[] = []
      const why = 'the controller has died'
      if (watchdog.armed !== null) effects.push(stopOf(watchdog.armed, why))
      else if (watchdog.servicePid !== null) {
        effects.push({ kind: 'end-process', servicePid: watchdog.servicePid, why })
      }
      if (watchdog.session !== null) {
        effects.push({ kind: 'close-session', session: watchdog.session })
      }
      return { watchdog: over, effects: [...effects, { kind: 'exit' }] }
    }
    case 'feed':
      return onFeed(watchdog, input.feed, now)
  }
}

function onFeed(watchdog: Watchdog, feed: Feed, now: ClockReading) {
  switch (feed.kind) {
    case 'arm': {
      const armed = { ...watchdog, armed: feed, servicePid: feed.servicePid }
      if (!isPast(feed, now)) return { watchdog: armed, effects: [] }
      const effects = [stopOf(feed, 'the deadline had passed when it arrived')]
      return { watchdog: { ...armed, armed: null }, effects }
    }
    case 'disarm':
      return { watchdog: { ...watchdog, armed: null }, effects: [] }
    case 'service':
      return { watchdog: { ...watchdog, servicePid: feed.servicePid }, effects: [] }
    case 'session':
      return { watchdog: { ...watchdog, session: feed.session }, effects: [] }
    case 'part': {
      const effects: readonly WatchdogEffect[] = [{ kind: 'exit' }]
      return { watchdog: { ...watchdog, armed: null, isOver: true }, effects }
    }
  }
}

/** When to look again, in milliseconds from now; null while disarmed. */
export function watchdogDueMs(watchdog: Watchdog, now: ClockReading): number | null {
  if (watchdog.armed === null) return null
  const { stopAtBootMs, stopAtWallMs } = watchdog.armed
  return Math.max(0, Math.min(stopAtBootMs - now.bootMs, stopAtWallMs - now.wallMs))
}

function isPast(armed: Extract<Feed, { kind: 'arm' }>, now: ClockReading): boolean {
  return now.bootMs >= armed.stopAtBootMs || now.wallMs >= armed.stopAtWallMs
}

function stopOf(armed: Extract<Feed, { kind: 'arm' }>, why: string): WatchdogEffect {
  return { kind: 'stop-service', token: armed.token, servicePid: armed.servicePid, why }
}

/** Reads a line of stdin; null when it is none of ours. */
export function parseFeed(line: string): Feed | null {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null) return null
  const fields = value as Record<string, unknown> // checked field by field
  const servicePid = typeof fields['servicePid'] === 'number' ? fields['servicePid'] : null
  switch (fields['kind']) {
    case 'arm': {
      const { token, stopAtBootMs, stopAtWallMs } = fields
      if (typeof token !== 'string' || typeof stopAtBootMs !== 'number') return null
      if (typeof stopAtWallMs !== 'number') return null
      return { kind: 'arm', token, stopAtBootMs, stopAtWallMs, servicePid }
    }
    case 'disarm':
      return { kind: 'disarm' }
    case 'service':
      return { kind: 'service', servicePid }
    case 'part':
      return { kind: 'part' }
    case 'session': {
      const session = fields['session'] as Record<string, unknown> | null // checked below
      const { servers, id, password, timeoutMs } = session ?? {}
      if (typeof servers !== 'string' || typeof id !== 'string') return null
      if (typeof password !== 'string' || typeof timeoutMs !== 'number') return null
      if (!/^-?[0-9]{1,20}$/.test(id)) return null
      return { kind: 'session', session: { servers, id, password, timeoutMs } }
    }
    default:
      return null
  }
}
