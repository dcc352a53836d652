/** When old snapshots go: never, behind each snapshot in directories of ours, every so many hours, or by cron. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { connect } from '../../../ensemble/client/index.ts'
import { startServer } from '../../../ensemble/server/index.ts'
import { Retention, type RetentionSettings } from '../../../ensemble/server/retention.ts'
import { silent } from '../../../ensemble/sys/logger.ts'
import { nodeSchedules } from '../../../ensemble/sys/node-schedules.ts'
import type { Schedules } from '../../../ensemble/sys/schedules.ts'

/** Times of day that come when they are told to. */
function steppedSchedules() {
  const due: (() => Promise<void>)[] = []
  const texts: string[] = []
  const schedules: Schedules = {
    start: (cron, run) => {
      texts.push(cron)
      due.push(run)
      return Promise.resolve({ stop: () => void due.splice(0) })
    },
  }
  return { schedules, texts, tick: async () => void (await Promise.all(due.map((run) => run()))) }
}

function retention(settings: RetentionSettings, createdByUs = true) {
  const purges: number[] = []
  const { schedules, texts, tick } = steppedSchedules()
  const made = new Retention({
    settings,
    createdByUs,
    purge: (snapshots) => {
      purges.push(snapshots)
      return Promise.resolve([])
    },
    schedules,
    wallMs: () => Date.UTC(2026, 0, 1, 10, 17),
    log: silent,
  })
  return { made, purges, texts, tick }
}

describe('when', () => {
  test('never', async () => {
    const { made, purges, texts } = retention({ kind: 'never' })
    await made.start()
    await made.afterSnapshot()
    expect([purges, texts]).toEqual([[], []])
  })

  test('behind each snapshot, in directories that we created, and without a schedule', async () => {
    const own = retention({ kind: 'own-directory', snapshots: 4 })
    await own.made.start()
    await own.made.afterSnapshot()
    expect([own.purges, own.texts]).toEqual([[4], []])
    const apaches = retention({ kind: 'own-directory', snapshots: 4 }, false)
    await apaches.made.start()
    await apaches.made.afterSnapshot()
    expect(apaches.purges).toEqual([])
  })

  test('at the start and every so many hours, wherever the directory came from', async () => {
    const { made, purges, texts, tick } = retention(
      { kind: 'hours', hours: 36, snapshots: 3 },
      false,
    )
    await made.start()
    await made.afterSnapshot()
    expect([purges.length, texts]).toEqual([1, ['17 * * * *']])
    for (let hour = 0; hour < 35; hour++) await tick()
    expect(purges.length).toBe(1)
    await tick()
    expect(purges.length).toBe(2)
    made.stop()
    await tick()
    expect(purges.length).toBe(2)
  })

  test('at the start and by cron text', async () => {
    const { made, purges, texts, tick } = retention({
      kind: 'cron',
      cron: '30 3 * * *',
      snapshots: 5,
    })
    await made.start()
    expect([purges, texts]).toEqual([[5], ['30 3 * * *']])
    await tick()
    expect(purges).toEqual([5, 5])
  })

  test('a purge that fails is no end of the schedule (F-9)', async () => {
    const { schedules, tick } = steppedSchedules()
    let tries = 0
    const made = new Retention({
      settings: { kind: 'hours', hours: 1, snapshots: 3 },
      createdByUs: true,
      purge: () => {
        tries++
        return Promise.reject(new Error('EIO'))
      },
      schedules,
      wallMs: () => 0,
      log: silent,
    })
    await made.start()
    await tick()
    expect(tries).toBe(2)
  })
})

test('node-cron calls at the times of its text, until it is stopped', async () => {
  let calls = 0
  const called = new Promise<void>((resolve) => {
    void nodeSchedules
      .start('* * * * * *', () => {
        calls++
        resolve()
        return Promise.resolve()
      })
      .then((schedule) => called.then(() => schedule.stop()))
  })
  await called
  expect(calls).toBe(1)
  await expect(nodeSchedules.start('99 * * * *', () => Promise.resolve())).rejects.toThrow()
})

describe('a server', () => {
  const folders: string[] = []
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
  })

  async function snapshotsAfterWrites(settings: RetentionSettings): Promise<number> {
    const dataDir = mkdtempSync(join(tmpdir(), 'howdah-retention-'))
    folders.push(dataDir)
    const own = { dataDir, clientPort: 0, clientPortAddress: '127.0.0.1', snapCount: 4 }
    await using server = await startServer(
      { ...own, preallocBytes: 65_536, retention: settings },
      silent,
    )
    const zk = await connect(`127.0.0.1:${server.clientPort}`)
    await zk.create('/a', null)
    for (let i = 0; i < 60; i++) await zk.set('/a', String(i))
    await zk.close()
    const names = () =>
      readdirSync(join(dataDir, 'version-2')).filter((name) => name.startsWith('snapshot.'))
    if (settings.kind === 'never') return names().length
    await server.close()
    return names().length
  }

  test('keeps its own directory small without being told, and leaves all of it when told so', async () => {
    expect(await snapshotsAfterWrites({ kind: 'own-directory', snapshots: 3 })).toBeLessThan(6)
    expect(await snapshotsAfterWrites({ kind: 'never' })).toBeGreaterThan(6)
  })
})
