/**
 * The order of zxids in one history (I-12): each is one more than the one before, or the first of a
 * later epoch. Counter 0 stands for the epoch itself; only Apache's lone servers log it, for they count
 * on where the counter overflows.
 */
import { counterOf, epochOf } from '../protocol/zxid.ts'

export function follows(previous: bigint, next: bigint): boolean {
  return next === previous + 1n || (epochOf(next) > epochOf(previous) && counterOf(next) === 1)
}
