/** Slots of bytes: what is kept, what is used again, and what a frozen view still sees. */
import { expect, test } from 'vitest'

import {
  BlobPages,
  type BlobView,
  PAGED_MAX,
  SLOT_MASK,
  SLOT_SHIFT,
} from '../../../ensemble/tree/blob-pages.ts'
import { randomOf } from './random-transactions.ts'

type Held = { blob: number; length: number; fill: number }

function put(blobs: BlobPages, length: number, fill: number): Held {
  if (length > PAGED_MAX) return { blob: blobs.putLarge(Buffer.alloc(length, fill)), length, fill }
  const blob = blobs.allocate(length)
  if (length > 0) {
    const at = blobs.offset(blob)
    blobs.writable(blob).fill(fill, at, at + length)
  }
  return { blob, length, fill }
}

function bytesOf(view: BlobView | BlobPages, { blob, length }: Held): Buffer {
  if (length === 0) return Buffer.alloc(0)
  if (length > PAGED_MAX) return view.large[blob]!
  const at = (blob & SLOT_MASK) * view.slotBytes[blob >>> SLOT_SHIFT]!
  return view.pages[blob >>> SLOT_SHIFT]!.subarray(at, at + length)
}

function expectHeld(view: BlobView | BlobPages, held: Held[]): void {
  for (const one of held) {
    const bytes = bytesOf(view, one)
    expect(bytes.length).toBe(one.length)
    expect(bytes.every((byte) => byte === one.fill)).toBe(true)
  }
}

test.each([1, 2, 3])('slots keep their bytes apart, frozen or not (seed %i)', (seed) => {
  const random = randomOf(seed)
  const below = (bound: number): number => Math.floor(random() * bound)
  const blobs = new BlobPages()
  const held: Held[] = []
  const change = (count: number): void => {
    for (let i = 0; i < count; i++) {
      if (held.length > 0 && random() < 0.48) {
        const [gone] = held.splice(below(held.length), 1)
        blobs.release(gone!.blob, gone!.length)
      } else {
        const length = below(random() < 0.9 ? 400 : 40_000)
        held.push(put(blobs, length, below(256)))
      }
    }
  }
  for (let round = 0; round < 5; round++) {
    change(1500)
    const then = [...held]
    const frozen = blobs.freeze()
    change(1500)
    expectHeld(frozen, then)
    blobs.thaw(frozen)
    expectHeld(blobs, held)
  }
  for (const one of held) blobs.release(one.blob, one.length)
  expect(blobs.pages.every((page) => page.length === 0)).toBe(true)
})

test('pages that were emptied serve other sizes', () => {
  const blobs = new BlobPages()
  const small = Array.from({ length: 50_000 }, () => put(blobs, 100, 1))
  const bytes = blobs.bytes
  for (const one of small) blobs.release(one.blob, one.length)
  const other = Array.from({ length: 15_000 }, () => put(blobs, 300, 2))
  expect(blobs.bytes).toBeLessThanOrEqual(bytes)
  expectHeld(blobs, other)
})

test('little of a slot is lost to rounding, and hardly anything of a page', () => {
  const blobs = new BlobPages()
  for (let length = 64; length <= PAGED_MAX; length += 61) {
    const { blob } = put(blobs, length, 0)
    const slot = blobs.slotBytes[blob >>> SLOT_SHIFT]!
    const used = slot * Math.floor(65_536 / slot)
    expect(slot).toBeGreaterThanOrEqual(length)
    if (length <= 8192) expect(slot).toBeLessThanOrEqual(length * 1.26)
    expect(used).toBeGreaterThan(65_536 * 0.99)
  }
})
