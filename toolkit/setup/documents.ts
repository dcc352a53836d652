/** What people and editors read about the YAML, made from its schema. */
import { didYouMean } from './problem.ts'
import type { Origin } from './read.ts'
import { schema } from './schema.ts'
import type { Field, JsonSchema, Presence, Shape } from './shape.ts'

export interface Entry {
  /** `groups.GROUP.service.health[].every` */
  readonly path: string
  readonly field: Field<Shape, Presence>
}

/** Every key of the schema, in its order, each before the keys below it. */
export function entries(): Entry[] {
  const result: Entry[] = []
  const walk = (shape: Shape, path: string): void => {
    switch (shape.kind) {
      case 'scalar':
        return
      case 'list':
        return walk(shape.item, `${path}[]`)
      case 'map':
        return walk(shape.value, `${path}.${shape.keyName}`)
      case 'object':
        for (const [name, field] of Object.entries(shape.fields)) {
          const below = path === '' ? name : `${path}.${name}`
          result.push({ path: below, field })
          walk(field.shape, below)
        }
    }
  }
  walk(schema, '')
  return result
}

export function typeName(shape: Shape): string {
  switch (shape.kind) {
    case 'scalar':
      return shape.name
    case 'list':
      return `list of ${typeName(shape.item)}`
    case 'map':
      return `object by ${shape.keyName}`
    case 'object':
      return 'object'
  }
}

/** Word for the column “default”. */
export function defaultOf(field: Field<Shape, Presence>): string {
  if (field.presence === 'required') return 'required'
  if (field.presence === 'later') return 'not available yet'
  return field.fallbackText ?? 'none'
}

/** JSON Schema (draft 2020-12) for editors; the checks of `howdah check` go further. */
export function jsonSchema(): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Howdah set-up',
    ...jsonOf(schema),
  }
}

/** An editor sees the text as written: a value may also be a reference that is replaced later. */
const REFERENCE = { type: 'string', pattern: '\\$\\{[^}]+\\}' }

function jsonOf(shape: Shape): JsonSchema {
  switch (shape.kind) {
    case 'scalar': {
      const json = shape.json['enum'] === undefined ? shape.json : widened(shape.json)
      if (json['type'] === 'string' && json['pattern'] === undefined) {
        // Numbers need no quotes where text is expected.
        return { type: ['string', 'number', 'boolean'] }
      }
      return { anyOf: [json, REFERENCE] }
    }
    case 'list':
      return {
        type: 'array',
        items: jsonOf(shape.item),
        ...(shape.least > 0 ? { minItems: shape.least } : {}),
      }
    case 'map':
      return {
        type: 'object',
        propertyNames: { pattern: shape.key.json['pattern'] },
        additionalProperties: jsonOf(shape.value),
        ...(shape.least > 0 ? { minProperties: shape.least } : {}),
      }
    case 'object': {
      const fields = Object.entries(shape.fields).filter(([, field]) => field.presence !== 'later')
      const names = fields
        .filter(([, field]) => field.presence === 'required')
        .map(([name]) => name)
      const available = shape.oneOf.filter((name) => fields.some(([known]) => known === name))
      const properties = fields.map(([name, field]) => [
        name,
        { description: describe(field), ...jsonOf(field.shape) },
      ])
      return {
        type: 'object',
        properties: Object.fromEntries(properties) as JsonSchema,
        additionalProperties: false,
        ...(names.length > 0 ? { required: names } : {}),
        ...(available.length > 0 ? { oneOf: available.map((name) => ({ required: [name] })) } : {}),
      }
    }
  }
}

/** `howdah: 1` is a number in YAML, and the word "1" in the schema. */
function widened(json: JsonSchema): JsonSchema {
  // `choice` gives a list of words.
  const words = json['enum'] as readonly string[]
  return { enum: words.flatMap((word) => (/^\d+$/.test(word) ? [word, Number(word)] : [word])) }
}

function describe(field: Field<Shape, Presence>): string {
  return field.presence === 'required' ? field.help : `${field.help} Default: ${defaultOf(field)}.`
}

/** docs/configuration.md. */
export function referencePage(): string {
  const rows = entries().map(({ path, field }) => {
    const cells = [`\`${path}\``, typeName(field.shape), defaultOf(field), field.help]
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  })
  return `# The YAML of a set-up

<!-- Made from toolkit/setup/schema.ts by \`scripts/documents.ts\`, and held to it by a test: edit the schema. -->

Editors check it with \`howdah.schema.json\`, named in the first line of the file:
\`# yaml-language-server: $schema=node_modules/howdah/howdah.schema.json\`. \`howdah check FILE\` checks more:
relations between values, and what exists so far. \`howdah check FILE --explain KEY\` prints a row of this page
with the value in the file.

- A duration has a unit: \`500ms\`, \`5s\`, \`2m\`. A bare number is an error.
- \`\${NAME}\` (environment) and \`\${file:path}\` (one trailing newline dropped) are replaced in values, never in
  keys; \`$\${\` is a plain \`\${\`. What they stand for is never printed.
- Relative paths start at the directory of the file. \`node\` as a program is the Node that runs Howdah.
- Commands are lists of arguments; no shell. In them and in URLs \`{member} {host} {port} {pid} {role} {token}
  {reason}\` speak of the member that runs the command; in fencing there is only \`{self.…}\`, \`{target.…}\`
  and \`{token}\`.
- Unknown and duplicate keys are errors. Keys marked "not available yet" are part of the format, and refused until
  there is something behind them.

| key | type | default | meaning |
|---|---|---|---|
${rows.join('\n')}
`
}

/** The text of `howdah check --explain KEY`, or what was probably meant. */
export function explain(
  key: string,
  origins: ReadonlyMap<string, Origin>,
  file: string,
): { text: string } | { suggestion: string | undefined } {
  const all = entries()
  const wanted = key.replace(/\[\d*\]/g, '[]')
  const matching = all.filter(({ path }) => isSamePath(path, wanted) || path.endsWith(`.${wanted}`))
  if (matching.length === 0) {
    const words = all.map(({ path }) => path.slice(path.lastIndexOf('.') + 1))
    return { suggestion: didYouMean(key, [...all.map(({ path }) => path), ...words]) }
  }
  const texts = matching.map(({ path, field }) => {
    const given = [...origins].filter(([at]) => isSamePath(path, at.replace(/\[\d+\]/g, '[]')))
    const shown = given.map(([at, { line, column, written }]) => {
      const value = written === null ? '(an object or a list)' : written
      return `  ${at} = ${value}   from ${file}:${line}:${column}`
    })
    return [
      path,
      `  ${field.help}`,
      `  type: ${typeName(field.shape)}${field.shape.kind === 'scalar' ? ` (${field.shape.expected})` : ''}`,
      `  default: ${defaultOf(field)}`,
      ...(shown.length > 0 ? shown : ['  not given in this file']),
    ].join('\n')
  })
  return { text: texts.join('\n\n') }
}

/** Capital words of a schema path stand for any key: `groups.GROUP.lease` is `groups.orders.lease`. */
function isSamePath(schemaPath: string, path: string): boolean {
  const pattern = schemaPath.split('.')
  const words = path.split('.')
  return (
    pattern.length === words.length &&
    pattern.every((part, index) => {
      const word = words[index]
      return part === word || (/^[A-Z]+$/.test(part) && word !== undefined && word !== '')
    })
  )
}
