/** The two promises of a quorum member: every row of disk-format 4, and what cannot be a number. */
import { describe, expect, test } from 'vitest'
import { loadEpochs, readEpoch, writeEpoch } from '../../../ensemble/store/epoch-files.ts'
import { StoreError } from '../../../ensemble/store/store-error.ts'
import type { SimFileSystem } from '../../simulation/sim-file-system.ts'
import { newDisk } from './open-sim.ts'

const DIRECTORY = '/d'

function disk(contents: Record<string, string>): SimFileSystem {
  const files = newDisk()
  files.seedDirectory(DIRECTORY)
  for (const [name, text] of Object.entries(contents)) {
    files.seed(`${DIRECTORY}/${name}`, Buffer.from(text))
  }
  return files
}

describe('at the start, with transactions of epoch 3 on disk (I-7)', () => {
  test.each([
    ['no file', {}, [3, 3]],
    ['no acceptedEpoch', { currentEpoch: '3' }, [3, 3]],
    ['a newline', { currentEpoch: '3\n', acceptedEpoch: '4\r\n' }, [4, 3]],
    ['a higher promise', { currentEpoch: '3', acceptedEpoch: '9' }, [9, 3]],
    [
      'a rename that a crash prevented',
      { currentEpoch: '2', 'currentEpoch.tmp': '3', acceptedEpoch: '3' },
      [3, 3],
    ],
    ['a write that a crash prevented', { currentEpoch: '2', acceptedEpoch: '3' }, [3, 3]],
    [
      'a torn temporary file',
      { currentEpoch: '2', 'currentEpoch.tmp': '', acceptedEpoch: '3' },
      [3, 3],
    ],
  ])('%s', async (_what, contents, expected) => {
    const files = disk(contents as Record<string, string>)
    const { acceptedEpoch, currentEpoch } = await loadEpochs(files, DIRECTORY, 0x3_0000_0007n)
    expect([acceptedEpoch, currentEpoch]).toEqual(expected)
    files.crash() // what was mended is durable
    expect(await readEpoch(files, DIRECTORY, 'currentEpoch')).toBe(currentEpoch)
    expect(await readEpoch(files, DIRECTORY, 'acceptedEpoch')).toBe(acceptedEpoch)
  })

  const refused: [string, Record<string, string>][] = [
    ['promises below the transactions', { currentEpoch: '2', acceptedEpoch: '2' }],
    ['a promise below the current epoch', { currentEpoch: '5', acceptedEpoch: '4' }],
  ]
  for (const text of ['', '-1', 'three', '9223372036854775808', '4294967296', '3 ', '0x3']) {
    refused.push([JSON.stringify(text), { currentEpoch: '3', acceptedEpoch: text }])
  }
  test.each(refused)('refused: %s (F-5, X-13)', async (_what, contents) => {
    const files = disk(contents)
    const failure = loadEpochs(files, DIRECTORY, 0x3_0000_0007n)
    await expect(failure).rejects.toBeInstanceOf(StoreError)
    await expect(failure).rejects.toMatchObject({ file: expect.stringContaining('Epoch') })
  })
})

test('the file holds the number and nothing else, under its own name only', async () => {
  const files = disk({ acceptedEpoch: '1', 'acceptedEpoch.tmp': 'left by a crash' })
  await writeEpoch(files, DIRECTORY, 'acceptedEpoch', 12)
  files.crash()
  expect(files.peek(`${DIRECTORY}/acceptedEpoch`)!.toString()).toBe('12')
  expect(files.names(DIRECTORY)).toEqual(['acceptedEpoch'])
})

test.each(['create', 'write', 'datasync', 'rename', 'sync-directory'])(
  'a promise whose %s fails is not given (F-8)',
  async (kind) => {
    const files = disk({ acceptedEpoch: '1' })
    files.fault = (operation) => (operation.kind === kind ? 'EIO' : null)
    await expect(writeEpoch(files, DIRECTORY, 'acceptedEpoch', 2)).rejects.toBeInstanceOf(
      StoreError,
    )
  },
)
