/** The real clock: Node's monotonic clock and timers, and the host's uptime. */
import { uptime } from 'node:os'
import type { Clock, Timer } from './clock.ts'

export const nodeClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  bootMs: () => uptime() * 1000,
  setTimer(delayMs, fire): Timer {
    const handle = setTimeout(fire, delayMs)
    return { cancel: () => clearTimeout(handle) }
  },
  defer(run) {
    setImmediate(run)
  },
}
