/**
 * A daemon in the foreground: its log, and when it is to end.
 *
 * Under `howdah up` stdin is a pipe that nobody writes to: when it closes, `up` is gone (killed with
 * -9, even), and the daemon ends as if by SIGTERM.
 */
import type { LogLevel } from '../ensemble/sys/pino-logger.ts'
import { pinoLogger, type FlushableLogger } from '../ensemble/sys/pino-logger.ts'
import type { Io } from './command.ts'
import { SUPERVISED } from './supervised.ts'

/** JSON lines on stdout, readable on a terminal; HOWDAH_LOG is the level (info). */
export function foregroundLog(io: Io): FlushableLogger {
  const level = LEVELS.find((known) => known === io.env['HOWDAH_LOG']) ?? 'info'
  return pinoLogger({ to: 'stdout', daemon: true, level })
}

const LEVELS: readonly LogLevel[] = ['fatal', 'error', 'warn', 'info', 'debug', 'silent']

/** Resolves with the reason when the daemon is to end. */
export function untilStopped(io: Io): Promise<string> {
  return new Promise((resolve) => {
    if (io.signal.aborted) return resolve(String(io.signal.reason))
    io.signal.addEventListener('abort', () => resolve(String(io.signal.reason)), { once: true })
    if (io.env[SUPERVISED] !== '1') return
    const gone = (): void => resolve('the supervisor is gone')
    process.stdin.on('end', gone)
    process.stdin.on('error', gone)
    process.stdin.resume()
  })
}
