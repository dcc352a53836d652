/** Between the bytes of a node and a value of the application. A throw means: not such a value. */

export interface Codec<T> {
  decode(bytes: Buffer | null): T
  encode(value: T): Buffer | null
}

/** The part of the Standard Schema interface that is needed here: zod, valibot, arktype have it. */
export interface StandardSchema<T> {
  readonly '~standard': {
    validate(value: unknown): SchemaResult<T> | Promise<SchemaResult<T>>
  }
}
type SchemaResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] }

export const bytes: Codec<Buffer | null> = {
  decode: (found) => found,
  encode: (value) => value,
}

export const string: Codec<string> = {
  decode: (found) => found?.toString('utf8') ?? '',
  encode: (value) => Buffer.from(value),
}

export const number: Codec<number> = {
  decode(found) {
    const text = found?.toString('utf8').trim() ?? ''
    const value = Number(text)
    if (text === '' || Number.isNaN(value))
      throw new TypeError(`not a number: ${JSON.stringify(text)}`)
    return value
  },
  encode: (value) => Buffer.from(String(value)),
}

/** JSON, checked by `schema` when there is one. */
export function json<T = unknown>(schema?: StandardSchema<T>): Codec<T> {
  return {
    decode(found) {
      const value: unknown = JSON.parse(found?.toString('utf8') ?? 'null')
      // Without a schema the type is the caller's claim about the node.
      if (schema === undefined) return value as T
      const result = schema['~standard'].validate(value)
      if (result instanceof Promise) throw new TypeError('the schema must validate synchronously')
      if (result.issues === undefined) return result.value
      throw new TypeError(result.issues.map((issue) => issue.message).join('; '))
    },
    encode: (value) => Buffer.from(JSON.stringify(value)),
  }
}
