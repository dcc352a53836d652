/**
 * A path as the bytes that a request has it in, with what a look-up needs of them: no string is made
 * of the paths of most requests.
 *
 * One pass finds the last slash, the hash of the path, that of the parent's, and whether the path is
 * plain: then it is valid beyond doubt, and has as many UTF-16 units as bytes. The root is the empty
 * path here, as in the tree's digest and in its index.
 */
import { validatePath } from '../protocol/paths.ts'
import { HASH_START } from './path-index.ts'

const SLASH = 0x2f
const DOT = 0x2e
const NO_BYTES = Buffer.alloc(0)
const ROOT_PATH = '/'

export class PathBytes {
  bytes: Buffer = NO_BYTES
  start = 0
  end = 0
  hash = HASH_START
  /** Where the last slash is; -1 when there is none. */
  slash = -1
  /** The parent's path is `[start, parentEnd)`, where there is a slash. */
  parentEnd = 0
  parentHash = HASH_START
  /** Starts with a slash, and has printable ASCII in all parts, none empty, none starting with a dot. */
  isPlain = false

  static of(path: string): PathBytes {
    const bytes = Buffer.from(path)
    return new PathBytes().set(bytes, 0, bytes.length)
  }

  /** Looks at `bytes[start, end)`, which must not change as long as this is used. */
  set(bytes: Buffer, start: number, end: number): this {
    this.bytes = bytes
    this.start = start
    this.end = end
    let hash = HASH_START
    let parentHash = HASH_START
    let slash = -1
    let isPlain = end > start + 1 && bytes[start] === SLASH && bytes[end - 1] !== SLASH
    if (end === start + 1 && bytes[start] === SLASH) return this.#setRoot()
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!
      if (byte === SLASH) {
        if (slash === at - 1 && at > start) isPlain = false
        slash = at
        parentHash = hash
      } else if (byte < 0x20 || byte >= 0x7f) isPlain = false
      else if (byte === DOT && slash === at - 1) isPlain = false
      hash = Math.imul(hash ^ byte, 0x01000193)
    }
    this.hash = hash
    this.slash = slash
    // Of `//name` the parent is `/`, which is the root.
    const isRoot = slash === start + 1 && bytes[start] === SLASH
    this.parentEnd = isRoot ? start : slash
    this.parentHash = isRoot ? HASH_START : parentHash
    this.isPlain = isPlain
    return this
  }

  #setRoot(): this {
    this.end = this.slash = this.parentEnd = this.start
    this.hash = this.parentHash = HASH_START
    this.isPlain = false
    return this
  }

  /** Whether a node may have this path. */
  get isValid(): boolean {
    return this.isPlain || validatePath(this.toString()) === null
  }

  get hasNul(): boolean {
    return !this.isPlain && this.bytes.subarray(this.start, this.end).includes(0)
  }

  /** This path with `suffix` behind it. */
  with(suffix: string): PathBytes {
    const length = Math.max(this.end, this.slash + 1) - this.start
    const bytes = Buffer.allocUnsafe(length + suffix.length)
    this.bytes.copy(bytes, 0, this.start, this.start + length)
    bytes.write(suffix, length, 'latin1')
    return new PathBytes().set(bytes, 0, bytes.length)
  }

  /** The path as text. */
  toString(): string {
    return this.slash < 0 && this.end === this.start ? '' : textOf(this.bytes, this.start, this.end)
  }
}

/** The text of a path whose bytes are valid UTF-8; the root has none. */
export function textOf(bytes: Buffer, start: number, end: number): string {
  return end === start ? ROOT_PATH : bytes.toString('utf8', start, end)
}
