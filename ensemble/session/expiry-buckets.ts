/**
 * When things that must be heard of end: due times rounded up to whole ticks, one set per tick.
 *
 * Invariants:
 *  1. An item is in exactly one bucket, and that bucket's time is later than the item's last touch
 *     plus its timeout: nothing expires early (I-51), and at most one tick late (I-52).
 *  2. Time is what the caller says; it never goes back.
 * Source: ExpiryQueue, ZooKeeper 3.9.5 (client-protocol 7.2).
 */
import { assert } from '../assert.ts'

export interface Expiring {
  /** Owned by ExpiryBuckets: the bucket that the item is in, 0 for none. */
  bucketMs: number
}

export class ExpiryBuckets<Item extends Expiring> {
  readonly #tickMs: number
  readonly #buckets = new Map<number, Set<Item>>()
  #nextMs: number

  constructor(tickMs: number, nowMs: number) {
    assert(tickMs > 0, 'a tick has a length')
    this.#tickMs = tickMs
    this.#nextMs = this.#roundUp(nowMs)
  }

  get bucketCount(): number {
    return this.#buckets.size
  }

  /** Buckets in order of time, for people to look at. */
  buckets(): [number, ReadonlySet<Item>][] {
    return [...this.#buckets].sort(([left], [right]) => left - right)
  }

  /** Puts off the end of `item` to `nowMs + timeoutMs`, rounded up to a whole tick. */
  touch(item: Item, timeoutMs: number, nowMs: number): void {
    const bucketMs = this.#roundUp(nowMs + timeoutMs)
    if (bucketMs === item.bucketMs) return
    this.#leave(item)
    let bucket = this.#buckets.get(bucketMs)
    if (bucket === undefined) this.#buckets.set(bucketMs, (bucket = new Set()))
    bucket.add(item)
    item.bucketMs = bucketMs
  }

  remove(item: Item): void {
    this.#leave(item)
    item.bucketMs = 0
  }

  /** Takes out everything whose time has come, in the order it came. */
  due(nowMs: number): Item[] {
    const items: Item[] = []
    for (; this.#nextMs <= nowMs; this.#nextMs += this.#tickMs) {
      const bucket = this.#buckets.get(this.#nextMs)
      if (bucket === undefined) continue
      this.#buckets.delete(this.#nextMs)
      for (const item of bucket) {
        item.bucketMs = 0
        items.push(item)
      }
    }
    return items
  }

  #leave(item: Item): void {
    const bucket = this.#buckets.get(item.bucketMs)
    if (bucket === undefined) return
    bucket.delete(item)
    if (bucket.size === 0) this.#buckets.delete(item.bucketMs)
  }

  #roundUp(timeMs: number): number {
    return (Math.floor(timeMs / this.#tickMs) + 1) * this.#tickMs
  }
}
