/**
 * When old snapshots and logs go.
 *
 * Apache's server removes none unless `autopurge.purgeInterval` says so, and then at its start and every
 * so many hours. A directory that we created is purged after each snapshot when nothing is said: a busy
 * server would fill its disk otherwise. What an Apache server left is never touched without being told.
 *
 * Source: DatadirCleanupManager, 3.9.5.
 */
import type { Logger } from '../sys/logger.ts'
import type { Schedule, Schedules } from '../sys/schedules.ts'

export type RetentionSettings =
  | { readonly kind: 'never' }
  /** After each snapshot, in directories that we created. */
  | { readonly kind: 'own-directory'; readonly snapshots: number }
  /** At the start, then every so many hours. */
  | { readonly kind: 'hours'; readonly hours: number; readonly snapshots: number }
  /** At the start, then whenever the cron text says. */
  | { readonly kind: 'cron'; readonly cron: string; readonly snapshots: number }

export interface RetentionParts {
  readonly settings: RetentionSettings
  readonly createdByUs: boolean
  readonly purge: (snapshots: number) => Promise<string[]>
  /** null: times of day do not come, as in a simulated world. */
  readonly schedules: Schedules | null
  readonly wallMs: () => number
  readonly log: Logger
}

const MINUTE_MS = 60_000

export class Retention {
  readonly #parts: RetentionParts
  #schedule: Schedule | null = null
  #isStopped = false
  #hoursPassed = 0

  constructor(parts: RetentionParts) {
    this.#parts = parts
  }

  /** The first purge, and those on the clock. Failures are logged: the server goes on (F-9). */
  async start(): Promise<void> {
    const { settings, schedules, log, wallMs } = this.#parts
    if (settings.kind !== 'hours' && settings.kind !== 'cron') return
    await this.#purge(settings.snapshots)
    if (schedules === null || this.#isStopped) return
    // Cron knows no "every 36 hours": an hourly one counts.
    const minute = Math.floor(wallMs() / MINUTE_MS) % 60
    const cron = settings.kind === 'cron' ? settings.cron : `${minute} * * * *`
    try {
      this.#schedule = await schedules.start(cron, () => this.#onTime())
      if (this.#isStopped) this.stop()
    } catch (error) {
      log.error({ cron, error: String(error) }, 'old snapshots are not removed: no such schedule')
    }
  }

  async afterSnapshot(): Promise<void> {
    const { settings, createdByUs } = this.#parts
    if (settings.kind === 'own-directory' && createdByUs) await this.#purge(settings.snapshots)
  }

  stop(): void {
    this.#isStopped = true
    this.#schedule?.stop()
    this.#schedule = null
  }

  async #onTime(): Promise<void> {
    const { settings } = this.#parts
    if (this.#isStopped || (settings.kind !== 'hours' && settings.kind !== 'cron')) return
    if (settings.kind === 'hours') {
      this.#hoursPassed += 1
      if (this.#hoursPassed < settings.hours) return
      this.#hoursPassed = 0
    }
    await this.#purge(settings.snapshots)
  }

  async #purge(snapshots: number): Promise<void> {
    const { purge, log } = this.#parts
    try {
      const removed = await purge(snapshots)
      if (removed.length > 0) log.info({ files: removed.length }, 'old snapshots and logs removed')
    } catch (error) {
      log.error({ error: (error as Error).message }, 'old snapshots could not be removed')
    }
  }
}
