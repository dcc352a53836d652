/** Which quota covers a path. */
import { expect, test } from 'vitest'
import { QuotaPaths } from '../../../ensemble/tree/quota.ts'

function quotas(...paths: string[]): QuotaPaths {
  const found = new QuotaPaths()
  for (const path of paths) found.add(path)
  return found
}

test.each([
  ['/q', '/q'],
  ['/q/x', '/q'],
  ['/qq', null],
  ['/a', null],
  ['/a/bb', '/a/bb'],
  ['/a/bb/c/d', '/a/bb'],
  ['/a/bbb', null],
  ['/a/bbb/c', null],
  ['/a/bb/longest', '/a/bb/longest'],
  ['/a/bb/longest/still', '/a/bb/longest'],
  ['/zzzzzzzzzzzzzzzzzzz', null],
  ['/', null],
])('%s is covered by %s', (path, covering) => {
  expect(quotas('/q', '/a/bb', '/a/bb/longest').covering(path)).toBe(covering)
})

test('a path of ten thousand names is looked up only as far as there are quotas (S-15)', () => {
  const found = quotas('/q', '/other')
  const before = process.cpuUsage()
  for (let at = 0; at < 100; at++) {
    expect(found.covering(`/q${'/a'.repeat(10_000)}${at}`)).toBe('/q')
  }
  const { user, system } = process.cpuUsage(before)
  expect(user + system).toBeLessThan(1_000_000)
})
