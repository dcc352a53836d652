/** What a controller remembers (H-2, H-14), with power losses in between. */
import { describe, expect, test } from 'vitest'
import { StateDirectory } from '../../failover/state-directory.ts'
import { MemoryFiles } from '../support/failover-world.ts'

const PLACE = { directory: '/state', group: 'orders', member: 'a' }

function open(files: MemoryFiles): Promise<StateDirectory> {
  const state = new StateDirectory(files, PLACE)
  return state.open().then(() => state)
}

test('everything survives, letter for letter', async () => {
  const files = new MemoryFiles()
  const record = {
    session: { id: -5n, password: Buffer.from('00ff10', 'hex') },
    highestToken: 2n ** 62n,
    activeToken: 17n,
    breadcrumb: { mzxid: 4_294_967_309n, data: '{"v":1}' },
    servicePid: 4711,
    serviceStart: '123456',
    bootId: 'x-y',
  }
  await (await open(files)).update(record)
  expect((await open(files)).record).toEqual(record)
  expect([...files.contents.keys()]).toEqual(['/state/orders-a.json'])
})

test('updates follow one another, and each keeps the fields of the others', async () => {
  const files = new MemoryFiles()
  const state = await open(files)
  await Promise.all([
    state.update({ highestToken: 5n }),
    state.update({ activeToken: 5n }),
    state.update({ servicePid: 9 }),
  ])
  const { record } = await open(files)
  expect(record).toMatchObject({ highestToken: 5n, activeToken: 5n, servicePid: 9 })
})

test('the highest token never goes back (H-2)', async () => {
  const state = await open(new MemoryFiles())
  await state.update({ highestToken: 5n })
  await expect(state.update({ highestToken: 4n })).rejects.toThrow('never decreases')
})

test('the file is private, and its contents are durable before its name', async () => {
  const files = new MemoryFiles()
  const steps: string[] = []
  const openFile = files.open.bind(files)
  files.open = async (path, mode) => {
    const file = await openFile(path, mode)
    return {
      ...file,
      chmod: async (bits) => void steps.push(`chmod ${bits.toString(8)}`),
      write: (bytes, at) => {
        steps.push('write')
        return file.write(bytes, at)
      },
      datasync: async () => void steps.push('datasync'),
    }
  }
  const rename = files.rename
  files.rename = (source, target) => {
    steps.push('rename')
    return rename(source, target)
  }
  files.syncDirectory = async () => void steps.push('sync directory')
  await (await open(files)).update({ highestToken: 1n })
  expect(steps).toEqual(['chmod 600', 'write', 'datasync', 'rename', 'sync directory'])
})

describe('a record that cannot be read is an error, never an empty one (H-2)', () => {
  test.each([
    '',
    '{',
    '[]',
    '{"v":2,"highestToken":"1"}',
    '{"v":1}',
    '{"v":1,"highestToken":"-1"}',
  ])('%s', async (text) => {
    const files = new MemoryFiles()
    files.contents.set('/state/orders-a.json', Buffer.from(text))
    await expect(open(files)).rejects.toThrow('damaged')
  })
})
