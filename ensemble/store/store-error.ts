/**
 * The disk failed, or holds bytes that must not be believed: the peer stops (or refuses to start).
 *
 * It names the file and, where there is one, the offset of the first byte in doubt, so that an
 * operator can look. Nothing is ever tried again on the same file: after a failed sync the kernel
 * may call pages clean that never reached the disk (F-8).
 */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly file: string
  readonly offset: number | null

  constructor(what: string, context: ErrorOptions & { file: string; offset?: number | null }) {
    const { file, offset = null, ...options } = context
    super(offset === null ? `${file}: ${what}` : `${file} at offset ${offset}: ${what}`, options)
    this.file = file
    this.offset = offset
  }
}

/** Wraps what the file system threw; a StoreError passes as it is. */
export function storeError(what: string, file: string, cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new StoreError(`${what}: ${reason}`, { file, cause })
}
