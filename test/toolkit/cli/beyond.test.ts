/** What our shell can do beyond zkCli, against our server. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { acl, connect, type Client } from '../../../ensemble/client/index.ts'
import { startServer, type Peer } from '../../../ensemble/server/index.ts'
import { silent } from '../../../ensemble/sys/logger.ts'
import { CliSession } from '../../support/cli-session.ts'

let folder: string
let server: Peer
let client: Client
let session: CliSession

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'howdah-cli-'))
  const settings = { dataDir: join(folder, 'data'), clientPort: 0, clientPortAddress: '127.0.0.1' }
  server = await startServer({ ...settings, tickTimeMs: 500 }, silent)
  const servers = `127.0.0.1:${server.clientPort}`
  client = await connect(servers)
  await client.create('/shop', 'open')
  await client.create('/shop/fruit')
  await client.create('/shop/fruit/apples', '12')
  await client.create('/shop/fruit/pears', Buffer.from([0xff, 0xfe]), { acl: acl.readUnsafe })
  await client.create('/shop/till', '', { mode: 'ephemeral' })
  session = await new CliSession(servers).connected()
  session.taken()
})
afterAll(async () => {
  session.shell.leave()
  await client.close()
  await server.close()
  rmSync(folder, { recursive: true })
})

test('tree, find, du', async () => {
  expect((await session.run('tree -s /shop')).all).toEqual([
    '/shop (4 bytes)',
    '├── fruit (0 bytes)',
    '│   ├── apples (2 bytes)',
    '│   └── pears (2 bytes)',
    '└── till [ephemeral] (0 bytes)',
  ])
  expect((await session.run('tree -d 1 /shop')).all).toHaveLength(3)
  expect((await session.run('tree /none')).err).toEqual(['Node does not exist: /none'])
  expect((await session.run('find -name *p* /shop')).all).toEqual([
    '/shop',
    '/shop/fruit/apples',
    '/shop/fruit/pears',
  ])
  expect((await session.run('find -data 12 /')).all).toEqual(['/shop/fruit/apples'])
  expect((await session.run('find -e /')).all).toEqual(['/shop/till'])
  expect((await session.run('du /shop')).all).toEqual([
    '4\t3\t/shop/fruit',
    '0\t1\t/shop/till',
    '8\t5\t/shop',
  ])
})

test('watch prints changes below a path until Ctrl-C', async () => {
  const running = session.run('watch /shop')
  const seen: string[] = []
  await vi.waitFor(async () => {
    await client.set('/shop/fruit/apples', '13')
    seen.push(...session.taken().out)
    expect(seen.join('\n')).toMatch(/Z 0x[0-9a-f]+ NodeDataChanged \/shop\/fruit\/apples/)
  })
  session.shell.interrupt()
  expect((await running).err).toEqual([])
  expect(session.shell.exitCode).toBe(0)
  await client.set('/shop/fruit/apples', '12')
  expect((await session.run('ls /shop/fruit')).all).toEqual(['[apples, pears]'])
})

test('export, import with --dry-run, and again', async () => {
  const file = join(folder, 'shop.jsonl')
  expect((await session.run(`export /shop ${file}`)).err).toEqual([
    `Exported 4 nodes to ${file}; left out 1 ephemeral`,
  ])
  expect(
    readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object),
  ).toEqual([
    { path: '', data: 'open' },
    { path: '/fruit' },
    { path: '/fruit/apples', data: '12' },
    { path: '/fruit/pears', base64: '//4=', acl: 'world:anyone:r' },
  ])
  expect((await session.run(`export /shop ${file}`)).err).toEqual([`cannot write ${file} (EEXIST)`])

  expect((await session.run(`import --dry-run ${file} /copy`)).all).toEqual([
    'create /copy',
    'create /copy/fruit',
    'create /copy/fruit/apples',
    'create /copy/fruit/pears',
    'Would create 4 nodes, set 0; 0 are the same',
  ])
  expect(await client.exists('/copy')).toBeNull()
  expect((await session.run(`import ${file} /copy`)).all).toEqual([
    'Created 4 nodes, set 0; 0 are the same',
  ])
  expect((await client.get('/copy/fruit/pears')).data).toEqual(Buffer.from([0xff, 0xfe]))
  expect((await client.getAcl('/copy/fruit/pears')).acl).toEqual(acl.readUnsafe)
  expect((await client.get('/copy/fruit')).data).toBeNull()

  await client.set('/copy/fruit/apples', 'mine')
  expect((await session.run(`import ${file} /copy`)).all).toEqual([
    'differs /copy/fruit/apples',
    'Created 0 nodes, set 0; 3 are the same',
    '1 nodes differ and were left alone (-f replaces their data)',
  ])
  expect(session.shell.exitCode).toBe(1)
  expect((await session.run(`import -f ${file} /copy`)).all).toEqual([
    'Created 0 nodes, set 1; 3 are the same',
  ])
  expect((await client.get('/copy/fruit/apples')).data?.toString()).toBe('12')
})

test('import of what is no export: the place, and nothing done (X-12)', async () => {
  const file = join(folder, 'bad.jsonl')
  writeFileSync(file, '{"path":"","data":"x"}\n{"path":3}\n')
  expect((await session.run(`import ${file} /bad`)).err).toEqual([`${file}:2: path: expected text`])
  writeFileSync(file, 'hello\n')
  expect((await session.run(`import ${file} /bad`)).err).toEqual([`${file}:1: not a line of JSON`])
  expect((await session.run(`import ${file}.none /bad`)).err).toEqual([
    `cannot read ${file}.none (ENOENT)`,
  ])
  expect(await client.exists('/bad')).toBeNull()
})
