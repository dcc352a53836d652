/** Log lines of a simulated process: part of the world's trace, and, above debug, marks of what a run reached (D-20). */
import type { Fields, Logger } from '../../ensemble/sys/logger.ts'
import type { Proc } from './world.ts'

export function simLogger(proc: Proc, fields: Fields = {}): Logger {
  const write = (level: string) => (own: Fields, message: string) => {
    if (!proc.isAlive) return
    if (level !== 'debug') proc.world.mark(`"${message}"`)
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
