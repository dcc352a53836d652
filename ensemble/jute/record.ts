/**
 * Declares records: the declaration is the documentation, the encoder, the decoder and the type.
 *
 * Invariants: fields are written and read in the order of the declaration, without tags or padding;
 * a decoder ignores what follows the last field; null and empty are different values.
 * Source: the jute compiler's output for zookeeper.jute, 3.9.5.
 *
 * `any` lives here and nowhere else: it stands for the value of a field whose type the loop over
 * the declaration cannot know. What `record` returns is typed exactly.
 */
import { Reader } from './reader.ts'
import { WireError } from './wire-error.ts'
import { Writer } from './writer.ts'

/** How one value is written and read. */
export interface Field<T> {
  /** The published name of its type, such as `int`, `ustring`, `vector<ACL>`, `Stat`. */
  readonly type: string
  /** Of a vector: what it holds. */
  readonly element?: AnyField
  /** Of a record: its fields, in order. */
  readonly fields?: Fields
  /** The fewest bytes a value takes: bounds the count of a vector before it is allocated. */
  readonly bytesMin: number
  write(writer: Writer, value: Given<T>): void
  read(reader: Reader): T
}

/** A field with a name: what a packet, a log record or an op's body consists of. */
export interface RecordType<T> extends Field<T> {
  /** The published name: the same as `type`. */
  readonly name: string
  /** A fresh buffer with `value`. */
  encode(value: Given<T>): Buffer
  /** Reads from the start of `bytes`; what follows is ignored. @throws WireError */
  decode(bytes: Buffer): T
}

/** The type that a declared record reads. */
export type Infer<R> = R extends Field<infer T> ? T : never

/** What may be written where `T` is read: the same, but read-only and with any byte array. */
export type Given<T> = T extends Uint8Array
  ? Uint8Array
  : T extends readonly (infer E)[]
    ? readonly Given<E>[]
    : T extends object
      ? { readonly [K in keyof T]: Given<T[K]> }
      : T

// eslint-disable-next-line typescript/no-explicit-any -- see the header
export type AnyField = Field<any>
/** A record of a type that only its user knows: what a table of many kinds holds. */
// eslint-disable-next-line typescript/no-explicit-any -- see the header
export type AnyRecord = RecordType<any>
type Fields = Readonly<Record<string, AnyField>>
type OptionalKeys<F extends Fields> = {
  [K in keyof F]: undefined extends Infer<F[K]> ? K : never
}[keyof F]
type Flat<T> = { [K in keyof T]: T[K] }
type ValueOf<F extends Fields> = Flat<
  { [K in Exclude<keyof F, OptionalKeys<F>>]: Infer<F[K]> } & {
    [K in OptionalKeys<F>]?: Infer<F[K]>
  }
>

export const int: Field<number> = {
  type: 'int',
  bytesMin: 4,
  write: (writer, value) => writer.int(value),
  read: (reader) => reader.int(),
}

export const byte: Field<number> = {
  type: 'byte',
  bytesMin: 1,
  write: (writer, value) => writer.byte(value),
  read: (reader) => reader.byte(),
}

export const bool: Field<boolean> = {
  type: 'boolean',
  bytesMin: 1,
  write: (writer, value) => writer.bool(value),
  read: (reader) => reader.bool(),
}

export const long: Field<bigint> = {
  type: 'long',
  bytesMin: 8,
  write: (writer, value) => writer.long(value),
  read: (reader) => reader.long(),
}

/** A long that is a time in milliseconds: a number in code. */
export const timeMs: Field<number> = {
  type: 'long',
  bytesMin: 8,
  write: (writer, value) => writer.longNumber(value),
  read: (reader) => reader.longNumber(),
}

/** Reads a view of the bytes, not a copy. */
export const buffer: Field<Buffer | null> = {
  type: 'buffer',
  bytesMin: 4,
  write: (writer, value) => writer.buffer(value),
  read: (reader) => reader.buffer(),
}

export const string: Field<string | null> = {
  type: 'ustring',
  bytesMin: 4,
  write: (writer, value) => writer.string(value),
  read: (reader) => reader.string(),
}

/** A count and the elements; null is count -1, and differs from empty. */
export function vector<T>(element: Field<T>): Field<T[] | null> {
  return {
    type: `vector<${element.type}>`,
    element,
    bytesMin: 4,
    write(writer, given) {
      // True because Given maps T[] to readonly Given<T>[]; the compiler defers it for a free T.
      const values = given as readonly Given<T>[] | null
      if (values === null) {
        writer.int(-1)
        return
      }
      writer.int(values.length)
      for (const value of values) element.write(writer, value)
    },
    read(reader) {
      const count = reader.vectorCount(element.bytesMin)
      if (count === -1) return null
      const values: T[] = []
      for (let i = 0; i < count; i++) values.push(element.read(reader))
      return values
    },
  }
}

/**
 * A last field that older senders leave out. With a fallback, absence reads as the fallback and the
 * field is always written; without one it reads as undefined, and undefined writes nothing.
 */
export function optionalTail<T>(field: Field<T>): Field<T | undefined>
export function optionalTail<T>(field: Field<T>, fallback: T): Field<T>
export function optionalTail<T>(field: Field<T>, fallback?: T): Field<T | undefined> {
  return {
    ...field,
    bytesMin: 0,
    write(writer, value) {
      // True because undefined is the only value that Given<T | undefined> adds to Given<T>.
      if (value !== undefined) field.write(writer, value as Given<T>)
    },
    read: (reader) => (reader.remaining === 0 ? fallback : field.read(reader)),
  }
}

/** Declares a record: its published name, and its fields in the order of the wire. */
export function record<const F extends Fields>(name: string, fields: F): RecordType<ValueOf<F>> {
  const names = Object.keys(fields)
  const codecs: AnyField[] = Object.values(fields)
  const count = names.length
  // eslint-disable-next-line typescript/no-explicit-any -- see the header
  const write = (writer: Writer, value: any): void => {
    for (let i = 0; i < count; i++) codecs[i]!.write(writer, value[names[i]!])
  }
  // eslint-disable-next-line typescript/no-explicit-any -- see the header
  const read = (reader: Reader): any => {
    // eslint-disable-next-line typescript/no-explicit-any -- see the header
    const value: any = {}
    try {
      for (let i = 0; i < count; i++) value[names[i]!] = codecs[i]!.read(reader)
    } catch (error) {
      throw error instanceof WireError ? error.within(name) : error
    }
    return value
  }
  return {
    name,
    type: name,
    fields,
    bytesMin: codecs.reduce((sum, codec) => sum + codec.bytesMin, 0),
    write,
    read,
    ...wholeBuffers(write, read),
  }
}

/** `encode` and `decode` for anything that can be written to and read from a stream of values. */
export function wholeBuffers<T>(
  write: (writer: Writer, value: Given<T>) => void,
  read: (reader: Reader) => T,
): { encode(value: Given<T>): Buffer; decode(bytes: Buffer): T } {
  return {
    encode(value) {
      const writer = new Writer(128)
      write(writer, value)
      return writer.written()
    },
    decode: (bytes) => read(new Reader(bytes)),
  }
}
