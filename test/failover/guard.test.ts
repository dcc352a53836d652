/** The guard of a service: token and deadline on each write, on three clocks. */
import { beforeEach, describe, expect, test } from 'vitest'
import { Guard, NotPermitted } from '../../failover/guard.ts'
import { CLOCK_WANTED } from '../../failover/service-answer.ts'
import { Host, Proc, Timeline } from '../support/failover-world.ts'

let host: Host
let guard: Guard
let seed = 1

async function newGuard(): Promise<Guard> {
  const random = { uint32: () => seed++ }
  const made = new Guard({
    stateFile: '/state/guard.json',
    sys: { files: host.files, clock: new Proc(host).clock, random },
  })
  await made.open()
  return made
}

beforeEach(async () => {
  host = new Host(new Timeline())
  guard = await newGuard()
})

function activate(token: number, leaseMs: number, clock = guard.status.clock) {
  return guard.onActivate({
    'howdah-fencing-token': String(token),
    'howdah-lease-ms': String(leaseMs),
    'howdah-lease-clock': clock,
  })
}

const deactivate = (token: number) => guard.onDeactivate({ 'howdah-fencing-token': String(token) })
const later = (ms: number) => host.timeline.advance(ms)

test('nothing is permitted before the first activation', () => {
  expect(() => guard.permit()).toThrow(NotPermitted)
})

test('a write is permitted with the token, until the deadline', async () => {
  expect(await activate(7, 1000)).toMatchObject({
    status: 200,
    body: { role: 'active', token: '7' },
  })
  expect(guard.permit()).toEqual({ token: 7n })
  await later(999)
  expect(guard.permit()).toEqual({ token: 7n })
  await later(1)
  expect(() => guard.permit()).toThrow('the lease is over')
  expect(guard.role).toBe('standby')
})

describe('a pause (T5, T19, H-11)', () => {
  test.each([0.9, 1, 1.1, 10])('of %f of the lease', async (factor) => {
    await activate(7, 1000)
    host.pause()
    await later(1000 * factor)
    host.wake()
    if (factor < 1) expect(guard.permit()).toEqual({ token: 7n })
    else expect(() => guard.permit()).toThrow(NotPermitted)
  })

  test('a suspended host: the monotonic clock stood still, boot time did not', async () => {
    await activate(7, 1000)
    const before = host.monotonicMs
    host.suspend()
    await later(5000)
    host.wake()
    expect(host.monotonicMs).toBe(before)
    expect(() => guard.permit()).toThrow(NotPermitted)
  })

  test('a wall clock that jumps ahead ends the lease, one that goes back does not (T10, F-17)', async () => {
    await activate(7, 1000)
    host.wallOffsetMs -= 3_600_000
    expect(guard.permit()).toEqual({ token: 7n })
    host.wallOffsetMs += 7_200_000
    expect(() => guard.permit()).toThrow(NotPermitted)
  })
})

describe('renewals', () => {
  test('the same token again moves the deadline', async () => {
    await activate(7, 1000)
    await later(900)
    await activate(7, 1000)
    await later(900)
    expect(guard.permit()).toEqual({ token: 7n })
  })

  test('one that was delayed moves it no further than one that was not (H-10)', async () => {
    await activate(7, 1000)
    const reading = guard.status.clock
    await later(950)
    expect(await activate(7, 1000, reading)).toMatchObject({ status: 200 })
    await later(50)
    expect(() => guard.permit()).toThrow(NotPermitted)
  })

  test('one that overtook another does not shorten the lease', async () => {
    const early = guard.status.clock
    await later(100)
    await activate(7, 1000)
    await activate(7, 500, early)
    await later(900)
    expect(guard.permit()).toEqual({ token: 7n })
  })

  test('without a reading of this process nobody knows its age: it is asked for (H-3)', async () => {
    const headers = { 'howdah-fencing-token': '7', 'howdah-lease-ms': '1000' }
    const answer = await guard.onActivate(headers)
    expect(answer).toMatchObject({ status: 200, body: { role: 'standby', reason: CLOCK_WANTED } })
    expect(guard.role).toBe('standby')
    expect(await activate(7, 1000, answer.body.clock)).toMatchObject({ body: { role: 'active' } })
  })

  test('a reading of the process before this one counts as none', async () => {
    const old = guard.status.clock
    guard = await newGuard()
    expect(await activate(7, 1000, old)).toMatchObject({ body: { reason: CLOCK_WANTED } })
  })

  test('a reading from the future counts as none', async () => {
    const [incarnation] = guard.status.clock.split('_')
    const future = `${incarnation}_999999999_999999999_9999999999999`
    expect(await activate(7, 1000, future)).toMatchObject({ body: { reason: CLOCK_WANTED } })
  })
})

describe('tokens (H-2, H-3)', () => {
  test('a lower one is refused, and changes nothing', async () => {
    await activate(7, 1000)
    expect(await activate(6, 1000)).toMatchObject({ status: 409, body: { token: '7' } })
    expect(await deactivate(6)).toMatchObject({ status: 409, body: { role: 'active' } })
    expect(guard.permit()).toEqual({ token: 7n })
  })

  test('a delayed activate after a stop with the same token is refused (T8)', async () => {
    await activate(7, 1000)
    await deactivate(7)
    expect(await activate(7, 1000)).toMatchObject({ status: 409, body: { role: 'standby' } })
    expect(await activate(8, 1000)).toMatchObject({ status: 200, body: { role: 'active' } })
  })

  test('a stop with a higher token fences: the older grant never comes back (H-1 a)', async () => {
    await activate(7, 1000)
    expect(await deactivate(9)).toMatchObject({
      status: 200,
      body: { role: 'standby', token: '9' },
    })
    expect(await activate(7, 1000)).toMatchObject({ status: 409 })
    expect(await activate(8, 1000)).toMatchObject({ status: 409 })
  })

  test('a stop that arrives while an activation is being written wins', async () => {
    const { clock } = guard.status
    const both = [activate(7, 1000, clock), deactivate(7)] as const
    const [activated] = await Promise.all(both)
    expect(activated).toMatchObject({ status: 409 })
    expect(guard.role).toBe('standby')
  })

  test('the highest is durable before it is accepted, and outlives the process', async () => {
    const answer = activate(7, 1000)
    expect(guard.role).toBe('standby')
    await answer
    expect(host.files.contents.get('/state/guard.json')?.toString()).toContain('"7"')
    guard = await newGuard()
    expect(guard.role).toBe('standby')
    expect(await activate(6, 1000)).toMatchObject({ status: 409 })
    expect(await activate(7, 1000)).toMatchObject({ body: { role: 'active' } })
    await deactivate(7)
    guard = await newGuard()
    expect(await activate(7, 1000)).toMatchObject({ status: 409 })
  })

  test('a state file that cannot be read is an error, never a token of 0', async () => {
    host.files.contents.set('/state/guard.json', Buffer.from('{'))
    await expect(newGuard()).rejects.toThrow('damaged')
  })

  test('a disk that fails: nothing is activated', async () => {
    host.files.rename = () => Promise.reject(new Error('EIO'))
    await expect(activate(7, 1000)).rejects.toThrow('EIO')
    expect(guard.role).toBe('standby')
    await expect(activate(7, 1000)).rejects.toThrow('EIO')
    expect(guard.role).toBe('standby')
  })

  test.each([
    ['no token', {}],
    ['a negative token', { 'howdah-fencing-token': '-1', 'howdah-lease-ms': '1' }],
    ['a token beyond 63 bits', { 'howdah-fencing-token': '9'.repeat(19), 'howdah-lease-ms': '1' }],
    ['two tokens', { 'howdah-fencing-token': ['1', '2'], 'howdah-lease-ms': '1' }],
    ['no lease', { 'howdah-fencing-token': '1' }],
  ])('%s is refused', async (_, headers) => {
    expect(await guard.onActivate(headers)).toMatchObject({ status: 400 })
    expect(guard.role).toBe('standby')
  })
})
