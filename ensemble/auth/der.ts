/**
 * DER values, as far as the subject of a certificate needs them.
 *
 * Invariant: nothing outside the given bytes is read, whatever the lengths in them say.
 * Source: X.690, sections 8.1 and 8.19.
 */

export interface DerValue {
  readonly tag: number
  /** Without tag and length. */
  readonly content: Buffer
  /** All of it. */
  readonly encoded: Buffer
}

export const DerTag = {
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  t61String: 0x14,
  ia5String: 0x16,
  generalString: 0x1b,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
  /** `[0]`, constructed: the version of a certificate. */
  context0: 0xa0,
} as const

/** The values that follow one another in `bytes`; null when these are no whole DER values. */
export function derValues(bytes: Buffer): DerValue[] | null {
  const values: DerValue[] = []
  let at = 0
  while (at < bytes.length) {
    const value = derValue(bytes, at)
    if (value === null) return null
    values.push(value)
    at += value.encoded.length
  }
  return values
}

function derValue(bytes: Buffer, start: number): DerValue | null {
  const tag = bytes[start]!
  let length = bytes[start + 1]
  if (length === undefined || (tag & 0x1f) === 0x1f) return null
  let contentStart = start + 2
  if (length >= 0x80) {
    const size = length - 0x80
    if (size < 1 || size > 4 || contentStart + size > bytes.length) return null
    length = bytes.readUIntBE(contentStart, size)
    contentStart += size
  }
  const end = contentStart + length
  if (end > bytes.length) return null
  const content = bytes.subarray(contentStart, end)
  return { tag, content, encoded: bytes.subarray(start, end) }
}

/** `1.2.840.113549`; null when the bytes are none. */
export function oidText(content: Buffer): string | null {
  const last = content.at(-1)
  if (last === undefined || last >= 0x80) return null
  const parts: bigint[] = []
  let part = 0n
  for (const byte of content) {
    part = (part << 7n) | BigInt(byte & 0x7f)
    if (byte >= 0x80) continue
    parts.push(part)
    part = 0n
  }
  const [first = 0n, ...rest] = parts
  const root = first < 40n ? 0n : first < 80n ? 1n : 2n
  return [root, first - 40n * root, ...rest].join('.')
}
