/**
 * What a fuzz target is: bad input of one kind from a seed, and what must hold whatever it was.
 *
 * A run throws when something does not hold; the seed alone repeats it.
 */
import { RandomValues } from '../support/random-values.ts'

export interface Target {
  readonly name: string
  /** What is changed, and what must hold, in a line. */
  readonly about: string
  /** Seeds in the fast tests; a seed is some tens of inputs. */
  readonly seeds: number
  /** @returns how many inputs it made */
  run(seed: number): number | Promise<number>
}

export function randomOf(seed: number): RandomValues {
  // Neighbouring seeds have streams that have nothing in common.
  return new RandomValues(Math.imul(seed ^ 0x5bd1e995, 0x9e3779b1))
}

/** Thrown when something does not hold: says what of, as far as it can be shown in a line or two. */
export class FuzzError extends Error {
  override readonly name = 'FuzzError'
}

/** @throws FuzzError */
export function must(condition: boolean, what: string | (() => string)): asserts condition {
  if (!condition) throw new FuzzError(typeof what === 'string' ? what : what())
}

/** Bytes as hexadecimal, for a message. */
export function shown(bytes: Buffer): string {
  const text = bytes.toString('hex', 0, 400)
  return bytes.length > 400 ? `${text}… (${bytes.length} bytes)` : text
}

export function repeatCommand(target: Target, seed: number): string {
  return `npm run fuzz -- --target ${target.name} --start ${seed} --seeds 1`
}
