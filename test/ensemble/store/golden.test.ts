/**
 * Data directories of real servers: each recovers to the state that Apache's own loader reached, or is
 * refused. Where our rules differ on purpose, `deviations` says why.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { readSnapshot } from '../../../ensemble/store/snapshot-reader.ts'
import { parseSnapshotName } from '../../../ensemble/store/file-names.ts'
import { StoreError } from '../../../ensemble/store/store-error.ts'
import { VERSION_DIRECTORY } from '../../../ensemble/store/file-names.ts'
import type { Tree } from '../../../ensemble/tree/tree.ts'
import type { StoreOptions } from '../../../ensemble/store/store.ts'
import { newDisk, openSim, seedFrom } from './open-sim.ts'

const ROOT = new URL('../../golden/disk/', import.meta.url).pathname

interface ExpectedNode {
  path: string
  data: string | null
  acl: [number, string, string][]
  stat: Record<string, string | number>
  persisted: { cversion: number; ephemeralOwner: string }
}

interface State {
  lastProcessedZxid: string
  treeDigest: string | null
  sessions: Record<string, number>
  nodes: ExpectedNode[]
}

interface Expected {
  expect: State & { loadable: boolean; loadableWithTrustEmptySnapshot?: boolean }
  afterTruncate?: State
}

/** Folders that we treat otherwise than Apache 3.9.5, and why. */
const deviations: Record<string, string> = {
  'short-header-last-log-380':
    'B-32: a header cut short holds no record, so the file is dropped as an empty one is',
}

const folders = readdirSync(ROOT).filter((name) => existsSync(`${ROOT}${name}/expected.json`))

function expectedOf(folder: string): Expected {
  return JSON.parse(readFileSync(`${ROOT}${folder}/expected.json`, 'utf8')) as Expected
}

async function openFolder(folder: string, options: Partial<StoreOptions> = {}) {
  const files = newDisk()
  seedFrom(files, `${ROOT}${folder}/data`, '/data')
  const hasLogDir = existsSync(`${ROOT}${folder}/datalog`)
  if (hasLogDir) seedFrom(files, `${ROOT}${folder}/datalog`, '/datalog')
  const dataLogDir = hasLogDir ? '/datalog' : '/data'
  const open = () => openSim(files, { dataLogDir, extendedTypes: true, ...options })
  return { files, open, dataLogDir }
}

function hexOf(value: bigint): string {
  return `0x${BigInt.asUintN(64, value).toString(16)}`
}

function nodesOf(tree: Tree): ExpectedNode[] {
  const found: ExpectedNode[] = []
  const visit = (path: string) => {
    const node = tree.find(path)
    const stat = tree.stat(node)
    found.push({
      path: path === '' ? '/' : path,
      data: tree.data(node)?.toString('hex') ?? null,
      acl: tree.acl(node).map(({ perms, id }) => [perms, id.scheme ?? '', id.id ?? '']),
      stat: {
        czxid: hexOf(stat.czxid),
        mzxid: hexOf(stat.mzxid),
        ctime: Number(stat.ctime),
        mtime: Number(stat.mtime),
        version: stat.version,
        cversion: stat.cversion,
        aversion: stat.aversion,
        ephemeralOwner: hexOf(stat.ephemeralOwner),
        dataLength: stat.dataLength,
        numChildren: stat.numChildren,
        pzxid: hexOf(stat.pzxid),
      },
      persisted: { cversion: tree.storedCversion(node), ephemeralOwner: hexOf(tree.owner(node)) },
    })
    for (const name of tree.childNames(node)) visit(`${path}/${name}`)
  }
  visit('')
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

/** A quorum server writes this node by itself, in memory, from its own configuration. */
const CONFIG_PATH = '/zookeeper/config'

function checkState(
  state: State,
  opened: { tree: Tree; sessions: Map<bigint, number>; lastZxid: bigint },
  { exceptConfig = false } = {},
): void {
  expect(hexOf(opened.lastZxid)).toBe(state.lastProcessedZxid)
  expect(Object.fromEntries([...opened.sessions].map(([id, ms]) => [hexOf(id), ms]))).toEqual(
    state.sessions,
  )
  if (state.treeDigest !== null) expect(hexOf(opened.tree.treeDigest)).toBe(state.treeDigest)
  const isCompared = ({ path }: ExpectedNode) => !exceptConfig || path !== CONFIG_PATH
  const nodes = state.nodes.filter(isCompared).toSorted((a, b) => (a.path < b.path ? -1 : 1))
  expect(nodesOf(opened.tree).filter(isCompared)).toEqual(nodes)
}

describe('golden data directories', () => {
  test.each(folders)('%s (I-6, I-11, I-12, F-3, F-4, F-5)', async (folder) => {
    const expected = expectedOf(folder)
    const { open, files } = await openFolder(folder)
    if (expected.expect.loadable) {
      const opened = await open()
      checkState(expected.expect, opened)
      await opened.store.close()
      // and again from what the first start left
      files.crash()
      const again = await open()
      checkState(expected.expect, again)
      expect(again.repairs).toEqual([])
      await again.store.close()
      return
    }
    if (folder in deviations) {
      const opened = await open()
      expect(opened.repairs).toMatchObject([{ kind: 'dropped' }])
      checkState(expectedOf('plain-380').expect, opened)
      return
    }
    const before = files.names(`/data/${VERSION_DIRECTORY}`)
    const error = await open().then(
      () => null,
      (failure: unknown) => failure,
    )
    expect(error).toBeInstanceOf(StoreError)
    expect(error).toMatchObject({ file: expect.stringContaining(`/data/${VERSION_DIRECTORY}`) })
    expect(files.names(`/data/${VERSION_DIRECTORY}`)).toEqual(before)
    if (expected.expect.loadableWithTrustEmptySnapshot) {
      const { open: openTrusting } = await openFolder(folder, { trustEmptySnapshot: true })
      checkState(expected.expect, await openTrusting())
    }
  })

  test.each([
    ['badcrc-last-380', 'log.f'],
    ['badcrc-middle-380', 'log.f'],
    ['badcrc-older-log-380', 'log.1'],
  ])('%s: the refusal names the file, the offset and the switch (F-5)', async (folder, name) => {
    const { open } = await openFolder(folder)
    await expect(open()).rejects.toMatchObject({
      file: `/data/${VERSION_DIRECTORY}/${name}`,
      offset: expect.any(Number),
      message: expect.stringContaining('howdah.acceptDamagedLog'),
    })
  })

  test('accepted damage keeps what is before it and the original aside (F-4, X-13)', async () => {
    const { open, files } = await openFolder('badcrc-last-380', { acceptDamage: true })
    const original = files.peek('/data/version-2/log.f')
    const opened = await open()
    expect(hexOf(opened.lastZxid)).toBe('0x13')
    expect(opened.isTainted).toBe(true)
    expect(files.peek('/data/version-2/damaged.log.f')).toEqual(original)
    await opened.store.close()
    const again = await openSim(files, { extendedTypes: true })
    expect(hexOf(again.lastZxid)).toBe('0x13')
    expect(again.repairs).toEqual([])
  })

  test('a truncated server forgets the newer snapshot too (B-15, I-14)', async () => {
    const folder = 'quorum-truncate-newer-snapshot-380'
    const { open, files } = await openFolder(folder)
    const opened = await open()
    await opened.store.truncateLog(0x100000002n)
    await opened.store.close()
    checkState(expectedOf(folder).afterTruncate!, await open())
    expect(files.names('/data/version-2')).toContain('damaged.snapshot.100000003')
  })

  test.each(['380', '395'])('truncation gives what a real server has (%s)', async (version) => {
    const { open, files } = await openFolder(`quorum-truncate-before-${version}`)
    const opened = await open()
    await opened.store.truncateLog(0x100000005n)
    expect(files.peek('/data/version-2/log.100000001')).toEqual(
      readFileSync(`${ROOT}quorum-truncate-after-${version}/data/version-2/log.100000001`),
    )
    await opened.store.close()
    const { expect: after } = expectedOf(`quorum-truncate-after-${version}`)
    checkState(after, await open(), { exceptConfig: true })
  })

  test('every snapshot, also compressed, is read to the last byte', async () => {
    for (const folder of ['plain-395', 'gz-380', 'snappy-380', 'nodigest-395', 'multilog-380']) {
      const { files } = await openFolder(folder)
      for (const name of files.names('/data/version-2')) {
        const snapshot = parseSnapshotName(name)
        if (snapshot === null) continue
        const { digest } = await readSnapshot(files, '/data/version-2', snapshot, {})
        expect(digest === null).toBe(folder.startsWith('nodigest'))
      }
    }
  })
})
