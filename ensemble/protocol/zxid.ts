/**
 * zxid = epoch (upper 32 bits) and counter (lower 32), compared as a signed 64-bit number.
 * Counter 0 is never a transaction: it stands for the epoch itself. Source: ZxidUtils.java, 3.9.5.
 */
import { highOf, longOf, lowOf } from '../jute/long-halves.ts'

export function makeZxid(epoch: number, counter: number): bigint {
  return longOf(epoch, counter)
}

export function epochOf(zxid: bigint): number {
  return highOf(zxid)
}

export function counterOf(zxid: bigint): number {
  return lowOf(zxid)
}

/** A zxid or session id as people read it: `0x` and lower-case hex, two's complement. */
export function hex(id: bigint): string {
  return `0x${BigInt.asUintN(64, id).toString(16)}`
}

/** The zxid of the next transaction: counter 0 is skipped, for it stands for the epoch itself (B-27). */
export function zxidAfter(zxid: bigint): bigint {
  const next = zxid + 1n
  return counterOf(next) === 0 ? next + 1n : next
}
