/**
 * Distinguished names of certificates as Java's X500Principal writes and reads them: what an ACL of
 * scheme x509 holds, letter for letter (S-4).
 *
 * Invariant: equal subjects give equal text, and it is Java's: names in reverse order, keywords of RFC
 * 2253 alone (others as numbers with their value in hex), its way of escaping.
 * Source: javax.security.auth.x500.X500Principal#getName and its constructor, OpenJDK 17, observed.
 */
import { decodeUtf8 } from '../jute/reader.ts'
import { derValues, DerTag, oidText } from './der.ts'

const RFC_2253_KEYWORDS: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'STREET',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
}

/** What Java accepts in a name, beyond numbers. */
const READ_KEYWORDS: ReadonlySet<string> = new Set(
  (
    'CN C L S ST O OU T IP STREET DC DNQUALIFIER DNQ SURNAME GIVENNAME INITIALS GENERATION ' +
    'EMAIL EMAILADDRESS UID SERIALNUMBER'
  ).split(' '),
)

const STRING_TAGS: ReadonlySet<number> = new Set([
  DerTag.utf8String,
  DerTag.printableString,
  DerTag.t61String,
  DerTag.ia5String,
  DerTag.generalString,
  DerTag.bmpString,
])

/** The subject of an X.509 certificate; null when the bytes are none. */
export function subjectOf(certificate: Buffer): string | null {
  const fields = derValues(sequence(sequence(certificate)))
  if (fields === null) return null
  const hasVersion = fields[0]?.tag === DerTag.context0
  // serialNumber, signature, issuer, validity, subject
  const subject = fields[hasVersion ? 5 : 4]
  return subject === undefined ? null : nameText(subject.encoded)
}

/** A name in DER as text; null when the bytes are none. */
export function nameText(name: Buffer): string | null {
  const rdns = derValues(sequence(name))
  if (rdns === null) return null
  const texts = rdns.map(({ tag, content }) => {
    const pairs = tag === DerTag.set ? derValues(content) : null
    const parts = pairs?.map(({ content: pair }) => attributeText(pair)) ?? [null]
    return parts.includes(null) ? null : parts.join('+')
  })
  return texts.includes(null) ? null : texts.toReversed().join(',')
}

/** What a sequence holds; empty when it is none, which no name and no certificate is. */
function sequence(bytes: Buffer): Buffer {
  const [value] = derValues(bytes) ?? []
  return value?.tag === DerTag.sequence ? value.content : Buffer.from([0])
}

function attributeText(pair: Buffer): string | null {
  const [type, value] = derValues(pair) ?? []
  if (type?.tag !== DerTag.objectIdentifier || value === undefined) return null
  const oid = oidText(type.content)
  if (oid === null) return null
  const keyword = RFC_2253_KEYWORDS[oid]
  if (keyword === undefined || !STRING_TAGS.has(value.tag)) {
    return `${keyword ?? oid}=#${value.encoded.toString('hex')}`
  }
  return `${keyword}=${escaped(decodeUtf8(value.content, 0, value.content.length))}`
}

function escaped(value: string): string {
  const plain = value.replace(/[,=+<>#;"\\]/g, '\\$&').replaceAll('\0', '\\00')
  let [start, end] = [0, plain.length]
  while (start < end && isBlank(plain[start])) start++
  while (end > start && isBlank(plain[end - 1])) end--
  const shown = (blanks: string): string => blanks.replace(/[ \r]/g, '\\$&')
  return shown(plain.slice(0, start)) + plain.slice(start, end) + shown(plain.slice(end))
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\r'
}

/** Whether Java would take `text` for a name: `new X500Principal(text)`. */
export function isName(text: string): boolean {
  const rdns = split(text, ',;')
  if (rdns.length === 1 && rdns[0] === '') return true
  return rdns.every((rdn) => rdn.trim() !== '' && split(rdn, '+').every(isAttribute))
}

/** Parts of a text between separators that are neither escaped nor in quotes. */
function split(text: string, separators: string): string[] {
  const parts: string[] = []
  let start = 0
  let isQuoted = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!
    if (character === '"') isQuoted = !isQuoted
    if (!isQuoted && separators.includes(character)) {
      parts.push(text.slice(start, at))
      start = at + 1
    } else if (character === '\\') at++
  }
  parts.push(text.slice(start))
  return parts
}

const ESCAPE = String.raw`\\(?:[0-9a-fA-F]{2}|[ ,=+<>#;"\\])`
const QUOTED_VALUE = new RegExp(String.raw`^"(?:[^"\\]|${ESCAPE})*"[ \n]*$`, 's')
const PLAIN_VALUE = new RegExp(String.raw`^(?:[^",+<>;\\]|${ESCAPE})*$`, 's')

function isAttribute(text: string): boolean {
  const equals = text.indexOf('=')
  if (equals < 0) return false
  const keyword = text.slice(0, equals).trim().toUpperCase()
  if (!READ_KEYWORDS.has(keyword) && !isOid(keyword.replace(/^OID\./, ''))) return false
  const value = text.slice(equals + 1).replace(/^[ \n]+/, '')
  if (value.startsWith('#')) return /^#([0-9a-f]{2})+$/i.test(value)
  const form = value.startsWith('"') ? QUOTED_VALUE : PLAIN_VALUE
  return form.test(value)
}

function isOid(text: string): boolean {
  if (!/^[0-2](\.\d+)+$/.test(text)) return false
  const [first, second] = text.split('.')
  return first === '2' || Number(second) < 40
}
