/**
 * A real server whose disk fills up (F-8, F-9): it ends with a clear error, nothing acknowledged is
 * lost, and once there is space again it starts without anybody's help.
 *
 * The disk is a small tmpfs. Skips aloud where this user cannot mount one.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { connect, ZkError } from '../../ensemble/client/index.ts'
import { freePort, ours, ServerProcess, type ServerOptions } from '../support/server-process.ts'

const MIB = 1024 * 1024
const DISK_MIB = 24
const FILLER_MIB = 10

const root = mkdtempSync(join(tmpdir(), 'howdah-full-disk-'))
const missing = mountable()
if (missing !== null) process.stderr.write(`SKIPPED test/interop/full-disk.test.ts: ${missing}\n`)

function mountable(): string | null {
  const folder = join(root, 'probe')
  mkdirSync(folder)
  const mounted = mount(folder)
  if (mounted !== null) return mounted
  unmount(folder)
  return null
}

/** @returns why not */
function mount(folder: string): string | null {
  const words = ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'howdah-test', folder]
  const { status, stderr } = spawnSync('mount', words, { encoding: 'utf8' })
  return status === 0 ? null : `cannot mount a tmpfs: ${(stderr ?? 'no mount').trim()}`
}

function unmount(folder: string): void {
  spawnSync('umount', ['-l', folder])
}

describe.skipIf(missing !== null)('a full disk', () => {
  const mounted: string[] = []
  let disk = ''

  beforeEach(() => {
    disk = join(root, `disk${mounted.length}`)
    mkdirSync(disk)
    expect(mount(disk)).toBeNull()
    mounted.push(disk)
    writeFileSync(join(disk, 'filler'), Buffer.alloc(FILLER_MIB * MIB))
  })

  afterAll(() => {
    for (const folder of mounted) unmount(folder)
    rmSync(root, { recursive: true, force: true })
  })

  test.each([
    ['by its log', { snapCount: 1_000_000 }],
    ['by its snapshots too', { snapCount: 100 }],
  ])(
    '%s: a clear error, nothing acknowledged lost, a start without help (F-8, F-9, B-35)',
    async (_, more) => {
      const options: ServerOptions = {
        folder: join(disk, 'server'),
        port: await freePort(),
        settings: { preAllocSize: 1024, ...more },
      }
      const server = await ServerProcess.start(ours, options)
      const acknowledged = await writeUntilItEnds(server)
      const { code, signal } = await server.ended
      expect(signal).toBeNull()
      expect(code).toBeGreaterThan(0)
      expect(server.stderr.trimEnd().split('\n')).toHaveLength(1)
      expect(server.stderr).toMatch(/ENOSPC|no space/i)
      expect(server.stderr).toContain(join(options.folder, 'data'))
      expect(acknowledged.size).toBeGreaterThan(50)

      // Still no space: it says so, and touches nothing.
      const names = readdirSync(join(options.folder, 'data/version-2'))
      const refused = ServerProcess.spawn(ours, options)
      const outcome = await refused.ended
      expect(outcome.code).toBe(3)
      expect(refused.stderr).toMatch(/bytes are free|ENOSPC/)
      expect(readdirSync(join(options.folder, 'data/version-2'))).toEqual(names)

      rmSync(join(disk, 'filler'))
      await using again = await ServerProcess.start(ours, options)
      await using client = await connect(again.connectString)
      for (const [path, data] of acknowledged) {
        expect((await client.get(path)).data?.equals(data), path).toBe(true)
      }
      await client.create('/after', 'x')
    },
  )
})

/** Writes until the server is gone; returns what it acknowledged. */
async function writeUntilItEnds(server: ServerProcess): Promise<Map<string, Buffer>> {
  const acknowledged = new Map<string, Buffer>()
  const client = await connect(server.connectString, { closeTimeoutMs: 1 })
  let serial = 0
  let isOver = false
  const write = async (): Promise<void> => {
    while (!isOver) {
      const path = `/n${serial++}`
      const data = Buffer.alloc(10_000, serial)
      try {
        await client.create(path, data)
        acknowledged.set(path, data)
      } catch (error) {
        isOver = true
        if (!(error instanceof ZkError) || error.code !== 'connectionLoss') throw error
      }
    }
  }
  await Promise.all(Array.from({ length: 8 }, write))
  await client.close()
  return acknowledged
}
