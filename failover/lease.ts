/**
 * The arithmetic of a lease (H-10, H-11): pure, on three clocks.
 *
 * Invariants:
 * 1. A lease granted by a renewal *sent* at t is over as soon as any of the monotonic, the boot or
 *    the wall clock has moved by L since t. The monotonic clock stands still while a host is
 *    suspended, the boot clock does not; the wall clock helps where the boot clock lies.
 * 2. A taker counts on its monotonic clock only: standing still makes it wait longer.
 * 3. A clock that went back never makes a lease longer.
 */
import type { Clock } from '../ensemble/sys/clock.ts'

export interface ClockReading {
  readonly monotonicMs: number
  readonly bootMs: number
  readonly wallMs: number
}

export function readClocks(clock: Clock): ClockReading {
  return { monotonicMs: clock.monotonicMs(), bootMs: clock.bootMs(), wallMs: clock.wallMs() }
}

/** Milliseconds that have passed by the clock that moved most; never negative. */
export function passedMs(since: ClockReading, now: ClockReading): number {
  return Math.max(
    0,
    now.monotonicMs - since.monotonicMs,
    now.bootMs - since.bootMs,
    now.wallMs - since.wallMs,
  )
}

/** What is left of a lease whose last successful renewal was sent at `sentAt`; <= 0 when over. */
export function leaseLeftMs(sentAt: ClockReading, leaseMs: number, now: ClockReading): number {
  return leaseMs - passedMs(sentAt, now)
}

/**
 * How far the clocks disagree since `before`, in milliseconds: the host was suspended, or somebody
 * set the clock. Boot time is read in steps of 10 ms, so small values mean nothing.
 */
export function disagreementMs(before: ClockReading, now: ClockReading): number {
  const monotonic = now.monotonicMs - before.monotonicMs
  const boot = now.bootMs - before.bootMs
  const wall = now.wallMs - before.wallMs
  return Math.max(Math.abs(boot - monotonic), Math.abs(wall - monotonic))
}
