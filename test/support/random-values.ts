/**
 * Random values from a seed: the same seed gives the same values on every machine.
 * For property tests; a failing one names its seed.
 */
export class RandomValues {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** Uniform in [0, 2^32). Source: mulberry32 */
  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** Uniform in [0, bound). */
  below(bound: number): number {
    return Math.floor((this.uint32() / 0x1_0000_0000) * bound)
  }

  bool(): boolean {
    return this.below(2) === 1
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }

  /** Often at a border, where mistakes are. */
  int32(): number {
    return this.bool()
      ? this.uint32() | 0
      : this.pick([0, 1, -1, -2, 127, 128, 0x7fffffff, -0x80000000])
  }

  int64(): bigint {
    if (this.bool()) return (BigInt(this.uint32() | 0) << 32n) | BigInt(this.uint32())
    return this.pick([0n, 1n, -1n, 0x7fff_ffff_ffff_ffffn, -0x8000_0000_0000_0000n, 0xffff_ffffn])
  }

  /** A whole number of at most 53 bits and a sign. */
  int53(): number {
    if (this.bool()) return (this.uint32() & 0x1fffff) * 0x1_0000_0000 + this.uint32()
    return this.pick([
      0,
      1,
      -1,
      0xffff_ffff,
      0x1_0000_0000,
      -0x1_0000_0000,
      Number.MAX_SAFE_INTEGER,
    ])
  }

  bytes(lengthMax: number): Buffer {
    const bytes = Buffer.alloc(this.below(lengthMax + 1))
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.below(256)
    return bytes
  }

  /** Well-formed text of the Basic Multilingual Plane: what a path may hold, and more. */
  text(lengthMax: number): string {
    const alphabet = this.pick([
      'abcdefghijk/-_.0123456789',
      'aé/ß',
      'ab漢字/한',
      '\u0000\u007f\u0080\u07ff\u0800\uffff',
    ])
    let text = ''
    for (let left = this.below(lengthMax + 1); left > 0; left--)
      text += alphabet[this.below(alphabet.length)]
    return text
  }
}
