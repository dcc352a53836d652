/** Declared records: fields in order, null apart from empty, the tail that may be missing. */
import { describe, expect, test } from 'vitest'
import { Reader } from '../../../ensemble/jute/reader.ts'
import {
  bool,
  buffer,
  byte,
  int,
  long,
  optionalTail,
  record,
  string,
  timeMs,
  vector,
} from '../../../ensemble/jute/record.ts'
import { WireError } from '../../../ensemble/jute/wire-error.ts'

const Inner = record('Inner', { name: string, flag: bool })
const Outer = record('Outer', {
  small: byte,
  count: int,
  zxid: long,
  time: timeMs,
  data: buffer,
  inner: Inner,
  list: vector(Inner),
  lists: vector(vector(int)),
})

const value = {
  small: -3,
  count: 7,
  zxid: -1n,
  time: 1_700_000_000_000,
  data: Buffer.from('data'),
  inner: { name: null, flag: true },
  list: [{ name: 'a', flag: false }],
  lists: [[1, 2], null, []],
}

describe('record', () => {
  test('reads what it wrote', () => {
    expect(Outer.decode(Outer.encode(value))).toEqual(value)
  })

  test('null and empty are different: buffers, strings and vectors', () => {
    const nulls = {
      ...value,
      data: null,
      inner: { name: null, flag: false },
      list: null,
      lists: null,
    }
    const empties = {
      ...value,
      data: Buffer.alloc(0),
      inner: { name: '', flag: false },
      list: [],
      lists: [],
    }
    expect(Outer.decode(Outer.encode(nulls))).toEqual(nulls)
    expect(Outer.decode(Outer.encode(empties))).toEqual(empties)
    expect(Outer.encode(nulls)).not.toEqual(Outer.encode(empties))
  })

  test('bytes after the last field are ignored, and the position says where they begin', () => {
    const bytes = Outer.encode(value)
    const reader = new Reader(Buffer.concat([bytes, Buffer.from('junk')]))
    expect(Outer.read(reader)).toEqual(value)
    expect(reader.position).toBe(bytes.length)
  })

  test('S-12 cut short at any byte it throws WireError with offset and record', () => {
    const bytes = Outer.encode(value)
    for (let length = 0; length < bytes.length; length++) {
      const error = wireErrorOf(() => Outer.decode(bytes.subarray(0, length)))
      expect(error.offset).toBeLessThanOrEqual(length)
      expect(['Outer', 'Inner']).toContain(error.record)
      expect(error.message).toContain(`${error.record}: `)
    }
  })

  test('an error names the innermost record', () => {
    const reader = new Reader(Buffer.alloc(3))
    expect(wireErrorOf(() => Inner.read(reader)).message).toBe(
      'Inner: 4 bytes needed, 3 left at offset 0',
    )
  })

  test('the fewest bytes of a record are those of its fields', () => {
    expect(Inner.bytesMin).toBe(5)
    expect(Outer.bytesMin).toBe(1 + 4 + 8 + 8 + 4 + 5 + 4 + 4)
  })
})

describe('optionalTail', () => {
  const Known = record('Known', { id: int, readOnly: optionalTail(bool) })
  const Fallback = record('Fallback', { id: int, readOnly: optionalTail(bool, false) })

  test('without a fallback, absence is undefined both ways', () => {
    const absent = Known.encode({ id: 1 })
    expect(absent.length).toBe(4)
    expect(Known.decode(absent).readOnly).toBeUndefined()
    expect(Known.decode(Known.encode({ id: 1, readOnly: false })).readOnly).toBe(false)
    expect(Known.encode({ id: 1, readOnly: false }).length).toBe(5)
  })

  test('with a fallback, absence reads as it and the field is always written', () => {
    expect(Fallback.decode(Known.encode({ id: 1 }))).toEqual({ id: 1, readOnly: false })
    expect(Fallback.encode({ id: 1, readOnly: false }).length).toBe(5)
  })
})

function wireErrorOf(run: () => unknown): WireError {
  try {
    run()
  } catch (error) {
    if (error instanceof WireError) return error
    throw error
  }
  throw new Error('expected a WireError')
}
