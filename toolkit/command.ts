/**
 * What every command of `howdah` is made of: its declaration, its arguments, the world it sees.
 *
 * A command returns its exit status (toolkit.md 2): 0 done or healthy, 1 it failed or is not healthy,
 * 2 wrong usage or configuration, 3 cannot tell; `server` ends with Apache's own codes instead.
 */
import { didYouMean, printable } from './setup/problem.ts'

export const Exit = { done: 0, failed: 1, usage: 2, unknown: 3 } as const

/** What a command sees of the process it runs in. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Output is for a person: colours and tables are welcome. */
  readonly isTerminal: boolean
  out(text: string): void
  err(text: string): void
  /** Aborted by SIGINT and SIGTERM; a command in the foreground then ends cleanly. */
  readonly signal: AbortSignal
}

export interface OptionSpec {
  /** Placeholder of the value, or null for a switch. */
  readonly value: string | null
  /** The value may be left out. */
  readonly isOptional?: boolean
  /** One letter, such as `-f`. */
  readonly short?: string
  readonly help: string
}

export interface CommandSpec {
  readonly summary: string
  /** What follows the name in the line “Usage”. */
  readonly usage: string
  readonly details?: string
  readonly options: { readonly [name: string]: OptionSpec }
  /** The command reads its words itself: all of them are positionals. */
  readonly ownWords?: true
  /** `-Dname=value` is collected as Java does. */
  readonly takesProperties?: boolean
  readonly positionals: { readonly least: number; readonly most: number }
  readonly examples: readonly [string, string]
  load(): Promise<CommandModule>
}

export interface CommandModule {
  run(args: Arguments, io: Io): Promise<number>
}

/** The words on the command line are wrong; ends with status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** An expected failure: one line that says what to do, and an exit status. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly status: number

  constructor(message: string, status: number = Exit.failed, options?: ErrorOptions) {
    super(message, options)
    this.status = status
  }
}

export class Arguments {
  readonly positionals: readonly string[]
  readonly properties: ReadonlyMap<string, string>
  readonly #values: ReadonlyMap<string, string | null>

  constructor(parts: {
    positionals: readonly string[]
    properties: ReadonlyMap<string, string>
    values: ReadonlyMap<string, string | null>
  }) {
    this.positionals = parts.positionals
    this.properties = parts.properties
    this.#values = parts.values
  }

  /** The value of an option; undefined when it is not given or was given without one. */
  text(name: string): string | undefined {
    return this.#values.get(name) ?? undefined
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  /** @throws UsageError when the value is not a whole number in the range */
  integer(name: string, range: { least: number; most: number }): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const number = Number(text)
    if (!/^\d{1,15}$/.test(text) || number < range.least || number > range.most) {
      throw new UsageError(
        `--${name} ${printable(text)}: expected a whole number from ${range.least} to ${range.most}`,
      )
    }
    return number
  }

  /** @throws UsageError when the value is not one of `words` */
  choice<const T extends string>(name: string, words: readonly T[]): T | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const word = words.find((candidate) => candidate === text)
    if (word === undefined) {
      throw new UsageError(`--${name} ${printable(text)}: expected one of ${words.join(', ')}`)
    }
    return word
  }
}

/** @throws UsageError */
export function parseArguments(words: readonly string[], spec: CommandSpec): Arguments {
  const positionals: string[] = []
  const properties = new Map<string, string>()
  const values = new Map<string, string | null>()
  if (spec.ownWords === true) return new Arguments({ positionals: words, properties, values })
  let isOver = false
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? ''
    if (isOver || word === '-' || !word.startsWith('-')) {
      positionals.push(word)
      continue
    }
    if (word === '--') {
      isOver = true
      continue
    }
    if (spec.takesProperties === true && word.startsWith('-D')) {
      const equals = word.indexOf('=')
      const name = word.slice(2, equals < 0 ? undefined : equals)
      if (name === '') throw new UsageError(`${printable(word)}: expected -Dname=value`)
      properties.set(name, equals < 0 ? '' : word.slice(equals + 1))
      continue
    }
    const equals = word.startsWith('--') ? word.indexOf('=') : -1
    const given = equals < 0 ? word : word.slice(0, equals)
    const [name, option] = findOption(given, spec)
    if (option.value === null) {
      if (equals >= 0) throw new UsageError(`${given} takes no value`)
      values.set(name, null)
      continue
    }
    if (equals >= 0) {
      values.set(name, word.slice(equals + 1))
      continue
    }
    const next = words[index + 1]
    const isValue = next !== undefined && (next === '-' || !next.startsWith('-'))
    // What may be left out is a number where it is given: `--watch 5`, but `--watch FILE`.
    if (isValue && (option.isOptional !== true || /^\d+$/.test(next))) {
      values.set(name, next)
      index++
    } else if (option.isOptional === true) {
      values.set(name, null)
    } else {
      throw new UsageError(`${given} needs a value: ${given} ${option.value}`)
    }
  }
  const { least, most } = spec.positionals
  if (positionals.length < least) {
    throw new UsageError(`too few arguments: expected ${spec.usage}`)
  }
  if (positionals.length > most) {
    throw new UsageError(`one argument too many: ${printable(positionals[most] ?? '')}`)
  }
  return new Arguments({ positionals, properties, values })
}

function findOption(given: string, spec: CommandSpec): [string, OptionSpec] {
  for (const [name, option] of Object.entries(spec.options)) {
    if (given === `--${name}` || given === option.short) return [name, option]
  }
  const meant = didYouMean(
    given,
    Object.keys(spec.options).map((name) => `--${name}`),
  )
  const hint = meant === undefined ? '' : `; did you mean "${meant}"?`
  throw new UsageError(`unknown option ${printable(given)}${hint}`)
}

/** The text of `howdah NAME --help`. */
export function helpOf(name: string, spec: CommandSpec): string {
  const options = Object.entries(spec.options).map(
    ([option, { value, isOptional, short, help }]) => {
      const argument = value === null ? '' : isOptional === true ? ` [${value}]` : ` ${value}`
      const left = `${short === undefined ? '    ' : `${short}, `}--${option}${argument}`
      return [left, help] as [string, string]
    },
  )
  if (spec.takesProperties === true) {
    options.push(['    -Dname=value', "A system property, as Apache's server takes them."])
  }
  options.push(['    --help', 'This text.'])
  const width = Math.max(...options.map(([left]) => left.length)) + 2
  return [
    `${spec.summary}`,
    '',
    `Usage: howdah ${name}${spec.usage === '' ? '' : ` ${spec.usage}`}`,
    ...(spec.details === undefined ? [] : ['', spec.details]),
    '',
    'Options:',
    ...options.map(([left, right]) => `  ${left.padEnd(width)}${right}`),
    '',
    'Examples:',
    ...spec.examples.map((example) => `  ${example}`),
    '',
  ].join('\n')
}
