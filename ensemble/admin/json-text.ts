/**
 * JSON as Apache's admin server prints it: indented by two blanks, ` : ` between key and value, arrays
 * in one line with what they hold, session ids as whole numbers of 64 bits.
 *
 * Source: JsonOutputter (Jackson's DefaultPrettyPrinter), 3.9.5; golden/admin.
 */

/** A number that Java calls a double: printed with a decimal point in any case. */
export class Decimal {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }

  toString(): string {
    return Number.isInteger(this.value) ? this.value.toFixed(1) : String(this.value)
  }
}

export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Decimal
  | readonly JsonValue[]
  | JsonObject

/** Keys in order: an object of JavaScript would put those that are numbers first. */
export class JsonObject {
  readonly entries: readonly (readonly [key: string, value: JsonValue])[]

  constructor(entries: Iterable<readonly [key: string, value: JsonValue]>) {
    this.entries = [...entries]
  }
}

export function jsonText(value: JsonValue, indent = ''): string {
  if (value instanceof JsonObject) {
    if (value.entries.length === 0) return '{ }'
    const inner = `${indent}  `
    const lines = value.entries.map(
      ([key, field]) => `${inner}${JSON.stringify(key)} : ${jsonText(field, inner)}`,
    )
    return `{\n${lines.join(',\n')}\n${indent}}`
  }
  if (value instanceof Decimal) return value.toString()
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (value.length === 0) return '[ ]'
  return `[ ${value.map((item) => jsonText(item, indent)).join(', ')} ]`
}
