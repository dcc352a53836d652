/** The ledger of examples/pair: what it answered is in the file, and tokens only grow (H-1 (d), H-2). */
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Ledger, ledgerServer, LedgerRefusal } from '../../examples/pair/ledger.ts'

let directory: string
let path: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'howdah-ledger-'))
  path = join(directory, 'deep', 'ledger')
})
afterEach(async () => {
  for (const ledger of opened.splice(0)) await ledger.close()
  rmSync(directory, { recursive: true })
})

const opened: Ledger[] = []
async function openLedger(): Promise<Ledger> {
  const ledger = await Ledger.open(path)
  opened.push(ledger)
  return ledger
}

test('an answered entry is in the file, in order of its index', async () => {
  const ledger = await openLedger()
  const lines = await Promise.all(
    Array.from({ length: 50 }, (_, i) => ledger.append(7n, { member: 'a', order: `order ${i}` })),
  )
  expect(lines.map(({ index }) => index)).toEqual(Array.from({ length: 50 }, (_, i) => i))
  const written = readFileSync(path, 'utf8').trimEnd().split('\n')
  expect(written.map((line) => JSON.parse(line) as unknown)).toEqual(lines)
})

test('a lower token is refused, also right after a higher one was announced, and after a restart (H-2)', async () => {
  const ledger = await openLedger()
  await ledger.append(5n, { member: 'a', order: 'one' })
  const announced = ledger.append(9007199254740993n, { member: 'b', order: null })
  await expect(ledger.append(5n, { member: 'a', order: 'late' })).rejects.toThrow(LedgerRefusal)
  await announced

  const again = await openLedger()
  expect(again.highest).toBe(9007199254740993n)
  await expect(again.append(9007199254740992n, { member: 'a', order: 'late' })).rejects.toThrow(
    'token 9007199254740992 is below 9007199254740993, the highest seen',
  )
  expect(again.lines.map(({ order }) => order)).toEqual(['one', null])
})

test('a torn last line is cut at start; what was answered stays', async () => {
  const ledger = await openLedger()
  await ledger.append(5n, { member: 'a', order: 'bücher' })
  appendFileSync(path, '{"index":1,"tok')
  const again = await openLedger()
  expect(await again.append(6n, { member: 'b', order: 'two' })).toMatchObject({ index: 1 })
  expect((await openLedger()).lines).toHaveLength(2)
})

test('over HTTP: 201, 409 with the highest token, 400', async () => {
  const server = ledgerServer(await openLedger())
  const post = (url: string, payload: object) => server.inject({ method: 'POST', url, payload })
  expect((await post('/tokens', { token: '9', member: 'b' })).statusCode).toBe(201)
  const refused = await post('/entries', { token: '8', member: 'a', order: 'x' })
  expect([refused.statusCode, refused.json()]).toEqual([
    409,
    { error: 'token 8 is below 9, the highest seen', highest: '9' },
  ])
  expect((await post('/entries', { token: 'x', member: 'a', order: 'x' })).statusCode).toBe(400)
  expect((await post('/entries', { token: '9', member: 'b', order: 'x' })).statusCode).toBe(201)
  expect((await server.inject('/entries?from=1')).json()).toMatchObject([{ index: 1, order: 'x' }])
})
