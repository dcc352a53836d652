/** Structured log: fields first, then a constant message. Never data, passwords or secrets. */
export interface Logger {
  fatal(fields: Fields, message: string): void
  error(fields: Fields, message: string): void
  warn(fields: Fields, message: string): void
  info(fields: Fields, message: string): void
  debug(fields: Fields, message: string): void
  child(fields: Fields): Logger
}

export type Fields = Readonly<Record<string, unknown>>

/** Logs nothing: for tests, and for libraries that were given no logger. */
export const silent: Logger = {
  fatal() {},
  error() {},
  warn() {},
  info() {},
  debug() {},
  child: () => silent,
}
