/**
 * Changes to valid input, from a seed: few and small ones most of the time, so that what comes out is
 * nearly right and gets far.
 */
import type { RandomValues } from '../support/random-values.ts'

const INTS = [-1, 0, 1, 2, 0x7f, 0xff, 0xffff, 0xfffff, 0x100000, 0x7fffffff, -0x80000000, -2]

/** A changed copy: bits, bytes, numbers, pieces left out, doubled, moved or of another input. */
export function mutateBytes(
  random: RandomValues,
  bytes: Buffer,
  other: Buffer = bytes,
  changesMax = 3,
): Buffer {
  let changed = Buffer.from(bytes)
  for (let left = 1 + random.below(changesMax); left > 0; left--) {
    changed = changeOnce(random, changed, other)
  }
  return changed
}

function changeOnce(random: RandomValues, bytes: Buffer, other: Buffer): Buffer<ArrayBuffer> {
  const copy = Buffer.from(bytes)
  if (copy.length === 0) return Buffer.from(random.bytes(16))
  const at = random.below(copy.length)
  switch (random.below(9)) {
    case 0:
      copy[at]! ^= 1 << random.below(8)
      return copy
    case 1:
      copy[at] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)])
      return copy
    case 2:
    case 3: {
      // A length or another number: most of them lie at multiples of four.
      if (copy.length < 4) return copy
      const place = random.bool() ? at & ~3 : at
      copy.writeInt32BE(random.pick(INTS), Math.min(place, copy.length - 4))
      return copy
    }
    case 4:
      return copy.subarray(0, at)
    case 5:
      return cut(copy, at, at + 1 + random.below(8))
    case 6:
      return insert(copy, at, random.bytes(8))
    case 7: {
      const piece = copy.subarray(at, at + 1 + random.below(16))
      return insert(copy, random.below(copy.length), piece)
    }
    default: {
      const from = random.below(other.length + 1)
      return insert(copy, at, other.subarray(from, from + random.below(32)))
    }
  }
}

function cut(bytes: Buffer, start: number, end: number): Buffer<ArrayBuffer> {
  return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)])
}

function insert(bytes: Buffer, at: number, piece: Buffer): Buffer<ArrayBuffer> {
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)])
}

/** Characters that mean something to somebody. */
const SPICE = [
  '\0', '\t', '\r', '\n', '\r\n', ' ', '"', "'", '\\', '=', ':', ';', ',', '#', '!', '&', '*', '%',
  '{', '}', '[', ']', '/', '//', '.', '..', '-', '--', '~', '$', '${', '|', '>', '<', '?', '@', '`',
  '\u0001', '\u007f', '\u00a0', '\u2028', '\ufeff', '\uffff', '\ud800', '\udfff', '\u{1f600}', 'é',
  '0', '-1', '1e999', '0x10', '08', '2147483648', '-2147483649', '9223372036854775808', 'NaN',
  'null', 'true', 'no', '__proto__', 'constructor', '<<', '!!js', '---', '...',
] // prettier-ignore

/** A changed text: characters that mean something, lines left out, doubled, swapped or of another text. */
export function mutateText(
  random: RandomValues,
  text: string,
  other: string = text,
  changesMax = 3,
): string {
  let changed = text
  for (let left = 1 + random.below(changesMax); left > 0; left--) {
    changed = random.bool()
      ? changeCharacters(random, changed)
      : changeLines(random, changed, other)
  }
  return changed
}

function changeCharacters(random: RandomValues, text: string): string {
  const at = random.below(text.length + 1)
  const spice = random.pick(SPICE)
  switch (random.below(6)) {
    case 0:
      return text.slice(0, at) + text.slice(at + 1 + random.below(6))
    case 1:
      return text.slice(0, at) + spice + text.slice(at + spice.length)
    case 2:
      return (
        text.slice(0, at) + spice.repeat(1 + random.below(random.pick([3, 300]))) + text.slice(at)
      )
    case 3:
      return text.replace(/\d+/g, (digits) => (random.below(4) === 0 ? spice : digits))
    case 4:
      return text.slice(0, at)
    default:
      return text.slice(0, at) + spice + text.slice(at)
  }
}

function changeLines(random: RandomValues, text: string, other: string): string {
  const lines = text.split('\n')
  const at = random.below(lines.length)
  switch (random.below(6)) {
    case 0:
      lines.splice(at, 1)
      break
    case 1:
      lines.splice(random.below(lines.length), 0, lines[at]!)
      break
    case 2:
      lines.splice(random.below(lines.length), 0, ...lines.splice(at, 1))
      break
    case 3:
      lines.splice(at, 0, random.pick(other.split('\n')))
      break
    case 4:
      lines[at] = `${random.pick([' ', '  ', '\t', '    '])}${lines[at]}`
      break
    default:
      lines[at] = lines[at]!.trimStart()
  }
  return lines.join('\n')
}
