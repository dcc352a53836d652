/**
 * Time as the rest of the code sees it. Timers and expiry use the monotonic clock only; wall time
 * appears in transaction timestamps, never in a decision about liveness (F-17).
 */
export interface Clock {
  /** Milliseconds of a clock that never goes back; stands still while the host is suspended. */
  monotonicMs(): number
  /** Milliseconds since the Unix epoch, whole. */
  wallMs(): number
  /** Milliseconds since the host booted, suspension included. */
  bootMs(): number
  /** Calls `fire` once after `delayMs`, unless cancelled. */
  setTimer(delayMs: number, fire: () => void): Timer
  /** Calls `run` once the input at hand has been handled: the end of a batch. */
  defer(run: () => void): void
}

export interface Timer {
  cancel(): void
}

/** Resolves after `delayMs`, or at once (without rejecting) when `signal` aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const finish = () => {
      timer.cancel()
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const timer = clock.setTimer(delayMs, finish)
    signal?.addEventListener('abort', finish)
  })
}
