/** Things done at times of day, as cron text tells them. */
export interface Schedules {
  /**
   * Calls `run` at each time that `cron` names, but not while the last call is under way.
   * @throws Error when the text is no schedule
   */
  start(cron: string, run: () => Promise<void>): Promise<Schedule>
}

export interface Schedule {
  stop(): void
}
