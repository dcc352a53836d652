/** Sessions: when they end, which ids they get, and what takes them back. */
import { expect, test } from 'vitest'
import { ExpiryBuckets } from '../../../ensemble/session/expiry-buckets.ts'
import { SessionClock } from '../../../ensemble/session/session-clock.ts'
import { SessionIds } from '../../../ensemble/session/session-ids.ts'
import { apachePasswords, secretPasswords } from '../../../ensemble/session/session-passwords.ts'
import { SessionTable } from '../../../ensemble/session/session-table.ts'

test('an item is due after its timeout and within one tick of it, whenever it was touched (I-51, I-52)', () => {
  for (let touchedMs = 0; touchedMs < 4000; touchedMs += 37) {
    const buckets = new ExpiryBuckets(2000, 0)
    const item = { bucketMs: 0 }
    buckets.touch(item, 4000, touchedMs)
    let dueMs = touchedMs
    while (buckets.due(dueMs).length === 0) dueMs++
    expect(dueMs - touchedMs).toBeGreaterThan(4000)
    expect(dueMs - touchedMs).toBeLessThanOrEqual(6000)
  }
})

test('an item that is removed or touched again is not due at its old time', () => {
  const buckets = new ExpiryBuckets(100, 0)
  const [kept, gone] = [{ bucketMs: 0 }, { bucketMs: 0 }]
  buckets.touch(kept, 100, 0)
  buckets.touch(gone, 100, 0)
  buckets.touch(kept, 100, 150)
  buckets.remove(gone)
  expect(buckets.due(250)).toEqual([])
  expect(buckets.due(300)).toEqual([kept])
  expect(buckets.bucketCount).toBe(0)
})

test('time stands still for sessions while the process does (F-19)', () => {
  const clock = new SessionClock(2000, 0)
  expect(clock.advance(1000)).toBe(1000)
  expect(clock.advance(61_000)).toBe(3000) // a pause of a minute counts as one step
  expect(clock.advance(62_000)).toBe(4000)
  expect(clock.advance(61_500)).toBe(4000) // never back
})

test('a session ends once, and is not touched back to life (I-50, I-53)', () => {
  const table = new SessionTable(1000, 0)
  const session = table.add(7n, 4000, 0)
  expect(table.due(5000)).toEqual([session])
  table.touch(session, 5000)
  expect(table.due(60_000)).toEqual([])
  expect(session.isClosing).toBe(true)
  table.remove(7n)
  expect(table.get(7n)).toBeUndefined()
})

test('ids carry the server in the top byte and pass every known one, whatever the clock says (I-55, N-12)', () => {
  const known = [0x0100_1234_5678_9abcn, (0x02n << 56n) | 0xff_ffff_ffff_ff00n]
  const ids = new SessionIds({ serverId: 1, wallMs: 0, known })
  expect(ids.next()).toBe(0x0100_1234_5678_9abdn)
  expect(ids.next()).toBe(0x0100_1234_5678_9aben)
  const fresh = new SessionIds({ serverId: 200, wallMs: 1_795_225_715_557, known: [] })
  const id = fresh.next()
  expect(BigInt.asUintN(64, id) >> 56n).toBe(200n)
  expect(id).toBeLessThan(0n)
})

test.each([
  [0x100000a5e560000n, '28ae088b95489f084691648e66078131'],
  [0x10000125f8c0000n, '5608cefb2b021462245a1caeec01e181'],
])("Apache's password of session %s", (id, hex) => {
  const passwords = apachePasswords()
  expect(passwords.of(id).toString('hex')).toBe(hex)
  expect(passwords.matches(id, Buffer.from(hex, 'hex'))).toBe(true)
})

test('our passwords depend on the secret, and nothing else opens a session (S-20)', () => {
  const id = 0x100000a5e560000n
  const passwords = secretPasswords(Buffer.alloc(32, 1))
  expect(passwords.of(id)).toHaveLength(16)
  expect(passwords.of(id)).not.toEqual(secretPasswords(Buffer.alloc(32, 2)).of(id))
  for (const wrong of [
    null,
    Buffer.alloc(0),
    Buffer.alloc(16),
    apachePasswords().of(id),
    Buffer.alloc(1e6),
  ]) {
    expect(passwords.matches(id, wrong)).toBe(false)
  }
  expect(passwords.matches(id, passwords.of(id))).toBe(true)
})
