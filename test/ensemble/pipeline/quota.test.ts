/** Quotas: which writes are refused and in which order of checks, as a live Apache 3.9.5 had it. */
import { describe, expect, test } from 'vitest'
import { Code } from '../../../ensemble/protocol/error-codes.ts'
import { MultiRequest, MultiResponse } from '../../../ensemble/protocol/multi.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import * as requests from '../../../ensemble/protocol/requests.ts'
import { readQuota } from '../../../ensemble/tree/quota.ts'
import { PipelineBench, type BenchClient } from '../../support/pipeline-bench.ts'

const OPEN = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]

class QuotaBench {
  readonly bench: PipelineBench
  readonly #client: BenchClient

  /** `/q` with five bytes, and these limits. */
  constructor(limits: string, enforceQuota = true) {
    this.bench = new PipelineBench({ enforceQuota })
    this.#client = this.bench.client()
    this.create('/q', '12345')
    this.create('/zookeeper/quota/q')
    this.create('/zookeeper/quota/q/zookeeper_limits', limits)
    this.create('/zookeeper/quota/q/zookeeper_stats')
  }

  create(path: string, data = '', flags = 0): number {
    const value = { path, data: Buffer.from(data), acl: OPEN, flags }
    return this.#client.call(Op.create, { record: requests.CreateRequest, value }).err
  }

  set(path: string, data: string, version = -1): number {
    const value = { path, data: Buffer.from(data), version }
    return this.#client.call(Op.setData, { record: requests.SetDataRequest, value }).err
  }

  delete(path: string): number {
    const value = { path, version: -1 }
    return this.#client.call(Op.delete, { record: requests.DeleteRequest, value }).err
  }

  /** The results of a multi that creates these. */
  multi(paths: readonly string[]): number[] {
    const value = paths.map((path) => ({
      type: Op.create,
      path,
      data: null,
      acl: OPEN,
      flags: 0,
    }))
    const { body } = this.#client.call(Op.multi, { record: MultiRequest, value })
    return MultiResponse.decode(body).map((result) => ('err' in result ? result.err : Code.ok))
  }

  get usage(): string {
    const { tree } = this.bench
    return String(tree.data(tree.find('/zookeeper/quota/q/zookeeper_stats')))
  }
}

describe('a hard quota (S-15)', () => {
  test('refuses nodes and bytes beyond it, and nothing else', () => {
    const world = new QuotaBench('count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=3')
    expect(world.create('/q/1', '12345')).toBe(Code.ok)
    expect(world.create('/q/2', '1')).toBe(Code.quotaExceeded)
    expect(world.create('/q/2')).toBe(Code.ok)
    expect(world.create('/q/3')).toBe(Code.quotaExceeded)
    expect(world.create('/qq', 'not below the quota')).toBe(Code.ok)
    expect(world.delete('/q/2')).toBe(Code.ok)
    expect(world.usage).toBe('count=2,bytes=10')
  })

  test('is looked at behind the checks of a create, and before the version of a setData', () => {
    const world = new QuotaBench('count=-1,bytes=-1=;byteHardLimit=5;countHardLimit=1')
    expect(world.create('/q/x/y')).toBe(Code.noNode)
    expect(world.create('/q')).toBe(Code.nodeExists)
    expect(world.set('/q', '123456', 77)).toBe(Code.quotaExceeded)
    expect(world.set('/q', '54321', 77)).toBe(Code.badVersion)
  })

  test('refuses every other length above it, a smaller one too', () => {
    const world = new QuotaBench('count=-1,bytes=-1=;byteHardLimit=2')
    expect(world.set('/q', '1234')).toBe(Code.quotaExceeded)
    expect(world.set('/q', '54321')).toBe(Code.ok)
    expect(world.set('/q', '12')).toBe(Code.ok)
  })

  test('takes no data for a length of 0', () => {
    const world = new QuotaBench('count=-1,bytes=-1')
    expect(world.multi(['/q/null'])).toEqual([Code.ok])
    world.set('/zookeeper/quota/q/zookeeper_limits', 'byteHardLimit=0')
    expect(world.set('/q/null', '')).toBe(Code.ok)
  })

  test('counts what has been applied: a multi may go beyond it, the next write may not', () => {
    const world = new QuotaBench('count=-1,bytes=-1=;countHardLimit=2')
    expect(world.multi(['/q/1', '/q/2', '/q/3'])).toEqual([0, 0, 0])
    expect(world.usage).toBe('count=4,bytes=5')
    expect(world.create('/q/4')).toBe(Code.quotaExceeded)
    expect(world.multi(['/other', '/q/5', '/q/6'])).toEqual([
      Code.ok,
      Code.quotaExceeded,
      Code.runtimeInconsistency,
    ])
    expect(world.create('/other')).toBe(Code.ok)
  })

  test('wins over a soft one, and refuses only where quotas are enforced', () => {
    const limits = 'count=1,bytes=-1=;countHardLimit=2'
    const world = new QuotaBench(limits)
    expect(world.create('/q/1')).toBe(Code.ok)
    expect(world.create('/q/2')).toBe(Code.quotaExceeded)
    const lenient = new QuotaBench(limits, false)
    expect(lenient.create('/q/1')).toBe(Code.ok)
    expect(lenient.bench.excesses).toEqual([])
    expect(lenient.create('/q/2')).toBe(Code.ok)
    expect(lenient.bench.excesses).toMatchObject([
      { quotaPath: '/q', path: '/q/2', kind: 'count', limit: 2, usage: 3, isRefused: false },
    ])
  })

  test('that cannot be read fails the write; usage that is missing lets it pass', () => {
    const world = new QuotaBench('nonsense')
    expect(world.create('/q/1')).toBe(Code.marshallingError)
    expect(world.set('/zookeeper/quota/q/zookeeper_limits', 'countHardLimit=0')).toBe(Code.ok)
    expect(world.create('/q/1')).toBe(Code.quotaExceeded)
    expect(world.delete('/zookeeper/quota/q/zookeeper_stats')).toBe(Code.ok)
    expect(world.create('/q/1')).toBe(Code.ok)
    expect(new QuotaBench('nonsense', false).create('/q/1')).toBe(Code.ok)
  })
})

test('a soft quota tells, and lets pass', () => {
  const world = new QuotaBench('count=1,bytes=3')
  expect(world.create('/q/1', 'x')).toBe(Code.ok)
  expect(world.bench.excesses).toMatchObject([
    { kind: 'count', limit: 1, usage: 2, isHard: false, isRefused: false },
    { kind: 'bytes', limit: 3, usage: 6, isHard: false, isRefused: false },
  ])
})

test.each([
  ['', {}],
  [',', {}],
  ['count=1,', { count: 1 }],
  ['count=+2;;,bytes=-3', { count: 2, bytes: -3 }],
  ['count==5', { count: -1 }],
  ['count=5=6', { count: 5 }],
  ['=5;count=1', { count: 1 }],
  ['other=1', {}],
  [',count=1', null],
  ['count=', null],
  ['count= 1', null],
  ['=', null],
  ['nonsense', null],
  ['count=9223372036854775808', null],
  ['count=-9223372036854775809', null],
  [`count=${'0'.repeat(30)}7`, { count: 7 }],
  ['count=-7', { count: -7 }],
])('the text %j is read as Java reads it', (text, numbers) => {
  const none = { count: -1, bytes: -1, countHardLimit: -1, byteHardLimit: -1 }
  expect(readQuota(Buffer.from(text))).toEqual(numbers === null ? null : { ...none, ...numbers })
})

test.each([
  ['limits', '/zookeeper/quota/q/zookeeper_limits', `count=-1${',a=1'.repeat(150_000)}`],
  ['usage', '/zookeeper/quota/q/zookeeper_stats', `count=1${',a=1'.repeat(150_000)}`],
])('%s of half a megabyte are no quota, and hold up no write below (S-15)', (_what, path, text) => {
  // Whoever may write there could else make one multi below it last for a minute.
  const quota = new QuotaBench('count=100000,bytes=100000000', false)
  expect(quota.set(path, text)).toBe(Code.ok)
  const before = process.cpuUsage()
  const results = quota.multi(Array.from({ length: 3000 }, (_, at) => `/q/n${at}`))
  const { user, system } = process.cpuUsage(before)
  expect(new Set(results)).toEqual(new Set([Code.ok]))
  expect(user + system).toBeLessThan(2_000_000)
})

test('what is too long to be a limit cannot be read: writes below it fail where quotas count (S-15)', () => {
  const quota = new QuotaBench('count=10')
  expect(quota.set('/zookeeper/quota/q/zookeeper_limits', `count=10${','.repeat(2000)}`)).toBe(0)
  expect(quota.create('/q/a')).toBe(Code.marshallingError)
  expect(quota.set('/zookeeper/quota/q/zookeeper_limits', 'count=10')).toBe(Code.ok)
  expect(quota.create('/q/a')).toBe(Code.ok)
})
