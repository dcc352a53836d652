/**
 * Shapes of which the schema of the YAML is made: scalars, lists, maps, objects.
 *
 * One declaration (`schema.ts`) gives the checks (`read.ts`), the TypeScript types (`ValueOf`), the
 * JSON Schema for editors, the reference page and `howdah check --explain`.
 */
export type JsonSchema = { readonly [key: string]: unknown }

export interface Scalar<T> {
  readonly kind: 'scalar'
  /** One word for the reference page, such as `duration`. */
  readonly name: string
  /** What belongs here, for people: `a duration such as 500ms, 5s or 2m`. */
  readonly expected: string
  readonly json: JsonSchema
  /** The value, or a refusal; `text` is the scalar as written, after `${…}` was replaced. */
  parse(text: string, plain: PlainType): { value: T } | Refusal
}

/** What YAML takes the scalar for when it is not quoted. */
export type PlainType = 'string' | 'number' | 'boolean' | 'null'

export interface Refusal {
  readonly what?: string
  readonly expected?: string
  readonly suggestion?: string | undefined
}

export interface List<S extends Shape> {
  readonly kind: 'list'
  readonly item: S
  readonly least: number
}

export interface Dictionary<S extends Shape> {
  readonly kind: 'map'
  /** Name of a key in paths and documents: `GROUP`. */
  readonly keyName: string
  readonly key: Scalar<string>
  readonly value: S
  readonly least: number
}

export interface Struct<F extends Fields> {
  readonly kind: 'object'
  readonly fields: F
  /** Exactly one of these keys is given. */
  readonly oneOf: readonly string[]
}

export type Shape = Scalar<unknown> | List<Shape> | Dictionary<Shape> | Struct<Fields>
export type Fields = { readonly [name: string]: Field<Shape, Presence> }

/** `later`: the key is part of the format, and nothing behind it exists yet. */
export type Presence = 'required' | 'optional' | 'fallback' | 'later'

export interface Field<S extends Shape, P extends Presence> {
  readonly shape: S
  readonly presence: P
  readonly help: string
  /** The default as one would write it, or a sentence on how it is derived. */
  readonly fallbackText?: string
  readonly fallback?: unknown
}

type Simplify<T> = { readonly [K in keyof T]: T[K] }
type KeysOf<F extends Fields, P extends Presence> = {
  [K in keyof F]: F[K]['presence'] extends P ? K : never
}[keyof F]

/** The checked value of a shape. */
export type ValueOf<S> =
  S extends Scalar<infer T>
    ? T
    : S extends List<infer I>
      ? readonly ValueOf<I>[]
      : S extends Dictionary<infer V>
        ? { readonly [key: string]: ValueOf<V> }
        : S extends Struct<infer F>
          ? Simplify<
              { [K in KeysOf<F, 'required' | 'fallback'>]: ValueOf<F[K]['shape']> } & {
                [K in KeysOf<F, 'optional'>]?: ValueOf<F[K]['shape']>
              }
            >
          : never

export function list<S extends Shape>(item: S, least = 0): List<S> {
  return { kind: 'list', item, least }
}

export function map<S extends Shape>(
  keyName: string,
  key: Scalar<string>,
  value: S,
  least = 0,
): Dictionary<S> {
  return { kind: 'map', keyName, key, value, least }
}

export function object<F extends Fields>(fields: F, oneOf: readonly string[] = []): Struct<F> {
  return { kind: 'object', fields, oneOf }
}

export function required<S extends Shape>(shape: S, help: string): Field<S, 'required'> {
  return { shape, presence: 'required', help }
}

/** @param fallbackText what happens without the key, for documents: `derived: 3/4 of …` */
export function optional<S extends Shape>(
  shape: S,
  help: string,
  fallbackText?: string,
): Field<S, 'optional'> {
  return {
    shape,
    presence: 'optional',
    help,
    ...(fallbackText === undefined ? {} : { fallbackText }),
  }
}

/** @param fallbackText the default as written in YAML */
export function fallback<S extends Shape>(
  shape: S,
  value: ValueOf<S>,
  fallbackText: string,
  help: string,
): Field<S, 'fallback'> {
  return { shape, presence: 'fallback', help, fallback: value, fallbackText }
}

const anything: Scalar<unknown> = {
  kind: 'scalar',
  name: 'later',
  expected: 'nothing yet',
  json: {},
  parse: () => ({}),
}

export function later(help: string): Field<Scalar<unknown>, 'later'> {
  return { shape: anything, presence: 'later', help }
}
