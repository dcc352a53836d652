/** The values behind administration: summaries, digests, JSON and dates. */
import { describe, expect, test } from 'vitest'
import { Summary, SummarySet } from '../../../ensemble/admin/summary.ts'
import { jsonText, JsonObject, Decimal } from '../../../ensemble/admin/json-text.ts'
import { javaDate } from '../../../ensemble/admin/listings.ts'
import { DigestLog } from '../../../ensemble/pipeline/digest-log.ts'

describe('a summary', () => {
  test('of nothing shows zeros', () => {
    const { count, sum, min, max, average } = new Summary()
    expect({ count, sum, min, max, average }).toEqual({
      count: 0,
      sum: 0,
      min: 0,
      max: 0,
      average: 0,
    })
    expect(new Summary().quantile(0.99)).toBe(0)
  })

  test('rounds its average to four decimals, as Apache prints it', () => {
    expect(summaryOf([1, 1, 0]).average).toBe(0.6667)
  })

  test('has exact percentiles of small values, zeros among them', () => {
    const values = summaryOf([0, 0, 0, 0, 0, 1, 1, 1, 2, 60])
    expect([0.5, 0.6, 0.8, 0.9, 0.99, 1].map((ratio) => values.quantile(ratio))).toEqual([
      0, 1, 1, 2, 60, 60,
    ])
    expect(values.min).toBe(0)
  })

  test.each([64, 100, 999, 12_345, 1_000_000, 2_000_000_000])('is within 3.2 %% at %i', (value) => {
    const values = summaryOf([value, value, value * 1.5])
    const median = values.quantile(0.5)
    expect(median).toBeGreaterThanOrEqual(value)
    expect(median).toBeLessThanOrEqual(Math.ceil(value * 1.032))
    expect(values.quantile(1)).toBeLessThanOrEqual(values.max)
  })

  test('percentiles agree with those of the sorted values', () => {
    const values = Array.from({ length: 1000 }, (_, index) => (index * index * 7919) % 5000)
    const sorted = [...values].sort((left, right) => left - right)
    const summary = summaryOf(values)
    for (const ratio of [0.5, 0.95, 0.99, 0.999]) {
      const exact = sorted[Math.ceil(ratio * 1000) - 1]!
      expect(Math.abs(summary.quantile(ratio) - exact)).toBeLessThanOrEqual(exact * 0.032 + 1)
    }
  })

  test('takes more than fits its steps', () => {
    expect(summaryOf([2 ** 40]).max).toBe(2 ** 40)
    expect(summaryOf([2 ** 40]).quantile(0.5)).toBeGreaterThan(2 ** 30)
  })
})

test('a set of summaries has a bound', () => {
  const set = new SummarySet({ keysMax: 2 })
  set.of('a')!.add(1)
  set.of('b')!.add(1)
  expect(set.of('c')).toBeNull()
  expect(set.of('a')!.count).toBe(1)
  expect([...set.entries()].length).toBe(2)
})

test('the digest log has every 128th transaction, wherever it starts', () => {
  const log = new DigestLog()
  for (let zxid = 200n; zxid < 700n; zxid++) log.note(zxid, 0, 1)
  for (let zxid = (1n << 32n) + 1n; zxid < (1n << 32n) + 130n; zxid++) log.note(zxid, 0, 1)
  expect(log.entries.map(({ zxid }) => zxid)).toEqual([256n, 384n, 512n, 640n, (1n << 32n) + 128n])
})

test('JSON is written as Jackson indents it', () => {
  const value = new JsonObject([
    ['10', [1n << 60n, 2]],
    ['2', new Decimal(0)],
    ['list', [new JsonObject([['a', null]]), new JsonObject([])]],
    ['none', []],
  ])
  expect(jsonText(value)).toBe(
    '{\n  "10" : [ 1152921504606846976, 2 ],\n  "2" : 0.0,\n  "list" : [ {\n    "a" : null\n  }, { } ],\n  "none" : [ ]\n}',
  )
})

test("dates are those of Java's Date", () => {
  expect(javaDate(Date.UTC(2026, 10, 21, 1, 55, 37))).toMatch(
    /^\w{3} \w{3} \d\d \d\d:\d\d:37 [A-Z]\S* 2026$/,
  )
})

function summaryOf(values: readonly number[]): Summary {
  const summary = new Summary()
  for (const value of values) summary.add(value)
  return summary
}
