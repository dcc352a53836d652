/** Four-letter words of a standalone server, held to the recordings of Apache's (golden/admin). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { goldenText } from '../../support/golden.ts'
import { AdminWorld, shape, shapeOfList } from '../../support/admin-world.ts'

const recorded = (word: string): string => goldenText(`admin/4lw-${word}-standalone.txt`)

/** 3.9 added these to what 3.8.0, of the recordings, has. */
const SINCE_3_9 = [
  ...['avg', 'cnt', 'max', 'min', 'sum'].map((part) => `zk_${part}_restore_time`),
  'zk_restore_error_count',
  'zk_restore_rate_limited_count',
  'zk_snapshot_error_count',
  'zk_snapshot_rate_limited_count',
]

describe('four-letter words', () => {
  let world: AdminWorld
  beforeAll(async () => {
    world = await AdminWorld.start()
  })
  afterAll(() => world[Symbol.asyncDispose]())

  test.each(['ruok', 'isro', 'gtmk', 'crst', 'srst', 'dirs', 'wchs', 'srvr'])(
    '%s answers as recorded',
    async (word) => {
      expect(shape(await world.send(word))).toBe(shape(recorded(word)))
    },
  )

  test('conf answers as recorded', async () => {
    const lines = (text: string): string =>
      shape(text).replace(/^data(Log)?Dir=.*$/gm, 'data$1Dir=')
    expect(lines(await world.send('conf'))).toBe(lines(recorded('conf')))
  })

  test.each(['wchc', 'wchp'])('%s lists who watches what, as recorded', async (word) => {
    expect(
      shape(await world.send(word))
        .split('\n')
        .sort(),
    ).toEqual(shape(recorded(word)).split('\n').sort())
  })

  test.each(['dump', 'cons', 'stat'])('%s has the lines recorded', async (word) => {
    await world.askSomething()
    expect(shapeOfList(await world.send(word)).sort()).toEqual(shapeOfList(recorded(word)).sort())
  })

  test('dump has its blocks in the order recorded', async () => {
    const heads = (text: string): string[] =>
      shape(text)
        .split('\n')
        .filter((line) => /^(Session|ephemeral|Connections)/.test(line))
    expect(heads(await world.send('dump'))).toEqual(heads(recorded('dump')))
  })

  test('envi has the keys recorded, in their order, and none of the environment (S-16)', async () => {
    const keys = (text: string): string[] => text.split('\n').map((line) => line.split('=')[0]!)
    process.env['CANARY_PASSWORD'] = 'canary-value'
    const text = await world.send('envi')
    delete process.env['CANARY_PASSWORD']
    expect(keys(text)).toEqual(keys(recorded('envi')))
    expect(text).not.toMatch(/canary/i)
  })

  test('mntr has every name recorded, with a value of the same kind', async () => {
    await world.askSomething()
    const kinds = (text: string): Map<string, string> =>
      new Map(
        text
          .trimEnd()
          .split('\n')
          .map((line) => line.split('\t') as [string, string])
          .filter(([name]) => !name.endsWith('_per_namespace'))
          .map(([name, value]) => [name, name === 'zk_version' ? '' : shape(value)]),
      )
    const ours = kinds(await world.send('mntr'))
    const added = [...ours.keys()].filter((name) => SINCE_3_9.includes(name))
    expect(added.sort()).toEqual([...SINCE_3_9].sort())
    for (const name of SINCE_3_9) ours.delete(name)
    const sorted = (map: Map<string, string>): string[] =>
      [...map].map((row) => row.join(' ')).sort()
    expect(sorted(ours)).toEqual(sorted(kinds(recorded('mntr'))))
  })

  test('mntr counts what has happened', async () => {
    const before = await monitor(world)
    await world.first.set('/app', Buffer.from('12345'))
    await world.first.create('/app/watched', null)
    await world.second.exists('/app/watched')
    await world.second.getChildren('/app/watched')
    await world.second.get('/app')
    const after = await monitor(world)
    const grown = (name: string): number => after.get(name)! - before.get(name)!
    expect(grown('zk_cnt_updatelatency')).toBe(2)
    expect(grown('zk_cnt_propagation_latency')).toBe(2)
    expect(grown('zk_cnt_fsynctime')).toBe(2)
    expect(grown('zk_sum_sync_processor_batch_size')).toBe(2)
    expect(grown('zk_outstanding_changes_queued')).toBe(3)
    expect(grown('zk_outstanding_changes_removed')).toBe(3)
    expect(grown('zk_cnt_readlatency')).toBe(3)
    const paths = 2 * '/app/watched'.length + '/app'.length
    expect(grown('zk_sum_app_read_per_namespace')).toBe(paths + 5 + 3 * 68)
    expect(grown('zk_sum_app_write_per_namespace')).toBe('/app'.length + 5 + '/app/watched'.length)
    // Both sessions watched the data of /app, one of them its children.
    expect(grown('zk_sum_node_changed_watch_count')).toBe(2)
    expect(grown('zk_sum_node_children_watch_count')).toBe(1)
    expect(grown('zk_watch_bytes')).toBe(3 * (4 + 16 + 4 + 4 + 4 + '/app'.length))
    expect(grown('zk_znode_count')).toBe(1)
    // Five requests, and the second mntr.
    expect(grown('zk_packets_received')).toBe(6)
    // Five replies and three events.
    expect(grown('zk_packets_sent')).toBe(8)
    expect(after.get('zk_num_alive_connections')).toBe(3)
    expect(after.get('zk_open_file_descriptor_count')).toBeGreaterThan(0)
    expect(grown('zk_bytes_received_count')).toBeGreaterThan(60)
    expect(grown('zk_response_bytes')).toBeGreaterThan(60)
  })

  test('srst starts the statistics of srvr anew, and leaves the metrics', async () => {
    await world.first.get('/app')
    const before = await monitor(world)
    await world.send('srst')
    const after = await monitor(world)
    expect(after.get('zk_packets_received')).toBe(1)
    expect(after.get('zk_max_latency')).toBe(0)
    expect(after.get('zk_max_client_response_size')).toBe(-1)
    expect(after.get('zk_cnt_readlatency')).toBeGreaterThanOrEqual(
      before.get('zk_cnt_readlatency')!,
    )
  })

  test('crst starts the statistics of connections anew', async () => {
    await world.send('crst')
    expect(await world.send('cons')).toMatch(
      /recved=0,sent=0,sid=0x[0-9a-f]+,lop=NA,est=\d+,to=8000,lzxid=0xffffffffffffffff,lresp=0,llat=0,minlat=0,avglat=0,maxlat=0\)/,
    )
    await world.first.getChildren('/app')
    expect(await world.send('cons')).toMatch(
      /recved=1,sent=1,sid=0x[0-9a-f]+,lop=GETC,est=\d+,to=10000,lcxid=0x[0-9a-f]+,lzxid=/,
    )
  })

  test('stmk sets what gtmk shows, with its eight bytes in any pieces (X-7)', async () => {
    const mask = Buffer.alloc(8)
    mask.writeBigInt64BE(77n)
    expect(await world.send(Buffer.concat([Buffer.from('stmk'), mask]))).toBe('77')
    expect(await world.send('gtmk')).toBe('77')
    mask.writeBigInt64BE(306n)
    expect(await world.send(Buffer.concat([Buffer.from('stmk'), mask]))).toBe(
      recorded('stmk').trim(),
    )
  })

  test('hash shows the digest of every 128th transaction', async () => {
    const wanted = 128 - Number(world.server.lastZxid % 128n)
    await Promise.all(
      Array.from({ length: wanted }, () => world.first.set('/app', Buffer.from('x'))),
    )
    expect(shape((await world.send('hash')).replace(/^[0-9a-f]+:/gm, 'HEX:'))).toContain('HEX: N\n')
  })

  test.each([
    ['half a word, then the end', 'ru', true],
    ['upper case', 'RUOK', false],
    ['stmk without its argument', 'stmk12', true],
    ["telnet's interrupt", Buffer.from([0xff, 0xf4, 0xff, 0xfd]), false],
    ['no word', 'what', false],
  ])('%s: closed without an answer (X-7)', async (_name, bytes, end) => {
    expect(await world.send(bytes, { end })).toBe('')
  })

  test('a word with more behind it is answered once (X-7)', async () => {
    expect(await world.send('ruok\r\nruokruokmntr')).toBe('imok')
  })

  test('many words at once leave others their answers (X-7)', async () => {
    const words = Array.from({ length: 40 }, () => world.send('mntr'))
    expect((await world.first.get('/app')).data).not.toBeNull()
    for (const text of await Promise.all(words))
      expect(text).toContain('zk_server_state\tstandalone')
  })
})

test('a word that is not in the whitelist is refused as recorded; srvr never is', async () => {
  await using world = await AdminWorld.start({ fourLetterWords: ['ruok'] })
  expect(await world.send('stat')).toBe(goldenText('admin/4lw-not-whitelisted.txt'))
  expect(await world.send('stmk')).toBe(
    'stmk is not executed because it is not in the whitelist.\n',
  )
  expect(await world.send('ruok')).toBe('imok')
  expect(await world.send('srvr')).toContain('Mode: standalone\n')
})

async function monitor(world: AdminWorld): Promise<Map<string, number>> {
  const lines = (await world.send('mntr')).trimEnd().split('\n')
  return new Map(
    lines.map((line) => line.split('\t')).map(([name, value]) => [name!, Number(value)]),
  )
}
