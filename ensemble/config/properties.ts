/**
 * Java properties, with the place of each key and value.
 *
 * `key=value`, `key:value` or `key value`; `#` and `!` begin comment lines; a line that ends with an
 * odd number of backslashes goes on in the next one, whose leading blanks are dropped; `\t \n \r \f
 * \uXXXX` stand for characters, and any other escaped character for itself.
 * Source: java.util.Properties#load; ZooKeeper trims keys and values besides.
 *
 * Two differences, both where Java would do something that nobody can want: a byte order mark at
 * the start is dropped (Java makes it part of the first key), and the text is UTF-8, not Latin-1.
 */
import type { Problem } from './problem.ts'

export interface Property {
  readonly key: string
  readonly value: string
  readonly line: number
  readonly column: number
  readonly valueLine: number
  readonly valueColumn: number
}

export interface Properties {
  /** In the order of the file, duplicates included. */
  readonly entries: readonly Property[]
  readonly problems: readonly Problem[]
}

/** One character of a logical line, with its place in the file. */
interface Placed {
  readonly character: string
  /** Came from an escape: neither separator nor blank. */
  readonly isEscaped: boolean
  readonly line: number
  readonly column: number
}

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

export function parseProperties(text: string, file: string): Properties {
  const problems: Problem[] = []
  const entries: Property[] = []
  for (const line of logicalLines(text.replace(/^\uFEFF/, ''))) {
    const entry = splitLine(unescape(line, file, problems))
    if (entry !== null) entries.push(entry)
  }
  return { entries, problems }
}

/** Natural lines joined where they go on; comments and blank lines left out. */
function* logicalLines(text: string): Generator<Placed[]> {
  let joined: Placed[] = []
  const lines = text.split(/\r\n|\n|\r/)
  for (const [index, content] of lines.entries()) {
    const blanks = /^[ \t\f]*/.exec(content)![0].length
    if (joined.length === 0 && (blanks === content.length || /[#!]/.test(content[blanks]!)))
      continue
    // An odd number of backslashes: the last one escapes the end of the line.
    const goesOn = /\\*$/.exec(content)![0].length % 2 === 1
    const end = content.length - (goesOn ? 1 : 0)
    for (let at = blanks; at < end; at++) {
      joined.push({ character: content[at]!, isEscaped: false, line: index + 1, column: at + 1 })
    }
    if (goesOn && index < lines.length - 1) continue
    if (joined.length > 0) yield joined
    joined = []
  }
}

function unescape(line: readonly Placed[], file: string, problems: Problem[]): Placed[] {
  const out: Placed[] = []
  for (let at = 0; at < line.length; at++) {
    const placed = line[at]!
    const next = line[at + 1]
    if (placed.character !== '\\' || next === undefined) {
      if (placed.character !== '\\') out.push(placed)
      continue
    }
    at++
    let character = ESCAPES[next.character] ?? next.character
    if (next.character === 'u') {
      const digits = line.slice(at + 1, at + 5).map((digit) => digit.character)
      const code = digits.join('')
      if (/^[0-9a-fA-F]{4}$/.test(code)) {
        character = String.fromCharCode(Number.parseInt(code, 16))
        at += 4
      } else {
        const { line: where, column } = placed
        const what = 'a malformed \\u escape'
        const expected = 'four hexadecimal digits after \\u'
        problems.push({ file, line: where, column, what, got: `\\u${code}`, expected })
      }
    }
    out.push({ character, isEscaped: true, line: placed.line, column: placed.column })
  }
  return out
}

function splitLine(line: readonly Placed[]): Property | null {
  const first = line[0]
  if (first === undefined) return null
  const isBlank = ({ character, isEscaped }: Placed) => !isEscaped && /[ \t\f]/.test(character)
  const isSeparator = ({ character, isEscaped }: Placed) => !isEscaped && /[=:]/.test(character)
  let keyEnd = 0
  while (keyEnd < line.length && !isBlank(line[keyEnd]!) && !isSeparator(line[keyEnd]!)) keyEnd++
  let start = keyEnd
  while (start < line.length && isBlank(line[start]!)) start++
  if (start < line.length && isSeparator(line[start]!)) start++
  while (start < line.length && isBlank(line[start]!)) start++
  const textOf = (from: number, to?: number) =>
    line
      .slice(from, to)
      .map(({ character }) => character)
      .join('')
      .trim()
  const last = line.at(-1)!
  const valueAt = line[start] ?? { line: last.line, column: last.column + 1 }
  return {
    key: textOf(0, keyEnd),
    value: textOf(start),
    line: first.line,
    column: first.column,
    valueLine: valueAt.line,
    valueColumn: valueAt.column,
  }
}
