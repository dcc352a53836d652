/** A tree's digest while it changes: the sum of its nodes' digests modulo 2^64, in two numbers. */
import { highOf, longOf, lowOf } from '../jute/long-halves.ts'

export class DigestSum {
  /** Signed 32 bits each. */
  high = 0
  low = 0

  get value(): bigint {
    return longOf(this.high, this.low)
  }

  set(value: bigint): void {
    this.high = highOf(value)
    this.low = lowOf(value) | 0
  }

  /** One node's digest changes; both are unsigned 32 bits, 0 where the node does not exist. */
  move(before: number, after: number): void {
    const low = (this.low >>> 0) - before + after
    if (low < 0) this.high = (this.high - 1) | 0
    else if (low >= 0x1_0000_0000) this.high = (this.high + 1) | 0
    this.low = low | 0
  }
}
