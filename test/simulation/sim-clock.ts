/**
 * Time of a simulated host: its monotonic clock has an offset and a rate of its own (F-18), its wall
 * clock an offset that faults may move (F-17). Timers run by the host's rate.
 */
import type { Clock, Timer } from '../../ensemble/sys/clock.ts'
import type { Proc } from './world.ts'

/** Node cuts a timer's delay to whole milliseconds, and makes 0 one; the loop may come to it late. */
const TIMER_MS_MIN = 1
const LATENESS_MEAN_US = 150

export function simClock(proc: Proc): Clock {
  const { world, host } = proc
  const lateness = world.stream(`timers ${proc.host.address} ${proc.name} ${proc.pid}`)
  const localMs = () => host.monotonicOffsetMs + world.nowMs * host.clockRate
  return {
    monotonicMs: localMs,
    wallMs: () => Math.floor(host.wallOffsetMs + world.nowMs * host.clockRate),
    bootMs: localMs,
    setTimer(delayMs, fire): Timer {
      const waitMs = delayMs >= TIMER_MS_MIN ? Math.trunc(delayMs) : TIMER_MS_MIN
      const lateUs = lateness.exponential(LATENESS_MEAN_US)
      const waitUs = (waitMs * 1000) / host.clockRate + lateUs
      const event = world.schedule(proc, waitUs, 'timer', waitMs, fire)
      return {
        cancel() {
          event.cancelled = true
        },
      }
    },
    defer(run) {
      world.schedule(proc, 0, 'defer', 0, run)
    },
  }
}
