/**
 * Reads the text of a set-up against a schema and remembers where each value stands.
 *
 * Invariants:
 * 1. Nothing is executed, opened or connected; `${file:…}` is read by a function given from outside.
 * 2. A value of `${NAME}` or `${file:…}` never gets into a problem: problems show the text as
 *    written (S-16). Keys are never substituted.
 * 3. The work is bounded: what an alias stands for counts towards `NODES_MAX` each time, there are at
 *    most `ALIASES_MAX`, and the depth is that of the schema (S-17, X-11).
 */
import { Alias, LineCounter, isMap, isScalar, isSeq, parseDocument } from 'yaml'
import type { Document, Node, Pair } from 'yaml'
import { didYouMean, type Problem } from './problem.ts'
import type {
  Dictionary,
  Fields,
  List,
  PlainType,
  Scalar,
  Shape,
  Struct,
  ValueOf,
} from './shape.ts'

const NODES_MAX = 20_000
const ALIASES_MAX = 200
const BYTES_MAX = 4 * 2 ** 20
const SECRET_BYTES_MAX = 64 * 2 ** 10

/** Where a value comes from. */
export interface Origin {
  readonly line: number
  readonly column: number
  /** The scalar as written; null for a list or an object. */
  readonly written: string | null
}

export interface Outside {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Text of a file named in `${file:path}`; throws the system's error. */
  readFile(path: string): string
}

export interface Reading<T> {
  /** null when there are problems. */
  readonly value: T | null
  readonly problems: Problem[]
  /** By path, such as `groups.orders.health[0].every`. */
  readonly origins: ReadonlyMap<string, Origin>
  /** Values that `${…}` stood for: nothing that is printed may contain them. */
  readonly secrets: ReadonlySet<string>
}

export function read<S extends Shape>(
  bytes: Uint8Array,
  options: { file: string; shape: S; outside: Outside },
): Reading<ValueOf<S>> {
  const { file, shape, outside } = options
  const refuse = (what: string, expected: string): Reading<ValueOf<S>> => ({
    value: null,
    problems: [{ file, line: 1, column: 1, what, expected }],
    origins: new Map(),
    secrets: new Set(),
  })
  if (bytes.length > BYTES_MAX) return refuse('the file is too large', `at most ${BYTES_MAX} bytes`)
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return refuse('the file is not UTF-8 text', 'YAML in UTF-8')
  }

  const lines = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    schema: 'core',
    version: '1.2',
    logLevel: 'silent',
  })
  const reader = new Reader({ file, document, lines, outside })
  // A warning is an unknown tag or directive: nothing that this format has.
  for (const error of [...document.errors, ...document.warnings]) {
    const what = error.code === 'DUPLICATE_KEY' ? 'duplicate key' : firstLine(error.message)
    reader.report(error.pos[0], { what })
  }
  let value: unknown
  if (reader.problems.length === 0) {
    if (
      document.contents === null ||
      (isScalar(document.contents) && document.contents.value === null)
    ) {
      return refuse('the file is empty', '"howdah: 1" as its first line')
    }
    value = reader.read(document.contents, shape, '')
  }
  return {
    // With no problem, `value` has been built after `shape`.
    value: reader.problems.length === 0 ? (value as ValueOf<S>) : null,
    problems: reader.problems.sort((a, b) => a.line - b.line || a.column - b.column),
    origins: reader.origins,
    secrets: reader.secrets,
  }
}

type Detail = Omit<Problem, 'file' | 'line' | 'column'>

class Reader {
  readonly problems: Problem[] = []
  readonly origins = new Map<string, Origin>()
  readonly secrets = new Set<string>()
  readonly #file: string
  readonly #document: Document
  readonly #lines: LineCounter
  readonly #outside: Outside
  #nodes = 0
  #aliases = 0

  constructor(parts: { file: string; document: Document; lines: LineCounter; outside: Outside }) {
    this.#file = parts.file
    this.#document = parts.document
    this.#lines = parts.lines
    this.#outside = parts.outside
  }

  report(offset: number, detail: Detail): void {
    const { line, col } = this.#lines.linePos(offset)
    this.problems.push({
      file: this.#file,
      line: Math.max(line, 1),
      column: Math.max(col, 1),
      ...detail,
    })
  }

  /** @returns the value; meaningless once there is a problem */
  read(given: Node | null, shape: Shape, path: string, above = 0): unknown {
    const node = this.#resolve(given)
    if (node === undefined) return undefined
    const offset = given?.range?.[0] ?? above
    if (++this.#nodes > NODES_MAX) {
      if (this.#nodes === NODES_MAX + 1) {
        this.report(offset, { what: 'the file is too large once its aliases are expanded' })
      }
      return undefined
    }
    const { line, col } = this.#lines.linePos(offset)
    const written = isScalar(node) ? sourceOf(node) : null
    this.origins.set(path, { line, column: col, written })
    const place = { node, path, offset }
    switch (shape.kind) {
      case 'scalar':
        return this.#scalar(place, shape)
      case 'list':
        return this.#list(place, shape)
      case 'map':
        return this.#map(place, shape)
      case 'object':
        return this.#object(place, shape)
    }
  }

  #resolve(given: Node | null): Node | null | undefined {
    if (!(given instanceof Alias)) return given
    if (++this.#aliases > ALIASES_MAX) {
      if (this.#aliases === ALIASES_MAX + 1) {
        this.report(given.range?.[0] ?? 0, {
          what: 'too many aliases',
          expected: `at most ${ALIASES_MAX}`,
        })
      }
      return undefined
    }
    const target = given.resolve(this.#document)
    if (target !== undefined && !(target instanceof Alias)) return target
    this.report(given.range?.[0] ?? 0, {
      what: 'an alias without its anchor',
      got: `*${given.source}`,
    })
    return undefined
  }

  #scalar({ node, path, offset }: Place, shape: Scalar<unknown>): unknown {
    const about = path === '' ? 'the file' : path
    if (!isScalar(node) || node.value === null) {
      this.report(offset, { what: about, got: kindOf(node), expected: shape.expected })
      return undefined
    }
    const text = this.#substitute(sourceOf(node), about, offset)
    if (text === undefined) return undefined
    const outcome = shape.parse(text, plainTypeOf(node.value))
    if ('value' in outcome) return outcome.value
    this.report(offset, {
      what: outcome.what === undefined ? about : `${about}: ${outcome.what}`,
      got: sourceOf(node),
      expected: outcome.expected ?? shape.expected,
      suggestion: outcome.suggestion,
    })
    return undefined
  }

  /** Replaces `${NAME}` and `${file:path}`; `$${` is a plain `${`. */
  #substitute(text: string, about: string, offset: number): string | undefined {
    let isComplete = true
    const missing = (what: string, expected: string): string => {
      this.report(offset, { what: `${about}: ${what}`, expected })
      isComplete = false
      return ''
    }
    const result = text.replace(/(\$?)\$\{([^}]*)\}/g, (whole, escape: string, inside: string) => {
      if (escape !== '') return whole.slice(1)
      if (inside.startsWith('file:')) {
        const name = inside.slice('file:'.length)
        try {
          const content = this.#outside.readFile(name)
          if (content.length > SECRET_BYTES_MAX) {
            return missing(`the file ${name} is too large`, `at most ${SECRET_BYTES_MAX} bytes`)
          }
          return this.#secret(content.replace(/\r?\n$/, ''))
        } catch (error) {
          const code = (error as NodeJS.ErrnoException).code ?? 'unreadable'
          return missing(`cannot read the file ${name} (${code})`, 'a readable file')
        }
      }
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(inside)) {
        return missing(
          `"${whole}" is not a reference`,
          '${NAME} or ${file:path}; write $${ for a plain ${',
        )
      }
      const value = this.#outside.env[inside]
      if (value === undefined) {
        return missing(`the environment variable ${inside} is not set`, 'a value for it')
      }
      return this.#secret(value)
    })
    return isComplete ? result : undefined
  }

  #secret(value: string): string {
    if (value !== '') this.secrets.add(value)
    return value
  }

  #list({ node, path, offset }: Place, shape: List<Shape>): unknown[] {
    if (!isSeq(node)) {
      this.report(offset, { what: path, got: kindOf(node), expected: 'a list' })
      return []
    }
    if (node.items.length < shape.least) {
      this.report(offset, { what: path, got: 'an empty list', expected: 'at least one entry' })
    }
    // A document without errors holds nodes only in its sequences.
    return node.items.map((item, index) =>
      this.read(item as Node, shape.item, `${path}[${index}]`, offset),
    )
  }

  #map({ node, path, offset }: Place, shape: Dictionary<Shape>): Record<string, unknown> {
    const result: Record<string, unknown> = Object.create(null) as Record<string, unknown>
    if (!isMap(node)) {
      this.report(offset, {
        what: path,
        got: kindOf(node),
        expected: `an object with a key per ${shape.keyName}`,
      })
      return result
    }
    if (node.items.length < shape.least) {
      this.report(offset, {
        what: path,
        got: 'an empty object',
        expected: `at least one ${shape.keyName}`,
      })
    }
    for (const pair of node.items as Pair<Node, Node | null>[]) {
      const key = this.#key(pair)
      if (key === undefined) continue
      const outcome = shape.key.parse(key.text, 'string')
      if (!('value' in outcome)) {
        this.report(key.offset, {
          what: `a key of ${path}`,
          got: key.text,
          expected: shape.key.expected,
        })
        continue
      }
      result[key.text] = this.read(pair.value, shape.value, join(path, key.text), key.offset)
    }
    return result
  }

  #object({ node, path, offset }: Place, shape: Struct<Fields>): Record<string, unknown> {
    const result: Record<string, unknown> = {}
    const about = path === '' ? 'the file' : path
    if (!isMap(node)) {
      const keys = Object.keys(shape.fields).slice(0, 6).join(', ')
      this.report(offset, {
        what: about,
        got: kindOf(node),
        expected: `an object with keys such as ${keys}`,
      })
      return result
    }
    const given = new Set<string>()
    for (const pair of node.items as Pair<Node, Node | null>[]) {
      const key = this.#key(pair)
      if (key === undefined) continue
      const field = Object.hasOwn(shape.fields, key.text) ? shape.fields[key.text] : undefined
      if (field === undefined) {
        const suggestion = didYouMean(key.text, Object.keys(shape.fields))
        const where = path === '' ? '' : ` in ${path}`
        this.report(key.offset, {
          what: `unknown key "${key.text.slice(0, 80)}"${where}`,
          suggestion,
        })
        continue
      }
      given.add(key.text)
      if (field.presence === 'later') {
        this.report(key.offset, { what: `${join(path, key.text)} is not available yet` })
        continue
      }
      result[key.text] = this.read(pair.value, field.shape, join(path, key.text), key.offset)
    }
    this.#complete({ node, path, offset }, shape, { given, result })
    return result
  }

  /** Fills in defaults; reports what is missing, and keys that exclude each other. */
  #complete(
    { path, offset }: Place,
    shape: Struct<Fields>,
    { given, result }: { given: ReadonlySet<string>; result: Record<string, unknown> },
  ): void {
    const about = path === '' ? 'the file' : path
    for (const [name, field] of Object.entries(shape.fields)) {
      if (given.has(name)) continue
      if (field.presence === 'fallback') result[name] = field.fallback
      if (field.presence === 'required') {
        this.report(offset, {
          what: `${about} lacks the key "${name}"`,
          expected: expectedOf(field.shape),
        })
      }
    }
    if (shape.oneOf.length === 0) return
    const chosen = shape.oneOf.filter((name) => given.has(name))
    if (chosen.length === 1) return
    const available = shape.oneOf.filter((name) => shape.fields[name]?.presence !== 'later')
    this.report(offset, {
      what: about,
      got: chosen.length === 0 ? 'none of them' : chosen.join(' and '),
      expected: `exactly one of ${available.join(', ')}`,
    })
  }

  #key(pair: Pair<Node, Node | null>): { text: string; offset: number } | undefined {
    const offset = pair.key.range?.[0] ?? 0
    if (isScalar(pair.key) && pair.key.value !== null) return { text: sourceOf(pair.key), offset }
    this.report(offset, { what: 'a key', got: kindOf(pair.key), expected: 'a word' })
    return undefined
  }
}

interface Place {
  readonly node: Node | null
  readonly path: string
  readonly offset: number
}

/** The text of a scalar without its quotes: `0x10` and `1.0` stay as they were written. */
function sourceOf(node: { source?: string; value: unknown }): string {
  return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value))
}

function plainTypeOf(value: unknown): PlainType {
  if (typeof value === 'number' || typeof value === 'bigint') return 'number'
  return typeof value === 'boolean' ? 'boolean' : 'string'
}

function kindOf(node: Node | null): string {
  if (isMap(node)) return 'an object'
  if (isSeq(node)) return 'a list'
  if (isScalar(node) && node.value !== null) return `"${sourceOf(node)}"`
  return 'nothing'
}

function expectedOf(shape: Shape): string {
  switch (shape.kind) {
    case 'scalar':
      return shape.expected
    case 'list':
      return 'a list'
    case 'map':
      return `an object with a key per ${shape.keyName}`
    case 'object':
      return `an object with keys such as ${Object.keys(shape.fields).slice(0, 6).join(', ')}`
  }
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? message
}
