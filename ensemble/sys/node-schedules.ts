/** Schedules by node-cron, which is loaded with the first one. */
import type { Schedules } from './schedules.ts'

/** It would write to the console, between our lines of JSON; who is called reports what fails. */
const quiet = { info() {}, warn() {}, error() {}, debug() {} }

export const nodeSchedules: Schedules = {
  async start(cron, run) {
    const { schedule } = await import('node-cron')
    const task = schedule(cron, () => run(), { noOverlap: true, unref: true, logger: quiet })
    return { stop: () => void task.destroy() }
  },
}
