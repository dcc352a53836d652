/**
 * Options of a command, told apart from its words the way zkCli's library does it.
 *
 * Invariants: words keep their order, the command's name is the first of them, and options may stand
 * anywhere; `-abc` is three options, or `-a` with the value `bc`; after `--` all are words.
 * Source: commons-cli 1.5.0, DefaultParser, with the texts of its exceptions as zkCli prints them.
 */
import { CliError } from './cli-error.ts'

export interface OptionSpec {
  readonly takesValue?: boolean
  readonly help: string
  /** Options of one group exclude each other. */
  readonly group?: string
}
/** By name, without the dash; a name that starts with a dash is one with two. */
export type OptionTable = Readonly<Record<string, OptionSpec>>

export interface CommandLine {
  /** The command's name, then its arguments. */
  readonly words: readonly string[]
  has(option: string): boolean
  /** The first value given. */
  value(option: string): string | undefined
}

interface Parsing {
  readonly table: OptionTable
  readonly words: string[]
  readonly values: Map<string, string[]>
  readonly selected: Map<string, string>
  /** The option whose value is due. */
  open: string | null
}

/**
 * @param requiredGroup one of its options must be there
 * @throws CliError
 */
export function parseOptions(
  given: readonly string[],
  table: OptionTable,
  requiredGroup: string | null = null,
): CommandLine {
  const parsing: Parsing = { table, words: [], values: new Map(), selected: new Map(), open: null }
  let isOver = false
  for (const word of given) {
    if (isOver) parsing.words.push(word)
    else if (word === '--') isOver = true
    else takeWord(parsing, word)
  }
  checkValue(parsing)
  if (requiredGroup !== null && !parsing.selected.has(requiredGroup)) {
    const options = Object.entries(table).filter(([, { group }]) => group === requiredGroup)
    const texts = options.map(([name, { help }]) => `-${name} ${help}`).join(', ')
    throw new CliError(
      `org.apache.commons.cli.MissingOptionException: Missing required option: [${texts}]`,
    )
  }
  const { words, values } = parsing
  return {
    words,
    has: (option) => values.has(option),
    value: (option) => values.get(option)?.[0],
  }
}

function takeWord(parsing: Parsing, word: string): void {
  if (parsing.open !== null && !isOption(parsing.table, word)) {
    parsing.values.get(parsing.open)?.push(unquoted(word))
    parsing.open = null
  } else if (word.startsWith('-') && word !== '-') takeOption(parsing, word)
  else parsing.words.push(word)
}

function takeOption(parsing: Parsing, word: string): void {
  const { table } = parsing
  const name = word.slice(1)
  const equals = name.indexOf('=')
  if (Object.hasOwn(table, name)) return select(parsing, name)
  if (name.startsWith('-')) throw unrecognized(word)
  if (equals === 1 && table[name.slice(0, 1)]?.takesValue === true) {
    const option = name.slice(0, 1)
    select(parsing, option)
    parsing.values.get(option)?.push(name.slice(2))
    parsing.open = null
    return
  }
  if (equals >= 0 || name.length === 1) throw unrecognized(word)
  for (const [at, letter] of Array.from(name).entries()) {
    if (!Object.hasOwn(table, letter)) throw unrecognized(word)
    select(parsing, letter)
    const rest = name.slice(at + 1)
    if (parsing.open !== null && rest !== '') {
      parsing.values.get(letter)?.push(unquoted(rest))
      parsing.open = null
      return
    }
  }
}

function select(parsing: Parsing, option: string): void {
  checkValue(parsing)
  const { takesValue = false, group } = parsing.table[option] ?? {}
  if (group !== undefined) {
    const other = parsing.selected.get(group)
    if (other !== undefined && other !== option) {
      const text = `The option '${option}' was specified but an option from this group has already been selected: '${other}'`
      throw new CliError(`org.apache.commons.cli.AlreadySelectedException: ${text}`)
    }
    parsing.selected.set(group, option)
  }
  if (!parsing.values.has(option)) parsing.values.set(option, [])
  parsing.open = takesValue ? option : null
}

function checkValue({ open }: Parsing): void {
  if (open === null) return
  throw new CliError(
    `org.apache.commons.cli.MissingArgumentException: Missing argument for option: ${open}`,
  )
}

function unrecognized(word: string): CliError {
  return new CliError(
    `org.apache.commons.cli.UnrecognizedOptionException: Unrecognized option: ${word}`,
  )
}

/** Whether a word where a value is due is an option instead. */
function isOption(table: OptionTable, word: string): boolean {
  if (!word.startsWith('-') || word.length === 1) return false
  const name = word.slice(1).split('=', 1)[0] ?? ''
  return Object.hasOwn(table, name) || Object.hasOwn(table, name.slice(0, 1))
}

function unquoted(text: string): string {
  const isQuoted = text.length > 1 && text.startsWith('"') && text.endsWith('"')
  const inner = text.slice(1, -1)
  return isQuoted && !inner.includes('"') ? inner : text
}

/** One line for each option, sorted: what `ls -?` and a wrong `get` print. */
export function optionsText(table: OptionTable): string {
  const rows = Object.entries(table)
    .toSorted(([a], [b]) => compareText(a.toLowerCase(), b.toLowerCase()))
    .map(([name, { takesValue = false, help }]) => {
      return [` -${name}${takesValue ? ' <arg>' : ''}`, help] as const
    })
  const width = Math.max(...rows.map(([left]) => left.length)) + 3
  return rows.map(([left, help]) => `${left.padEnd(width)}${help}\n`).join('')
}

/** By UTF-16 units, as Java sorts. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
