/**
 * Every byte of small data directories goes bad, once each way; sectors turn to zeros; files are cut,
 * renamed, swapped and duplicated. What comes up is right, or nothing comes up and the refusal names
 * the file (X-13, F-3, F-4, F-5). Originals are never modified by a refusal.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { StoreError } from '../../../ensemble/store/store-error.ts'
import { seededRandom, type SimFileSystem } from '../../simulation/sim-file-system.ts'
import { newDisk, openSim } from './open-sim.ts'
import { applyAndAppend, create, setData, txnOf } from './txns.ts'

const DIRECTORY = '/data/version-2'

interface Sample {
  readonly files: SimFileSystem
  readonly lastZxid: bigint
  /** Digest after each transaction. */
  readonly digests: Map<bigint, bigint>
  /** Where the last batch begins in the newest log, and its name. */
  readonly newest: string
  readonly lastBatchStart: number
}

/** Two snapshots, three logs, records of several sizes; killed (zeros and mark behind) or closed. */
async function sample(ending: 'killed' | 'closed', lastBatch = 1): Promise<Sample> {
  const files = newDisk(7)
  const { store, tree } = await openSim(files)
  const digests = new Map<bigint, bigint>([[0n, tree.treeDigest]])
  let zxid = 0n
  const append = async (count: number, bytes: Buffer) => {
    for (let i = 0; i < count; i++) {
      zxid += 1n
      const body = zxid === 1n ? create('/a', bytes) : setData('/a', bytes, Number(zxid) - 1)
      applyAndAppend(tree, store, txnOf(zxid, body))
      digests.set(zxid, tree.treeDigest)
    }
    store.flush()
    await store.whenDurable()
  }
  await append(1, Buffer.from('first'))
  await append(2, Buffer.alloc(120, 3))
  await store.snapshot(tree.freeze(), new Map([[5n, 4000]]))
  await append(2, Buffer.alloc(30, 9))
  store.rollLog()
  await append(1, Buffer.from('middle'))
  await append(1, Buffer.alloc(900)) // zeros, so that flips and missing sectors look alike
  const newest = 'log.6'
  const lastBatchStart = endOfRecords(files.peek(`${DIRECTORY}/${newest}`)!)
  await append(lastBatch, Buffer.from('last'))
  if (ending === 'closed') await store.close()
  files.crash()
  return { files, lastZxid: zxid, digests, newest, lastBatchStart }
}

function endOfRecords(bytes: Buffer): number {
  let at = 16
  while (at + 12 <= bytes.length && bytes.readInt32BE(at + 8) > 0) {
    at += 13 + bytes.readInt32BE(at + 8)
  }
  return at
}

/** Changes a copy of the sample, opens it, and checks the outcome. @returns what came up */
async function outcome(
  { files, digests }: Pick<Sample, 'files' | 'digests'>,
  change: (copy: SimFileSystem) => void,
  where: string,
): Promise<bigint | StoreError> {
  const copy = files.fork(seededRandom(1))
  change(copy)
  const before = contents(copy)
  try {
    const { lastZxid, tree, repairs } = await openSim(copy)
    expect(tree.treeDigest, where).toBe(digests.get(lastZxid))
    for (const repair of repairs) {
      // what was not cut as torn or dropped as empty is still there, aside
      if (repair.kind !== 'moved-aside') continue
      expect(copy.peek(`${DIRECTORY}/damaged.${repair.name}`), where).toEqual(
        before.get(repair.name),
      )
    }
    return lastZxid
  } catch (error) {
    if (!(error instanceof StoreError)) throw new Error(`${where}: unexpected`, { cause: error })
    expect(error.file, where).toContain('/data')
    expect(contents(copy), where).toEqual(before)
    return error
  }
}

function contents(files: SimFileSystem): Map<string, Buffer | null> {
  return new Map(files.names(DIRECTORY).map((name) => [name, files.peek(`${DIRECTORY}/${name}`)]))
}

/** One change a byte by default; FLIPS=all makes all of them. */
const FLIPS: [string, (byte: number) => number][] = [
  ['one bit', (byte) => byte ^ 0x01],
  ['the top bit', (byte) => byte ^ 0x80],
  ['all bits', (byte) => byte ^ 0xff],
  ['to zero', () => 0],
]

describe('every byte', () => {
  test.each([
    ['killed', 1],
    ['killed', 3],
    ['closed', 1],
  ] as const)(
    'of a directory that was %s (last batch of %i) (X-13, F-5)',
    async (ending, batch) => {
      const { lastZxid, ...rest } = await sample(ending, batch)
      let refused = 0
      let served = 0
      for (const name of rest.files.names(DIRECTORY)) {
        const path = `${DIRECTORY}/${name}`
        const bytes = rest.files.peek(path)!
        const end = Math.min(bytes.length, endOf(bytes) + 64) // not all of the zeros behind
        for (let offset = 0; offset < end; offset++) {
          const chosen = process.env['FLIPS'] === 'all' ? FLIPS : [FLIPS[offset % FLIPS.length]!]
          for (const [what, flip] of chosen) {
            if (flip(bytes[offset]!) === bytes[offset]) continue
            const where = `${name}, ${what} at ${offset}`
            const got = await outcome(
              { ...rest },
              (copy) => copy.corrupt(path, offset, flip),
              where,
            )
            if (got instanceof StoreError) refused += 1
            else {
              served += 1
              expect(got, where).toBe(lastZxid)
            }
          }
        }
      }
      expect(refused).toBeGreaterThan(1000)
      expect(served).toBeGreaterThan(100)
    },
  )
})

describe('sectors', () => {
  test('of synced batches that turn to zeros are damage, not the end (F-4, N-4)', async () => {
    const { files, digests, lastZxid, newest, lastBatchStart } = await sample('killed')
    for (const name of ['log.1', 'log.4', newest]) {
      const path = `${DIRECTORY}/${name}`
      const bytes = files.peek(path)!
      for (let start = 0; start < endOf(bytes); start += 512) {
        const isLastBatch = name === newest && start + 512 > lastBatchStart
        const zeroed = Buffer.from(bytes).fill(0, start, Math.min(start + 512, bytes.length))
        const where = `${name}, sector at ${start}`
        const got = await outcome({ files, digests }, (copy) => copy.seed(path, zeroed), where)
        // a sector of the last batch alone may be taken for a torn write: that cannot be told
        if (!(got instanceof StoreError) && !isLastBatch) expect(got, where).toBe(lastZxid)
        if (isLastBatch) expect(got instanceof StoreError || got >= lastZxid - 2n).toBe(true)
      }
    }
  })

  test('of a log without marks: zeros before valid records are refused (F-4a)', async () => {
    const files = newDisk()
    const { store, tree } = await openSim(files)
    const digests = new Map([[0n, tree.treeDigest]])
    for (let zxid = 1n; zxid <= 6n; zxid++) {
      const body = zxid === 1n ? create('/a') : setData('/a', Buffer.alloc(400, 5), Number(zxid))
      applyAndAppend(tree, store, txnOf(zxid, body))
      digests.set(zxid, tree.treeDigest)
    }
    store.flush()
    await store.close() // cuts the mark off, as if Apache had written the file
    const path = `${DIRECTORY}/log.1`
    const zeroed = files.peek(path)!.fill(0, 512, 1024)
    const got = await outcome({ files, digests }, (copy) => copy.seed(path, zeroed), 'hole')
    expect(got).toMatchObject({ file: path, offset: expect.any(Number) })
    expect(String(got)).toContain('valid records follow')
  })
})

describe('cut files', () => {
  test('at every length: a state that was, never another; only the newest may lose its end (F-3)', async () => {
    const { files, digests, lastZxid, newest } = await sample('closed')
    for (const name of files.names(DIRECTORY).filter((each) => /^(log|snapshot)/.test(each))) {
      const path = `${DIRECTORY}/${name}`
      const bytes = files.peek(path)!
      for (let length = 0; length < bytes.length; length++) {
        const where = `${name} cut to ${length}`
        const cut = bytes.subarray(0, length)
        const got = await outcome({ files, digests }, (copy) => copy.seed(path, cut), where)
        if (!(got instanceof StoreError) && name !== newest) expect(got, where).toBe(lastZxid)
      }
    }
  })

  test('a header cut short holds nothing, whatever its name (B-31, B-32)', async () => {
    const { files, digests, lastZxid } = await sample('closed')
    for (let length = 0; length <= 16; length++) {
      const header = files.peek(`${DIRECTORY}/log.1`)!.subarray(0, length)
      const got = await outcome(
        { files, digests },
        (copy) => copy.seed(`${DIRECTORY}/log.20`, header),
        `header of ${length}`,
      )
      expect(got).toBe(lastZxid)
    }
  })
})

describe('names', () => {
  const cases: [string, (files: SimFileSystem) => void, 'right' | RegExp][] = [
    ['no zxid', (files) => files.seed(`${DIRECTORY}/log.`, Buffer.from('x')), 'right'],
    ['no hex', (files) => files.seed(`${DIRECTORY}/log.zz`, Buffer.from('x')), 'right'],
    ['a negative zxid', (files) => files.seed(`${DIRECTORY}/log.-1`, Buffer.from('x')), 'right'],
    ['foreign files', (files) => files.seed(`${DIRECTORY}/notes.txt`, Buffer.from('x')), 'right'],
    [
      'a copy of a log beside it',
      (files) => files.seed(`${DIRECTORY}/log.1.bak`, files.peek(`${DIRECTORY}/log.1`)!),
      'right',
    ],
    [
      'an unfinished snapshot',
      (files) => files.seed(`${DIRECTORY}/new.snapshot.9`, Buffer.from('x')),
      'right',
    ],
    ['a directory as log', (files) => files.seedDirectory(`${DIRECTORY}/log.20`), /a directory/],
    [
      'a snapshot from the future',
      (files) => files.seed(`${DIRECTORY}/snapshot.ffff`, Buffer.from('junk')),
      /transactions would be lost/,
    ],
    [
      'a directory as snapshot',
      (files) => files.seedDirectory(`${DIRECTORY}/snapshot.ffff`),
      /a directory/,
    ],
    [
      'an older snapshot under a later name',
      (files) => files.seed(`${DIRECTORY}/snapshot.ffff`, files.peek(`${DIRECTORY}/snapshot.3`)!),
      /it ends at 0x3, before the zxid of its name/,
    ],
    [
      'snapshots swapped',
      (files) => {
        const [left, right] = ['snapshot.0', 'snapshot.3'].map((name) =>
          files.peek(`${DIRECTORY}/${name}`)!,
        )
        files.seed(`${DIRECTORY}/snapshot.0`, right!)
        files.seed(`${DIRECTORY}/snapshot.3`, left!)
      },
      'right',
    ],
    [
      'a log under another name',
      (files) => files.seed(`${DIRECTORY}/log.9`, files.peek(`${DIRECTORY}/log.6`)!),
      /not that of the file's name/,
    ],
    [
      'two logs swapped',
      (files) => {
        const [left, right] = ['log.4', 'log.6'].map((name) => files.peek(`${DIRECTORY}/${name}`)!)
        files.seed(`${DIRECTORY}/log.4`, right!)
        files.seed(`${DIRECTORY}/log.6`, left!)
      },
      /not that of the file's name/,
    ],
  ]
  test.each(cases)('%s (X-13)', async (_what, change, expected) => {
    const { files, digests, lastZxid } = await sample('closed')
    const got = await outcome({ files, digests }, change, _what)
    if (expected === 'right') expect(got).toBe(lastZxid)
    else expect(String(got)).toMatch(expected)
  })

  test('a log in the middle is missing: refused with what is missing (I-12, N-4)', async () => {
    const { files } = await sample('closed')
    const only = newDisk()
    for (const name of ['snapshot.0', 'log.1', 'log.6']) {
      only.seed(`${DIRECTORY}/${name}`, files.peek(`${DIRECTORY}/${name}`)!)
    }
    await expect(openSim(only)).rejects.toMatchObject({
      message: expect.stringMatching(/0x6 after 0x3: some are missing/),
      file: `${DIRECTORY}/log.6`,
      offset: 16,
    })
  })

  test("snapshots and logs in each other's directories are refused", async () => {
    const { files } = await sample('closed')
    files.seed('/logs/version-2/snapshot.0', files.peek(`${DIRECTORY}/snapshot.0`)!)
    await expect(openSim(files, { dataLogDir: '/logs' })).rejects.toThrow(/belong/)
  })
})

describe('logs of a real server', () => {
  test('every byte of the newest one (X-13, F-5)', async () => {
    const source = new URL('../../golden/disk/plain-395/data/version-2/', import.meta.url).pathname
    const files = newDisk()
    for (const name of readdirSync(source)) {
      files.seed(`${DIRECTORY}/${name}`, readFileSync(source + name))
    }
    const { lastZxid, tree } = await openSim(files.fork(seededRandom(1)))
    const digests = new Map([[lastZxid, tree.treeDigest]])
    const path = `${DIRECTORY}/log.f`
    for (let offset = 0; offset < files.peek(path)!.length - 64; offset++) {
      const where = `log.f at ${offset}`
      const flip = (byte: number) => byte ^ 0xff
      const got = await outcome(
        { files, digests },
        (copy) => copy.corrupt(path, offset, flip),
        where,
      )
      if (!(got instanceof StoreError)) expect(got, where).toBe(lastZxid)
    }
  })
})

function endOf(bytes: Buffer): number {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return end
}
