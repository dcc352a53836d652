/** The end of a service's process: its whole group, and in a bounded time (H-5, H-14). */
import { expect, test } from 'vitest'
import { silent } from '../../ensemble/sys/logger.ts'
import type { Exit } from '../../ensemble/sys/process.ts'
import type { Sys } from '../../ensemble/sys/sys.ts'
import { Service } from '../../failover/service.ts'
import { settingsProblems, type GroupSettings } from '../../failover/settings.ts'
import { Host, Proc, settingsFor, Timeline } from '../support/failover-world.ts'

const PID = 4711

/** A service that we started, of which only `exit` decides when it ends. */
function started() {
  const timeline = new Timeline()
  const signals: string[] = []
  const { promise: exited, resolve: exit } = Promise.withResolvers<Exit>()
  const sys = {
    clock: new Proc(new Host(timeline)).clock,
    log: { ...silent, child: () => silent },
    process: {
      pid: 1,
      isAlive: () => true,
      killGroup: (pid: number, signal: string) => signals.push(`${signal} ${pid}`) > 0,
      spawn: () => ({ pid: PID, exited, kill: (signal: string) => void signals.push(signal) }),
    },
  } as unknown as Sys // what a service uses to start and end its process
  const settings = settingsFor('a', ['a', 'b'])
  const service = new Service(
    { ...settings, service: { ...settings.service, start: ['service'] } },
    sys,
    () => {},
  )
  service.start()
  return { service, timeline, signals, exit }
}

test('one that cannot be killed is not confirmed to be gone, and holds nobody up', async () => {
  const { service, timeline, signals } = started()
  const killed = service.kill()
  await timeline.advance(5000)
  expect(await killed).toBe(false)
  expect(signals).toEqual(['SIGTERM', 'SIGKILL'])
  expect(service.running).toBe(true)
})

test('what its leader had started does not go on without it', async () => {
  const { service, timeline, signals, exit } = started()
  exit({ code: 0, signal: null })
  await timeline.advance(1)
  expect(service.running).toBe(false)
  expect(signals).toEqual([`SIGKILL ${PID}`])
})

test('leases do not protect from a service that nobody could stop beside a hung controller (H-10)', () => {
  const settings = settingsFor('a', ['a', 'b'])
  const byCommand: GroupSettings = {
    ...settings,
    service: {
      ...settings.service,
      deactivate: { kind: 'command', argv: ['stop'], timeoutMs: 1000 },
    },
  }
  const supervised = { ...byCommand, service: { ...byCommand.service, start: ['service'] } }
  expect(settingsProblems(settings)).toEqual([])
  expect(settingsProblems(byCommand).join()).toContain('protection: lease')
  expect(settingsProblems(supervised).join()).toContain('watchdog')
  expect(settingsProblems({ ...supervised, watchdog: 'automatic' })).toEqual([])
  expect(settingsProblems({ ...byCommand, protection: ['lease', 'token'] })).toEqual([])
})
