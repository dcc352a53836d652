/**
 * The real logger: pino, JSON lines for machines, one readable line each on a terminal.
 *
 * Invariants:
 * 1. A daemon is never held up by whoever reads its log: lines are written in the background, a
 *    reader that has stopped costs lines (log-sink.ts), not service. A command writes at once, so
 *    that nothing is missing when it ends a moment later.
 * 2. What is pending is written at exit, and after a `fatal` line, if the reader takes it in 2 s.
 * 3. No secret is logged: values are replaced by key, at any depth; bytes show their length only.
 */
import { pino, stdSerializers, stdTimeFunctions } from 'pino'
import { redact } from './log-redaction.ts'
import { LogSink } from './log-sink.ts'
import type { Fields, Logger } from './logger.ts'
import { prettyLine } from './pretty-log-line.ts'

export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'silent'

export interface PinoLoggerOptions {
  /** The least that is logged; `info` when absent. */
  level?: LogLevel
  /** `stderr` when absent. */
  to?: 'stdout' | 'stderr'
  /** `auto` (when absent): pretty on a terminal, JSON elsewhere. */
  style?: 'auto' | 'json' | 'pretty'
  /** Colours in pretty lines; when absent, on a terminal without NO_COLOR. */
  colours?: boolean
  /** Write in the background, for what serves; at once when absent. */
  daemon?: boolean
  /** On every line, such as `{ sid: 1 }`. */
  fields?: Fields
  /** Takes each finished line instead of `to`: for tests, and for who merges logs. */
  write?: (line: string) => void
}

export interface FlushableLogger extends Logger {
  /** Writes what is pending, now. */
  flush(): void
}

export function pinoLogger(options: PinoLoggerOptions = {}): FlushableLogger {
  const out = options.to === 'stdout' ? process.stdout : process.stderr
  const isTerminal = options.write === undefined && out.isTTY
  const style = options.style ?? 'auto'
  const isPretty = style === 'pretty' || (style === 'auto' && isTerminal)
  const sink = openSink(options, out.fd)
  const colours = options.colours ?? (isTerminal && process.env['NO_COLOR'] === undefined)
  const stream = isPretty
    ? { write: (line: string) => sink.write(prettyLine(line, { colours })) }
    : sink
  const base = { pid: process.pid, ...(redact(options.fields ?? {}) as Record<string, unknown>) }
  const root = pino(
    {
      level: options.level ?? 'info',
      base,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: stdSerializers.err, err: stdSerializers.err },
    },
    stream,
  )
  return new PinoLogger(root, () => sink.flush())
}

interface Sink {
  write(line: string): void
  flush(): void
}

function openSink(options: PinoLoggerOptions, fd: number): Sink {
  const { write, daemon = false } = options
  if (write !== undefined) return { write, flush() {} }
  const sink = new LogSink(fd, { background: daemon })
  if (daemon) process.on('exit', () => sink.flush())
  return sink
}

class PinoLogger implements FlushableLogger {
  readonly #pino: pino.Logger
  readonly #flush: () => void

  constructor(logger: pino.Logger, flush: () => void) {
    this.#pino = logger
    this.#flush = flush
  }

  fatal(fields: Fields, message: string): void {
    this.#pino.fatal(redact(fields), message)
    this.#flush()
  }

  error(fields: Fields, message: string): void {
    this.#pino.error(redact(fields), message)
  }

  warn(fields: Fields, message: string): void {
    this.#pino.warn(redact(fields), message)
  }

  info(fields: Fields, message: string): void {
    this.#pino.info(redact(fields), message)
  }

  debug(fields: Fields, message: string): void {
    if (this.#pino.isLevelEnabled('debug')) this.#pino.debug(redact(fields), message)
  }

  child(fields: Fields): FlushableLogger {
    return new PinoLogger(this.#pino.child(redact(fields) as Fields), this.#flush)
  }

  flush(): void {
    this.#flush()
  }
}
