/**
 * Bytes that rot under a real server (F-3, F-5, X-13): it refuses to start, says file, offset and what
 * to do in one line, and leaves every file as it was. A torn tail, which a crash leaves behind, is
 * repaired without a word from anybody (F-4).
 */
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect } from '../../ensemble/client/index.ts'
import { freePort, ours, ServerProcess } from '../support/server-process.ts'
import { differences, dumpTree, type DumpedNode } from '../support/tree-dump.ts'

/** Source: ExitCode UNABLE_TO_ACCESS_DATADIR, 3.9.5 */
const DATA_DIRECTORY_EXIT = 3
const NODES = 500

let root = ''
/** A data directory after a clean stop: a snapshot of the start, and one log. */
let original = ''
let expected = new Map<string, DumpedNode>()
let count = 0

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'howdah-corrupt-'))
  const folder = join(root, 'original')
  const options = { folder, port: await freePort(), settings: { preAllocSize: 1024 } }
  const server = await ServerProcess.start(ours, options)
  const client = await connect(server.connectString)
  const names = Array.from({ length: NODES }, (_, at) => `/n${at}`)
  await Promise.all(names.map((path) => client.create(path, `data of ${path}`)))
  expected = await dumpTree(client)
  await client.close()
  expect((await server.stop()).code).toBe(0)
  original = join(folder, 'data')
})

afterAll(() => rmSync(root, { recursive: true, force: true }))

/** A copy of the directory, to be damaged. */
function copy(): { folder: string; log: string; snapshot: string } {
  const folder = join(root, String(count++))
  const versionTwo = join(folder, 'data/version-2')
  cpSync(original, join(folder, 'data'), { recursive: true })
  const names = readdirSync(versionTwo)
  const path = (prefix: string) =>
    join(
      versionTwo,
      names.find((name) => name.startsWith(prefix))!,
    )
  return { folder, log: path('log.'), snapshot: path('snapshot.') }
}

function flip(path: string, offset: number): void {
  const bytes = readFileSync(path)
  bytes[offset]! ^= 0x10
  writeFileSync(path, bytes)
}

/** Where the last record's bytes end; behind it are the zeros of preallocation. */
function usedBytes(path: string): number {
  return readFileSync(path).findLastIndex((byte) => byte !== 0) + 1
}

function contents(folder: string): Map<string, string> {
  const versionTwo = join(folder, 'data/version-2')
  return new Map(
    readdirSync(versionTwo).map((name) => {
      return [name, readFileSync(join(versionTwo, name)).toString('base64')]
    }),
  )
}

async function start(folder: string): Promise<ServerProcess> {
  return ServerProcess.spawn(ours, { folder, port: await freePort() })
}

test.each([0.1, 0.5, 0.9])(
  'a byte flipped at %d of the log: refused with file, offset and what to do (F-3, F-5, X-13)',
  async (where) => {
    const { folder, log } = copy()
    const offset = Math.floor(usedBytes(log) * where)
    flip(log, offset)
    const before = contents(folder)
    await using server = await start(folder)
    expect(await server.ended).toEqual({ code: DATA_DIRECTORY_EXIT, signal: null })
    expect(server.stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(server.stderr).toContain(log)
    const named = Number(/at offset (\d+)/.exec(server.stderr)?.[1])
    // The record that the byte is in: at most one record of some 150 bytes away.
    expect(named).toBeGreaterThan(offset - 400)
    expect(named).toBeLessThanOrEqual(offset)
    expect(server.stderr).toMatch(/restore the file from a backup, or start once with -D/)
    expect(contents(folder)).toEqual(before)
  },
)

test('the switch that the message names lets it start with what is before the damage (F-5)', async () => {
  const { folder, log } = copy()
  flip(log, Math.floor(usedBytes(log) * 0.5))
  const refused = await start(folder)
  await refused.ended
  const [flag = 'none'] = /-D[\w.]+=\w+/.exec(refused.stderr) ?? []
  const accepting = { ...ours, command: [...ours.command, flag] }
  await using server = await ServerProcess.start(accepting, { folder, port: await freePort() })
  await using client = await connect(server.connectString)
  const tree = await dumpTree(client)
  expect(tree.size).toBeGreaterThan(NODES * 0.3)
  expect(tree.size).toBeLessThan(NODES * 0.7)
  for (const [path, node] of tree) {
    if (path.startsWith('/n')) expect(node).toEqual(expected.get(path))
  }
  // Nothing was thrown away: what could not be read lies beside.
  const names = readdirSync(join(folder, 'data/version-2'))
  expect(names.length).toBeGreaterThan(2)
})

test('a byte flipped in the only snapshot: refused (F-5, X-13)', async () => {
  const { folder, snapshot } = copy()
  flip(snapshot, Math.floor(statSync(snapshot).size / 2))
  const before = contents(folder)
  await using server = await start(folder)
  expect((await server.ended).code).toBe(DATA_DIRECTORY_EXIT)
  expect(server.stderr.trimEnd().split('\n')).toHaveLength(1)
  expect(server.stderr).toContain(snapshot)
  expect(contents(folder)).toEqual(before)
})

test('logs without any snapshot: refused, with what to do (B-30)', async () => {
  const { folder, snapshot } = copy()
  rmSync(snapshot)
  await using server = await start(folder)
  expect((await server.ended).code).toBe(DATA_DIRECTORY_EXIT)
  expect(server.stderr).toContain('snapshot.trust.empty=true')
})

test('a log that a crash has cut within its last record starts, without that record (F-3, F-4, N-5)', async () => {
  const { folder, log } = copy()
  truncateSync(log, usedBytes(log) - 3)
  await using server = await start(folder)
  await server.ready()
  await using client = await connect(server.connectString)
  // The last record was the session's end.
  expect(differences(expected, await dumpTree(client))).toEqual([])
})

test.each([0, 1, 15])(
  'a log of %d bytes, left by a full disk, is dropped (B-31, B-32)',
  async (bytes) => {
    const { folder, log } = copy()
    const next = join(folder, 'data/version-2/log.7fff')
    writeFileSync(next, readFileSync(log).subarray(0, bytes))
    await using server = await start(folder)
    await server.ready()
    await using client = await connect(server.connectString)
    expect(differences(expected, await dumpTree(client))).toEqual([])
    expect(existsSync(next)).toBe(false)
  },
)

test('files of others in the directory are left alone (X-13)', async () => {
  const { folder } = copy()
  const versionTwo = join(folder, 'data/version-2')
  const foreign = ['log.', 'log.zz', 'log.-1', 'snapshot.zz', 'notes.txt', 'core']
  for (const name of foreign) writeFileSync(join(versionTwo, name), 'whatever')
  await using server = await start(folder)
  await server.ready()
  await using client = await connect(server.connectString)
  expect(differences(expected, await dumpTree(client))).toEqual([])
  for (const name of foreign) expect(readFileSync(join(versionTwo, name), 'utf8')).toBe('whatever')
})
