/**
 * A 64-bit number as two 32-bit halves and back, without intermediate bigints.
 *
 * Shifting and or-ing bigints allocates several of them for each value; a pair of views over eight
 * shared bytes costs one (5 ns against 60). Safe because no step here can be interrupted.
 */
const long = new BigInt64Array(1)
const halves = new Int32Array(long.buffer)
const unsigned = new Uint32Array(long.buffer)

long[0] = 1n
const low = halves[0] === 1 ? 0 : 1
const high = 1 - low

/** The signed 64-bit number with these halves; each may be given signed or unsigned. */
export function longOf(highHalf: number, lowHalf: number): bigint {
  halves[high] = highHalf
  halves[low] = lowHalf
  return long[0]!
}

/** The upper 32 bits, signed. */
export function highOf(value: bigint): number {
  long[0] = value
  return halves[high]!
}

/** The lower 32 bits, unsigned. */
export function lowOf(value: bigint): number {
  long[0] = value
  return unsigned[low]!
}
