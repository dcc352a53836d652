/** Settings of zoo.cfg that change what a server does on disk and beside its clients: each with its effect. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { connect } from '../../../ensemble/client/index.ts'
import { Summary } from '../../../ensemble/admin/summary.ts'
import { PauseMonitor } from '../../../ensemble/server/pause-monitor.ts'
import { startServer, type GivenSettings } from '../../../ensemble/server/index.ts'
import type { Clock } from '../../../ensemble/sys/clock.ts'
import { silent, type Logger } from '../../../ensemble/sys/logger.ts'
import { readServerFile } from '../../../toolkit/setup/server-file.ts'
import { StepClock } from '../../support/step-clock.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'howdah-settings-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** What a file with these lines asks for, on a free port. */
function settings(...lines: string[]): GivenSettings {
  const file = join(folder, 'zoo.cfg')
  const base = [
    `dataDir=${join(folder, 'data')}`,
    'clientPort=2181',
    'preAllocSize=64',
    'tickTime=100',
  ]
  writeFileSync(file, `${[...base, ...lines].join('\n')}\n`)
  const options = { sid: null, env: {}, properties: new Map(flagsOf(lines)) }
  const read = readServerFile([file], options)
  return { ...read.settings, clientPort: 0, clientPortAddress: '127.0.0.1' }
}

/** Lines `#-Dname=value` are flags. */
function flagsOf(lines: readonly string[]): [string, string][] {
  return lines
    .map((line) => /^#-D([^=]+)=(.*)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, name = '', value = '']) => [name, value])
}

function recording(): { log: Logger; lines: string[] } {
  const lines: string[] = []
  const note = (_fields: unknown, message: string): void => void lines.push(message)
  return { log: { ...silent, warn: note, info: note }, lines }
}

test('datadir.autocreate=false: a directory that is missing is refused, and not made', async () => {
  const own = settings('datadir.autocreate=false')
  mkdirSync(own.dataDir)
  await expect(startServer(own, silent)).rejects.toThrow(/missing, and datadir.autocreate is false/)
  expect(readdirSync(own.dataDir).filter((name) => name === 'version-2')).toEqual([])
  mkdirSync(join(own.dataDir, 'version-2'))
  await using server = await startServer(own, silent)
  expect(server.mode).toBe('standalone')
})

test('db.autocreate=false: no database is made up, but where `initialize` asks for one', async () => {
  const own = settings('db.autocreate=false')
  await expect(startServer(own, silent)).rejects.toThrow(/db.autocreate is false/)
  writeFileSync(join(own.dataDir, 'initialize'), '')
  await using server = await startServer(own, silent)
  expect(server.lastZxid).toBe(0n)
})

test('txnLogSizeLimitInKb rolls the log, without a snapshot', async () => {
  const own = settings('txnLogSizeLimitInKb=4')
  await using server = await startServer(own, silent)
  await using zk = await connect(`127.0.0.1:${server.clientPort}`)
  await zk.create('/a', null)
  for (let i = 0; i < 6; i++) await zk.set('/a', Buffer.alloc(3000, i))
  const names = readdirSync(join(own.dataDir, 'version-2'))
  expect(names.filter((name) => name.startsWith('log.')).length).toBeGreaterThan(2)
  expect(names.filter((name) => name.startsWith('snapshot.'))).toEqual(['snapshot.0'])
})

test('serializeLastProcessedZxid.enabled=false: 33 bytes behind the seal, as before 3.9', async () => {
  const length = async (line: string): Promise<number> => {
    const own = settings(line)
    await (await startServer(own, silent)).close()
    const bytes = readFileSync(join(own.dataDir, 'version-2', 'snapshot.0'))
    rmSync(own.dataDir, { recursive: true })
    return bytes.length
  }
  const since39 = await length('serializeLastProcessedZxid.enabled=true')
  expect(await length('serializeLastProcessedZxid.enabled=false')).toBe(since39 - 21)
})

test('fsync.warningthresholdms: a write of the log that takes longer is told and counted', async () => {
  const { log, lines } = recording()
  const own = { ...settings(), slowSyncMs: -1 }
  await using server = await startServer(own, log)
  await using zk = await connect(`127.0.0.1:${server.clientPort}`)
  await zk.create('/a', null)
  expect(lines).toContain('the log took long to reach the disk')
  expect(server.edgeCounts.syncsSlow).toBeGreaterThan(0)
})

test('containers that were never used go after maxNeverUsedIntervalMs, others stay', async () => {
  const flag = '#-Dznode.container.checkIntervalMs=50'
  const never = await startServer(settings(flag), silent)
  const kept = await connect(`127.0.0.1:${never.clientPort}`)
  await kept.create('/c', null, { mode: 'container' })
  await kept.close()
  await never.close()
  const own = settings(flag, '#-Dznode.container.maxNeverUsedIntervalMs=1')
  await using server = await startServer(own, silent)
  await expect.poll(() => server.tree.find('/c'), { timeout: 5000, interval: 10 }).toBe(0)
})

test('isro is answered where readonlymode.enabled is', () => {
  expect(settings('#-Dreadonlymode.enabled=true').fourLetterWords).toEqual(['srvr', 'isro'])
  expect(settings().fourLetterWords).toEqual(['srvr'])
})

test('jvm.pause.monitor tells of pauses above its thresholds', async () => {
  expect(settings().pauses).toBeNull()
  const own = settings('jvm.pause.monitor=true', 'jvm.pause.info-threshold.ms=100')
  expect(own.pauses).toEqual({ sleepMs: 500, infoMs: 100, warnMs: 10_000 })
  const clock = new StepClock()
  const { log, lines } = recording()
  const pauses = new Summary()
  let lateMs = 0
  const late: Clock = {
    monotonicMs: () => clock.monotonicMs() + lateMs,
    wallMs: () => clock.wallMs(),
    bootMs: () => clock.bootMs(),
    setTimer: (delayMs, fire) => clock.setTimer(delayMs, fire),
    defer: (run) => clock.defer(run),
  }
  const monitor = new PauseMonitor(own.pauses!, { clock: late, log, pauses })
  monitor.start()
  await clock.advance(500)
  expect(lines).toEqual([])
  lateMs = 700
  await clock.advance(500)
  expect(lines).toEqual(['the process has paused'])
  expect([pauses.count, pauses.max]).toEqual([2, 700])
  monitor.stop()
})
