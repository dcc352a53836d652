/** Fencing methods and their three results (H-7, T3, T18). */
import { describe, expect, test } from 'vitest'
import { silent } from '../../ensemble/sys/logger.ts'
import type { HttpResponse } from '../../ensemble/sys/http.ts'
import type { Exit, SpawnOptions } from '../../ensemble/sys/process.ts'
import { runFencing, type FencingResult } from '../../failover/fencing.ts'
import type { FencingMethod } from '../../failover/settings.ts'
import { Host, Proc, settingsFor, Timeline } from '../support/failover-world.ts'

const ORDER = { target: 'b', token: 500n, targetToken: 400n, leaseLeftMs: 1234.5 }

/** What commands do, by their name: exit status, `hang`, or `missing`. */
type Programs = Readonly<Record<string, number | 'hang' | 'missing'>>

async function fence(
  method: FencingMethod,
  world: { programs?: Programs; http?: () => Promise<HttpResponse>; abortAfterMs?: number } = {},
) {
  const timeline = new Timeline()
  const { clock } = new Proc(new Host(timeline))
  const ran: { argv: readonly string[]; env: Readonly<Record<string, string>> }[] = []
  const killed: string[] = []
  const abort = new AbortController()
  if (world.abortAfterMs !== undefined) clock.setTimer(world.abortAfterMs, () => abort.abort())
  const sys = {
    clock,
    log: silent,
    http: { request: world.http ?? (() => Promise.reject(new Error('ECONNREFUSED'))) },
    process: {
      pid: 1,
      isAlive: () => false,
      killGroup: () => true,
      spawn: ({ argv, env, onOutput }: SpawnOptions) => {
        ran.push({ argv, env: env ?? {} })
        const outcome = world.programs?.[argv[0] ?? ''] ?? 0
        const { promise, resolve } = Promise.withResolvers<Exit>()
        onOutput?.(Buffer.alloc(100_000, 'x'), 'stderr')
        if (outcome === 'missing') resolve({ code: null, signal: null, error: new Error('ENOENT') })
        else if (outcome !== 'hang') {
          clock.setTimer(10, () => resolve({ code: outcome, signal: null }))
        }
        return {
          pid: 5,
          exited: promise,
          kill: (signal: string) => {
            killed.push(argv[0] ?? '')
            resolve({ code: null, signal })
          },
        }
      },
    },
  }
  let result: FencingResult | null = null
  const settings = settingsFor('a', ['a', 'b'])
  void runFencing(method, ORDER, settings, sys, abort.signal).then((done) => (result = done))
  await timeline.advance(60_000, () => result !== null)
  return {
    result: (result as FencingResult | null)?.result,
    ran,
    killed,
    atMs: timeline.nowMs - 1000,
  }
}

describe('graceful: only the target itself can confirm (H-1 a)', () => {
  const method: FencingMethod = { kind: 'graceful', timeoutMs: 500 }
  const says = (body: unknown, status = 200) => ({
    http: () => Promise.resolve({ status, headers: {}, body: JSON.stringify(body) }),
  })
  test.each([
    ['standby at our token', says({ role: 'standby', token: '500' }), 'confirmed'],
    ['standby at a higher one', says({ role: 'standby', token: '501' }), 'confirmed'],
    ['standby at a lower one', says({ role: 'standby', token: '499' }), 'failed'],
    ['standby without a token', says({ role: 'standby' }), 'failed'],
    ['active', says({ role: 'active', token: '500' }), 'failed'],
    ['a plain 200', says(''), 'failed'],
    ['an error', says({}, 500), 'failed'],
  ])('%s', async (_, world, expected) => {
    expect((await fence(method, world)).result).toBe(expected)
  })
  test('a refused connection, a time-out prove nothing: a partition looks the same', async () => {
    expect((await fence(method)).result).toBe('unknown')
  })
})

describe('a command claims, a verify confirms (H-7, T18)', () => {
  const argv = [
    'fence',
    '{target.host}',
    '{target.port}',
    '{token}',
    '{target.token}',
    '{self.member}',
  ]
  const plain: FencingMethod = { kind: 'command', argv, timeoutMs: 1000 }
  const trusted: FencingMethod = { ...plain, trustExitCode: true }
  const verified: FencingMethod = {
    ...plain,
    verify: { argv: ['is-off', '{target.host}'], timeoutMs: 500 },
  }
  test.each<[string, FencingMethod, Programs, string]>([
    ['exit 0 alone is only a claim', plain, { fence: 0 }, 'unknown'],
    ['exit 0, trusted by the operator', trusted, { fence: 0 }, 'confirmed'],
    ['exit 0, seen off', verified, { fence: 0, 'is-off': 0 }, 'confirmed'],
    ['a fence that lies', verified, { fence: 0, 'is-off': 1 }, 'failed'],
    ['nobody could look', verified, { fence: 0, 'is-off': 'hang' }, 'unknown'],
    ['no such verify', verified, { fence: 0, 'is-off': 'missing' }, 'unknown'],
    ['exit 1', trusted, { fence: 1 }, 'failed'],
    ['it hangs', trusted, { fence: 'hang' }, 'unknown'],
    ['no such command', trusted, { fence: 'missing' }, 'unknown'],
  ])('%s', async (_, method, programs, expected) => {
    expect((await fence(method, { programs })).result).toBe(expected)
  })

  test('it is told who, and with which token, without a shell (S-19)', async () => {
    const { ran } = await fence(trusted)
    expect(ran[0]?.argv).toEqual(['fence', 'b.example', '8080', '500', '400', 'a'])
    expect(ran[0]?.env).toMatchObject({
      HOWDAH_FENCING_TOKEN: '500',
      HOWDAH_LEASE_MS: '1234',
      HOWDAH_TARGET_MEMBER: 'b',
    })
  })

  test('when its time is over its process group is killed (S-19)', async () => {
    const { killed, atMs } = await fence(trusted, { programs: { fence: 'hang' } })
    expect(killed).toEqual(['fence'])
    expect(atMs).toBeLessThan(1100)
  })

  test('a lost lock interrupts it', async () => {
    const { result, killed, atMs } = await fence(trusted, {
      programs: { fence: 'hang' },
      abortAfterMs: 50,
    })
    expect({ result, killed }).toEqual({ result: 'unknown', killed: ['fence'] })
    expect(atMs).toBeLessThan(100)
  })

  test('a plain {host} is an error in fencing: it could be the wrong one', async () => {
    const { result, ran } = await fence({ ...trusted, argv: ['fence', '{host}'] })
    expect({ result, ran }).toEqual({ result: 'unknown', ran: [] })
  })
})
