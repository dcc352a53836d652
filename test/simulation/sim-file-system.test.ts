/** The simulated disk forgets and fails as it should: otherwise no test on it means anything. */
import { expect, test } from 'vitest'
import { seededRandom, SimFileSystem } from './sim-file-system.ts'

const SEEDS = Array.from({ length: 64 }, (_, seed) => seed + 1)

function disk(seed: number): SimFileSystem {
  const files = new SimFileSystem({ random: seededRandom(seed) })
  files.seedDirectory('/d')
  return files
}

/** Outcomes of a crash over many seeds, as text. */
async function outcomes(
  act: (files: SimFileSystem) => Promise<void>,
  look: (files: SimFileSystem) => string,
): Promise<string[]> {
  const seen = new Set<string>()
  for (const seed of SEEDS) {
    const files = disk(seed)
    await act(files)
    files.crash()
    seen.add(look(files))
  }
  return [...seen].toSorted()
}

test('what was synced, with its name, survives every power loss (F-2)', async () => {
  const seen = await outcomes(
    async (files) => {
      const file = await files.open('/d/a', 'create')
      await file.write(Buffer.from('kept'), 0)
      await file.datasync()
      await files.syncDirectory('/d')
    },
    (files) => String(files.peek('/d/a')),
  )
  expect(seen).toEqual(['kept'])
})

test('contents and name that were not synced are lost independently (F-2)', async () => {
  const seen = await outcomes(
    async (files) => {
      const file = await files.open('/d/a', 'create')
      await file.write(Buffer.from('new'), 0)
      if (files.effects.length > 99) await file.datasync()
    },
    (files) => files.peek('/d/a')?.toString('latin1') ?? 'no file',
  )
  expect(seen).toContain('no file')
  expect(seen).toContain('')
  expect(seen).toContain('new')
})

test('sectors of one write survive in any subset, each whole (F-2, F-3)', async () => {
  const seen = await outcomes(
    async (files) => {
      files.seed('/d/a', Buffer.alloc(1536, 'o'))
      const file = await files.open('/d/a', 'write')
      await file.write(Buffer.alloc(1536, 'n'), 0)
    },
    (files) => {
      const bytes = files.peek('/d/a')!
      const sectors = [0, 512, 1024].map((at) => new Set(bytes.subarray(at, at + 512)))
      expect(sectors.every((values) => values.size === 1)).toBe(true)
      return sectors.map(([value]) => String.fromCharCode(value!)).join('')
    },
  )
  expect(seen).toEqual(['nnn', 'nno', 'non', 'noo', 'onn', 'ono', 'oon', 'ooo'])
})

test('a rename that was not synced happened whole or not at all (F-2)', async () => {
  const seen = await outcomes(
    async (files) => {
      files.seed('/d/old', Buffer.from('x'))
      await files.rename('/d/old', '/d/new')
    },
    (files) => files.names('/d').join(),
  )
  expect(seen).toEqual(['new', 'old'])
})

test('a killed process loses no write that was done (F-1)', async () => {
  const files = disk(1)
  const file = await files.open('/d/a', 'create')
  await file.write(Buffer.from('in the page cache'), 0)
  files.kill()
  expect(String(files.peek('/d/a'))).toBe('in the page cache')
})

test('a synced file needs no datasync, but a name of its own does (F-2)', async () => {
  const seen = await outcomes(
    async (files) => {
      const file = await files.open('/d/a', 'create-synced')
      await file.write(Buffer.from('durable'), 0)
    },
    (files) => files.peek('/d/a')?.toString() ?? 'no file',
  )
  expect(seen).toEqual(['durable', 'no file'])
})

test('after a failed sync the next one that succeeds saves nothing of before (F-8)', async () => {
  const seen = await outcomes(
    async (files) => {
      files.seed('/d/a', Buffer.from('old'))
      const file = await files.open('/d/a', 'write')
      await file.write(Buffer.from('new'), 0)
      files.fault = ({ kind }) => (kind === 'datasync' ? 'EIO' : null)
      await expect(file.datasync()).rejects.toMatchObject({ code: 'EIO' })
      files.fault = null
      await file.datasync()
    },
    (files) => String(files.peek('/d/a')),
  )
  expect(seen).toEqual(['old'])
})

test('a full disk takes what fits (F-9)', async () => {
  const files = disk(1)
  files.spaceBytes = 1024
  const file = await files.open('/d/a', 'create')
  await expect(file.write(Buffer.alloc(2000, 1), 0)).rejects.toMatchObject({ code: 'ENOSPC' })
  expect(await file.size()).toBe(1024)
})

test('nothing answers after the machine has stopped, and files of a dead process are closed', async () => {
  const files = disk(1)
  const file = await files.open('/d/a', 'create')
  files.haltAt = { effect: files.effects.length + 1, phase: 'before' }
  let answered = false
  void file.write(Buffer.from('never'), 0).then(() => (answered = true))
  await files.whenHalted()
  void files.list('/d').then(() => (answered = true))
  await new Promise((resolve) => setImmediate(resolve))
  expect(answered).toBe(false)
  files.crash()
  await expect(file.write(Buffer.from('x'), 0)).rejects.toMatchObject({ code: 'EBADF' })
})

test('forks go different ways from one state, and equal seeds the same way', async () => {
  const files = disk(1)
  files.seed('/d/a', Buffer.alloc(512 * 16, 'o'))
  const file = await files.open('/d/a', 'write')
  await file.write(Buffer.alloc(512 * 16, 'n'), 0)
  const crashed = [1, 2, 2].map((seed) => {
    const fork = files.fork(seededRandom(seed))
    fork.crash()
    return fork.peek('/d/a')!.toString()
  })
  expect(crashed[1]).toBe(crashed[2])
  expect(crashed[0]).not.toBe(crashed[1])
})
