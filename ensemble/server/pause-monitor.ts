/**
 * Reports pauses of the process: a timer that comes late tells how long nothing else could run.
 *
 * Off unless `jvm.pause.monitor` asks for it; the names are Apache's, the pauses those of our event loop
 * (collection of garbage, a stopped or starved process). Source: JvmPauseMonitor, 3.9.5.
 */
import type { Summary } from '../admin/summary.ts'
import type { Clock, Timer } from '../sys/clock.ts'
import type { Logger } from '../sys/logger.ts'

export interface PauseSettings {
  readonly sleepMs: number
  /** Pauses longer than these are told. */
  readonly infoMs: number
  readonly warnMs: number
}

export class PauseMonitor {
  readonly #settings: PauseSettings
  readonly #parts: { readonly clock: Clock; readonly log: Logger; readonly pauses: Summary }
  #timer: Timer | null = null

  constructor(
    settings: PauseSettings,
    parts: { readonly clock: Clock; readonly log: Logger; readonly pauses: Summary },
  ) {
    this.#settings = settings
    this.#parts = parts
  }

  start(): void {
    const { clock } = this.#parts
    const startedMs = clock.monotonicMs()
    this.#timer = clock.setTimer(this.#settings.sleepMs, () => {
      this.#note(Math.round(clock.monotonicMs() - startedMs) - this.#settings.sleepMs)
      this.start()
    })
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #note(pauseMs: number): void {
    const { log, pauses } = this.#parts
    if (pauseMs >= 0) pauses.add(pauseMs)
    if (pauseMs > this.#settings.warnMs) log.warn({ pauseMs }, 'the process has paused')
    else if (pauseMs > this.#settings.infoMs) log.info({ pauseMs }, 'the process has paused')
  }
}
