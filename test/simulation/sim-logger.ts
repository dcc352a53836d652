/** Log lines of a simulated process: part of the world's trace, and counted as marks when they are errors. */
import type { Fields, Logger } from '../../ensemble/sys/logger.ts'
import type { Proc } from './world.ts'

export function simLogger(proc: Proc, fields: Fields = {}): Logger {
  const write = (level: string) => (own: Fields, message: string) => {
    if (!proc.isAlive) return
    proc.world.note(proc.name, `${level} "${message}"`, { ...fields, ...own })
  }
  return {
    fatal: write('fatal'),
    error: write('error'),
    warn: write('warn'),
    info: write('info'),
    debug: write('debug'),
    child: (own) => simLogger(proc, { ...fields, ...own }),
  }
}
