/** `howdah snapshot`: what it shows, the directory it makes, and what it refuses. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { connect } from '../../ensemble/client/index.ts'
import { startServer } from '../../ensemble/server/index.ts'
import { silent } from '../../ensemble/sys/logger.ts'
import { lockDirectory } from '../../ensemble/sys/node-directory-lock.ts'
import { runCommandLine } from '../../toolkit/command-line.ts'
import { GOLDEN } from '../support/golden.ts'
import { fuzzySnapshot } from '../support/fuzzy-snapshot.ts'

const APACHES = join(GOLDEN, 'disk/gz-380/data/version-2/snapshot.e.gz')

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'howdah-snapshot-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function howdah(...words: string[]): Promise<{ status: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const status = await runCommandLine(['snapshot', ...words], {
    env: {},
    isTerminal: false,
    out: (text) => (out += text),
    err: (text) => (err += text),
    signal: new AbortController().signal,
  })
  return { status, out, err }
}

test('show tells what a snapshot of Apache’s holds, whatever it is called now', async () => {
  const renamed = join(folder, 'backup.bin')
  copyFileSync(APACHES, renamed)
  const { status, out } = await howdah('show', renamed, '-o', 'json')
  expect(status).toBe(0)
  expect(JSON.parse(out)).toEqual({
    zxid: '0xe',
    format: 'gz',
    sizeBytes: 376,
    nodes: 11,
    ephemerals: 0,
    sessions: 0,
    dataBytes: 3119,
    digest: '15411444147',
    exactness: 'exact',
    problem: null,
  })
  expect((await howdah('show', renamed)).out).toContain('format\tgz\n')
})

test('restore makes a directory that a server serves, in a history of its own (H-2)', async () => {
  const dataDir = join(folder, 'new', 'data')
  const { status, out, err } = await howdah('restore', APACHES, '--into', dataDir)
  expect([status, err]).toEqual([0, ''])
  expect(out).toBe(
    `restored 11 nodes into ${dataDir}/version-2/snapshot.1000000000001\n` +
      'the new history begins at zxid 0x1000000000001; left out: 0 sessions, 0 ephemeral nodes\n',
  )
  const own = { dataDir, clientPort: 0, clientPortAddress: '127.0.0.1', preallocBytes: 65_536 }
  await using server = await startServer(own, silent)
  await using zk = await connect(`127.0.0.1:${server.clientPort}`)
  expect((await zk.getChildren('/')).children.length).toBeGreaterThan(1)
  expect(server.lastZxid).toBeGreaterThan(1n << 48n)
})

test('--above puts the new history above what the lost ensemble had given (H-2)', async () => {
  const { out } = await howdah('restore', APACHES, '--into', folder, '--above', '0x3000000000005')
  expect(out).toContain('begins at zxid 0x4000000000001;')
})

test('a directory with myid alone is taken, and so is what an interrupted restore left', async () => {
  writeFileSync(join(folder, 'myid'), '1\n')
  mkdirSync(join(folder, 'version-2'))
  writeFileSync(join(folder, 'version-2', 'new.snapshot.1000000000001'), 'half')
  expect((await howdah('restore', APACHES, '--into', folder)).status).toBe(0)
  expect(readdirSync(join(folder, 'version-2')).toSorted()).toEqual([
    'howdah.created',
    'snapshot.1000000000001',
  ])
})

test('what cannot be is refused in one line, and nothing is changed (X-14, X-12)', async () => {
  const used = join(folder, 'used')
  mkdirSync(join(used, 'version-2'), { recursive: true })
  writeFileSync(join(used, 'version-2', 'log.1'), 'x')
  const other = join(folder, 'other')
  mkdirSync(other)
  writeFileSync(join(other, 'notes.txt'), 'x')
  const cut = join(folder, 'cut')
  writeFileSync(cut, readFileSync(APACHES).subarray(0, -20))
  const text = join(folder, 'snapshot.5')
  writeFileSync(text, 'no snapshot')
  const into = ['--into', join(folder, 'made')]
  const refusals: [words: string[], status: number, err: RegExp][] = [
    [['restore', APACHES], 2, /restore needs --into DIR/],
    [['restor', APACHES, ...into], 2, /expected restore or show; did you mean "restore"\?/],
    [['show', APACHES, ...into], 2, /--into is for restore/],
    [['restore', APACHES, ...into, '--above', 'zz'], 2, /expected a zxid such as/],
    [['restore', APACHES, '--into', used], 1, /log\.1: the directory is not empty/],
    [['restore', APACHES, '--into', other], 1, /notes\.txt: the directory is not empty/],
    [['restore', APACHES, '--into', text], 1, /snapshot\.5: not a directory/],
    [['restore', cut, ...into], 1, /damaged, or no snapshot/],
    [['restore', text, ...into], 1, /damaged, or no snapshot/],
    [['restore', join(folder, 'none'), ...into], 1, /none: no such file/],
    [['restore', folder, ...into], 1, /no such file/],
    [['show', text], 1, /damaged, or no snapshot/],
  ]
  for (const [words, status, err] of refusals) {
    const answer = await howdah(...words)
    expect(answer, words.join(' ')).toMatchObject({ status, out: '' })
    expect(answer.err, words.join(' ')).toMatch(err)
    expect(answer.err.trimEnd().split('\n'), words.join(' ')).toHaveLength(1)
  }
  expect(readdirSync(folder).toSorted()).toEqual(['cut', 'other', 'snapshot.5', 'used'])
})

test('one that was taken while its server wrote is refused, unless it is wanted as it is', async () => {
  const fuzzy = join(folder, 'snapshot.8')
  writeFileSync(
    fuzzy,
    fuzzySnapshot(readFileSync(join(GOLDEN, 'disk/plain-395/data/version-2/snapshot.e'))),
  )
  const shown = await howdah('show', fuzzy, '-o', 'yaml')
  expect(shown).toMatchObject({ status: 1 })
  expect(shown.out).toContain('exactness: fuzzy\n')
  const into = ['--into', join(folder, 'made')]
  const refused = await howdah('restore', fuzzy, ...into)
  expect(refused).toMatchObject({ status: 1, out: '' })
  expect(refused.err).toMatch(/taken while its server wrote.* --accept-fuzzy takes it as it is/)
  expect((await howdah('restore', fuzzy, ...into, '--accept-fuzzy')).status).toBe(0)
})

test.runIf(process.platform === 'linux')(
  'a directory that somebody else is at work on is left alone',
  async () => {
    const dataDir = join(folder, 'data')
    const unlock = await lockDirectory(dataDir)
    const { status, err } = await howdah('restore', APACHES, '--into', dataDir)
    expect(status).toBe(1)
    expect(err).toMatch(/data: a server or another restore is at work there: stop it, or use /)
    expect(readdirSync(dataDir)).toEqual([])
    await unlock?.()
    expect((await howdah('restore', APACHES, '--into', dataDir)).status).toBe(0)
  },
)
