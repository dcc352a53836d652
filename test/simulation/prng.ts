/**
 * Seeded randomness: xoshiro128** per stream, its state spread from (seed, stream name) (D-4).
 *
 * Streams are independent: drawing more from one (`net`) does not move another (`workload`), so a
 * change to one part of a scenario leaves the rest of a seed's run alike.
 */
import type { Random } from '../../ensemble/sys/random.ts'

export class Prng implements Random {
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(seed: number, stream: string) {
    let mixed = (seed ^ 0x9e3779b9) >>> 0
    for (let at = 0; at < stream.length; at++) {
      mixed = Math.imul(mixed ^ stream.charCodeAt(at), 0x01000193) >>> 0
    }
    // The high half of seeds beyond 32 bits counts too.
    mixed ^= Math.floor(seed / 0x1_0000_0000)
    const next = () => {
      mixed = (mixed + 0x9e3779b9) | 0
      let z = mixed
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
      return (z ^ (z >>> 15)) | 0
    }
    this.#a = next()
    this.#b = next()
    this.#c = next()
    this.#d = next() | 1 // never all zero
  }

  uint32(): number {
    const result = Math.imul(rotate(Math.imul(this.#b, 5), 7), 9) >>> 0
    const shifted = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= shifted
    this.#d = rotate(this.#d, 11)
    return result
  }

  secureBytes(length: number): Buffer {
    const bytes = Buffer.alloc(length)
    for (let at = 0; at < length; at++) bytes[at] = this.uint32() >>> 24
    return bytes
  }

  /** In [0, 1). */
  float(): number {
    return this.uint32() / 0x1_0000_0000
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.float() * bound)
  }

  /** An integer in [low, high]. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  chance(probability: number): boolean {
    return this.float() < probability
  }

  /** Exponentially distributed, at most 20 × the mean. */
  exponential(mean: number): number {
    return Math.min(20, -Math.log(1 - this.float())) * mean
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by))
}
