/** examples/pair under `howdah up`, quick: the active service is killed with -9. More in test/interop. */
import { expect, test } from 'vitest'
import { isAlive, otherOf, Pair, violations, Writer } from '../support/pair.ts'

test('kill -9 of the active service: the other is active within 3 s, the ledger refuses the first token (H-5, H-2)', async () => {
  await using pair = await Pair.start()
  const first = await pair.start()
  const second = otherOf(first)
  const writer = new Writer(pair)
  await pair.until('orders are accepted', 10_000, async () =>
    writer.accepted.length > 5 ? true : null,
  )

  const before = await pair.state(first)
  expect(before).toMatchObject({ role: 'active' })
  const token = before?.token ?? ''
  process.kill(before?.pid ?? 0, 'SIGKILL')
  const killedMs = performance.now()
  await pair.untilActive([second], 3000)
  expect(performance.now() - killedMs).toBeLessThan(3000)

  const count = writer.accepted.length
  await pair.until('orders are accepted again', 5000, async () =>
    writer.accepted.length > count + 5 ? true : null,
  )
  const late = await fetch(pair.ledgerUrl('/entries'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token, member: first, order: 'late' }),
  })
  expect(late.status).toBe(409)

  const accepted = await writer.stop()
  expect(violations(await pair.ledger(), accepted)).toEqual([])
  expect(new Set(accepted.map(({ line }) => line.member))).toEqual(new Set([first, second]))

  const after = await pair.state(second)
  pair.kill('SIGTERM')
  expect(await pair.exited).toBe(0)
  for (const pid of [after?.pid ?? 0, after?.controllerPid ?? 0]) expect(isAlive(pid)).toBe(false)
}, 60_000)
