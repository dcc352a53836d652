/** Schedules by node-cron, which is loaded with the first one. */
import type { Schedules } from './schedules.ts'

export const nodeSchedules: Schedules = {
  async start(cron, run) {
    const { schedule } = await import('node-cron')
    const task = schedule(cron, () => run(), { noOverlap: true, unref: true })
    return { stop: () => void task.destroy() }
  },
}
