/**
 * What must not reach a log, found by the name of its key: passwords, digests of them, keys.
 *
 * Fencing tokens, session ids and zxids are no secrets and stay. Bytes are data of users, of which
 * the length is all that a log may know.
 */

export const REDACTED = '[redacted]'

/** Deeper structures are cut: nothing that a log line needs lies there. */
const DEPTH_MAX = 5

const SECRET =
  /pass(word|wd|phrase|code)|secret|credential|authorization|^auth$|cookie|superdigest|private_?key/i

const verdicts = new Map<string, boolean>()

/** A copy of `value` without secrets. Errors are kept as they are: they are serialized elsewhere. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Error) return value
  if (ArrayBuffer.isView(value)) return `<${value.byteLength} bytes>`
  if (depth === DEPTH_MAX) return '…'
  if (Array.isArray(value)) return value.map((item) => redact(item, depth + 1))
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return value
  const copy: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) {
    copy[key] = isSecret(key) && item !== undefined ? REDACTED : redact(item, depth + 1)
  }
  return copy
}

/** Keys are few and come from our own code, so their verdicts are kept; 1,000 at most. */
export function isSecret(key: string): boolean {
  let verdict = verdicts.get(key)
  if (verdict === undefined) {
    verdict = SECRET.test(key)
    if (verdicts.size < 1000) verdicts.set(key, verdict)
  }
  return verdict
}
